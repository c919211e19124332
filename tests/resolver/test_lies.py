"""The stub resolver against a name server that lies: what is believed, how long it listens, what it costs."""

import asyncio
import socket
from collections.abc import Callable
from datetime import timedelta

import dns.message
import dns.name
import pytest

from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tests.support.lying_dns import Datagram, LyingDns, Script, answer
from tierii_mta.resolver.answer import Absent, Answer, Found, Tempfail
from tierii_mta.resolver.stub import StubResolver

SHORT = timedelta(milliseconds=300)
TRUE, FALSE = "192.0.2.1", "192.0.2.66"


def says(query: dns.message.Message, address: str) -> bytes:
    """Return an answer to a query for an address record."""
    return answer(query, f"{query.question[0].name} 60 IN A {address}").to_wire()


def with_another_id(query: dns.message.Message) -> bytes:
    lie = answer(query, f"{query.question[0].name} 60 IN A {FALSE}")
    lie.id = query.id ^ 1
    return lie.to_wire()


def to_another_question(query: dns.message.Message) -> bytes:
    other = dns.message.make_query("other.example", "A", id=query.id)
    return answer(other, f"other.example. 60 IN A {FALSE}").to_wire()


def a_query(query: dns.message.Message) -> bytes:
    return query.to_wire()


def garbage(query: dns.message.Message) -> bytes:
    return query.to_wire()[:2] + b"\x81\x80\x00\x01\x00\x01\xff"


def half(query: dns.message.Message) -> bytes:
    return says(query, FALSE)[:-3]


LIES = [with_another_id, to_another_question, a_query, garbage, half, lambda _: b"", lambda _: b"\0" * 1400]
NAMES = ["another id", "another question", "our query", "garbage", "half an answer", "nothing", "zeros"]
Lie = Callable[[dns.message.Message], bytes]


async def asked(script: Script, *, timeout: timedelta = SHORT) -> tuple[Answer[str], int]:
    """Return what a resolver makes of a server's datagrams, and how often it asked."""
    async with LyingDns(script) as server:
        resolver = StubResolver(ManualClock(), nameservers=[server.address], timeout=timeout)
        found = await resolver.a("example.com")
        await resolver.close()
        return found, server.queries


@pytest.mark.parametrize("lie", LIES, ids=NAMES)
async def test_a_lie_is_passed_over_and_the_answer_behind_it_believed(lie: Lie) -> None:
    found, queries = await asked(lambda query: [*[Datagram(lie(query))] * 50, Datagram(says(query, TRUE))])
    assert found == Found((TRUE,))
    assert queries == 1


@pytest.mark.parametrize("lie", LIES, ids=NAMES)
async def test_nothing_but_lies_is_temporary_after_two_queries(lie: Lie) -> None:
    found, queries = await asked(lambda query: [Datagram(lie(query))] * 50)
    assert isinstance(found, Tempfail)
    assert queries == 2


async def test_an_answer_from_another_port_is_not_believed() -> None:
    found, _ = await asked(
        lambda query: [Datagram(says(query, FALSE), is_from_elsewhere=True), Datagram(says(query, TRUE), after=0.05)]
    )
    assert found == Found((TRUE,))


async def test_a_late_or_second_answer_never_answers_the_next_question() -> None:
    addresses = {"a.example.": TRUE, "b.example.": "192.0.2.2"}

    def script(query: dns.message.Message) -> list[Datagram]:
        own = says(query, addresses[str(query.question[0].name)])
        return [Datagram(own), Datagram(says(query, FALSE)), Datagram(says(query, FALSE), after=0.02)]

    async with LyingDns(script) as server:
        resolver = StubResolver(ManualClock(), nameservers=[server.address], timeout=SHORT)
        assert await resolver.a("a.example") == Found((TRUE,))
        await asyncio.sleep(0.03)  # the late ones are out
        assert await resolver.a("b.example") == Found(("192.0.2.2",))
        assert await resolver.a("a.example") == Found((TRUE,))


async def test_an_answer_about_another_name_is_temporary() -> None:
    found, _ = await asked(lambda query: [Datagram(answer(query, f"other.example. 60 IN A {FALSE}").to_wire())])
    assert found == Tempfail("the answer speaks of another name")


async def test_truncation_without_a_tcp_side_is_temporary() -> None:
    def truncated(query: dns.message.Message) -> list[Datagram]:
        response = answer(query)
        response.flags |= dns.flags.TC
        return [Datagram(response.to_wire())]

    found, queries = await asked(truncated)
    assert isinstance(found, Tempfail)
    assert queries == 2


async def test_aliases_that_never_end_cost_few_queries() -> None:
    def script(query: dns.message.Message) -> list[Datagram]:
        name = query.question[0].name
        return [Datagram(answer(query, f"{name} 60 IN CNAME x{len(name.labels)}.{name}").to_wire())]

    found, queries = await asked(script, timeout=timedelta(seconds=5))
    assert found == Tempfail("more than 16 aliases, or a loop of them")
    assert queries <= 17


async def test_a_dead_first_server_costs_one_look_up_and_not_every_one() -> None:
    async with DnsServer() as alive:
        for number in range(30):
            alive.add(f"n{number}.example", "A", f"192.0.2.{number}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dead:
            dead.bind(("127.0.0.1", 0))
            dead.setblocking(False)
            nameservers = [f"127.0.0.1:{dead.getsockname()[1]}", alive.address]
            resolver = StubResolver(ManualClock(), nameservers=nameservers, timeout=SHORT)
            for number in range(30):
                assert await resolver.a(f"n{number}.example") == Found((f"192.0.2.{number}",))
            assert await resolver.a("missing.example") == Absent(nxdomain=True)
            assert dead.recv(512)
            with pytest.raises(BlockingIOError):
                dead.recv(512)
