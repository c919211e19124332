"""Where a message comes from: the name of the client's address, and the name the client gives itself.

Owns iprev (RFC 8601 §2.7.3, §3) and what may be wrong with the name in EHLO (RFC 5321 §4.1.1.1, §4.1.3); not lists of
addresses (lists) nor SPF (credentials).  Touches: the DNS, by way of the Resolver port.
"""

import asyncio
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType

from tierii_mta.authentication.report import IprevResult, iprev_result
from tierii_mta.inbound.screening.case import Case, Report, observed
from tierii_mta.inbound.screening.verdict import Observation
from tierii_mta.mail.address import InvalidAddress, parse_domain
from tierii_mta.resolver.answer import Absent, Found, Resolver, Tempfail

IpAddress = IPv4Address | IPv6Address
_RESULTS = MappingProxyType(
    {
        "iprev_pass": IprevResult.PASS,
        "iprev_fail": IprevResult.FAIL,
        "iprev_missing": IprevResult.PERMERROR,
        "iprev_temperror": IprevResult.TEMPERROR,
    }
)
_MAX_NAMES = 10  # of one address that are looked at; the field's number, as in RFC 7208 §4.6.4


class ReverseName:
    """iprev: the client's address has a name, and the name has the address."""

    name = "iprev"

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def look(self, case: Case) -> Report:
        """Return what the name of the address is worth."""
        client = case.client
        if case.is_trusted:
            return Report()
        rule, detail = await self._judged(client)
        result = iprev_result(_RESULTS[rule], client, "" if rule == "iprev_pass" else detail)
        return Report(observations=(Observation(rule=rule, detail=detail),), methods=(result,))

    async def _judged(self, client: IpAddress) -> tuple[str, str]:
        names = await self._resolver.ptr(str(client))
        match names:
            case Tempfail(why):
                return "iprev_temperror", why
            case Absent():
                return "iprev_missing", f"{client} has no name"
            case Found(records):
                return await self._confirmed(client, records[:_MAX_NAMES])

    async def _confirmed(self, client: IpAddress, names: Collection[str]) -> tuple[str, str]:
        answers = await asyncio.gather(*(_has_address(self._resolver, name, client) for name in names))
        for name, has_it in zip(names, answers, strict=True):
            if has_it:
                return "iprev_pass", f"{client} is {name}"
        if None in answers:
            return "iprev_temperror", f"the names of {client} could not all be looked up"
        return "iprev_fail", f"{client} is said to be {', '.join(names)}, which says otherwise"


class ClientName:
    """The name in EHLO or HELO."""

    name = "helo"

    def __init__(self, resolver: Resolver, *, own_names: Collection[str], own_addresses: Collection[str] = ()) -> None:
        """`own_names` in A-labels; whoever says one of them, or one of our addresses, pretends to be us."""
        self._resolver, self._own = resolver, {*own_names, *own_addresses}

    async def look(self, case: Case) -> Report:
        """Return what is wrong with the name; nothing is found of one that is in order."""
        if case.is_trusted:
            return Report()
        said, client = case.incoming.session.client_name, case.client
        bare = said.strip("[]").removeprefix("IPv6:").lower()
        if bare in self._own and bare != str(client):
            return observed("helo_ours", f"says {said!r}")
        address = _literal(said)
        if address is not None:
            return Report() if address == client else observed("helo_literal", f"says {said!r}, is {client}")
        try:
            domain = parse_domain(said.replace("_", "-"))  # an underscore is common, and no sign of anything
        except InvalidAddress:
            return observed("helo_malformed", f"says {said[:100]!r}")
        if "." not in domain:
            return observed("helo_short", f"says {said!r}")
        return await self._looked_up(said.lower().rstrip("."), client)

    async def _looked_up(self, domain: str, client: IpAddress) -> Report:
        """A name that exists is enough: many a client's EHLO name leads elsewhere."""
        version = self._resolver.a if client.version == 4 else self._resolver.aaaa
        other = self._resolver.aaaa if client.version == 4 else self._resolver.a
        answer = await version(domain)
        if isinstance(answer, Absent) and not answer.nxdomain:
            answer = await other(domain)
        match answer:
            case Tempfail(why):
                return observed("helo_temperror", why)
            case Absent(nxdomain=True):
                return observed("helo_unknown", f"{domain} does not exist")
            case _:
                return Report()


class SenderDomain:
    """The domain of the reverse-path: whether an answer could get there."""

    name = "sender"

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def look(self, case: Case) -> Report:
        """Return whether the domain takes mail; nothing is found of one that does, or of the null sender."""
        sender = case.incoming.reverse_path
        if case.is_trusted or sender is None or sender.domain.startswith("["):
            return Report()
        domain = sender.domain
        answer = await self._resolver.mx(domain)
        match answer:
            case Tempfail(why):
                return observed("sender_temperror", why)
            case Found(records):
                is_null = len(records) == 1 and records[0].host == "."
                return observed("null_mx", f"{domain} has a null MX") if is_null else Report()
            case Absent(nxdomain=True):
                return observed("sender_unknown", f"{domain} does not exist")
            case Absent():
                return await self._without_mx(domain)

    async def _without_mx(self, domain: str) -> Report:
        """Without an MX the address records stand for one (RFC 5321 §5.1)."""
        answers = await asyncio.gather(self._resolver.a(domain), self._resolver.aaaa(domain))
        if any(isinstance(answer, Found) for answer in answers):
            return Report()
        if any(isinstance(answer, Tempfail) for answer in answers):
            return observed("sender_temperror", f"the addresses of {domain} could not be looked up")
        return observed("sender_unknown", f"{domain} has neither MX nor address")


async def _has_address(resolver: Resolver, name: str, client: IpAddress) -> bool | None:
    """Return whether a name has an address; None: not known now."""
    answer = await (resolver.a(name) if client.version == 4 else resolver.aaaa(name))
    if isinstance(answer, Tempfail):
        return None
    return isinstance(answer, Found) and any(ip_address(one) == client for one in answer.records)


def _literal(said: str) -> IpAddress | None:
    """Return the address that a name is, in brackets as it should be or without them; None for anything else."""
    bare = said[1:-1] if said.startswith("[") and said.endswith("]") else said
    try:
        return ip_address(bare.removeprefix("IPv6:"))
    except ValueError:
        return None
