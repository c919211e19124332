"""Text made from HTML: the text part of a mail (`text: auto`), and what a reply in HTML says.

Owns a small converter: one pass over tags and text; links as `text <url>`; lists, tables and headings as lines.  Not a
browser: it knows no CSS.  Made here because text is made anew for each mail: html.parser, which the libraries
build on, needs three times as long, most of it for tags that are the same in every mail of a campaign and that we
remember instead.  Linear in its input.
"""

import re
from collections.abc import Callable, Mapping
from html import unescape

_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|head|title|template)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"(<[/!?a-zA-Z][^<>]*>)")
_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)")
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\u200b-\u200d\u2060\ufeff\u00ad\u034f]+")  # the padding behind preheaders
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "section", "article", "header", "footer"}
)
_LINES = frozenset({"div", "tr", "dt", "dd", "address", "center", "form", "figure", "figcaption", "main", "nav"})
_OTHERS = frozenset({"a", "li", "img", "hr", "pre", "td", "th"})
SHOWN_SCHEMES = ("http://", "https://", "mailto:", "tel:")
_MAX_REMEMBERED = 2000
_MAX_INDENT = 8

_Move = tuple[str, str]  # what a tag does, and the address or text it carries


class TextMaker:
    """Makes text parts, best one maker for all mails of a campaign. Safe to share between threads."""

    def __init__(self) -> None:
        self._moves: dict[str, _Move | None] = {}

    def to_text(self, html: str) -> str:
        """Return what a reader without HTML should see."""
        page = _Page()
        for number, piece in enumerate(_TAG.split(_HIDDEN.sub("", html))):
            if number % 2 == 0:
                if piece:
                    page.text(piece)
            elif (move := self._move(piece)) is not None:
                page.move(*move)
        return page.finish()

    def _move(self, tag: str) -> _Move | None:
        try:
            return self._moves[tag]
        except KeyError:
            move = _read_tag(tag)
            if len(self._moves) < _MAX_REMEMBERED:
                self._moves[tag] = move
            return move


def link_target(tag: str) -> str:
    """Return the address that is shown behind the text of a link, by its start tag; empty: none is."""
    target = unescape(_first(_HREF, tag)).strip()
    return target if target.lower().startswith(SHOWN_SCHEMES) else ""


class _Page:
    """Lines under construction."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line = ""
        self._link: tuple[str, int, int] | None = None  # target, and where its text begins
        self._lists: list[int | None] = []  # the next number of each open list, None for bullets
        self._pre = 0

    def text(self, raw: str) -> None:
        text = unescape(raw) if "&" in raw else raw
        if not text.isascii():
            text = _INVISIBLE.sub("", text)
        if self._pre:
            self._preformatted(text)
            return
        words = " ".join(text.split())
        if text[:1].isspace() and self._line and not self._line.endswith(" "):
            self._line += " "
        self._line += words
        if words and text[-1].isspace():
            self._line += " "

    def move(self, kind: str, argument: str) -> None:
        _MOVES[kind](self, argument)

    def line(self, _: str) -> None:
        line, self._line = self._line.rstrip(), ""
        if line.strip():
            self._lines.append(line)

    def line_break(self, _: str) -> None:
        """End the line; one that is empty already shows as a blank one, which is how most clients part paragraphs."""
        if not self._line.strip() and self._lines and self._lines[-1]:
            self._lines.append("")
        self.line("")

    def paragraph(self, _: str = "") -> None:
        self.line("")
        if self._lines and self._lines[-1] and not self._lists:
            self._lines.append("")

    def cell(self, _: str) -> None:
        if self._line and not self._line.endswith(" "):
            self._line += " "

    def start_link(self, target: str) -> None:
        self._link = (target, len(self._lines), len(self._line))

    def end_link(self, _: str) -> None:
        if self._link is None:
            return
        target, lines, column = self._link
        self._link = None
        shown = " ".join([*self._lines[lines:], self._line])[column:].strip()
        if shown not in {target, target.removeprefix("mailto:"), target.removeprefix("tel:")}:
            self._line = f"{self._line.rstrip()} <{target}>" if shown else f"{self._line}<{target}>"

    def start_list(self, is_numbered: str) -> None:
        self.paragraph()
        self._lists.append(1 if is_numbered else None)

    def end_list(self, _: str) -> None:
        self.line("")
        del self._lists[-1:]
        self.paragraph()

    def item(self, _: str) -> None:
        self.line("")
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        indent = "  " * min(max(0, len(self._lists) - 1), _MAX_INDENT)
        self._line = indent + ("- " if number is None else f"{number}. ")

    def rule(self, _: str) -> None:
        self.paragraph()
        self._line = "-" * 40
        self.paragraph()

    def start_pre(self, _: str) -> None:
        self.paragraph()
        self._pre += 1

    def end_pre(self, _: str) -> None:
        self.paragraph()
        self._pre = max(0, self._pre - 1)

    def finish(self) -> str:
        self.line("")
        return "\n".join(self._lines).strip("\n") + "\n"

    def _preformatted(self, text: str) -> None:
        first, *others = text.replace("\r\n", "\n").split("\n")
        self._line += first
        for each in others:
            self._lines.append(self._line.rstrip())
            self._line = each


_MOVES: Mapping[str, Callable[[_Page, str], None]] = {
    "line": _Page.line,
    "break": _Page.line_break,
    "paragraph": _Page.paragraph,
    "cell": _Page.cell,
    "link": _Page.start_link,
    "/link": _Page.end_link,
    "list": _Page.start_list,
    "/list": _Page.end_list,
    "item": _Page.item,
    "image": _Page.text,
    "rule": _Page.rule,
    "pre": _Page.start_pre,
    "/pre": _Page.end_pre,
}


def _read_tag(tag: str) -> _Move | None:
    """Return what a tag does to the page; None for most, which do nothing."""
    found = _NAME.match(tag)
    name = found[1].lower() if found else ""
    is_end = tag.startswith("</")
    if name in {"ul", "ol"}:
        return ("/list", "") if is_end else ("list", "1" if name == "ol" else "")
    if name in _PARAGRAPHS:
        return ("paragraph", "")
    if name in _LINES:
        return ("line", "")
    if name == "br":
        return ("break", "")
    if name not in _OTHERS:
        return None
    return _read_end(name) if is_end else _read_start(name, tag)


def _read_end(name: str) -> _Move | None:
    return {"a": ("/link", ""), "li": ("line", ""), "pre": ("/pre", "")}.get(name)


def _read_start(name: str, tag: str) -> _Move | None:
    match name:
        case "a":
            target = link_target(tag)
            return ("link", target) if target else None
        case "img":
            alt = _first(_ALT, tag)
            return ("image", alt) if alt else None
        case "li":
            return ("item", "")
        case "hr":
            return ("rule", "")
        case "pre":
            return ("pre", "")
        case _:
            return ("cell", "")


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return next((group for group in found.groups() if group is not None), "") if found else ""
