"""Mail addresses: parsing, their one normal form, and what they need on the wire.

Owns the mailbox syntax of RFC 5321 §4.1.2 with RFC 6531 (UTF-8 local parts and domains) and IDNA 2008 (RFC 5891,
with UTS #46 mapping); not display names (mail.header) nor whether anybody lives there.  Source routes, comments and
folding white space are refused.  Pure and linear in the length of its input.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Self

import idna

MAX_LOCAL_OCTETS = 64
MAX_DOMAIN_OCTETS = 255
MAX_ADDRESS_OCTETS = 254  # RFC 3696 erratum 1690
_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"')
_ESCAPED = re.compile(r"\\(.)")
_ASCII_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_LITERAL = re.compile(r"\[(?:(IPv6:)([0-9A-Fa-f:.]+)|([0-9.]+))\]", re.IGNORECASE)
_FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})  # Zs: a no-break space is a slip of the paste


class InvalidAddress(ValueError):
    """Not a mailbox; the text says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox. `local` is kept as given, with its quotes, if any; `domain` is lower-case A-labels or a literal."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the mailbox written as `local@domain`, without angle brackets or display name.

        Raises `InvalidAddress` for anything else, control characters, unassigned code points and overlong parts
        included.
        """
        if len(text) > MAX_LOCAL_OCTETS + MAX_DOMAIN_OCTETS + 1:
            raise InvalidAddress("is longer than an address can be")
        if not (text.isascii() and text.isprintable()):
            _check_characters(text)
        local, at, domain = text.rpartition("@")
        if not at or not local or not domain:
            raise InvalidAddress("is not of the form local@domain")
        if not (_ATOM.fullmatch(local) or _QUOTED.fullmatch(local)):
            raise InvalidAddress(f"has a malformed local part: {local}")
        if _octets(local) > MAX_LOCAL_OCTETS:
            raise InvalidAddress(f"has a local part of more than {MAX_LOCAL_OCTETS} octets")
        address = cls(unicodedata.normalize("NFC", local) if not local.isascii() else local, parse_domain(domain))
        if _octets(address.local) + 1 + len(address.domain) > MAX_ADDRESS_OCTETS:
            raise InvalidAddress(f"is longer than {MAX_ADDRESS_OCTETS} octets")
        return address

    @classmethod
    def parse_or_none(cls, text: str | None) -> Self | None:
        """Return what `parse` does, or None where there is no mailbox."""
        try:
            return cls.parse(text) if text is not None else None
        except InvalidAddress:
            return None

    @property
    def key(self) -> str:
        """The person: NFC, lower case, without needless quotes. Addresses with one key are one recipient."""
        local = self.local
        if local.startswith('"'):
            bare = _ESCAPED.sub(r"\1", local[1:-1])
            local = bare if _ATOM.fullmatch(bare) else local
        return f"{unicodedata.normalize('NFC', local.lower())}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the local part cannot travel without SMTPUTF8 (RFC 6531 §3.4); domains travel as A-labels."""
        return not self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _check_characters(text: str) -> None:
    for character in text:
        if (
            (not character.isascii() and unicodedata.category(character) in _FORBIDDEN)
            or character < " "
            or character == "\x7f"
        ):
            raise InvalidAddress(f"holds the character U+{ord(character):04X}")


@lru_cache(maxsize=4096)
def parse_domain(text: str) -> str:
    """Return a domain in lower-case A-labels without a final dot, or an address literal in normal form.

    Raises `InvalidAddress`.  Remembers what it returned: a list of a million addresses has a few thousand domains.
    """
    if text.startswith("["):
        return _parse_literal(text)
    domain = text[:-1] if text.endswith(".") else text
    if domain.isascii():
        domain = domain.lower()
        if "xn--" in domain and any(label.startswith("xn--") for label in domain.split(".")):
            domain = _to_ascii(domain, text)
    else:
        domain = _to_ascii(domain, text)
    if len(domain) > MAX_DOMAIN_OCTETS or not _ASCII_DOMAIN.fullmatch(domain):
        raise InvalidAddress(f"has a malformed domain: {text}")
    if domain.rpartition(".")[2].isdigit():
        raise InvalidAddress(f"has a malformed domain: {text} (an IP address is written in brackets)")
    return domain


def _to_ascii(domain: str, text: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as cause:
        raise InvalidAddress(f"has a domain that IDNA does not allow: {text}") from cause


def _parse_literal(text: str) -> str:
    found = _LITERAL.fullmatch(text)
    try:
        if found and found[1]:
            return f"[IPv6:{IPv6Address(found[2])}]"
        if found:
            return f"[{IPv4Address(found[3])}]"
    except ValueError:
        pass
    raise InvalidAddress(f"has a malformed address literal: {text}")
