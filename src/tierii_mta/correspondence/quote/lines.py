"""The lines of a message, and what each was found to be.

Owns where lines begin and end in the source and the text that recognition looks at; not the recognising itself.  Pure.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_LOOKED_AT = 500  # characters of a line that patterns see
_WRAPPED_AT = 70  # clients that wrap do it from here on

_UNSEEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\u061c]+")  # zero width, directions
_SPACES = re.compile(r"[\s\u00a0\u3000]+")
_QUOTED = re.compile(r">|＞|&gt;|(?!PS>|SQL>)[A-Z]{1,3}>{1,3}(?=\s|$)")  # "AB>"; prompts are none
_OWN_PREFIX = re.compile(r"-{0,2}[\])|»}>:%&#=~!+]{1,3}|\w{1,12}>{1,3}")  # "--]", ")", "Ann>"
_FENCE = re.compile(r"```")


class Role(StrEnum):
    """What a line is."""

    BLANK = "blank"
    WORDS = "words"  # new, as far as anything tells
    QUOTE = "quote"  # from an earlier message
    HEADER = "header"  # announces a quote
    SIGNATURE = "signature"
    FOOTER = "footer"  # added on the way or by a program: disclaimers, list footers, armour


@dataclass(slots=True)
class Line:
    """One line. `role` and `rule` change as more is found out."""

    start: int  # in the source
    end: int  # without the line end
    text: str  # without odd spaces and invisible characters, at most 500 characters
    role: Role
    rule: str = ""
    is_code: bool = False  # between ``` fences: nothing in it is looked at


def split(source: str) -> list[Line]:
    """Return the lines of a message: blank, quoted by a prefix, or words."""
    lines: list[Line] = []
    start, is_code = 0, False
    while start < len(source):
        end = source.find("\n", start)
        end = len(source) if end < 0 else end
        text = seen(source[start : min(end, start + MAX_LOOKED_AT)])
        is_fence = bool(_FENCE.match(text))
        role = Role.BLANK if not text else Role.QUOTE if not is_code and _QUOTED.match(text) else Role.WORDS
        lines.append(Line(start, end, text, role, "prefix" if role is Role.QUOTE else "", is_code or is_fence))
        is_code ^= is_fence
        start = end + 1
    if is_code:  # a fence that is never closed is none
        for line in lines:
            line.is_code = False
    _mend_wrapped(lines)
    return lines


def seen(text: str) -> str:
    """Return what a reader sees of a line: single spaces, nothing invisible, nothing at its ends."""
    if not text.isascii():
        text = _UNSEEN.sub("", text)
    return _SPACES.sub(" ", text).strip()


def _mend_wrapped(lines: Sequence[Line]) -> None:
    """Quoted lines that a client wrapped leave their last words on a line without prefix: give those back."""
    for index in range(1, len(lines)):
        before, line = lines[index - 1], lines[index]
        if line.role is not Role.WORDS or before.role is not Role.QUOTE or not line.text[0].islower():
            continue
        after = lines[index + 1].role if index + 1 < len(lines) else Role.BLANK
        is_between = after is Role.QUOTE or (after is Role.BLANK and before.text[-1] not in ".!?:")
        if is_between and len(before.text) + 1 + len(line.text.partition(" ")[0]) > _WRAPPED_AT:
            line.role, line.rule = Role.QUOTE, "prefix-wrapped"


def mark_own_prefix(lines: Sequence[Line], start: int) -> None:
    """Mark the lines that begin as the first one from here on does, if that is a sign somebody quotes with."""
    first = next_seen(lines, start)
    found = _OWN_PREFIX.match(lines[first].text) if first is not None and lines[first].role is Role.WORDS else None
    if first is None or found is None:
        return
    for line in lines[first:]:
        if line.role is Role.WORDS and line.text.startswith(found[0]):
            line.role, line.rule = Role.QUOTE, "own-prefix"


def mark(lines: Iterable[Line], role: Role, rule: str) -> None:
    """Give all lines but blank ones a role."""
    for line in lines:
        if line.role is not Role.BLANK:
            line.role, line.rule = role, rule


def next_seen(lines: Sequence[Line], index: int) -> int | None:
    """Return the index of the first line from here on that is not blank."""
    return next((at for at in range(index, len(lines)) if lines[at].role is not Role.BLANK), None)


def paragraphs(lines: Sequence[Line]) -> Iterator[tuple[int, int]]:
    """Yield the runs of words between anything else, as index ranges."""
    start: int | None = None
    for index, line in enumerate(lines):
        if line.role is Role.WORDS:
            start = index if start is None else start
        elif start is not None:
            yield start, index
            start = None
    if start is not None:
        yield start, len(lines)
