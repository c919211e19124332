"""Style sheets of a page written into its elements (`template.inline_css`), because mail readers drop `<style>`.

Owns what is changed in the source: `style` attributes, and the sheets, which keep what cannot be inlined (`@media`,
`:hover`, `@font-face`, rules that match nothing).  Which rules win is css-inline's to say.  It rewrites a whole page in
its own hand; so each element gets a number, css-inline says what style that number ends up with, and the style alone is
written into the operator's source.  Nothing is fetched and no file is read.  CSS Cascade 4.  Pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from typing import Final

from tierii_mta.campaigns.markup import Kind, Mark, attributes, marks
from tierii_mta.outbound.content import RenderFailed

_NUMBER: Final = "data-tierii-element"
_SELECTED_ATTRIBUTE = re.compile(r"\[\s*(?:[\w-]*\|)?([\w-]+)")
_IGNORED = "data-css-inline"


def attributes_that_matter(found: Iterable[Mark]) -> frozenset[str]:
    """Return the attributes on which it depends, by the sheets of a page, which rules an element gets."""
    sheets = [mark.text for mark in found if mark.kind is Kind.STYLE]
    selected = (found[1].lower() for sheet in sheets for found in _SELECTED_ATTRIBUTE.finditer(sheet))
    return frozenset({"class", "id", "style", "type", _IGNORED, *selected})


class Inliner:
    """Inlines style sheets. Safe to share between threads."""

    def __init__(self) -> None:
        from css_inline import CSSInliner  # noqa: PLC0415  a large library, which most campaigns do without

        self._inliner = CSSInliner(
            keep_style_tags=True,
            remove_inlined_selectors=True,
            keep_at_rules=True,
            keep_link_tags=True,
            load_remote_stylesheets=False,
        )

    def inline(self, page: str, found: Sequence[Mark]) -> str:
        """Return a page, whose marks were found, with its sheets inlined; one without any is returned as it is.

        Raises `RenderFailed` where css-inline cannot.
        """
        if not any(_is_sheet(mark) for mark in found):
            return page
        numbered = _numbered(page, found).encode("utf-8", "replace").decode()  # a lone surrogate is nobody's letter
        try:
            styles, sheets = _read(self._inliner.inline(numbered))
        except ValueError as cause:
            raise RenderFailed(f"the style sheets cannot be inlined: {cause}") from cause
        out, done = list[str](), 0
        for number, mark in enumerate(found):
            if mark.kind is Kind.START and number in styles:
                new = _restyled(mark.text, styles[number])
            elif _is_sheet(mark):
                new = _refilled(mark, page, sheets.get(number, ""))
            else:
                continue
            out += (page[done : mark.start], new)
            done = mark.end
        return "".join([*out, page[done:]])


def _is_sheet(mark: Mark) -> bool:
    """Whether a mark is a style sheet that holds for every medium."""
    if mark.kind is not Kind.STYLE:
        return False
    named = {each.name: each.value.strip().lower() for each in attributes(mark.head)}
    return named.get("media", "all") in {"", "all", "screen"} and named.get(_IGNORED) != "ignore"


def _numbered(page: str, found: Sequence[Mark]) -> str:
    out, done = list[str](), 0
    for number, mark in enumerate(found):
        if mark.kind is Kind.STYLE and not _is_sheet(mark):
            out.append(page[done : mark.start])  # for another medium: none of css-inline's business
            done = mark.end
        elif mark.kind in (Kind.START, Kind.STYLE):
            at = mark.start + 1 + len(mark.name)
            out += (page[done:at], f' {_NUMBER}="{number}"')
            done = at
    return "".join([*out, page[done:]])


def _read(numbered: str) -> tuple[Mapping[int, str], Mapping[int, str]]:
    """Return what css-inline made: the style of each element that has one, and what is left of each sheet."""
    styles: dict[int, str] = {}
    sheets: dict[int, str] = {}
    for mark in marks(numbered):
        if mark.kind not in (Kind.START, Kind.STYLE):
            continue
        head = mark.head
        if mark.kind is Kind.START and "style=" not in head:
            continue
        values = {each.name: each.value for each in attributes(head)}
        if _NUMBER not in values:
            continue
        if mark.content is not None:
            sheets[int(values[_NUMBER])] = numbered[slice(*mark.content)]
        elif "style" in values:
            styles[int(values[_NUMBER])] = unescape(values["style"])
    return styles, sheets


def _restyled(tag: str, style: str) -> str:
    """Return a start tag with another style; one that means the same stays as it is written."""
    style = style.strip().removesuffix(";")
    old = next((each for each in attributes(tag) if each.name == "style"), None) if "style" in tag.lower() else None
    if old is not None and _meaning(unescape(old.value)) == _meaning(style):
        return tag
    written = 'style="' + style.replace("&", "&amp;").replace('"', "&quot;") + '"'
    if old is not None:
        return f"{tag[: old.start]}{written}{tag[old.end :]}"
    end = len(tag) - (2 if tag.endswith("/>") else 1)
    return f"{tag[:end].rstrip()} {written}{' ' if tag.endswith('/>') else ''}{tag[end:]}"


def _meaning(style: str) -> str:
    return "".join(style.split()).rstrip(";")


def _refilled(mark: Mark, page: str, content: str) -> str:
    """Return a style element with what is left of its sheet; nothing where nothing is left."""
    if not content.strip():
        return ""
    return f"{mark.head}\n{content.strip()}\n{page[mark.content[1] : mark.end] if mark.content else ''}"
