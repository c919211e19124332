"""DKIM canonicalisation: the one form of a header field and of a body that a signature is about.

Owns the algorithms `simple` and `relaxed`; not which fields are signed.  RFC 6376 §3.4.  Pure, and linear in the
length of its input whatever the input is: runs of white space are matched once and never again.
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
