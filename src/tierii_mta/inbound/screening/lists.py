"""Block lists and allow-lists in the DNS, asked about the client's address.

Owns how a list is asked and when its word counts: only while it passes its test points (RFC 5782 §5), only answers
in 127/8, and an answer in 127.255.255/24 is an error that says to stop asking.  Not what a listing is worth (the
settings).  RFC 5782 §2.1 (IPv4), §2.4 (IPv6).  Touches: the DNS, by way of the Resolver port.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog

from tierii_mta.clock import Clock
from tierii_mta.inbound.screening.case import Case, Report
from tierii_mta.inbound.screening.verdict import LIST, Observation
from tierii_mta.resolver.answer import Absent, Answer, Found, Resolver, Tempfail

ANY_ANSWER = (IPv4Network("127.0.0.0/8"),)
_LOOPBACK = IPv4Network("127.0.0.0/8")
_ERRORS = IPv4Network("127.255.255.0/24")  # as the large lists tell that they do not want to be asked
_LISTED, _UNLISTED = IPv4Address("127.0.0.2"), IPv4Address("127.0.0.1")
_LISTED_6, _UNLISTED_6 = IPv6Address("::ffff:7f00:2"), IPv6Address("::ffff:7f00:1")
_PROBE_AGAIN = timedelta(hours=1)
_PROBE_SOON = timedelta(minutes=1)  # after a look-up that failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One list."""

    name: str  # in A-labels
    answers: tuple[IPv4Network | IPv6Network, ...] = ANY_ANSWER  # those that count


def query_name(client: IPv4Address | IPv6Address, zone: str) -> str:
    """Return the name to ask for: the octets, or the nibbles of an IPv6 address, backwards before the zone."""
    return client.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa") + f".{zone}"


class Lists:
    """Every list of the settings. `tend` finds out which of them work; until then none is asked."""

    name = "lists"

    def __init__(self, zones: Collection[Zone], resolver: Resolver, clock: Clock) -> None:
        self._zones, self._resolver, self._clock = tuple(zones), resolver, clock
        self._problems = {zone.name: "its test points have not been asked yet" for zone in self._zones}

    async def tend(self) -> None:
        """Ask the test points now and then, until cancelled."""
        while True:
            await self.prove()
            wait = _PROBE_SOON if self._problems else _PROBE_AGAIN
            await self._clock.sleep(wait.total_seconds())

    async def prove(self) -> None:
        """Ask the test points of every list once, and tell the log what has changed."""
        before = dict(self._problems)
        found = await asyncio.gather(*(self._problem(zone) for zone in self._zones))
        self._problems = {zone.name: why for zone, why in zip(self._zones, found, strict=True) if why is not None}
        for zone in self._zones:
            why = self._problems.get(zone.name)
            if why is not None and why != before.get(zone.name):
                structlog.get_logger().warning("list.unusable", list=zone.name, why=why)
            elif why is None and zone.name in before:
                structlog.get_logger().info("list.usable", list=zone.name)

    async def look(self, case: Case) -> Report:
        """Return on which lists the client is."""
        if case.is_trusted:
            return Report()
        client = case.client
        found = await asyncio.gather(*(self._ask(zone, client) for zone in self._zones))
        return Report(observations=[one for one in found if one is not None])

    async def _ask(self, zone: Zone, client: IPv4Address | IPv6Address) -> Observation | None:
        problem = self._problems.get(zone.name)
        if problem is not None:
            return Observation(rule="list_unusable", detail=f"{zone.name}: {problem}")
        answer = await self._resolver.a(query_name(client, zone.name))
        if isinstance(answer, Absent):
            return None
        if not isinstance(answer, Found):
            return Observation(rule="list_temperror", detail=f"{zone.name}: {answer.why}")
        said = _addresses(answer.records)
        if any(one in _ERRORS for one in said):
            return self._disable(zone, said)
        counted = [str(one) for one in said if one in _LOOPBACK and any(one in net for net in zone.answers)]
        if not counted:
            return None
        return Observation(rule=f"{LIST}{zone.name}", detail=f"{client} is listed: {', '.join(counted)}")

    def _disable(self, zone: Zone, said: Sequence[IPv4Address]) -> Observation:
        """Stop asking until the test points have been asked anew."""
        why = f"answers {', '.join(map(str, said))}, which is an error (an open resolver, or too many questions)"
        self._problems[zone.name] = why
        structlog.get_logger().warning("list.unusable", list=zone.name, why=why)
        return Observation(rule="list_unusable", detail=f"{zone.name}: {why}")

    async def _problem(self, zone: Zone) -> str | None:
        """Return why a list cannot be used, or None."""
        listed, unlisted = await asyncio.gather(
            self._resolver.a(query_name(_LISTED, zone.name)), self._resolver.a(query_name(_UNLISTED, zone.name))
        )
        if isinstance(listed, Absent) and isinstance(unlisted, Absent):  # a list of IPv6 addresses alone
            listed, unlisted = await asyncio.gather(
                self._resolver.a(query_name(_LISTED_6, zone.name)), self._resolver.a(query_name(_UNLISTED_6, zone.name))
            )
        return _wrong_with(listed, unlisted)


def _wrong_with(listed: Answer[str], unlisted: Answer[str]) -> str | None:
    """Return what is wrong with the answers for the test points."""
    if isinstance(listed, Absent):
        return f"does not list its test address {_LISTED}: it is no list, or no longer one"
    if isinstance(unlisted, Found):
        return f"lists {_UNLISTED}: it lists everything"
    for answer in (listed, unlisted):
        if isinstance(answer, Tempfail):
            return f"its test points could not be asked: {answer.why}"
    if not isinstance(listed, Found):
        raise TypeError(f"{listed!r} is no answer")
    said = _addresses(listed.records)
    if any(one in _ERRORS for one in said):
        return f"answers {', '.join(map(str, said))} for its test address, which is an error"
    if not any(one in _LOOPBACK for one in said):
        return f"answers {', '.join(map(str, said))} for its test address, which is outside 127/8"
    return None


def _addresses(records: Sequence[str]) -> Sequence[IPv4Address]:
    return [one for text in records if isinstance(one := ip_address(text), IPv4Address)]
