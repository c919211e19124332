"""The pool: sessions wait for the next message, but never longer, more often or in a worse state than allowed."""

import asyncio
from datetime import timedelta

import pytest

from tests.support import hostile_mx
from tests.support.clock import ManualClock
from tests.support.hostile_mx import HostileMx, Peer
from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import Envelope
from tierii_mta.outbound.pool import Pool
from tierii_mta.outbound.security import TlsContexts, TlsPolicy
from tierii_mta.outbound.session import Host, Reuse, Session, SessionKey, Timeouts, open_session
from tierii_mta.outbound.sources import Source

KEY = SessionKey("main", "mx.example", TlsPolicy.NONE)
ENVELOPE = Envelope(reverse_path=None, recipients=(Address.parse("anna@example.net"),), size_bytes=0)
MESSAGE = b"Subject: hi\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def contexts() -> TlsContexts:
    return TlsContexts()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def honest(peer: Peer) -> None:
    await peer.greet()
    await peer.serve()


async def connect(mx: HostileMx, clock: ManualClock, contexts: TlsContexts, reuse: Reuse | None = None) -> Session:
    return await open_session(
        Host("mx.example", mx.address, mx.port),
        source=Source(name="main", ehlo="mta.example.com"),
        tls=TlsPolicy.NONE,
        ehlo="mta.example.com",
        timeouts=Timeouts(),
        clock=clock,
        contexts=contexts,
        reuse=reuse,
    )


async def test_the_session_given_last_is_taken_first_and_only_under_its_key(
    clock: ManualClock, contexts: TlsContexts
) -> None:
    async with HostileMx(honest) as mx:
        pool = Pool(clock)
        first, second = await connect(mx, clock, contexts), await connect(mx, clock, contexts)
        pool.give(KEY, first)
        pool.give(KEY, second)
        assert pool.take(SessionKey("other", "mx.example", TlsPolicy.NONE)) is None
        assert pool.take(SessionKey("main", "mx.example", TlsPolicy.REQUIRED)) is None
        assert pool.take(KEY) is second
        assert pool.take(KEY) is first
        assert pool.take(KEY) is None
        assert (await first.transact(ENVELOPE, MESSAGE)).is_success
        await first.close()
        await second.close()


async def test_a_session_waits_no_longer_than_its_idle_time(clock: ManualClock, contexts: TlsContexts) -> None:
    async with HostileMx(honest) as mx:
        pool = Pool(clock)
        pool.give(KEY, await connect(mx, clock, contexts, Reuse(idle=timedelta(seconds=15))))
        clock.advance(timedelta(seconds=15))
        assert pool.take(KEY) is None
        assert len(pool) == 0
    assert mx.peers[0].heard.endswith(b"QUIT\r\n")


async def test_idle_sessions_close_by_themselves_as_their_time_comes(clock: ManualClock, contexts: TlsContexts) -> None:
    async with HostileMx(honest) as mx:
        pool = Pool(clock)
        running = asyncio.ensure_future(pool.run())
        pool.give(KEY, await connect(mx, clock, contexts, Reuse(idle=timedelta(seconds=5))))
        pool.give(KEY, await connect(mx, clock, contexts, Reuse(idle=timedelta(seconds=60))))
        await clock.run(timedelta(seconds=10))
        assert len(pool) == 1
        await clock.run(timedelta(seconds=60))
        assert len(pool) == 0
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_session_lives_no_longer_than_its_lifetime_however_busy(
    clock: ManualClock, contexts: TlsContexts
) -> None:
    async with HostileMx(honest) as mx:
        pool = Pool(clock)
        session = await connect(mx, clock, contexts, Reuse(lifetime=timedelta(seconds=300)))
        for _ in range(2):
            clock.advance(timedelta(seconds=149))
            assert (await session.transact(ENVELOPE, MESSAGE)).is_success
            pool.give(KEY, session)
            assert pool.take(KEY) is session
        pool.give(KEY, session)
        clock.advance(timedelta(seconds=2))
        assert pool.take(KEY) is None


async def test_a_session_that_has_carried_its_messages_is_not_kept(clock: ManualClock, contexts: TlsContexts) -> None:
    async with HostileMx(honest) as mx:
        pool = Pool(clock)
        session = await connect(mx, clock, contexts, Reuse(messages=1))
        await session.transact(ENVELOPE, MESSAGE)
        pool.give(KEY, session)
        assert len(pool) == 0


@pytest.mark.parametrize("farewell", [b"421 4.4.2 idle too long\r\n", b"", b"250 what?\r\n"], ids=["421", "FIN", "250"])
async def test_what_the_host_said_meanwhile_is_charged_to_no_message(
    clock: ManualClock, contexts: TlsContexts, farewell: bytes
) -> None:
    async with HostileMx(hostile_mx.hangs_up_after(1, farewell)) as mx:
        pool = Pool(clock)
        session = await connect(mx, clock, contexts)
        assert (await session.transact(ENVELOPE, MESSAGE)).is_success
        pool.give(KEY, session)
        async with asyncio.timeout(10):
            while (taken := pool.take(KEY)) is not None:  # until the host's bytes have crossed the loopback
                pool.give(KEY, taken)
                await asyncio.sleep(0)
        assert len(pool) == 0


async def test_the_kernel_is_asked_not_only_the_event_loop(clock: ManualClock, contexts: TlsContexts) -> None:
    async with HostileMx(honest) as mx:
        pool = Pool(clock)
        pool.give(KEY, await connect(mx, clock, contexts))
        mx.peers[0].send_now(b"421 bye\r\n")
        looks = 0
        while (taken := pool.take(KEY)) is not None and looks < 1_000_000:  # no await: the loop reads nothing
            pool.give(KEY, taken)
            looks += 1
        assert taken is None


async def test_the_pool_is_bounded(clock: ManualClock, contexts: TlsContexts) -> None:
    async with HostileMx(honest) as mx:
        pool = Pool(clock, max_idle=2)
        for _ in range(4):
            pool.give(KEY, await connect(mx, clock, contexts))
        assert len(pool) == 2
        await pool.close_all()


async def test_closing_the_pool_closes_every_session_and_those_given_later(
    clock: ManualClock, contexts: TlsContexts
) -> None:
    async with HostileMx(honest) as mx:
        pool = Pool(clock)
        busy = await connect(mx, clock, contexts)
        pool.give(KEY, await connect(mx, clock, contexts))
        await pool.close_all()
        assert len(pool) == 0
        pool.give(KEY, busy)
        assert pool.take(KEY) is None
    assert all(peer.heard.endswith(b"QUIT\r\n") for peer in mx.peers)
