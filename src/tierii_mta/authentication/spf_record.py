"""SPF records: which of a name's TXT records is one, and what it says.

Owns the grammar of RFC 7208 §12; not what a term means for a client (authentication.spf).  Any fault anywhere in a
record spoils the whole of it (§4.6).  Pure, and linear in the length of its input.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from tierii_mta.authentication.spf_macros import MacroString, MalformedMacro, parse_macro_string

_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([-+?~]?)([A-Za-z][A-Za-z0-9._-]*)(.*)", re.DOTALL)
_PREFIXES = re.compile(r"(?:/([0-9]+))?(?://([0-9]+))?\Z")
_IP4 = re.compile(r":([0-9.]+)(?:/([0-9]+))?")
_IP6 = re.compile(r":([0-9A-Fa-f:.]+)(?:/([0-9]+))?")
_TOP_LABEL = re.compile(r"[A-Za-z0-9-]+")


class MalformedRecord(ValueError):
    """Not an SPF record that can be evaluated; the text says what is wrong."""


class Name(StrEnum):
    """The mechanisms."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """A mechanism with its qualifier."""

    text: str  # as written
    qualifier: str  # + - ~ ?
    name: Name
    target: MacroString | None = None  # None: the domain whose record it is
    network: IPv4Network | IPv6Network | None = None  # of ip4 and ip6
    prefix4: int = 32  # of a and mx
    prefix6: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record that is well formed."""

    mechanisms: Sequence[Mechanism]
    redirect: MacroString | None
    explanation: MacroString | None


def choose_record(records: Iterable[bytes]) -> bytes | None:
    """Return the one SPF record among a name's TXT records, None where there is none (§4.5).

    Raises `MalformedRecord` where there are several.
    """
    chosen = [each for each in records if each[:6].lower() == b"v=spf1" and each[6:7] in (b"", b" ")]
    if len(chosen) > 1:
        raise MalformedRecord(f"there are {len(chosen)} SPF records")
    return chosen[0] if chosen else None


@lru_cache(maxsize=256)  # most mail comes by way of few providers, whom many records include
def parse_record(octets: bytes) -> Record:
    """Read a record that `choose_record` chose; raises `MalformedRecord`."""
    try:
        text = octets.decode("ascii")
    except UnicodeDecodeError as cause:
        raise MalformedRecord("the record is not ASCII") from cause
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroString] = {}
    for term in text.split(" ")[1:]:
        if not term:
            continue
        try:
            _read_term(term, mechanisms, modifiers)
        except ValueError as cause:
            raise MalformedRecord(f"the term {term[:80]!r} {cause}") from cause
    return Record(mechanisms=mechanisms, redirect=modifiers.get("redirect"), explanation=modifiers.get("exp"))


def _read_term(term: str, mechanisms: list[Mechanism], modifiers: dict[str, MacroString]) -> None:
    modifier = _MODIFIER.fullmatch(term)
    if modifier is None:
        mechanisms.append(_mechanism(term))
        return
    name, value = modifier[1].lower(), modifier[2]
    if name not in ("redirect", "exp"):
        parse_macro_string(value, is_free=True)  # unknown, and well formed nevertheless
        return
    if name in modifiers:
        raise MalformedRecord("stands for the second time")
    modifiers[name] = _domain_spec(value)


def _mechanism(term: str) -> Mechanism:
    found = _DIRECTIVE.fullmatch(term)
    if found is None or found[2].lower() not in set(Name):
        raise MalformedRecord("is no mechanism")
    qualifier, name, rest = found[1] or "+", Name(found[2].lower()), found[3]
    match name:
        case Name.ALL:
            if rest:
                raise MalformedRecord("takes nothing")
            return Mechanism(text=term, qualifier=qualifier, name=name)
        case Name.IP4:
            return Mechanism(text=term, qualifier=qualifier, name=name, network=_network4(rest))
        case Name.IP6:
            return Mechanism(text=term, qualifier=qualifier, name=name, network=_network6(rest))
        case Name.A | Name.MX:
            prefixes = _PREFIXES.search(rest)
            assert prefixes is not None  # it matches the empty end
            target = _optional_target(rest[: prefixes.start()])
            prefix4, prefix6 = _prefix(prefixes[1], 32), _prefix(prefixes[2], 128)
            return Mechanism(text=term, qualifier=qualifier, name=name, target=target, prefix4=prefix4, prefix6=prefix6)
        case Name.PTR:
            return Mechanism(text=term, qualifier=qualifier, name=name, target=_optional_target(rest))
        case Name.INCLUDE | Name.EXISTS:
            if not rest.startswith(":"):
                raise MalformedRecord("lacks a domain")
            return Mechanism(text=term, qualifier=qualifier, name=name, target=_domain_spec(rest[1:]))


def _optional_target(text: str) -> MacroString | None:
    if not text:
        return None
    if not text.startswith(":"):
        raise MalformedRecord("is no mechanism")
    return _domain_spec(text[1:])


def _domain_spec(text: str) -> MacroString:
    """Return a macro string that ends in a macro or in a dot and a label that can be a top-level domain."""
    macro = parse_macro_string(text)
    if macro.ends_in_macro:
        return macro
    _, dot, label = text.removesuffix(".").rpartition(".")
    if not dot or not _TOP_LABEL.fullmatch(label) or label[0] == "-" or label[-1] == "-" or label.isdigit():
        raise MalformedMacro("does not name a domain")
    return macro


def _network4(text: str) -> IPv4Network:
    found = _IP4.fullmatch(text)
    if found is None:
        raise MalformedRecord("lacks an IPv4 address")
    return IPv4Network((IPv4Address(found[1]), _prefix(found[2], 32)), strict=False)


def _network6(text: str) -> IPv6Network:
    found = _IP6.fullmatch(text)
    if found is None:
        raise MalformedRecord("lacks an IPv6 address")
    return IPv6Network((IPv6Address(found[1]), _prefix(found[2], 128)), strict=False)


def _prefix(text: str | None, longest: int) -> int:
    if text is None:
        return longest
    if len(text) > 3 or (len(text) > 1 and text[0] == "0") or int(text) > longest:
        raise MalformedRecord(f"has a prefix that is not from 0 to {longest}")
    return int(text)
