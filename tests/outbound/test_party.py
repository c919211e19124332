"""One stored message to several people of one destination: one transaction, and everybody's own fate."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.outbound.rig import Rig
from tierii_mta.errors import Unavailable
from tierii_mta.mail.address import Address
from tierii_mta.outbound.content import RenderFailed
from tierii_mta.outbound.party import MOST, Parties
from tierii_mta.queue.delivery import (
    Deferred,
    Delivered,
    Delivery,
    Failed,
    FailureReason,
    InDoubt,
    LaneId,
    MessageRow,
    Outcome,
    Returned,
    Stage,
)
from tierii_mta.rehearsal.personality import Personality
from tierii_mta.rehearsal.sink import Sink


@asynccontextmanager
async def sending_to(personality: str = "", *, is_shared: bool = True) -> AsyncIterator[tuple[Rig, Sink]]:
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(Sink(Personality.parse(personality)))
        rig = await stack.enter_async_context(Rig(port=sink.port))
        rig.host(10)
        rig.letters.is_shared = is_shared
        yield rig, sink


async def is_ours() -> bool:
    return True


def to(rig: Rig, names: str, message: int = 7) -> list[Delivery]:
    """Deliveries of one submitted message."""
    rows = {"campaign": None, "message": MessageRow(message), "reverse_path": "news@example.org"}
    return [rig.delivery(f"{name}@example.com", **rows) for name in names.split()]


async def sent(rig: Rig, deliveries: list[Delivery]) -> list[Outcome]:
    return await asyncio.gather(*(rig.mx.deliver(one, rig.activate) for one in deliveries))


def recipients(sink: Sink) -> list[tuple[str, ...]]:
    return sorted(tuple(sorted(one.recipients)) for one in sink.received)


async def test_people_of_one_destination_share_a_transaction_and_each_is_activated() -> None:
    async with sending_to() as (rig, sink):
        outcomes = await sent(rig, to(rig, "ann bob cyd"))
        assert all(isinstance(one, Delivered) for one in outcomes)
        assert recipients(sink) == [("ann@example.com", "bob@example.com", "cyd@example.com")]
        assert (rig.activations, rig.letters.prepared) == (3, 1)
        facts = [one.attempt for one in outcomes if isinstance(one, Delivered)]
        assert {(one.mx, one.source, one.body_hash, one.message_id) for one in facts} == {
            ("mx10.example.com", "main", "00" * 32, "<1@example.org>")
        }
        assert all("RCPT TO:<bob@example.com>" in str(one.talk[-1].said) for one in facts)


async def test_one_who_is_refused_fails_alone() -> None:
    async with sending_to("rules: [{to: 'b*@*', do: reject}]") as (rig, sink):
        ann, bob, cyd = await sent(rig, to(rig, "ann bob cyd"))
        assert isinstance(ann, Delivered)
        assert isinstance(cyd, Delivered)
        assert isinstance(bob, Failed)
        assert (bob.reason, bob.suppress, bob.attempt.stage) == (FailureReason.BOUNCED, True, Stage.RCPT)
        assert recipients(sink) == [("ann@example.com", "cyd@example.com")]


async def test_a_driver_who_is_refused_takes_the_others_along() -> None:
    async with sending_to("rules: [{to: 'ann@*', do: full}]") as (rig, sink):
        ann, bob = await sent(rig, to(rig, "ann bob"))
        assert isinstance(ann, Deferred)
        assert isinstance(bob, Delivered)
        assert recipients(sink) == [("bob@example.com",)]


async def test_nobody_shares_what_differs_for_each() -> None:
    async with sending_to(is_shared=False) as (rig, sink):
        assert all(isinstance(one, Delivered) for one in await sent(rig, to(rig, "ann bob cyd")))
        assert recipients(sink) == [("ann@example.com",), ("bob@example.com",), ("cyd@example.com",)]


async def test_other_messages_and_campaign_mail_go_alone() -> None:
    async with sending_to() as (rig, sink):
        mixed = [
            *to(rig, "ann", 7),
            *to(rig, "bob", 8),
            rig.delivery("cyd@example.com"),
            rig.delivery("dee@example.com"),
        ]
        await sent(rig, mixed)
        assert recipients(sink) == [(f"{name}@example.com",) for name in ("ann", "bob", "cyd", "dee")]


async def test_a_transaction_has_its_most_recipients_and_the_next_one_drives_another() -> None:
    parties, key = Parties(), (MessageRow(7), LaneId(1), "main")
    first = parties.begin(key)
    for number in range(MOST - 1):
        assert parties.find(key) is first
        first.join(Address.parse(f"p{number}@example.com"), is_ours)
    assert parties.find(key) is None
    second = parties.begin(key)
    await first.board()
    assert (len(first.recipients), parties.find(key)) == (MOST - 1, second)
    await second.board()
    assert parties.find(key) is None


async def test_without_a_reply_to_the_dot_all_are_in_doubt() -> None:
    async with sending_to("rules: [{do: drop}]") as (rig, _):
        assert [type(one) for one in await sent(rig, to(rig, "ann bob"))] == [InDoubt, InDoubt]
        assert rig.activations == 2


async def test_a_host_that_fails_early_defers_all_and_nobody_is_in_doubt() -> None:
    async with sending_to("rules: [{do: drop, at: data}]") as (rig, _):
        assert [type(one) for one in await sent(rig, to(rig, "ann bob"))] == [Deferred, Deferred]


async def test_the_guests_of_a_driver_whose_content_fails_try_for_themselves() -> None:
    async with sending_to() as (rig, _):
        rig.letters.failure = RenderFailed("the stored message has a malformed header")
        assert [type(one) for one in await sent(rig, to(rig, "ann bob"))] == [Failed, Failed]
        assert (rig.activations, rig.letters.prepared) == (0, 2)


async def given(rig: Rig, deliveries: list[Delivery], activate: list[Callable[[], Awaitable[bool]]]) -> list[object]:
    pairs = zip(deliveries, activate, strict=True)
    return await asyncio.gather(*(rig.mx.deliver(one, how) for one, how in pairs), return_exceptions=True)


async def test_a_guest_that_cannot_be_activated_stays_behind() -> None:
    async def is_sick() -> bool:
        raise Unavailable("the store is sick")

    async def is_lost() -> bool:
        return False

    async with sending_to() as (rig, sink):
        deliveries = to(rig, "ann bob cyd")
        ann, bob, cyd = await given(rig, deliveries, [rig.activate, is_sick, is_lost])
        assert isinstance(ann, Delivered)
        assert isinstance(bob, Unavailable)
        assert isinstance(cyd, Returned)
        assert recipients(sink) == [("ann@example.com",)]


async def test_a_guest_that_is_recalled_before_the_driver_sends_is_not_sent() -> None:
    async with sending_to() as (rig, sink):
        rig.letters.gate = asyncio.Event()
        ann, bob = (asyncio.ensure_future(rig.mx.deliver(one, rig.activate)) for one in to(rig, "ann bob"))
        while not rig.letters.prepared:
            await asyncio.sleep(0)
        bob.cancel()
        rig.letters.gate.set()
        assert isinstance(await ann, Delivered)
        with pytest.raises(asyncio.CancelledError):
            await bob
        assert (recipients(sink), rig.activations) == ([("ann@example.com",)], 1)


async def test_the_guests_of_a_driver_that_is_recalled_find_another() -> None:
    async with sending_to() as (rig, sink):
        rig.letters.gate = asyncio.Event()
        ann, bob, cyd = (asyncio.ensure_future(rig.mx.deliver(one, rig.activate)) for one in to(rig, "ann bob cyd"))
        while not rig.letters.prepared:
            await asyncio.sleep(0)
        ann.cancel()
        rig.letters.gate.set()
        assert [type(one) for one in await asyncio.gather(bob, cyd)] == [Delivered, Delivered]
        assert recipients(sink) == [("bob@example.com", "cyd@example.com")]
