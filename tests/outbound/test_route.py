"""Which hosts take a domain's mail: RFC 5321 §5.1, RFC 7505, loops, caps, address families."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.outbound.reply_class import ReplyClass, Verdict, verdict_of
from tierii_mta.outbound.route import MAX_TARGETS, MxHost, Route, RouteFailed, RoutePolicy, find_route, site_name
from tierii_mta.outbound.route_book import RouteBook
from tierii_mta.resolver.stub import StubResolver

POLICY = RoutePolicy(own_names=frozenset({"mta.us.example"}), own_addresses=frozenset({"192.0.2.1", "2001:db8::1"}))


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer() as server:
        yield server


async def look_up(
    dns: DnsServer, domain: str = "example.com", *, policy: RoutePolicy = POLICY, second: bool = False
) -> Route | RouteFailed:
    resolver = StubResolver(ManualClock(), nameservers=[dns.address], timeout=timedelta(seconds=2))
    return await find_route(domain, resolver, policy=policy, chance=random.Random(7).random, is_second_look=second)


async def route(dns: DnsServer, domain: str = "example.com", *, policy: RoutePolicy = POLICY) -> Route:
    found = await look_up(dns, domain, policy=policy)
    assert isinstance(found, Route), found
    return found


async def failure(dns: DnsServer, domain: str = "example.com", *, second: bool = False) -> tuple[str, ReplyClass]:
    found = await look_up(dns, domain, second=second)
    assert isinstance(found, RouteFailed), found
    return f"{found.reply.code} {found.reply.enhanced}", found.reply_class


def add_mx(dns: DnsServer, preference: int, host: str, *addresses: str, domain: str = "example.com") -> None:
    dns.add(domain, "MX", preference, host)
    for address in addresses:
        dns.add(host, "AAAA" if ":" in address else "A", address)


async def test_hosts_are_tried_by_preference(dns: DnsServer) -> None:
    add_mx(dns, 20, "second.example.com", "192.0.2.20")
    add_mx(dns, 10, "first.example.com", "192.0.2.10")
    targets = (await route(dns)).targets(random.Random(1).random)
    assert [target.host for target in targets] == ["first.example.com", "second.example.com"]


async def test_equals_are_shuffled_for_each_attempt(dns: DnsServer) -> None:
    for number in range(4):
        add_mx(dns, 10, f"mx{number}.example.com", f"192.0.2.1{number}")
    add_mx(dns, 20, "last.example.com", "192.0.2.99")
    found = await route(dns)
    chance = random.Random(1).random
    orders = {tuple(target.host for target in found.targets(chance)) for _ in range(200)}
    assert len(orders) == 24
    assert all(order[4] == "last.example.com" for order in orders)


async def test_a_domain_without_mx_is_its_own_host(dns: DnsServer) -> None:
    dns.add("example.com", "A", "192.0.2.10")
    dns.add("example.com", "AAAA", "2001:db8::10")
    found = await route(dns)
    assert found.site == "example.com"
    assert sorted(found.hosts[0].addresses) == ["192.0.2.10", "2001:db8::10"]


@pytest.mark.parametrize("how", ["SERVFAIL", "REFUSED", "malformed"])
async def test_a_failing_mx_look_up_is_temporary_and_never_an_implicit_mx(dns: DnsServer, how: str) -> None:
    dns.add("example.com", "A", "192.0.2.10")
    dns.fail("example.com", how)
    assert await failure(dns) == ("451 4.4.3", ReplyClass.DNS_FAILURE)


async def test_a_missing_domain_is_looked_at_twice(dns: DnsServer) -> None:
    assert await failure(dns) == ("450 4.1.2", ReplyClass.BAD_DOMAIN)
    assert await failure(dns, second=True) == ("550 5.1.2", ReplyClass.BAD_DOMAIN)


async def test_a_domain_with_neither_mx_nor_address_takes_no_mail(dns: DnsServer) -> None:
    dns.add("example.com", "TXT", "v=spf1 -all")
    assert await failure(dns) == ("550 5.1.2", ReplyClass.BAD_DOMAIN)


async def test_a_null_mx_fails_at_once(dns: DnsServer) -> None:
    dns.add("example.com", "MX", 0, ".")
    dns.add("example.com", "A", "192.0.2.10")
    assert await failure(dns) == ("556 5.1.10", ReplyClass.BAD_DOMAIN)


async def test_a_dot_among_others_is_only_an_invalid_host(dns: DnsServer) -> None:
    dns.add("example.com", "MX", 0, ".")
    add_mx(dns, 10, "mx.example.com", "192.0.2.10")
    assert [host.name for host in (await route(dns)).hosts] == ["mx.example.com"]


async def test_mx_hosts_without_addresses_are_no_way_out(dns: DnsServer) -> None:
    add_mx(dns, 10, "mx.example.com")
    code, reply_class = await failure(dns)
    assert code == "550 5.4.4"
    assert verdict_of(reply_class, is_permanent=True) is Verdict.BOUNCE


async def test_addresses_that_are_not_known_now_are_temporary(dns: DnsServer) -> None:
    add_mx(dns, 10, "gone.example.com")
    add_mx(dns, 20, "unknown.example.com")
    dns.fail("unknown.example.com", "SERVFAIL")
    assert await failure(dns) == ("451 4.4.3", ReplyClass.DNS_FAILURE)


async def test_one_host_that_cannot_be_looked_up_does_not_stop_the_others(dns: DnsServer) -> None:
    add_mx(dns, 10, "unknown.example.com")
    dns.fail("unknown.example.com", "SERVFAIL")
    add_mx(dns, 20, "mx.example.com", "192.0.2.10")
    assert [host.name for host in (await route(dns)).hosts] == ["mx.example.com"]


async def test_ourselves_and_what_is_not_better_is_dropped(dns: DnsServer) -> None:
    add_mx(dns, 10, "better.example.com", "192.0.2.10")
    add_mx(dns, 20, "mta.us.example", "198.51.100.1")
    add_mx(dns, 20, "equal.example.com", "192.0.2.20")
    add_mx(dns, 30, "worse.example.com", "192.0.2.30")
    assert [host.name for host in (await route(dns)).hosts] == ["better.example.com"]


@pytest.mark.parametrize(
    ("host", "address", "verdict"),
    [
        ("mta.us.example", "198.51.100.1", Verdict.ERROR),
        ("alias.example.com", "192.0.2.1", Verdict.ERROR),
        ("alias.example.com", "2001:db8::1", Verdict.ERROR),
        ("alias.example.com", "::ffff:192.0.2.1", Verdict.ERROR),
        ("localhost.example.com", "127.0.0.1", Verdict.BOUNCE),
        ("localhost.example.com", "127.9.9.9", Verdict.BOUNCE),
        ("localhost.example.com", "::1", Verdict.BOUNCE),
        ("localhost.example.com", "0.0.0.0", Verdict.BOUNCE),
        ("localhost.example.com", "::", Verdict.BOUNCE),
    ],
)
async def test_mail_that_would_come_back_to_us_fails_with_5_4_6(
    dns: DnsServer, host: str, address: str, verdict: Verdict
) -> None:
    add_mx(dns, 10, host, address)
    add_mx(dns, 20, "worse.example.com", "192.0.2.30")
    code, reply_class = await failure(dns)
    assert code == "554 5.4.6"
    assert verdict_of(reply_class, is_permanent=True) is verdict


async def test_a_better_host_that_is_not_known_now_makes_a_loop_temporary(dns: DnsServer) -> None:
    add_mx(dns, 10, "better.example.com")
    dns.fail("better.example.com", "SERVFAIL")
    add_mx(dns, 20, "mta.us.example", "198.51.100.1")
    assert await failure(dns) == ("451 4.4.3", ReplyClass.DNS_FAILURE)


async def test_tests_and_the_demo_may_allow_loopback(dns: DnsServer) -> None:
    add_mx(dns, 10, "mta.us.example", "127.0.0.1", "::1")
    found = await route(dns, policy=replace(POLICY, allow_loopback=True))
    assert found.hosts[0].addresses == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("literal", "address"), [("[192.0.2.99]", "192.0.2.99"), ("[IPv6:2001:db8::99]", "2001:db8::99")]
)
async def test_an_address_literal_is_its_own_host(dns: DnsServer, literal: str, address: str) -> None:
    found = await route(dns, literal)
    assert (found.site, found.hosts) == (literal, (MxHost(name=literal, preference=0, addresses=(address,)),))
    assert not dns.queries


@pytest.mark.parametrize("literal", ["[127.0.0.1]", "[192.0.2.1]", "[IPv6:::1]", "[0.0.0.0]"])
async def test_a_literal_of_ourselves_is_refused(dns: DnsServer, literal: str) -> None:
    assert (await failure(dns, literal))[0] == "554 5.4.6"


async def test_hosted_domains_share_a_site_whatever_the_order_of_their_records(dns: DnsServer) -> None:
    for domain, (first, second) in {"a.example": (10, 20), "b.example": (20, 10)}.items():
        add_mx(dns, first, "mx1.host.example", domain=domain)
        add_mx(dns, second, "mx2.host.example", domain=domain)
    dns.add("mx1.host.example", "A", "192.0.2.10")
    dns.add("mx2.host.example", "A", "192.0.2.20")
    first_site, second_site = (await route(dns, "a.example")).site, (await route(dns, "b.example")).site
    assert first_site == second_site == site_name(["mx2.host.example", "mx1.host.example"])
    assert first_site.startswith("mx1.host.example+1#")
    assert site_name(["mx1.host.example"]) == "mx1.host.example"


async def test_the_provider_is_told_by_the_most_preferred_host(dns: DnsServer) -> None:
    add_mx(dns, 20, "a.example.com", "192.0.2.20")
    add_mx(dns, 10, "z.example.com", "192.0.2.10")
    seen: list[list[str]] = []

    def provider_of(hosts: object) -> str:
        seen.append(list(hosts))  # type: ignore[call-overload]
        return "acme"

    found = await route(dns, policy=replace(POLICY, provider_of=provider_of))
    assert found.provider == "acme"
    assert seen == [["z.example.com", "a.example.com"]]


async def test_a_hundred_mx_hosts_cost_few_look_ups(dns: DnsServer) -> None:
    for number in range(150):
        add_mx(dns, 10 + number // 10, f"mx{number}.example.com", f"192.0.2.{number % 200 + 10}")
    await route(dns)
    assert sum(dns.queries.values()) < 45


def hosts(*addresses: str) -> Route:
    return Route(
        domain="example.com",
        site="x",
        provider="other",
        hosts=tuple(
            MxHost(name=f"mx{number}", preference=number, addresses=(address,))
            for number, address in enumerate(addresses)
        ),
    )


def families(found: Route) -> str:
    return "".join("6" if ":" in target.address else "4" for target in found.targets(random.Random(3).random))


def test_a_head_of_ipv6_cannot_starve_ipv4() -> None:
    six = [f"2001:db8::{number}" for number in range(1, 9)]
    assert families(hosts(*six, "192.0.2.10", "192.0.2.11", "192.0.2.12")) == "66644"
    assert families(hosts(*six, "192.0.2.10")) == "66646"
    assert families(hosts(*six)) == "66666"


def test_at_most_five_addresses_are_tried() -> None:
    many = hosts(*(f"192.0.2.{number}" for number in range(10, 40)))
    targets = many.targets(random.Random(1).random)
    assert [target.host for target in targets] == [f"mx{number}" for number in range(MAX_TARGETS)]


def test_addresses_the_source_cannot_reach_are_left_out() -> None:
    both = hosts("2001:db8::10", "192.0.2.10")
    targets = both.targets(random.Random(1).random, usable=lambda address: ":" not in address)
    assert [target.address for target in targets] == ["192.0.2.10"]


class Book:
    """A route book and what it asks."""

    def __init__(self, dns: DnsServer) -> None:
        self.clock = ManualClock()
        self.book = RouteBook(StubResolver(self.clock, nameservers=[dns.address]), self.clock, POLICY)

    async def find(self, *, attempts: int = 0) -> str:
        found = await self.book.find("example.com", attempts=attempts)
        return found.site if isinstance(found, Route) else f"{found.reply.code} {found.reply.enhanced}"


async def test_a_route_is_kept_for_a_minute(dns: DnsServer) -> None:
    add_mx(dns, 10, "mx.example.com", "192.0.2.10")
    book = Book(dns)
    assert await book.find() == await book.find() == "mx.example.com"
    assert dns.count("example.com", "MX") == 1
    book.clock.advance(timedelta(minutes=10))
    assert await book.find() == "mx.example.com"
    assert dns.count("example.com", "MX") == 2


async def test_a_missing_domain_is_final_for_a_delivery_that_was_tried_before(dns: DnsServer) -> None:
    assert await Book(dns).find(attempts=1) == "550 5.1.2"


async def test_a_missing_domain_is_final_for_all_once_it_was_missing_a_minute_ago(dns: DnsServer) -> None:
    book = Book(dns)
    assert [await book.find(), await book.find()] == ["450 4.1.2", "450 4.1.2"]
    book.clock.advance(timedelta(minutes=1))
    assert await book.find() == "550 5.1.2"


async def test_a_domain_that_came_back_starts_afresh(dns: DnsServer) -> None:
    book = Book(dns)
    await book.find()
    add_mx(dns, 10, "mx.host.example", "192.0.2.10")
    book.clock.advance(timedelta(minutes=5))
    assert await book.find() == "mx.host.example"
    dns.remove("example.com")
    book.clock.advance(timedelta(minutes=10))
    assert await book.find() == "450 4.1.2"


async def test_a_failed_look_up_makes_mail_wait_ever_longer_until_one_succeeds(dns: DnsServer) -> None:
    clock = ManualClock()
    kept = RouteBook(StubResolver(clock, nameservers=[dns.address]), clock, POLICY)
    dns.fail("example.com", "SERVFAIL")
    for pause in (5, 10, 20):
        await asyncio.gather(*(kept.find("example.com", attempts=0) for _ in range(3)))  # they share one look-up
        clock.advance(timedelta(seconds=pause - 1))
        assert kept.is_failing("example.com")
        clock.advance(timedelta(seconds=1))
        assert not kept.is_failing("example.com")
    await kept.find("example.com", attempts=0)
    assert kept.is_failing("example.com")
    dns.mend("example.com")
    add_mx(dns, 10, "mx.example.com", "192.0.2.10")
    clock.advance(timedelta(seconds=2))
    assert isinstance(await kept.find("example.com", attempts=0), Route)
    assert not kept.is_failing("example.com")
