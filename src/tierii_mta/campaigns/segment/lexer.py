"""From text to tokens.

Owns how names, texts, numbers and durations are written, and the bound on length.  Every pattern is linear.  Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from tierii_mta.campaigns.segment.faults import ExpressionInvalid, Fault, Span

MAX_LENGTH = 10_000

_TOKEN = re.compile(
    r"""(?P<blank>\s+)
      | (?P<number>[0-9][\w.]*)
      | (?P<name>[^\W\d]\w*)
      | `(?P<quoted>[^`\n]+)`
      | '(?P<single>[^'\n]*)'
      | "(?P<double>[^"\n]*)"
      | (?P<sign>==|!=|<=|>=|<>|&&|\|\||[<>=!&|()\[\],+-])""",
    re.VERBOSE,
)
_MEANT = {"=": "==", "<>": "!=", "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not"}


class Sort(Enum):
    """What a token is."""

    WORD = "word"  # a name or a word of the language
    FIELD = "field"  # a name in backquotes
    TEXT = "text"
    NUMBER = "number"  # a duration too
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text."""

    sort: Sort
    text: str  # without quotes; words in lower case
    span: Span

    def says(self, *words: str) -> bool:
        """Return whether it is one of these words or signs."""
        return self.sort in {Sort.WORD, Sort.SIGN} and self.text in words


_SORTS = {
    "name": Sort.WORD,
    "quoted": Sort.FIELD,
    "single": Sort.TEXT,
    "double": Sort.TEXT,
    "number": Sort.NUMBER,
    "sign": Sort.SIGN,
}


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of an expression, the end last; raises `ExpressionInvalid`."""
    if len(text) > MAX_LENGTH:
        _refuse(text, Span(0, 0), f"has {len(text)} characters, more than {MAX_LENGTH}", "put the lists into a column")
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            _refuse_character(text, at)
        at = found.end()
        kind = found.lastgroup or ""
        if kind != "blank":
            yield _token(text, kind, found[kind], Span(found.start(), at))
    yield Token(Sort.END, "", Span(len(text), len(text)))


def _token(text: str, kind: str, value: str, span: Span) -> Token:
    if kind == "sign" and value in _MEANT:
        _refuse(text, span, "is no sign of this language", f"write {_MEANT[value]}")
    return Token(_SORTS[kind], value.lower() if kind == "name" else value, span)


def _refuse_character(text: str, at: int) -> NoReturn:
    if text[at] in "'\"`":
        _refuse(text, Span(at, len(text)), "this quote is never closed", f"add {text[at]} where it ends")
    _refuse(text, Span(at, at + 1), "no expression has this character", "put texts in quotes, odd names in backquotes")


def _refuse(text: str, span: Span, what: str, remedy: str) -> NoReturn:
    raise ExpressionInvalid([Fault(text, span, what, remedy)])
