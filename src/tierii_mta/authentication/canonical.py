"""DKIM canonicalisation: the one form of a header field and of a body that a signature is about.

Owns the algorithms `simple` and `relaxed`; not which fields are signed.  RFC 6376 §3.4.  Pure, and linear in the
length of its input whatever the input is: runs of white space are matched once and never again.

`BodyCanonicalizer` gives in pieces what `canonical_body` gives at once, for bodies that are better not held whole.
"""

import re
from enum import StrEnum

_CRLF = b"\r\n"
_NARROWED = re.compile(rb"[ \t]{2,}|\t")  # every run that is not already one space


class Canonicalization(StrEnum):
    """The two algorithms."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


def canonical_header(raw: bytes, how: Canonicalization) -> bytes:
    """Return one field, given with its name and line ends, in canonical form; relaxed ends in exactly one CR LF."""
    return raw if how is Canonicalization.SIMPLE else relaxed_header(raw)


def canonical_body(body: bytes, how: Canonicalization) -> bytes:
    """Return a body with CR LF line ends in canonical form; what is empty stays empty, or one CR LF under simple."""
    return simple_body(body) if how is Canonicalization.SIMPLE else relaxed_body(body)


def relaxed_header(raw: bytes) -> bytes:
    """Return `name:value` CR LF: the name in lower case, the value unfolded and narrowed (§3.4.2)."""
    name, _, value = raw.partition(b":")
    return name.rstrip(b" \t").lower() + b":" + _narrow(value.replace(_CRLF, b"")).strip(b" ") + _CRLF


def simple_body(body: bytes) -> bytes:
    """Return the body with exactly one line end at its end (§3.4.3)."""
    return _without_last_line_ends(body) + _CRLF


def relaxed_body(body: bytes) -> bytes:
    """Return the body narrowed, without white space at line ends nor empty lines at its end (§3.4.4)."""
    body = _narrow(body).replace(b" \r\n", _CRLF)
    if body.endswith(b" "):
        body = body[:-1]  # the last line, where it lacks its line end
    body = _without_last_line_ends(body)
    return body + _CRLF if body else b""


class BodyCanonicalizer:
    """Takes a body cut anywhere, and gives its canonical form piece by piece. Use it for one body."""

    __slots__ = ("_how", "_is_begun", "_line", "_line_ends")

    def __init__(self, how: Canonicalization) -> None:
        self._how = how
        self._line: list[bytes] = []  # the line under way
        self._line_ends = 0  # seen, and given only if more than line ends follows
        self._is_begun = False

    def feed(self, piece: bytes) -> bytes:
        """Return what is now certain."""
        cut = piece.rfind(b"\n") + 1  # no rule looks across a LF
        if not cut:
            self._line.append(piece)
            return b""
        lines = b"".join((*self._line, piece[:cut]))
        self._line = [piece[cut:]]
        if self._how is Canonicalization.RELAXED:
            lines = _narrow(lines).replace(b" \r\n", _CRLF)
        return self._give(lines)

    def finish(self) -> bytes:
        """Return the rest."""
        last = b"".join(self._line)
        if self._how is Canonicalization.RELAXED:
            last = _narrow(last).removesuffix(b" ")
        rest = self._give(last)
        return rest + _CRLF if self._is_begun or self._how is Canonicalization.SIMPLE else b""

    def _give(self, lines: bytes) -> bytes:
        text = _without_last_line_ends(lines)
        line_ends = (len(lines) - len(text)) // 2
        if not text:
            self._line_ends += line_ends
            return b""
        given = _CRLF * self._line_ends + text
        self._line_ends, self._is_begun = line_ends, True
        return given


def _narrow(octets: bytes) -> bytes:
    """Return octets with each run of spaces and tabs as one space."""
    if b"\t" in octets or b"  " in octets:
        return _NARROWED.sub(b" ", octets)
    return octets


def _without_last_line_ends(body: bytes) -> bytes:
    end = len(body)
    while body.endswith(_CRLF, 0, end):
        end -= 2
    return body[:end]
