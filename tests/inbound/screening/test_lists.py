"""Lists in the DNS: asked only while they work, believed only where they say what a list can say (RFC 5782)."""

from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from tests.inbound.screening.cases import CLIENT, case, rules
from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.inbound.screening.lists import Lists, Zone, query_name
from tierii_mta.resolver.stub import StubResolver

ZONE = "block.example"
V6 = "2001:db8::25"


def publish(dns: DnsServer, zone: str = ZONE, answer: str = "127.0.0.2") -> None:
    """Publish the test points of a list that works."""
    dns.add(f"2.0.0.127.{zone}", "A", answer)


def enlist(dns: DnsServer, client: str, answer: str = "127.0.0.2", zone: str = ZONE) -> None:
    dns.add(query_name(ip_address(client), zone), "A", answer)


async def proven(dns: DnsServer, resolver: StubResolver, *zones: Zone) -> Lists:
    lists = Lists(zones or [Zone(name=ZONE)], resolver, ManualClock())
    await lists.prove()
    return lists


def test_addresses_are_asked_for_backwards() -> None:
    assert query_name(ip_address("192.0.2.99"), "bl.example") == "99.2.0.192.bl.example"
    nibbles = "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
    assert query_name(ip_address(V6), "bl.example") == f"{nibbles}.bl.example"


@pytest.mark.parametrize("client", [CLIENT, V6])
async def test_who_is_listed_is_found(dns: DnsServer, resolver: StubResolver, client: str) -> None:
    publish(dns)
    enlist(dns, client)
    report = await (await proven(dns, resolver)).look(case(client=client))
    assert rules(report) == [f"list:{ZONE}"]
    assert report.observations[0].detail == f"{client} is listed: 127.0.0.2"


async def test_who_is_not_listed_is_not_mentioned(dns: DnsServer, resolver: StubResolver) -> None:
    publish(dns)
    assert rules(await (await proven(dns, resolver)).look(case())) == []


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("127.0.0.10", []),  # not among the answers that count
        ("127.0.0.3", [f"list:{ZONE}"]),
        ("192.0.2.1", []),  # a parked domain answers everything
        ("127.255.255.254", ["list_unusable"]),  # asked by way of an open resolver
    ],
)
async def test_only_answers_that_say_something_count(
    dns: DnsServer, resolver: StubResolver, answer: str, found: list[str]
) -> None:
    publish(dns)
    enlist(dns, CLIENT, answer)
    lists = await proven(dns, resolver, Zone(name=ZONE, answers=(ip_network("127.0.0.2/31"),)))
    assert rules(await lists.look(case())) == found


async def test_an_error_ends_the_asking_until_the_test_points_pass_again(
    dns: DnsServer, resolver: StubResolver
) -> None:
    publish(dns)
    enlist(dns, CLIENT, "127.255.255.255")
    enlist(dns, "192.0.2.8")
    lists = await proven(dns, resolver)
    assert rules(await lists.look(case())) == ["list_unusable"]
    assert rules(await lists.look(case(client="192.0.2.8"))) == ["list_unusable"]
    await lists.prove()
    assert rules(await lists.look(case(client="192.0.2.8"))) == [f"list:{ZONE}"]


@pytest.mark.parametrize(
    ("listed", "unlisted", "why"),
    [
        (None, None, "does not list its test address"),
        ("127.0.0.2", "127.0.0.2", "lists everything"),
        ("127.255.255.254", None, "which is an error"),
        ("192.0.2.1", None, "outside 127/8"),
    ],
)
async def test_a_list_that_fails_its_test_points_is_not_asked(
    dns: DnsServer, resolver: StubResolver, listed: str | None, unlisted: str | None, why: str
) -> None:
    for name, answer in (("2.0.0.127", listed), ("1.0.0.127", unlisted)):
        if answer is not None:
            dns.add(f"{name}.{ZONE}", "A", answer)
    enlist(dns, CLIENT)
    report = await (await proven(dns, resolver)).look(case())
    assert rules(report) == ["list_unusable"]
    assert why in report.observations[0].detail
    assert dns.count(query_name(ip_address(CLIENT), ZONE)) == 0


async def test_a_list_of_ipv6_addresses_alone_has_test_points_too(dns: DnsServer, resolver: StubResolver) -> None:
    enlist(dns, "::ffff:7f00:2")
    enlist(dns, V6)
    assert rules(await (await proven(dns, resolver)).look(case(client=V6))) == [f"list:{ZONE}"]


async def test_a_list_is_asked_as_soon_as_it_works(dns: DnsServer, resolver: StubResolver) -> None:
    clock = ManualClock()
    lists = Lists([Zone(name=ZONE)], resolver, clock)
    dns.fail(f"2.0.0.127.{ZONE}", "SERVFAIL")
    enlist(dns, CLIENT)
    assert rules(await lists.look(case())) == ["list_unusable"], "before its test points were asked"
    await lists.prove()
    assert rules(await lists.look(case())) == ["list_unusable"]
    dns.mend(f"2.0.0.127.{ZONE}")
    publish(dns)
    resolver.forget()
    clock.advance(timedelta(minutes=1))
    await lists.prove()
    assert rules(await lists.look(case())) == [f"list:{ZONE}"]


async def test_what_a_list_does_not_answer_is_not_known(dns: DnsServer, resolver: StubResolver) -> None:
    publish(dns)
    lists = await proven(dns, resolver)
    dns.fail(query_name(ip_address(CLIENT), ZONE), "SERVFAIL")
    assert rules(await lists.look(case())) == ["list_temperror"]
