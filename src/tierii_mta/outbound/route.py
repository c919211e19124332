"""Routes: which hosts take a domain's mail, in which order we try them, and when there are none.

Owns MX selection and its refusals; not how the DNS is asked (resolver.stub) nor which sessions are opened
(outbound.attempt).  RFC 5321 §5.1 (order, implicit MX, loops), RFC 7505 (null MX), RFC 3463 (codes).

`find_route`: MX look-up → null MX, implicit MX on NODATA alone → groups of equal preference, best first: addresses of
each host, stop at ourselves (RFC 5321: us and everything not better is no way out) → a `Route`, whose `targets` shuffle
equals anew for each attempt and mix address families.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from itertools import groupby
from typing import TypeVar

from tierii_mta.mail.reply import Reply
from tierii_mta.outbound.reply_class import ReplyClass
from tierii_mta.resolver.answer import Absent, Found, MxRecord, Resolver, Tempfail

MAX_HOSTS = 100
MAX_RESOLVED = 20  # hosts whose addresses are looked up: more never get their turn
MAX_TARGETS = 5
_MAX_OF_ONE_FAMILY = 3  # of the targets, while there are addresses of the other family

Chance = Callable[[], float]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class MxHost:
    """A host that takes the domain's mail."""

    name: str
    preference: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One address to connect to."""

    host: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a domain's mail goes."""

    domain: str
    site: str  # equal for every domain with the same set of MX hosts
    provider: str
    hosts: tuple[MxHost, ...]  # best first; each has an address

    def targets(self, chance: Chance, *, usable: Callable[[str], bool] = lambda address: True) -> tuple[Target, ...]:
        """Return at most 5 addresses in the order to try: equals shuffled, neither address family starved.

        `usable` says which addresses the source can reach.
        """
        ordered: list[Target] = []
        for _, group in groupby(self.hosts, key=lambda host: host.preference):
            for host in _shuffled(group, chance):
                ordered += (Target(host.name, address) for address in _shuffled(host.addresses, chance))
        return _mixed([target for target in ordered if usable(target.address)])


@dataclass(frozen=True, slots=True)
class RouteFailed:
    """No way to the domain, for now (4xx) or at all (5xx)."""

    reply: Reply
    reply_class: ReplyClass
    is_nxdomain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePolicy:
    """What routing must know about us."""

    own_names: frozenset[str] = frozenset()  # lower case
    own_addresses: frozenset[str] = frozenset()
    allow_loopback: bool = False  # tests and the demo: ourselves and loopback are hosts like others
    provider_of: Callable[[Sequence[str]], str] = field(default=lambda hosts: "other")


async def find_route(
    domain: str, resolver: Resolver, *, policy: RoutePolicy, chance: Chance, is_second_look: bool = False
) -> Route | RouteFailed:
    """Return the route of a domain (in A-labels, or an address literal in brackets).

    A domain that does not exist is a permanent failure only on the second look: registries and name servers err, and
    a wrong bounce cannot be taken back.
    """
    if domain.startswith("["):
        return _literal_route(domain, policy)
    answer = await resolver.mx(domain)
    match answer:
        case Tempfail(why):
            return _not_known(f"the MX records of {domain} cannot be looked up now: {why}")
        case Absent(nxdomain=True):
            return _no_such_domain(domain, is_permanent=is_second_look)
        case Absent():
            records, is_implicit = [MxRecord(0, domain)], True
        case Found(found):
            if len(found) == 1 and found[0].host == ".":
                text = f"{domain} does not accept mail (null MX)"
                return RouteFailed(Reply.of(556, text, "5.1.10"), ReplyClass.BAD_DOMAIN)
            records, is_implicit = _valid(found), False
    return await _Selection(domain, resolver, policy, chance).run(records, is_implicit=is_implicit)


class _Selection:
    """The choice among one domain's MX records."""

    def __init__(self, domain: str, resolver: Resolver, policy: RoutePolicy, chance: Chance) -> None:
        self._domain, self._resolver, self._policy, self._chance = domain, resolver, policy, chance
        self._hosts: list[MxHost] = []
        self._unknown: str | None = None  # why some host's addresses are not known now
        self._ourselves: RouteFailed | None = None

    async def run(self, records: Sequence[MxRecord], *, is_implicit: bool) -> Route | RouteFailed:
        left = MAX_RESOLVED
        for preference, group in groupby(records, key=lambda record: record.preference):
            names = [record.host for record in group]
            if not self._policy.allow_loopback and self._policy.own_names.intersection(names):
                self._ourselves = self._loop(f"its MX is {next(iter(self._policy.own_names.intersection(names)))}")
                break
            if not await self._add_group(preference, _shuffled(names, self._chance)[:left]):
                break
            left -= len(names)
            if left <= 0 or (len(self._hosts) > 1 and sum(len(host.addresses) for host in self._hosts) >= MAX_TARGETS):
                break
        if not self._hosts:
            return self._failure(is_implicit=is_implicit)
        hosts = tuple(sorted(self._hosts, key=lambda host: (host.preference, host.name)))
        names = [record.host for record in records]
        provider = self._policy.provider_of([record.host for record in sorted(records, key=_by_preference)])
        return Route(domain=self._domain, site=site_name(names), provider=provider, hosts=hosts)

    async def _add_group(self, preference: int, names: Sequence[str]) -> bool:
        """Add the hosts of one preference; False if one of them is ourselves, and neither it nor its equals count."""
        found = await asyncio.gather(*(self._addresses(name) for name in names))
        for name, addresses in zip(names, found, strict=True):
            if not self._policy.allow_loopback and (why := self._is_ourselves(addresses)):
                self._ourselves = self._loop(f"its MX {name} has {why}", is_own=why.startswith("our"))
                return False
        for name, addresses in zip(names, found, strict=True):
            if reachable := tuple(address for address in addresses if _is_unicast(address)):
                self._hosts.append(MxHost(name=name, preference=preference, addresses=reachable))
        return True

    async def _addresses(self, name: str) -> tuple[str, ...]:
        addresses: list[str] = []
        for answer in await asyncio.gather(self._resolver.a(name), self._resolver.aaaa(name)):
            if isinstance(answer, Found):
                addresses += answer.records
            elif isinstance(answer, Tempfail):
                self._unknown = f"the addresses of {name} cannot be looked up now: {answer.why}"
        return tuple(addresses)

    def _is_ourselves(self, addresses: Iterable[str]) -> str:
        return next((why for address in addresses if (why := _own(address, self._policy))), "")

    def _loop(self, why: str, *, is_own: bool = True) -> RouteFailed:
        reply = Reply.of(554, f"mail for {self._domain} loops back to ourselves: {why}", "5.4.6")
        return RouteFailed(reply, ReplyClass.BAD_CONFIGURATION if is_own else ReplyClass.ROUTING_ERRORS)

    def _failure(self, *, is_implicit: bool) -> RouteFailed:
        if self._unknown is not None:
            return _not_known(self._unknown)
        if self._ourselves is not None:
            return self._ourselves
        if is_implicit:
            reply = Reply.of(550, f"{self._domain} has neither an MX nor an address", "5.1.2")
            return RouteFailed(reply, ReplyClass.BAD_DOMAIN)
        reply = Reply.of(550, f"no MX host of {self._domain} has a usable address", "5.4.4")
        return RouteFailed(reply, ReplyClass.ROUTING_ERRORS)


def site_name(hosts: Iterable[str]) -> str:
    """Return the short, stable name of a set of MX hosts: the only one, or the first, how many more, and a hash."""
    names = sorted(set(hosts))
    if len(names) == 1:
        return names[0]
    return f"{names[0]}+{len(names) - 1}#{sha256(','.join(names).encode()).hexdigest()[:8]}"


def _literal_route(domain: str, policy: RoutePolicy) -> Route | RouteFailed:
    address = domain[1:-1].removeprefix("IPv6:")
    if not policy.allow_loopback and (why := _own(address, policy)):
        is_own = why.startswith("our")
        reply = Reply.of(554, f"mail for {domain} loops back to ourselves: it is {why}", "5.4.6")
        return RouteFailed(reply, ReplyClass.BAD_CONFIGURATION if is_own else ReplyClass.ROUTING_ERRORS)
    if not _is_unicast(address):
        return RouteFailed(Reply.of(550, f"{domain} is not a host's address", "5.1.2"), ReplyClass.BAD_DOMAIN)
    host = MxHost(name=domain, preference=0, addresses=(address,))
    return Route(domain=domain, site=domain, provider=policy.provider_of([domain]), hosts=(host,))


def _not_known(why: str) -> RouteFailed:
    return RouteFailed(Reply.of(451, why, "4.4.3"), ReplyClass.DNS_FAILURE)


def _no_such_domain(domain: str, *, is_permanent: bool) -> RouteFailed:
    if is_permanent:
        reply = Reply.of(550, f"the domain {domain} does not exist", "5.1.2")
    else:
        reply = Reply.of(450, f"the domain {domain} does not exist; a second look decides", "4.1.2")
    return RouteFailed(reply, ReplyClass.BAD_DOMAIN, is_nxdomain=True)


def _valid(found: Iterable[MxRecord]) -> list[MxRecord]:
    """Sort, drop "." among others and hosts named again with a worse preference, keep at most 100."""
    kept: dict[str, MxRecord] = {}
    for record in sorted(found, key=_by_preference):
        if record.host != ".":
            kept.setdefault(record.host, record)
    return list(kept.values())[:MAX_HOSTS]


def _by_preference(record: MxRecord) -> tuple[int, str]:
    return record.preference, record.host


def _own(address: str, policy: RoutePolicy) -> str:
    """Return why an address is ourselves, or "" if it is not."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return f"the loopback address {address}"
    if parsed.is_unspecified:
        return f"the unspecified address {address}"
    return f"our address {address}" if str(parsed) in policy.own_addresses else ""


def _is_unicast(address: str) -> bool:
    parsed = ip_address(address)
    return not (parsed.is_multicast or parsed.is_unspecified or address == "255.255.255.255")


def _shuffled(items: Iterable[Item], chance: Chance) -> list[Item]:
    """Fisher and Yates, with the chance that came in."""
    shuffled = list(items)
    for last in range(len(shuffled) - 1, 0, -1):
        other = int(chance() * (last + 1))
        shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
    return shuffled


def _mixed(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Keep the order and at most 5, no more than 3 of one family while the other has addresses left."""
    chosen: list[Target] = []
    counts = {True: 0, False: 0}
    for target in targets:
        family = ":" in target.address
        if counts[family] < _MAX_OF_ONE_FAMILY:
            counts[family] += 1
            chosen.append(target)
    chosen = chosen[:MAX_TARGETS]
    for target in targets:
        if len(chosen) >= MAX_TARGETS:
            break
        if target not in chosen:
            chosen.append(target)
    return tuple(chosen)
