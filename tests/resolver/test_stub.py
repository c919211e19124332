"""The stub resolver against a real name server on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.errors import ConfigurationError
from tierii_mta.resolver.answer import Absent, Found, MxRecord, Resolver, Tempfail
from tierii_mta.resolver.stub import StubResolver

SHORT = timedelta(milliseconds=200)


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer(negative_ttl=timedelta(seconds=30)) as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def resolver(server: DnsServer, clock: ManualClock) -> AsyncIterator[StubResolver]:
    stub = StubResolver(clock, nameservers=[server.address])
    yield stub
    await stub.close()


async def test_every_record_type_is_read_into_its_value(server: DnsServer, resolver: StubResolver) -> None:
    port: Resolver = resolver
    server.add("example.com", "MX", 20, "MX2.example.com")
    server.add("example.com", "MX", 10, "mx1.example.com")
    server.add("mx1.example.com", "A", "192.0.2.1")
    server.add("mx1.example.com", "AAAA", "2001:0db8:0:0:0:0:0:1")
    server.add("example.com", "TXT", "v=spf1 -all")
    server.add("k._domainkey.example.com", "TXT", "v=DKIM1; p=" + "A" * 400)
    server.add_ptr("192.0.2.1", "Mx1.example.com")
    server.add_ptr("2001:db8::1", "mx1.example.com")
    mx = await port.mx("EXAMPLE.com.")
    assert isinstance(mx, Found)
    assert set(mx.records) == {MxRecord(10, "mx1.example.com"), MxRecord(20, "mx2.example.com")}
    assert await port.a("mx1.example.com") == Found(("192.0.2.1",))
    assert await port.aaaa("mx1.example.com") == Found(("2001:db8::1",))
    assert await port.txt("example.com") == Found((b"v=spf1 -all",))
    assert await port.txt("k._domainkey.example.com") == Found((b"v=DKIM1; p=" + b"A" * 400,))
    assert await port.ptr("192.0.2.1") == Found(("mx1.example.com",))
    assert await port.ptr("2001:db8::1") == Found(("mx1.example.com",))


async def test_the_null_mx_is_a_found_record(server: DnsServer, resolver: StubResolver) -> None:
    server.add("example.com", "MX", 0, ".")
    assert await resolver.mx("example.com") == Found((MxRecord(0, "."),))


async def test_a_missing_name_and_a_missing_type_are_told_apart(server: DnsServer, resolver: StubResolver) -> None:
    server.add("mx.example.com", "A", "192.0.2.1")
    assert await resolver.mx("nowhere.example.com") == Absent(nxdomain=True)
    assert await resolver.mx("mx.example.com") == Absent(nxdomain=False)
    assert await resolver.a("example.com") == Absent(nxdomain=False)  # an empty non-terminal exists


@pytest.mark.parametrize("name", ["a" * 64 + ".example.com", "a..example.com", ".".join(["a" * 60] * 5)])
async def test_a_name_no_zone_can_hold_does_not_exist(resolver: StubResolver, name: str) -> None:
    assert await resolver.a(name) == Absent(nxdomain=True)


async def test_an_answer_is_asked_for_once_until_its_time_is_over(
    server: DnsServer, resolver: StubResolver, clock: ManualClock
) -> None:
    server.add("example.com", "A", "192.0.2.1", ttl=60)
    for _ in range(3):
        assert await resolver.a("Example.com") == Found(("192.0.2.1",))
    clock.advance(timedelta(seconds=59))
    await resolver.a("example.com")
    assert server.count("example.com") == 1
    clock.advance(timedelta(seconds=1))
    await resolver.a("example.com")
    assert server.count("example.com") == 2


async def test_the_shortest_time_along_an_alias_chain_counts(
    server: DnsServer, resolver: StubResolver, clock: ManualClock
) -> None:
    server.add("www.example.com", "CNAME", "host.example.com", ttl=10)
    server.add("host.example.com", "A", "192.0.2.1", ttl=1000)
    await resolver.a("www.example.com")
    clock.advance(timedelta(seconds=11))
    await resolver.a("www.example.com")
    assert server.count("www.example.com") == 2


async def test_a_no_is_remembered_as_long_as_the_soa_says(
    server: DnsServer, resolver: StubResolver, clock: ManualClock
) -> None:
    await resolver.a("example.com")
    clock.advance(timedelta(seconds=29))
    await resolver.a("example.com")
    assert server.count("example.com") == 1
    server.add("example.com", "A", "192.0.2.1")
    clock.advance(timedelta(seconds=1))
    assert await resolver.a("example.com") == Found(("192.0.2.1",))


async def test_a_failure_is_remembered_for_a_second_and_can_be_forgotten(
    server: DnsServer, resolver: StubResolver, clock: ManualClock
) -> None:
    server.add("example.com", "A", "192.0.2.1")
    server.fail("example.com", "SERVFAIL")
    assert await resolver.a("example.com") == Tempfail("the name server answered SERVFAIL")
    server.mend("example.com")
    assert isinstance(await resolver.a("example.com"), Tempfail)
    clock.advance(timedelta(seconds=1))
    assert await resolver.a("example.com") == Found(("192.0.2.1",))
    server.fail("example.com", "REFUSED")
    assert await resolver.a("example.com") == Found(("192.0.2.1",))
    resolver.forget()
    assert await resolver.a("example.com") == Tempfail("the name server answered REFUSED")


@pytest.mark.parametrize("how", ["timeout", "malformed"])
async def test_silence_and_garbage_are_temporary(server: DnsServer, clock: ManualClock, how: str) -> None:
    server.fail("example.com", how)
    resolver = StubResolver(clock, nameservers=[server.address], timeout=SHORT)
    answer = await resolver.mx("example.com")
    assert answer == Tempfail(f"no answer from {server.address}")
    assert server.count("example.com") == 2  # one datagram may get lost


async def test_the_next_server_is_asked_and_then_preferred(server: DnsServer, clock: ManualClock) -> None:
    server.add("example.com", "A", "192.0.2.1")
    server.add("example.net", "A", "192.0.2.2")
    async with DnsServer() as broken:
        broken.fail("example.com", "SERVFAIL")
        resolver = StubResolver(clock, nameservers=[broken.address, server.address])
        assert await resolver.a("example.com") == Found(("192.0.2.1",))
        assert await resolver.a("example.net") == Found(("192.0.2.2",))
        assert broken.count("example.com") == 1
        assert broken.count("example.net") == 0


async def test_nobody_listening_is_temporary(clock: ManualClock) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        resolver = StubResolver(clock, nameservers=[address], timeout=SHORT)
        assert isinstance(await resolver.a("example.com"), Tempfail)


async def test_a_truncated_answer_is_fetched_over_tcp_and_only_a_hundred_records_are_kept(
    server: DnsServer, resolver: StubResolver
) -> None:
    for number in reversed(range(300)):
        server.add("example.com", "MX", number, f"mx{number}.example.com")
    answer = await resolver.mx("example.com")
    assert isinstance(answer, Found)
    assert [record.preference for record in answer.records] == list(range(100))
    assert server.count("example.com") == 2  # UDP, then TCP


async def test_aliases_are_followed_up_to_sixteen(server: DnsServer, resolver: StubResolver) -> None:
    for number in range(17):
        server.add(f"a{number}.example.com", "CNAME", f"a{number + 1}.example.com")
    server.add("a17.example.com", "A", "192.0.2.1")
    assert await resolver.a("a1.example.com") == Found(("192.0.2.1",))
    assert await resolver.a("a0.example.com") == Tempfail("more than 16 aliases, or a loop of them")


async def test_an_alias_loop_is_temporary(server: DnsServer, resolver: StubResolver) -> None:
    server.add("a.example.com", "CNAME", "b.example.com")
    server.add("b.example.com", "CNAME", "a.example.com")
    assert await resolver.mx("a.example.com") == Tempfail("more than 16 aliases, or a loop of them")


async def test_an_alias_to_nothing_says_what_is_missing(server: DnsServer, resolver: StubResolver) -> None:
    server.add("a.example.com", "CNAME", "gone.example.net")
    server.add("b.example.com", "CNAME", "host.example.net")
    server.add("host.example.net", "A", "192.0.2.1")
    assert await resolver.a("a.example.com") == Absent(nxdomain=True)
    assert await resolver.aaaa("b.example.com") == Absent(nxdomain=False)


async def test_all_who_ask_at_once_share_one_query(server: DnsServer, resolver: StubResolver) -> None:
    server.add("example.com", "A", "192.0.2.1", ttl=0)
    answers = await asyncio.gather(*(resolver.a("example.com") for _ in range(50)))
    assert set(answers) == {Found(("192.0.2.1",))}
    assert server.count("example.com") == 1
    await resolver.a("example.com")
    assert server.count("example.com") == 2  # a TTL of 0 is not kept


async def test_a_caller_that_gives_up_does_not_take_the_answer_from_the_others(
    server: DnsServer, resolver: StubResolver
) -> None:
    server.add("example.com", "A", "192.0.2.1")
    impatient, patient = (asyncio.create_task(resolver.a("example.com")) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == Found(("192.0.2.1",))
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_closing_ends_what_is_in_flight_without_cancelling_the_callers(
    server: DnsServer, clock: ManualClock
) -> None:
    server.fail("example.com", "timeout")
    resolver = StubResolver(clock, nameservers=[server.address], timeout=timedelta(minutes=5))
    waiting = asyncio.create_task(resolver.a("example.com"))
    while not server.count("example.com"):
        await asyncio.sleep(0)
    await resolver.close()
    assert await waiting == Tempfail("the resolver was closed")


async def test_many_names_at_once_all_get_their_answer(server: DnsServer, clock: ManualClock) -> None:
    for number in range(150):
        server.add(f"d{number}.example.com", "A", f"192.0.2.{number}")
    resolver = StubResolver(clock, nameservers=[server.address], concurrency=10)
    answers = await asyncio.gather(*(resolver.a(f"d{number}.example.com") for number in range(150)))
    assert answers == [Found((f"192.0.2.{number}",)) for number in range(150)]


async def test_the_cache_drops_what_was_longest_unused(server: DnsServer, clock: ManualClock) -> None:
    for name in ("a.example", "b.example", "c.example"):
        server.add(name, "A", "192.0.2.1")
    resolver = StubResolver(clock, nameservers=[server.address], cache_entries=2)
    for name in ("a.example", "b.example", "a.example", "c.example", "a.example", "b.example"):
        await resolver.a(name)
    assert [server.count(name) for name in ("a.example", "b.example", "c.example")] == [1, 2, 1]


@pytest.mark.parametrize("text", ["ns.example.com", "127.0.0.1:0", "127.0.0.1:http", "[::1", "", "127.0.0.1:99999"])
def test_a_name_server_that_is_no_address_is_a_configuration_error(clock: ManualClock, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"dns\.nameservers.*write an IP address"):
        StubResolver(clock, nameservers=[text])


async def test_a_name_server_may_be_reached_over_ipv6(clock: ManualClock) -> None:
    async with DnsServer("::1") as server:
        server.add("example.com", "A", "192.0.2.1")
        resolver = StubResolver(clock, nameservers=[server.address])
        assert await resolver.a("example.com") == Found(("192.0.2.1",))
