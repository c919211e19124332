"""The processor: every received message is read, acted upon and settled once, whatever ends in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.contracts.installation import LIFETIME, Installation
from tests.support.clock import ManualClock
from tierii_mta.campaigns.store import NewRecipient, Snapshot
from tierii_mta.clock import later
from tierii_mta.correspondence.effects import Effects
from tierii_mta.correspondence.mailboxes.routing import MailboxDomain, Routing
from tierii_mta.correspondence.mailboxes.targets import MaildirTarget
from tierii_mta.correspondence.processor import MAX_ATTEMPTS, Processor
from tierii_mta.correspondence.quote import Cut, cut
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import EnvelopeFacts, Reading
from tierii_mta.correspondence.sent import OriginalText
from tierii_mta.events import EventType
from tierii_mta.inbound.inbox import InboxMessage
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import message_id
from tierii_mta.mail.tokens import Purpose, TokenCodec, return_path, signed_address, unsubscribe_address
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Delivery, Epoch, State
from tierii_mta.queue.received import InboxEntry, InboxId, InboxRecipient, InboxState
from tierii_mta.queue.store import Activate, Receive, Received
from tierii_mta.storage.received_tables import inbox, mailbox_job

ANN = "ann@one.example"
CODEC = TokenCodec(b"a secret of sixteen octets or more")
FORGER = TokenCodec(b"another secret, as long as the first")
SPECIFICATION: dict[str, Any] = {
    "from": {"email": "news@news.example"},
    "reply_to": {"email": "hello@news.example", "track": True},
    "stop_on": ["reply"],
}
ROUTING = Routing(
    [
        MailboxDomain(
            name="news.example",
            aliases=frozenset({"bounce.news.example"}),
            targets={"hello": MaildirTarget("/nowhere"), "sales": MaildirTarget("/nowhere")},
        )
    ]
)
HELD = select(inbox.c.id).where(inbox.c.owner.is_not(None))
DSN = """\
From: MAILER-DAEMON@one.example
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

sorry
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.one.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: {status}
Diagnostic-Code: smtp; {code} {status} {text}

--b
Content-Type: text/rfc822-headers

Message-ID: {original}
Subject: Hello

--b--
"""
REPLY = """\
From: Ann <{sender}>
To: hello@news.example
Subject: Re: Hello
Message-ID: <reply@one.example>
In-Reply-To: {original}

Yes, please.
"""


class House:
    """A store with one delivered campaign mail, and processors over it."""

    def __init__(self, store: Installation, committer: Committer, delivery: Delivery) -> None:
        self.store, self.committer, self.delivery = store, committer, delivery
        self.ended: list[Effects] = []

    @property
    def return_path(self) -> str:
        return str(return_path(CODEC, self.delivery.id, Address.parse(ANN), "bounce.news.example"))

    @property
    def original(self) -> str:
        return message_id(CODEC, self.delivery.id, "news.example")

    def bounce(self, **fields: str) -> str:
        values = {
            "to": self.return_path,
            "recipient": ANN,
            "status": "5.1.1",
            "code": "550",
            "text": "no such user",
            "original": self.original,
        }
        return DSN.format(**values | fields)

    async def arrive(self, text: str, *recipients: InboxRecipient, **fields: Any) -> InboxId:
        octets = text.replace("\n", "\r\n").encode()
        entry: dict[str, Any] = {
            "received_at": self.store.now(),
            "state": InboxState.NEW,
            "remote": "192.0.2.7",
            "client_name": "mx.one.example",
            "tls": None,
            "reverse_path": "",
            "recipients": recipients or (InboxRecipient(address=self.return_path, token=Purpose.BOUNCE),),
            "message_id": None,
            "size_bytes": len(octets),
        }
        kept = await self.committer.submit(Receive(entry=InboxEntry(**entry | fields), parts=[octets]))
        assert isinstance(kept, Received)
        return kept.id

    def processor(self, epoch: Epoch, **fields: Any) -> Processor:
        values: dict[str, Any] = {
            "intray": self.store.db.intray,
            "inbox": self.store.db.inbox,
            "store": self.store.db.correspondence,
            "originals": Kept(),
            "reader": ReadHere(),
            "router": ROUTING,
            "committer": self.committer,
            "codec": CODEC,
            "clock": self.store.clock,
            "epoch": epoch,
            "on_processed": self.ended.append,
        }
        return Processor(**values | fields)

    @asynccontextmanager
    async def running(self, epoch: Epoch | None = None, **fields: Any) -> AsyncIterator[Processor]:
        """Have a processor run; it is asked to stop, and has ended, when the block ends."""
        processor = self.processor(epoch or await self.store.register(), **fields)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(processor.run(stop))
            yield processor
            stop.set()

    async def processed(self, number: InboxId) -> InboxMessage:
        """Wait until a message was processed."""
        while (found := await self.store.db.inbox.get(number)) is None or found.processed is None:
            self.store.clock.advance(timedelta(seconds=1))
            await asyncio.sleep(0.01)
        return found

    async def marks(self) -> set[str]:
        return {name for name, number in (await self.store.campaigns.marks("spring")).items() if number}


class ReadHere:
    """Reads on the spot."""

    async def read(self, octets: Sequence[bytes], envelope: EnvelopeFacts) -> Reading:
        return read(b"".join(octets), envelope)

    async def cut(self, text: str, html: str = "", original: str | None = None) -> Cut:
        return cut(text, html, original)


class Kept:
    """Every mail of ours said the same."""

    async def original(self, delivery: Delivery) -> OriginalText | None:
        return OriginalText(subject="Hello", text="Do you want this?", html="")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = Installation("sqlite", tmp_path, ManualClock())
    await store.open()
    committer = Committer(store.queue, store.clock, gather_s=0)  # a clock that stands still gathers for ever
    committing = asyncio.create_task(committer.run())
    try:
        yield House(store, committer, await _delivered(store))
    finally:
        committer.close()
        await committing
        await store.close()


async def _delivered(store: Installation) -> Delivery:
    """Return a campaign's delivery to ann that was taken, while another step of hers waits."""
    await store.campaigns.open_draft(
        store.draft(snapshot=Snapshot(specification={"campaign": SPECIFICATION}, contents={}))
    )
    key = CODEC.person_key(Address.parse(ANN))
    row = NewRecipient(recipient=ANN, recipient_key=key, domain="one.example", contact={})
    ends = later(store.now(), LIFETIME)
    await store.campaigns.add_recipients("spring", [row], now=store.now(), expires_at=ends)
    await store.campaigns.start("spring", report={}, now=store.now())
    epoch = await store.register()
    (one,) = await store.claim(epoch)
    await store.queue.apply([Activate(delivery=one.id, epoch=epoch)])
    delivered = store.event(EventType.DELIVERED, delivery_id=one.id, campaign_id="spring", recipient=ANN)
    await store.queue.apply([store.settle(one, epoch, State.COMPLETED, events=(delivered,))])
    return one


async def test_a_hard_bounce_marks_and_suppresses(house: House) -> None:
    async with house.running():
        found = await house.processed(await house.arrive(house.bounce()))
    assert found.processed is not None
    assert (found.processed.kind, found.processed.delivery, found.processed.trust) == (
        "bounce",
        house.delivery.id,
        "strong",
    )
    assert await house.marks() == {"late_bounce"}
    (entry,) = await house.store.suppression.find([house.delivery.recipient_key])
    assert (entry.reason, entry.address) == ("hard_bounce", ANN)


async def test_a_full_mailbox_marks_and_suppresses_nobody(house: House) -> None:
    full = house.bounce(status="5.2.2", code="552", text="mailbox is full")
    async with house.running():
        await house.processed(await house.arrive(full))
    assert await house.marks() == {"late_bounce"}
    assert await house.store.suppression.find([house.delivery.recipient_key]) == []


async def test_a_forged_bounce_changes_nothing(house: House) -> None:
    """The address cannot get here by port 25; nor does it help to come in at a mailbox, or to forge the Message-ID."""
    forged = str(return_path(FORGER, house.delivery.id, Address.parse(ANN), "bounce.news.example"))
    text = house.bounce(to=forged, original=message_id(FORGER, house.delivery.id, "news.example"))
    sales = InboxRecipient(address="sales@news.example", mailbox="news.example/sales")
    async with house.running():
        found = await house.processed(await house.arrive(text, sales))
    assert found.processed is not None
    assert (found.processed.kind, found.processed.delivery) == ("bounce", None)
    assert await house.marks() == set()
    assert await house.store.suppression.find([house.delivery.recipient_key]) == []
    assert await jobs(house) == ["news.example/sales"]


async def test_a_reply_to_a_signed_address_joins_its_thread_and_goes_to_the_campaigns_mailbox(house: House) -> None:
    to = str(signed_address(CODEC, Purpose.REPLY, house.delivery.id, Address.parse(ANN), "bounce.news.example"))
    text = REPLY.format(sender=ANN, original="<lost@one.example>")
    async with house.running():
        number = await house.arrive(text, InboxRecipient(address=to, token=Purpose.REPLY), reverse_path=ANN)
        found = await house.processed(number)
    assert found.processed is not None
    assert found.processed.kind == "reply"
    (event,) = await house.store.events("email.replied")
    assert (event.delivery_id, event.campaign_id, event.data["words"]) == (house.delivery.id, "spring", "Yes, please.")
    talk = await house.store.db.correspondence.conversation(number)
    assert talk is not None
    assert [(one.is_ours, one.words) for one in talk.messages] == [(True, None), (False, "Yes, please.")]
    assert await house.marks() == {"replied"}
    assert await jobs(house) == ["news.example/hello"]


async def test_a_reply_is_matched_by_the_signed_message_id_it_answers(house: House) -> None:
    text = REPLY.format(sender=ANN, original=house.original)
    verdict = {"findings": [{"check": "dmarc_pass", "detail": ""}]}
    box = InboxRecipient(address="sales@news.example", mailbox="news.example/sales")
    async with house.running():
        found = await house.processed(await house.arrive(text, box, reverse_path=ANN, verdict=verdict))
    assert found.processed is not None
    assert (found.processed.kind, found.processed.trust) == ("reply", "proven")
    assert found.processed.effects["route"] == "signed-id"


async def test_what_a_mail_provider_sends_to_the_signed_unsubscribe_address_unsubscribes_once(house: House) -> None:
    to = str(signed_address(CODEC, Purpose.UNSUBSCRIBE, house.delivery.id, Address.parse(ANN), "bounce.news.example"))
    text = "From: provider@elsewhere.example\nTo: x\nAuto-Submitted: auto-generated\nSubject: unsubscribe\n\n"
    there = InboxRecipient(address=to, token=Purpose.UNSUBSCRIBE)
    async with house.running():
        for _ in range(2):
            found = await house.processed(await house.arrive(text, there, reverse_path="provider@elsewhere.example"))
    assert found.processed is not None
    assert found.processed.kind == "unsubscribe"
    (event,) = await house.store.events("email.unsubscribed")
    assert (event.recipient, event.data["method"], event.data["scope"]) == (ANN, "mailto", "list:news.example.com")
    (entry,) = await house.store.suppression.find([house.delivery.recipient_key])
    assert (entry.reason, entry.scope) == ("unsubscribe", "list:news.example.com")
    assert await house.marks() == {"unsubscribed"}


@pytest.mark.parametrize(("list_id", "scope"), [("news.example.com", "list:news.example.com"), (None, "all")])
async def test_the_address_to_unsubscribe_at_works_after_the_delivery_was_purged(
    house: House, list_id: str | None, scope: str
) -> None:
    to = str(unsubscribe_address(CODEC, 1 << 40, Address.parse(ANN), list_id, "bounce.news.example"))
    text = "From: somebody@elsewhere.example\nTo: x\nSubject: unsubscribe\n\n"
    there = InboxRecipient(address=to, token=Purpose.UNSUBSCRIBE)
    async with house.running():
        found = await house.processed(await house.arrive(text, there, reverse_path="somebody@elsewhere.example"))
    assert found.processed is not None
    assert found.processed.kind == "unsubscribe"
    (event,) = await house.store.events("email.unsubscribed")
    assert (event.recipient, event.data["method"], event.data["scope"]) == (None, "mailto", scope)
    (entry,) = await house.store.suppression.find([CODEC.person_key(Address.parse(ANN))])
    assert (entry.reason, entry.scope, entry.address) == ("unsubscribe", scope, None)
    assert await house.marks() == set()


async def test_what_no_database_can_keep_is_replaced_and_the_rest_is_kept(house: House) -> None:
    class Hostile(ReadHere):
        async def read(self, octets: Sequence[bytes], envelope: EnvelopeFacts) -> Reading:
            found = await super().read(octets, envelope)
            return replace(found, subject="a\x00b\ud800", text=f"{found.text}\x00", sender_name="\udfff")

    box = InboxRecipient(address="sales@news.example", mailbox="news.example/sales")
    async with house.running(reader=Hostile()):
        number = await house.arrive(REPLY.format(sender=ANN, original=house.original), box)
        found = await house.processed(number)
    assert found.processed is not None
    assert (found.processed.kind, found.processed.subject) == ("reply", "a\ufffdb\ufffd")
    talk = await house.store.db.correspondence.conversation(number)
    assert talk is not None
    assert "\x00" not in (talk.messages[1].words or "")


async def test_a_report_that_is_quicker_than_our_own_commit_waits_for_it(house: House) -> None:
    """The remote takes a mail and bounces it before we have written down that it did."""
    store = house.store
    row = NewRecipient(recipient=ANN, recipient_key=house.delivery.recipient_key, domain="one.example", contact={})
    draft = store.draft("autumn", snapshot=Snapshot(specification={"campaign": SPECIFICATION}, contents={}))
    await store.campaigns.open_draft(draft)
    await store.campaigns.add_recipients("autumn", [row], now=store.now(), expires_at=later(store.now(), LIFETIME))
    await store.campaigns.start("autumn", report={}, now=store.now())
    sending = await store.register("sender")
    (one,) = await store.claim(sending)
    await store.queue.apply([Activate(delivery=one.id, epoch=sending)])
    verp = str(return_path(CODEC, one.id, Address.parse(ANN), "bounce.news.example"))
    async with house.running():
        number = await house.arrive(house.bounce(to=verp), InboxRecipient(address=verp, token=Purpose.BOUNCE))
        while not await store.db._connections.read(lambda connection: connection.execute(HELD).all()):
            store.clock.advance(timedelta(milliseconds=500))
            await asyncio.sleep(0.01)
        while store.clock.sleepers < 2:  # the look at the inbox, and the patience
            await asyncio.sleep(0.01)
        await store.queue.apply([store.settle(one, sending, State.COMPLETED)])
        await house.processed(number)
    assert (await store.campaigns.marks("autumn"))["late_bounce"] == 1


async def test_what_cannot_be_read_is_unparsed_and_still_goes_to_its_mailbox(house: House) -> None:
    class Broken(ReadHere):
        async def read(self, octets: Sequence[bytes], envelope: EnvelopeFacts) -> Reading:
            raise MemoryError("too deep")

    box = InboxRecipient(address="sales@news.example", mailbox="news.example/sales")
    async with house.running(reader=Broken()):
        found = await house.processed(await house.arrive("Subject: x\n\ny\n", box))
    assert found.processed is not None
    assert found.processed.kind == "unparsed"
    assert await jobs(house) == ["news.example/sales"]


async def test_what_breaks_our_code_again_and_again_is_put_into_its_mailbox_unread(house: House) -> None:
    calls = []

    class Broken(ReadHere):
        async def cut(self, text: str, html: str = "", original: str | None = None) -> Cut:
            calls.append(text)
            raise RuntimeError("a fault of ours")

    box = InboxRecipient(address="sales@news.example", mailbox="news.example/sales")
    async with house.running(reader=Broken()):
        found = await house.processed(await house.arrive(REPLY.format(sender=ANN, original=house.original), box))
    assert found.processed is not None
    assert (found.processed.kind, len(calls)) == ("unparsed", MAX_ATTEMPTS)
    assert await house.marks() == set()
    assert await jobs(house) == ["news.example/sales"]


async def test_what_was_in_hand_of_a_process_that_died_is_done_once(house: House) -> None:
    """The first processor dies with everything read and matched; its heir does all of it again."""
    reached, never = asyncio.Event(), asyncio.Event()

    class Slow(ReadHere):
        async def read(self, octets: Sequence[bytes], envelope: EnvelopeFacts) -> Reading:
            reached.set()
            await never.wait()
            return await super().read(octets, envelope)

    dead = await house.store.register()
    dying = asyncio.create_task(house.processor(dead, reader=Slow()).run(asyncio.Event()))
    number = await house.arrive(house.bounce())
    while not reached.is_set():
        house.store.clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0.01)
    heir = await house.store.register("heir")
    async with house.running(heir):
        await house.processed(number)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert len(await house.store.events("email.bounced")) == 1
    assert [found.kind for found in house.ended] == ["bounce"]


async def test_a_stop_lets_what_is_in_hand_end_and_a_cancelled_run_lets_go(house: House) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    class Slow(ReadHere):
        async def read(self, octets: Sequence[bytes], envelope: EnvelopeFacts) -> Reading:
            reached.set()
            await go.wait()
            return await super().read(octets, envelope)

    epoch, stop = await house.store.register(), asyncio.Event()
    number = await house.arrive(house.bounce())
    running = asyncio.create_task(house.processor(epoch, reader=Slow()).run(stop))
    await reached.wait()
    stop.set()
    await house.store.clock.settle()
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (again,) = await house.store.db.intray.claim(epoch, limit=5)
    assert (again.message.id, again.attempts) == (number, 1)


async def jobs(house: House) -> list[str]:
    wanted = select(mailbox_job.c.mailbox).order_by(mailbox_job.c.id)
    return await house.store.db._connections.read(lambda connection: list(connection.execute(wanted).scalars()))
