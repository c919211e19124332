"""Content transfer encodings of received mail, undone.

Owns base64 and quoted-printable with what is seen in the wild: missing or early padding, foreign characters, spaces
after a soft line break, text that claims to be base64 and is not.  RFC 2045 §6.  Pure and linear; the result is never
longer than what came in.
"""

import binascii
import re

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FOREIGN = bytes(sorted(set(range(256)) - set(_ALPHABET)))
_WHITE = b" \t\r\n\v\f\0"
_SOFT_BREAK = re.compile(rb"=[ \t]+\r?\n")
_WORDS = re.compile(rb"\S[ \t]+\S")
_MAX_BLOCKS = 1_000
_MAX_PEEK = 1_000
_MAX_FOREIGN = 0.1


def undo(octets: bytes, encoding: str) -> tuple[bytes, str | None]:
    """Return the content, and what is wrong with it, if anything. An unknown encoding leaves it as it is."""
    match encoding:
        case "" | "7bit" | "8bit" | "binary":
            return octets, None
        case "base64":
            if not _looks_like_base64(octets):
                return octets, "a part claims to be base64 and is not"
            if words := _WORDS.search(octets):  # lists and scanners add a footer without looking at the encoding
                octets = octets[: octets.rfind(b"\n", 0, words.start()) + 1] or octets
            is_sound = not octets.translate(None, _ALPHABET + b"=" + _WHITE)
            return from_base64(octets), None if is_sound else "a part has broken base64"
        case "quoted-printable":
            return from_quoted_printable(octets), None
    return octets, "a part has an unknown transfer encoding"


def _looks_like_base64(octets: bytes) -> bool:
    """Return whether the first line does: one word, or what follows padding, of hardly any foreign character."""
    line = octets[:_MAX_PEEK].strip().partition(b"\n")[0]
    word, _, rest = line.strip().partition(b" ")
    foreign = len(word.translate(None, _ALPHABET + b"="))
    return foreign <= _MAX_FOREIGN * len(word) and (not rest or word.endswith(b"="))


def from_base64(octets: bytes) -> bytes:
    """Return what base64 stands for. Padding ends it, but for further blocks on lines of their own."""
    first, *others = octets.split(b"=", _MAX_BLOCKS)
    pieces = [_block(first.translate(None, _FOREIGN))]
    for other in others:
        dense = other.translate(None, _WHITE)
        if dense and (not other.lstrip(b" \t\r").startswith(b"\n") or dense.translate(None, _ALPHABET)):
            break
        pieces.append(_block(dense))
    return b"".join(pieces)


def _block(dense: bytes) -> bytes:
    left = len(dense) % 4
    if left == 1:  # six bits are no octet
        dense, left = dense[:-1], 0
    return binascii.a2b_base64(dense + b"=" * (-left % 4))


def from_quoted_printable(octets: bytes) -> bytes:
    """Return what quoted-printable stands for; an escape that is none stays as it is."""
    if b"= " in octets or b"=\t" in octets:
        octets = _SOFT_BREAK.sub(b"=\n", octets)
    return binascii.a2b_qp(octets)
