"""Mail to ourselves: into the inbox if port 25 would know the recipient, else by the way out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contracts.installation import Installation
from tests.support.clock import ManualClock
from tierii_mta.correspondence.local import LocalDelivery
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.mailboxes import Mailboxes, MailDomain
from tierii_mta.inbound.reception import MAX_HOPS
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import Purpose, TokenCodec, signed_address
from tierii_mta.outbound.content import Prepared, RenderFailed
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import (
    Deferred,
    Delivered,
    Delivery,
    Failed,
    FailureReason,
    Lane,
    Outcome,
    Priority,
    Returned,
)
from tierii_mta.queue.received import InboxState

CODEC = TokenCodec(b"a secret of the installation")
DATA = b"Subject: hi\r\n\r\nbody\r\n"
ELSEWHERE = Returned(why="it went out")


@dataclass
class WayOut:
    """Everybody else's way."""

    got: list[str] = field(default_factory=list)

    def room(self, lane: Lane, priority: Priority, most: int) -> int:
        return 1

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        self.got.append(delivery.recipient)
        return ELSEWHERE


@dataclass
class Content:
    """The same octets for everybody, or a failure."""

    data: bytes = DATA
    failure: Exception | None = None

    async def prepare(self, delivery: Delivery) -> Prepared:
        if self.failure is not None:
            raise self.failure
        return Prepared(
            reverse_path=Address.parse("shop@example.com"),
            recipient=Address.parse(delivery.recipient),
            data=self.data,
            message_id="<1@example.com>",
            body_hash="0" * 64,
            is_8bit=False,
            needs_smtputf8=False,
        )


@dataclass
class House:
    """A queue with its short cut."""

    store: Installation
    way_out: WayOut
    content: Content
    committer: Committer
    local: LocalDelivery

    async def deliver(self, recipient: str, *, is_ours: bool = True) -> Outcome:
        await self.store.accept(recipient)
        epoch = await self.store.register()
        (delivery,) = await self.store.claim(epoch)

        async def activate() -> bool:
            return is_ours

        return await self.local.deliver(delivery, activate)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = Installation("sqlite", tmp_path, ManualClock())
    await store.open()
    committer = Committer(store.queue, store.clock, gather_s=0)  # a clock that stands still gathers for ever
    running = asyncio.create_task(committer.run())
    domain = MailDomain(
        name="example.com",
        return_path="bounce.example.com",
        reply_domain="bounce.example.com",
        mailboxes=frozenset({"sales"}),
    )
    way_out, content = WayOut(), Content()
    local = LocalDelivery(
        way_out,
        mailboxes=Mailboxes([domain], hostname="mta.example.com", codec=CODEC),
        content=content,
        committer=committer,
        clock=store.clock,
        hostname="mta.example.com",
    )
    yield House(store, way_out, content, committer, local)
    committer.close()
    await running
    await store.close()


async def test_a_mailbox_of_ours_is_reached_through_the_inbox(house: House) -> None:
    outcome = await house.deliver("sales+x@example.com")
    assert isinstance(outcome, Delivered)
    assert str(outcome.attempt.reply) == "250 2.0.0 kept in our own inbox as 1"
    (message,) = [one async for one in house.store.db.inbox.messages()]
    assert message.entry.state is InboxState.NEW
    assert message.entry.reverse_path == "shop@example.com"
    assert [(one.address, one.mailbox) for one in message.entry.recipients] == [
        ("sales+x@example.com", "example.com/sales")
    ]
    octets = b"".join([part async for part in house.store.db.inbox.parts(message.id)])
    assert octets.startswith(b"Return-Path: <shop@example.com>\r\nReceived: by mta.example.com (from itself) id 1;")
    assert octets.endswith(b"\r\n" + DATA)
    assert message.entry.size_bytes == len(octets)
    assert house.way_out.got == []


async def test_an_address_that_we_signed_is_reached_likewise(house: House) -> None:
    ada = Address.parse("ada@elsewhere.example")
    address = signed_address(CODEC, Purpose.BOUNCE, 7, ada, "bounce.example.com")
    assert isinstance(await house.deliver(str(address)), Delivered)
    (message,) = [one async for one in house.store.db.inbox.messages()]
    assert [one.token for one in message.entry.recipients] == [Purpose.BOUNCE]


@pytest.mark.parametrize("recipient", ["ada@elsewhere.example", "nobody@example.com", "b+forged@bounce.example.com"])
async def test_everybody_else_goes_the_way_out(house: House, recipient: str) -> None:
    assert await house.deliver(recipient) is ELSEWHERE
    assert house.way_out.got == [recipient]
    assert [one async for one in house.store.db.inbox.messages()] == []


async def test_what_is_no_longer_ours_is_not_kept(house: House) -> None:
    assert isinstance(await house.deliver("sales@example.com", is_ours=False), Returned)
    assert [one async for one in house.store.db.inbox.messages()] == []


async def test_a_loop_ends(house: House) -> None:
    house.content.data = b"Received: from a by b; now\r\n" * (MAX_HOPS + 1) + DATA
    outcome = await house.deliver("sales@example.com")
    assert isinstance(outcome, Failed)
    assert str(outcome.attempt.reply).startswith("554 5.4.6")


async def test_what_cannot_be_made_fails_and_what_cannot_be_read_or_kept_now_waits(house: House) -> None:
    house.content.failure = RenderFailed("no first name")
    failed = await house.deliver("sales@example.com")
    assert isinstance(failed, Failed)
    assert failed.reason is FailureReason.RENDER
    house.content.failure = Unavailable("the database cannot be read now")
    assert isinstance(await house.deliver("sales+a@example.com"), Returned)
    house.content.failure = None
    house.committer.close()
    deferred = await house.deliver("sales+b@example.com")
    assert isinstance(deferred, Deferred)
    assert str(deferred.attempt.reply).startswith("451 4.3.0")


def test_there_is_room_at_home_whatever_the_way_out_has(house: House) -> None:
    def room(domain: str) -> int:
        lane = Lane(id=1, stream=1, domain=domain)  # type: ignore[arg-type]
        return house.local.room(lane, Priority.NORMAL, 100)

    assert (room("example.com"), room("elsewhere.example")) == (32, 1)
