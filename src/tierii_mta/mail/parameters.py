"""Fields of the form `value; name=value; …`, as Content-Type and Content-Disposition are.

Owns their syntax (RFC 2045 §5.1) with continuations, charsets and percent signs (RFC 2231), and what senders write
instead: missing semicolons, spaces around `=`, unfinished quotes, encoded words, comments.  The first of two equal
names counts.  Pure and linear.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from tierii_mta.mail.charset import decode
from tierii_mta.mail.encoded_words import decode_words

_MAX_WORDS = 200  # parameters and what is none
_MAX_CHARACTERS = 32_000
_VALUE = re.compile(r"[^\s;()\",]+")
_NEXT = re.compile(r"[\s;,]*")
_NAME = re.compile(r"([^\s=;()\",]{1,100})[ \t]*=[ \t]*")
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)(?:"|\\?\Z)', re.DOTALL)
_TOKEN = re.compile(r"[^;\s]*")
_OTHER = re.compile(r"[^\s;]+|.", re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')  # other backslashes are those of a path
_SECTION = re.compile(r"(.+?)\*(?:([0-9]{1,3})(\*?))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parameters:
    """`value` in lower case, parameters decoded and under their names in lower case."""

    value: str
    parameters: Mapping[str, str]


def parse_parameters(text: str) -> Parameters:
    """Return what an unfolded field says; never raises. Encoded words may still stand in it."""
    text = text[:_MAX_CHARACTERS]
    position = _skip(text, 0)
    found = _VALUE.match(text, position)
    value = ""
    if found and not _NAME.match(text, position):  # `Content-Disposition: ; filename=…` has none
        value, position = found[0].lower(), found.end()
    raw: dict[str, str] = {}
    for _ in range(_MAX_WORDS):
        position = _skip(text, position)
        name = _NAME.match(text, position)
        if name is None:
            other = _OTHER.match(text, position)
            if other is None:
                break
            position = other.end()
            continue
        said, position = _said(text, name.end())
        raw.setdefault(name[1].lower(), said)
    return Parameters(value, _assembled(raw))


def _said(text: str, position: int) -> tuple[str, int]:
    """Return a parameter's value and where it ends."""
    quoted = _QUOTED.match(text, position)
    if quoted:
        said = quoted[1]
        return _ESCAPED.sub(r"\1", said) if "\\" in said else said, quoted.end()
    end = _TOKEN.match(text, position).end()  # type: ignore[union-attr]  # it matches anything
    return text[position:end], end


def _skip(text: str, position: int) -> int:
    """Return where the next word starts, past white space, semicolons and comments."""
    while True:
        position = _NEXT.match(text, position).end()  # type: ignore[union-attr]  # it matches anything
        if not text.startswith("(", position):
            return position
        closed = text.find(")", position)
        position = closed + 1 if closed >= 0 else len(text)


def _assembled(raw: Mapping[str, str]) -> dict[str, str]:
    """Join continuations and decode; a name given in the extended form wins over the plain one (RFC 6266 §4.3)."""
    plain = {name: decode_words(said) if "=?" in said else said for name, said in raw.items() if "*" not in name}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, said in raw.items():
        found = _SECTION.fullmatch(name) if "*" in name else None
        if found:
            is_extended = found[2] is None or bool(found[3])
            sections.setdefault(found[1], {}).setdefault(int(found[2] or 0), (said, is_extended))
    return plain | {name: _decoded(some) for name, some in sections.items()}


def _decoded(sections: Mapping[int, tuple[str, bool]]) -> str:
    """Return the value that sections make together. A charset stands at the start of the first one."""
    label, octets = None, b""
    for index, number in enumerate(sorted(sections)):
        said, is_extended = sections[number]
        if index == 0 and is_extended and said.count("'") >= 2:
            label, _, said = said.split("'", 2)
        octets += unquote_to_bytes(said) if is_extended else said.encode("utf-8", "replace")
    text = decode(octets, label)
    return decode_words(text) if "=?" in text else text
