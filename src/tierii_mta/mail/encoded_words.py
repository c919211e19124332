"""Encoded words of received header fields, as senders write them.

Owns decoding (RFC 2047 §4, the language tag of RFC 2231 §5): also words that touch other text, stand in quotes, hold
spaces, are longer than allowed or share a character with the next one.  Writing them is `mail.header`'s.  What is no
word stays as it is.  Pure and linear: each character is looked at a bounded number of times.
"""

import binascii

from tierii_mta.mail.charset import decode
from tierii_mta.mail.transfer import from_base64

_MAX_LABEL = 80


def decode_words(text: str) -> str:
    """Return the text with its encoded words decoded; white space between two words is not part of it (§6.2)."""
    pieces: list[str] = []
    label, octets = "", list[bytes]()  # of the words at hand, which may share a character
    position, last = 0, text.rfind("?=")
    while 0 <= (start := text.find("=?", position)) < last:
        word = _word_at(text, start)
        if word is None:
            pieces += _joined(label, octets), text[position : start + 2]
            octets, position = [], start + 2
            continue
        between = text[position:start]
        if octets and not between.strip(" \t"):
            between = ""
        if between or word[0] != label:
            pieces += _joined(label, octets), between
            label, octets = word[0], []
        octets.append(word[1])
        position = word[2]
    pieces += _joined(label, octets), text[position:]
    return "".join(pieces)


def _word_at(text: str, start: int) -> tuple[str, bytes, int] | None:
    """Return the charset, the octets and the end of the word that starts here."""
    end_of_label = text.find("?", start + 2, start + 2 + _MAX_LABEL)
    encoding = text[end_of_label + 1 : end_of_label + 3].lower()
    if end_of_label < 0 or encoding not in ("b?", "q?"):
        return None
    end = text.find("?=", end_of_label + 3)
    if end < 0:
        return None
    said = text[end_of_label + 3 : end].encode("utf-8", "replace")
    octets = from_base64(said) if encoding == "b?" else binascii.a2b_qp(said, header=True)
    return text[start + 2 : end_of_label].partition("*")[0].lower(), octets, end + 2


def _joined(label: str, octets: list[bytes]) -> str:
    return decode(b"".join(octets), label).replace("\r", " ").replace("\n", " ") if octets else ""
