"""SPF macros: strings in which `%{…}` stands for a fact about the SMTP session.

Owns their syntax and what they expand to; not where they may stand (authentication.spf_record) nor how the client's
name is validated (authentication.spf).  RFC 7208 §7.  Pure, and linear in the length of its input.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

from tierii_mta.clock import Instant

MAX_NAME = 253  # characters of a name that can be asked for, §7.3
_TOKEN = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([-.+,/_=]*)\}|(%[%_-])|([!-$&-~]+)")
_TEXT_TOKEN = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([-.+,/_=]*)\}|(%[%_-])|([ -$&-~]+)")
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
_ANYWHERE = frozenset("slodiphv")
_IN_TEXT = _ANYWHERE | frozenset("crt")
_MANY_PARTS = 128  # more than any value has


class MalformedMacro(ValueError):
    """Not a macro string; the text says why."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """One `%{…}`."""

    letter: str  # lower case
    parts: int  # how many from the right are kept
    is_reversed: bool
    delimiters: str
    is_escaped: bool  # for URLs, asked for by a capital letter


@dataclass(frozen=True, slots=True)
class MacroString:
    """A macro string that is well formed."""

    text: str
    pieces: Sequence[str | Expansion]
    ends_in_macro: bool

    def uses(self, letter: str) -> bool:
        """Return whether it asks for this fact."""
        return any(isinstance(piece, Expansion) and piece.letter == letter for piece in self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What macros can ask for, except what changes from record to record."""

    address: IPv4Address | IPv6Address  # of the client; never a mapped one
    local: str  # of the sender
    domain: str  # of the sender
    client_name: str  # as given with HELO or EHLO
    receiver: str  # our own name
    now: Instant


def parse_macro_string(text: str, *, is_text: bool = False, is_free: bool = False) -> MacroString:
    """Return the pieces; raises `MalformedMacro`.

    `is_text`: an explanation, with spaces and three macros more.  `is_free`: of a modifier nobody knows.
    """
    token = _TEXT_TOKEN if is_text else _TOKEN
    letters = _IN_TEXT if is_text or is_free else _ANYWHERE
    pieces: list[str | Expansion] = []
    place, is_macro = 0, False
    while place < len(text):
        found = token.match(text, place)
        if found is None:
            raise MalformedMacro(f"has {text[place : place + 10]!r}, which is no macro")
        letter, digits, reverse, delimiters, escape, literal = found.groups()
        if letter:
            if letter.lower() not in letters:
                raise MalformedMacro(f"asks for %{{{letter}}}, which does not exist here")
            pieces.append(Expansion(letter.lower(), _parts(digits), bool(reverse), delimiters, letter.isupper()))
        else:
            pieces.append(_ESCAPES[escape] if escape else literal)
        place, is_macro = found.end(), not literal
    return MacroString(text, pieces, is_macro)


def _parts(digits: str) -> int:
    if not digits:
        return _MANY_PARTS
    number = digits.lstrip("0")
    if not number:
        raise MalformedMacro("keeps no part of a macro")
    return min(int(number), _MANY_PARTS) if len(number) <= 3 else _MANY_PARTS


def expand(macro: MacroString, facts: Facts, *, domain: str, validated: str) -> str:
    """Return what a macro string says. `domain`: whose record it is; `validated`: the client's name, or "unknown"."""
    return "".join(
        piece if isinstance(piece, str) else _expansion(piece, _value(piece.letter, facts, domain, validated))
        for piece in macro.pieces
    )


def fit_name(name: str) -> str:
    """Return a name without final dot, from which labels were taken from the left until it can be asked for."""
    name = name.removesuffix(".")
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def _value(letter: str, facts: Facts, domain: str, validated: str) -> str:
    return {
        "s": f"{facts.local}@{facts.domain}",
        "l": facts.local,
        "o": facts.domain,
        "d": domain,
        "i": _dotted(facts.address),
        "p": validated,
        "v": "in-addr" if isinstance(facts.address, IPv4Address) else "ip6",
        "h": facts.client_name,
        "c": str(facts.address),
        "r": facts.receiver,
        "t": str(facts.now // 1000),
    }[letter]


def _dotted(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return ".".join(address.exploded.replace(":", "").upper())


def _expansion(how: Expansion, value: str) -> str:
    if how.delimiters or how.is_reversed or how.parts < _MANY_PARTS:
        parts = re.split(f"[{re.escape(how.delimiters or '.')}]", value)
        if how.is_reversed:
            parts.reverse()
        value = ".".join(parts[-how.parts :])
    return quote(value, safe="") if how.is_escaped else value
