"""What the DNS can say, as values, and the Resolver port.

Owns the three-way answer every rule of ours builds on: found, absent, or not known now.  Not how it is asked
(resolver.stub).  RFC 1034, RFC 2308 (negative answers), RFC 7505 (null MX is a found record with host ".").
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class MxRecord:
    """One MX record; `host` in lower-case A-labels without the final dot, or "." for the null MX."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Found(Generic[Record]):
    """At least one record, in the order the server gave."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """A definite no: the name does not exist (`nxdomain`), or it has no record of this type (NODATA)."""

    nxdomain: bool


@dataclass(frozen=True, slots=True)
class Tempfail:
    """Not known now: time-out, SERVFAIL, a broken or truncated answer, a CNAME loop."""

    why: str


Answer = Found[Record] | Absent | Tempfail


class Resolver(Protocol):
    """Look-ups. Never raises for what the DNS says; answers are cached for their TTL, negative ones too."""

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """Return the MX records of a domain given in A-labels; at most 100 are kept."""

    async def a(self, host: str) -> Answer[str]:
        """Return IPv4 addresses in dotted form."""

    async def aaaa(self, host: str) -> Answer[str]:
        """Return IPv6 addresses in RFC 5952 form."""

    async def txt(self, name: str) -> Answer[bytes]:
        """Return TXT records, each with its strings joined."""

    async def ptr(self, address: str) -> Answer[str]:
        """Return the names an address maps back to."""
