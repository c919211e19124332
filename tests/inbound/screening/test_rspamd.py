"""rspamd: what it says counts, and when it says nothing, nobody waits for it; the real one is behind the port
(test_port_with_rspamd)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from tests.inbound.screening.cases import HEAD, case, rules
from tests.support.clock import ManualClock
from tierii_mta.inbound.screening.rspamd import Rspamd
from tierii_mta.queue.received import InboxRecipient


@asynccontextmanager
async def asking(url: str, clock: ManualClock | None = None, seconds: float = 5) -> AsyncIterator[Rspamd]:
    check = Rspamd(url, timeout=timedelta(seconds=seconds), clock=clock or ManualClock(), hostname="mta.example.com")
    try:
        yield check
    finally:
        await check.close()


class Broken:
    """A web server that answers everything with the same octets, or not at all."""

    def __init__(self, answer: bytes | None, status: str = "200 OK") -> None:
        self._answer, self._status = answer, status
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        if self._answer is None:
            await reader.read()
        else:
            head = f"HTTP/1.1 {self._status}\r\nContent-Length: {len(self._answer)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + self._answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(broken: Broken) -> AsyncIterator[str]:
    async with await asyncio.start_server(broken.serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_points_are_bounded_and_the_heaviest_symbols_are_named() -> None:
    symbols = {f"S{number}": {"name": f"S{number}", "score": number} for number in range(1, 12)}
    answer = {"score": 99.5, "required_score": 15, "action": "reject", "symbols": symbols}
    async with serving(Broken(json.dumps(answer).encode())) as url, asking(url) as check:
        (found,) = (await check.look(case())).observations
    assert found.times == 15
    assert found.detail.startswith("99.5 of 15, reject: S11 +11, S10 +10")
    assert "S3 " not in found.detail


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"not json", "200 OK"), (b"[]", "200 OK"), (b"{}", "200 OK"), (b"{}", "500 Oops"), (b'{"score": "x"}', "200 OK")],
)
async def test_nonsense_is_noted(answer: bytes, status: str) -> None:
    async with serving(Broken(answer, status)) as url, asking(url) as check:
        assert rules(await check.look(case())) == ["rspamd_unusable"]


async def test_one_that_does_not_answer_is_not_waited_for() -> None:
    async with serving(Broken(None)) as url, asking(url, seconds=0.05) as check:
        assert rules(await check.look(case())) == ["rspamd_unusable"]


async def test_one_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    clock, broken = ManualClock(), Broken(b"", "503 Busy")
    async with serving(broken) as url, asking(url, clock) as check:
        for _ in range(10):
            assert rules(await check.look(case())) == ["rspamd_unusable"]
        assert broken.asked == 3
        clock.advance(timedelta(seconds=31))
        await check.look(case())
        assert broken.asked == 4


async def test_addresses_beyond_ascii_and_a_huge_message_do_no_harm() -> None:
    answer = b'{"score": 1, "required_score": 15, "action": "no action", "symbols": {}}'
    broken = Broken(answer)
    async with serving(broken) as url, asking(url) as check:
        one = case(sender="jürgen@elsewhere.example", recipients=[InboxRecipient(address="vertrieb-ä@example.com")])
        assert rules(await check.look(one)) == ["rspamd"]
        assert rules(await check.look(case(head=HEAD, body=b"x" * 10_000_001))) == ["rspamd_unusable"]
    assert broken.asked == 1
