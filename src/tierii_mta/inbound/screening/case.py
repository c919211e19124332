"""A message before its checks: envelope and session, and its header read once for all of them.

Owns the bounds of what checks look at: the header, which arrived bounded, and the first part of the body; the whole
message only for those who have to hash it.  Header lines that are no fields are passed over.  Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType

from tierii_mta.authentication.results import MethodResult
from tierii_mta.inbound.checks import Incoming
from tierii_mta.inbound.mailboxes import ROLES
from tierii_mta.inbound.screening.verdict import Observation
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import Purpose

FIRST_OCTETS = 65_536  # of the body
_FIELD = re.compile(rb"^([!-9;-~]{1,76})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)", re.MULTILINE)
_NO_FIELD = re.compile(rb"^(?![!-9;-~]+[ \t]*:|[ \t]|\r?$)", re.MULTILINE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.?)*"?', re.DOTALL)  # one without an end reaches to the end
_MAX_ADDRESSES = 8000  # octets of From that are read
_ANGLE = re.compile(r"<([^<>\s]{3,320})>")
_BARE = re.compile(r"[^\s<>,;:()\"]{1,64}@[^\s<>,;:()\"]{1,255}")
_LIST_FIELDS = ("list-id", "list-post", "list-unsubscribe", "mailing-list")
_FORWARD_FIELDS = ("resent-from", "resent-sender", "x-forwarded-to", "x-forwarded-for", "delivered-to", "arc-seal")


@dataclass(frozen=True)
class Case:
    """What is judged, and the facts that several checks need."""

    incoming: Incoming
    is_trusted: bool = False  # the client is one of the operator's own servers

    @cached_property
    def client(self) -> IPv4Address | IPv6Address:
        """The client's address, without the zone that a link-local one has here: nobody else knows it."""
        remote = self.incoming.session.remote
        return remote if isinstance(remote, IPv4Address) else IPv6Address(int(remote))

    @cached_property
    def fields(self) -> Mapping[str, Sequence[str]]:
        """The unfolded values of the header's fields, by lower-case name, in order."""
        found: dict[str, list[str]] = {}
        for name, value in _FIELD.findall(self.incoming.message.head):
            text = value.replace(b"\r\n", b"").replace(b"\n", b"").strip(b" \t\r").decode("utf-8", "replace")
            found.setdefault(name.decode("ascii").lower(), []).append(text)
        return MappingProxyType(found)

    @cached_property
    def is_header_malformed(self) -> bool:
        """Whether a line of the header is neither a field nor the continuation of one."""
        return _NO_FIELD.search(self.incoming.message.head.removesuffix(b"\r\n")) is not None

    def first(self, name: str) -> str | None:
        """Return the first field of a name (lower case), or None."""
        return next(iter(self.fields.get(name, ())), None)

    @cached_property
    def author(self) -> Address | None:
        """The first address of From that can be one."""
        return next(iter(addresses(self.first("from") or "")), None)

    @cached_property
    def opening(self) -> bytes:
        """The first part of the body."""
        pieces, size = [], 0
        for piece in self.incoming.message.body():
            pieces.append(piece)
            size += len(piece)
            if size >= FIRST_OCTETS:
                break
        return b"".join(pieces)[:FIRST_OCTETS]

    def octets(self) -> bytes:
        """Return the whole message, as large as it is."""
        return b"".join((self.incoming.message.head, *self.incoming.message.body()))

    @cached_property
    def is_signed(self) -> bool:
        """Whether every recipient is an address that we signed."""
        return all(one.token is not None for one in self.incoming.recipients)

    @cached_property
    def is_bounce_signed(self) -> bool:
        """Whether a recipient is a return path of ours."""
        return any(one.token is Purpose.BOUNCE for one in self.incoming.recipients)

    @cached_property
    def is_for_roles(self) -> bool:
        """Whether every recipient is a postmaster or an abuse desk, whom everybody can reach (RFC 5321 §4.5.1)."""
        roles = tuple(f"/{role}" for role in ROLES)
        return all((one.mailbox or "").endswith(roles) for one in self.incoming.recipients)

    @cached_property
    def is_passed_on(self) -> bool:
        """Whether a list or a forwarder had the message before, as far as its header tells."""
        return any(name in self.fields for name in (*_LIST_FIELDS, *_FORWARD_FIELDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one check brings."""

    observations: Sequence[Observation] = ()
    methods: Sequence[MethodResult] = ()  # for Authentication-Results
    proven: Sequence[Address] = ()  # addresses whose domains vouch for the message


def observed(rule: str, detail: str, times: float = 1.0) -> Report:
    """Return a report of one observation."""
    return Report(observations=(Observation(rule=rule, detail=detail, times=times),))


def addresses(value: str) -> Sequence[Address]:
    """Return the addresses of a field such as From, in order; what cannot be one is passed over."""
    bare = _QUOTED.sub(" ", value[:_MAX_ADDRESSES])
    found = _ANGLE.findall(bare) or _BARE.findall(bare)
    return [address for text in found[:100] if (address := Address.parse_or_none(text)) is not None]
