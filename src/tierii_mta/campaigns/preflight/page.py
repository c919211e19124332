"""An HTML part as a reader and a filter see it: its links, its forms and scripts, its visible text.

Owns reading, not judging.  Markup that is broken is read as far as it goes.  Pure.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![\d.])", re.IGNORECASE)
_SILENT = frozenset({"script", "style", "head", "title", "template"})
_APART = frozenset({"p", "br", "div", "td", "th", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)


@dataclass(slots=True)
class Link:
    """An `<a href>` or `<area href>`."""

    href: str
    line: int
    text: str = ""  # what a reader sees of it; an image counts with its alternative text
    is_hidden: bool = False


@dataclass(slots=True)
class Page:
    """What one HTML part shows and does."""

    links: list[Link] = field(default_factory=list)
    forms: int = 0
    scripts: int = 0  # elements, `on…` attributes and `javascript:` links
    text: str = ""  # visible


def read_page(html: str) -> Page:
    """Return what a page holds."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.page.text = " ".join("".join(reader.words).split())
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.words: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []  # tag, is it hidden, is it silent
        self._link: Link | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        was_hidden, was_silent = self._open[-1][1:] if self._open else (False, False)
        is_hidden = was_hidden or bool(_HIDING.search(values.get("style", ""))) or "hidden" in values
        if tag not in _VOID:
            self._open.append((tag, is_hidden, was_silent or tag in _SILENT))
        href = values.get("href", "").strip()
        if tag in {"a", "area"} and "href" in values:
            self._link = Link(href, self.getpos()[0], is_hidden=is_hidden, text=values.get("alt", ""))
            self.page.links.append(self._link)
        if tag == "img" and self._link is not None:
            self._link.text += values.get("alt", "")
        self.page.forms += tag == "form"
        self.page.scripts += tag == "script" or href.lower().startswith("javascript:")
        self.page.scripts += any(name.startswith("on") for name in values)
        if tag in _APART:
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None
        if tag in _APART:
            self.words.append(" ")
        for depth in range(len(self._open) - 1, max(len(self._open) - 20, -1), -1):  # what stays open is not looked for
            if self._open[depth][0] == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        is_hidden, is_silent = self._open[-1][1:] if self._open else (False, False)
        if is_silent:
            return
        if self._link is not None:
            self._link.text += data
        if not is_hidden:
            self.words.append(data)
