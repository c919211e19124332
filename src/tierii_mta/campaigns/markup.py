"""The marks of an HTML page where they stand in its source: tags with their attributes, comments, style sheets.

Owns finding them as a browser's tokenizer does, so that single tags can be changed and the rest of what the operator
wrote stays as it is, conditional comments and unclosed tags included.  HTML Living Standard §13.2.5.  Pure.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

_MARK = re.compile(
    r"""<!--.*?(?:-->|\Z)
    |<(?P<raw>style|script|title|textarea|xmp|iframe|noembed|noframes)\b
        (?P<attributes>(?:[^<>"']++|"[^"]{0,100000}"|'[^']{0,100000}')*+)>(?P<content>.*?)(?:</(?P=raw)\s*>|\Z)
    |<[/!?a-zA-Z](?:[^<>"']++|"[^"]{0,100000}"|'[^']{0,100000}')*+>""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_NAME = re.compile(r"</?([a-zA-Z][^\s/>]*)")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'<>]+))?""")


class Kind(Enum):
    """What a mark is."""

    START = auto()  # a start tag
    END = auto()  # an end tag
    STYLE = auto()  # a style element, whole
    RAW = auto()  # another element whose content holds no tags, whole
    OTHER = auto()  # a comment, a declaration


class Mark(NamedTuple):
    """One mark and its place."""

    kind: Kind
    start: int
    end: int
    text: str
    name: str = ""  # of an element, in lower case
    content: tuple[int, int] | None = None  # where that of a whole element begins and ends

    @property
    def head(self) -> str:
        """The start tag."""
        return self.text if self.content is None else self.text[: self.content[0] - self.start]


class Attribute(NamedTuple):
    """One attribute; the places count from the beginning of its tag."""

    name: str  # in lower case
    value: str  # as it stands there, without quotes
    is_quoted: bool
    start: int
    end: int


def marks(page: str) -> Iterator[Mark]:
    """Yield the marks of a page, in order. A `<` that begins none of them is text."""
    for found in _MARK.finditer(page):
        start, end = found.span()
        text = found[0]
        if raw := found["raw"]:
            name = raw.lower()
            kind = Kind.STYLE if name == "style" else Kind.RAW
            yield Mark(kind, start, end, text, name, found.span("content"))
        elif named := _NAME.match(text):
            yield Mark(Kind.END if text[1] == "/" else Kind.START, start, end, text, named[1].lower())
        else:
            yield Mark(Kind.OTHER, start, end, text)


def attributes(tag: str) -> Iterator[Attribute]:
    """Yield the attributes of a start tag."""
    named = _NAME.match(tag)
    for found in _ATTRIBUTE.finditer(tag, named.end() if named else 0):
        value = found[2] or ""
        is_quoted = value[:1] in {'"', "'"} and bool(value)
        yield Attribute(found[1].lower(), value[1:-1] if is_quoted else value, is_quoted, *found.span())
