"""Forwarding: what changes on the way, what loops, and that a job done twice is one message in the queue."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.installation import Installation
from tests.contracts.test_inbox import keep
from tests.correspondence.mailboxes.letters import BODY, TOP, letter
from tests.support.clock import START, ManualClock
from tierii_mta.correspondence.mailboxes.delivery import Done, Later, Never, Outcome
from tierii_mta.correspondence.mailboxes.forward import Forwarder
from tierii_mta.mail.address import Address
from tierii_mta.mail.srs import open_srs, rewrite
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Delivery
from tierii_mta.queue.intake import Intake
from tierii_mta.queue.schedule import RetrySchedule

CODEC = TokenCodec(b"a secret of the installation")
HOME = "bounce.example.com"
AWAY = Address.parse("sales@away.example")
RECEIVED = TOP.partition(b"\r\n")[2]


@dataclass
class House:
    """A queue, and who puts letters into it."""

    store: Installation
    forwarder: Forwarder
    committer: Committer

    async def sent(self) -> list[tuple[Delivery, bytes]]:
        """What is in the queue, with its octets."""
        epoch = await self.store.register()
        found = await self.store.claim(epoch)
        return [(one, b"".join((await self.store.queue.stored_message(one.id)).parts)) for one in found]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = Installation("sqlite", tmp_path, ManualClock())
    await store.open()
    committer = Committer(store.queue, store.clock, gather_s=0)  # a clock that stands still gathers for ever
    running = asyncio.create_task(committer.run())
    forwarder = Forwarder(
        intake=Intake(
            committer=committer,
            codec=CODEC,
            schedule=RetrySchedule(intervals=(timedelta(minutes=1),), lifetime=timedelta(days=1)),
            clock=store.clock,
        ),
        inbox=store.db.inbox,
        codec=CODEC,
        clock=store.clock,
        domains={"example.com": HOME, HOME: HOME, "shop.example": "shop.example"},
        default=HOME,
    )
    yield House(store, forwarder, committer)
    committer.close()
    await running
    await store.close()


async def send_on(house: House, to: Address = AWAY, **fields: Any) -> Outcome:
    return await house.forwarder.send_on(letter(**fields), to)


async def test_a_letter_leaves_with_a_sender_of_ours_and_its_octets_as_they_came(house: House) -> None:
    outcome = await send_on(house)
    assert isinstance(outcome, Done)
    ((delivery, octets),) = await house.sent()
    assert delivery.recipient == str(AWAY)
    sender = Address.parse(delivery.reverse_path or "")
    assert sender.domain == HOME
    assert open_srs(CODEC, sender.local, at=START) == Address("ada", "elsewhere.example")
    assert octets == b"Delivered-To: sales@example.com\r\n" + RECEIVED + BODY


async def test_the_domain_of_the_mailbox_rewrites(house: House) -> None:
    await send_on(house, mailbox="shop.example/sales")
    ((delivery, _),) = await house.sent()
    assert (delivery.reverse_path or "").endswith("@shop.example")


async def test_a_report_keeps_the_null_sender_and_one_of_us_the_own(house: House) -> None:
    await send_on(house, job=1, reverse_path="")
    await send_on(house, job=2, reverse_path="news@example.com")
    assert sorted(one.reverse_path or "" for one, _ in await house.sent()) == ["", "news@example.com"]


async def test_a_job_done_twice_is_one_message(house: House) -> None:
    first = await send_on(house)
    house.store.clock.advance(timedelta(days=2))  # the rewritten sender is another by then
    assert await send_on(house, attempts=2) == first
    assert len(await house.sent()) == 1


async def test_what_was_here_before_loops(house: House) -> None:
    before = b"Delivered-To: Sales@example.com\r\n" + BODY
    outcome = await send_on(house, parts=(TOP, before))
    assert isinstance(outcome, Never)
    assert "loops" in outcome.reason
    assert await house.sent() == []


async def test_a_mark_in_the_body_or_of_another_mailbox_is_no_loop(house: House) -> None:
    parts = (TOP, b"Delivered-To: other@example.com\r\n" + BODY + b"Delivered-To: sales@example.com\r\n")
    assert isinstance(await send_on(house, parts=parts), Done)


async def test_mail_to_a_rewritten_sender_reaches_the_sender(house: House) -> None:
    back = rewrite(CODEC, Address.parse("ada@elsewhere.example"), domain=HOME, number=1, at=START)
    await send_on(house, to=back, mailbox=str(back), recipient=str(back), reverse_path="")
    ((delivery, _),) = await house.sent()
    assert (delivery.recipient, delivery.reverse_path) == ("ada@elsewhere.example", "")


async def test_a_sender_kept_under_a_number_is_found_in_the_inbox(house: House) -> None:
    long = f"{'x' * 50}@elsewhere.example"
    number = await keep(house.store, reverse_path=long)
    back = rewrite(CODEC, Address.parse(long), domain=HOME, number=number, at=START)
    gone = rewrite(CODEC, Address.parse(long), domain=HOME, number=number + 1, at=START)
    assert isinstance(await send_on(house, to=back, recipient=str(back), reverse_path=""), Done)
    assert isinstance(await send_on(house, to=gone, recipient=str(gone), reverse_path=""), Never)
    ((delivery, _),) = await house.sent()
    assert delivery.recipient == long


async def test_a_queue_that_takes_nothing_delays(house: House) -> None:
    house.committer.close()
    assert isinstance(await send_on(house), Later)
