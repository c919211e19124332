"""JSON read piece by piece: the items of an array, wherever in the document it is, in bounded memory.

Owns the walk; values are decoded by `json`, one item at a time, of at most `MAX_LINE` characters.  What is passed over
may be of any size.  RFC 8259; NaN and Infinity are none of it.  Pure but for the stream it is given.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn, TextIO

from tierii_mta.campaigns.feeds.feed import MAX_LINE
from tierii_mta.errors import CheckFailed
from tierii_mta.queue.delivery import Json

_PIECE = 1 << 16
_BLANK = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"[0-9.eE+-]*")
_STRUCTURE = re.compile(r'["\[\]{}]')
_STRING_MARK = re.compile(r'["\\]')


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_no_constant)
"""JSON as the RFC has it."""


class JsonStream:
    """A JSON document; errors name its file and line."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._text, self._at, self._is_whole = "", 0, False
        self._line, self._counted = 1, 0  # lines up to `_counted`

    def items(self, path: Sequence[str]) -> Iterator[tuple[int, Json]]:
        """Yield the line and the value of each item of the array that the keys lead to; raises `CheckFailed`."""
        for key in path:
            self._enter(key)
        if self._peek() != "[":
            raise self._error(f"{'.'.join(path) or 'the document'} is not an array", "name the array with items")
        self._at += 1
        if self._peek() == "]":
            return
        while True:
            self._peek()
            yield self.line, self._value()
            match self._peek():
                case ",":
                    self._at += 1
                case "]":
                    return
                case _:
                    raise self._malformed("',' or ']' expected")

    def first(self) -> str:
        """Return the first character that is not white space, or nothing."""
        return self._peek()

    @property
    def line(self) -> int:
        """Where we are."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _enter(self, key: str) -> None:
        """Go to the value of a key of the object that begins here."""
        if self._peek() != "{":
            raise self._error(f"there is no object that could hold {key!r}", "check items")
        self._at += 1
        while self._peek() == '"':
            name = self._value()
            if self._peek() != ":":
                raise self._malformed("':' expected")
            self._at += 1
            if name == key:
                return
            self._skip()
            if self._peek() == ",":
                self._at += 1
        if self._peek() == "}":
            raise self._error(f"there is no {key!r}", "check items; it counts from the outermost object")
        raise self._malformed("a key or '}' expected")

    def _peek(self) -> str:
        while True:
            found = _BLANK.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def _value(self) -> Json:
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise self._malformed("it is nested too deeply") from None
            except ValueError as fault:
                if isinstance(fault, json.JSONDecodeError) and self._grow():
                    continue
                raise self._malformed(fault.msg if isinstance(fault, json.JSONDecodeError) else str(fault)) from fault
            if isinstance(value, (int, float)) and self._may_go_on(end) and self._grow():
                continue  # the number may go on
            if end - self._at > MAX_LINE:
                raise self._malformed(f"an item has more than {MAX_LINE} characters")
            self._at = end
            return value  # type: ignore[no-any-return]  # what json decodes is Json

    def _may_go_on(self, end: int) -> bool:
        """Return whether nothing but the signs of a number stands between there and where the text ends by now."""
        found = _NUMBER.match(self._text, end)
        return found is not None and found.end() == len(self._text)

    def _grow(self) -> bool:
        """Read on behind a value that is not whole; False at the end, or where it is too long."""
        return len(self._text) - self._at <= MAX_LINE and self._fill()

    def _skip(self) -> None:
        """Pass over a value of any size."""
        if self._peek() == '"':
            self._at += 1
            self._skip_string()
        elif self._peek() in {"{", "["}:
            self._skip_container()
        else:
            self._value()

    def _skip_container(self) -> None:
        depth = 0
        while mark := self._find(_STRUCTURE):
            if mark == '"':
                self._skip_string()
            else:
                depth += 1 if mark in "{[" else -1
            if depth == 0:
                return
        raise self._malformed("it ends within a value")

    def _skip_string(self) -> None:
        while mark := self._find(_STRING_MARK):
            if mark == '"':
                return
            if self._at < len(self._text) or self._fill():
                self._at += 1  # what a backslash escapes
        raise self._malformed("it ends within a text")

    def _find(self, pattern: re.Pattern[str]) -> str:
        """Go behind the next character the pattern matches and return it; nothing at the end."""
        while True:
            if found := pattern.search(self._text, self._at):
                self._at = found.end()
                return found[0]
            self._at = len(self._text)
            if not self._fill():
                return ""

    def _fill(self) -> bool:
        """Read the next piece, larger for a large value; False at the end."""
        if self._is_whole:
            return False
        kept = len(self._text) - self._at
        piece = self._stream.read(max(_PIECE, kept))
        self._is_whole = not piece
        at_line = self.line
        self._text = self._text[self._at :] + piece
        self._line, self._counted, self._at = at_line, 0, 0
        return bool(piece)

    def _malformed(self, why: str) -> CheckFailed:
        return self._error(f"is malformed: {why}", "is it JSON?")

    def _error(self, what: str, remedy: str) -> CheckFailed:
        return CheckFailed(what, where=f"{self._name}:{self.line}", remedy=remedy)
