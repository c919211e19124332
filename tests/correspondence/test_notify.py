"""Notifications: those who asked are told, at most every so often; a crash loses nothing and repeats at most one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.installation import Installation
from tests.correspondence.mailboxes.receiver import receiving
from tests.support.clock import ManualClock
from tierii_mta.correspondence.hooks import Hook, HookCaller
from tierii_mta.correspondence.news import TYPES, Digest, News, Severity, Topic, news_of
from tierii_mta.correspondence.notify import HookWay, MailWay, Notifier, NotTold, Rule, Way
from tierii_mta.events import EventType
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.intake import Intake
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.queue.store import Record

EVERY = timedelta(minutes=15)


@dataclass
class Ear:
    """Somebody who is told; `fails` so often first."""

    fails: int = 0
    heard: list[Digest] = field(default_factory=list)

    async def tell(self, digest: Digest, key: str) -> None:
        if self.fails:
            self.fails -= 1
            raise NotTold("nobody listens")
        self.heard.append(digest)


def rule(way: Way, *topics: Topic, at_least: Severity = Severity.LOW, name: str = "ops") -> Rule:
    return Rule(name=name, topics=frozenset(topics or Topic), at_least=at_least, every=EVERY, way=way)


@asynccontextmanager
async def at_work(house: Installation, *rules: Rule) -> AsyncIterator[None]:
    """Have a notifier run, from the newest event on, for as long as the block does."""
    notifier = Notifier(readers=house.db.event_readers, rules=rules, clock=house.clock)
    running = asyncio.create_task(notifier.run())
    for one in rules:
        await house.db.event_readers.begin(one.name, house.now())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def happens(house: Installation, kind: EventType, count: int = 1, **data: Any) -> None:
    events = [house.event(kind, recipient="ada@elsewhere.example", data=data) for _ in range(count)]
    await house.queue.apply([Record(events=events)])


async def passes(house: Installation, time: timedelta, step_s: float = 2.0) -> None:
    """Let time pass, and what is to happen in it."""
    end = house.clock.monotonic() + time.total_seconds()
    while house.clock.monotonic() < end:
        house.clock.advance(timedelta(seconds=step_s))
        for _ in range(8):
            await asyncio.sleep(0.0005)


async def heard(house: Installation, ear: Ear, count: int) -> Sequence[Digest]:
    """Wait until so much was heard."""
    for _ in range(3_000):
        if len(ear.heard) >= count:
            return ear.heard
        house.clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0.001)
    raise AssertionError(f"heard {len(ear.heard)}, not {count}")


async def test_who_asked_is_told_what_they_asked_for(house: Installation) -> None:
    disk, replies = Ear(), Ear()
    async with at_work(house, rule(disk, Topic.DISK, name="a"), rule(replies, Topic.REPLY, name="b")):
        await happens(house, EventType.REPLIED)
        await happens(house, EventType.INTAKE_CLOSED, reason="the disk is full")
        await happens(house, EventType.DELIVERED)
        await heard(house, disk, 1)
        await heard(house, replies, 1)
    assert [one.subject for one in disk.heard] == ["no mail is taken in: the disk is full"]
    assert [one.subject for one in replies.heard] == ["ada@elsewhere.example replied"]


async def test_what_matters_less_is_left_out(house: Installation) -> None:
    ear = Ear()
    async with at_work(house, rule(ear, Topic.MAILBOX, at_least=Severity.HIGH)):
        await happens(house, EventType.MAILBOX_RECOVERED, mailbox="x")
        await happens(house, EventType.MAILBOX_FAILING, mailbox="x", reason="refused")
        await heard(house, ear, 1)
    assert [len(one.shown) for one in ear.heard] == [1]
    assert ear.heard[0].subject == "mailbox x takes no mail: refused"


async def test_many_things_are_one_digest_and_the_next_comes_after_a_while(house: Installation) -> None:
    ear = Ear()
    async with at_work(house, rule(ear, Topic.REPLY)):
        await happens(house, EventType.REPLIED, count=38)
        await heard(house, ear, 1)
        assert ear.heard[0].subject == "ada@elsewhere.example replied (and 37 more)"
        await happens(house, EventType.REPLIED, count=700)
        await passes(house, EVERY - timedelta(minutes=1), step_s=30)
        assert len(ear.heard) == 1
        await heard(house, ear, 2)
    second = ear.heard[1]
    assert len(second.shown) + second.left_out == 700


async def test_a_way_that_fails_is_tried_until_it_works_and_delays_nobody_else(house: Installation) -> None:
    deaf, well = Ear(fails=4), Ear()
    async with at_work(house, rule(deaf, Topic.REPLY, name="deaf"), rule(well, Topic.REPLY, name="well")):
        await happens(house, EventType.REPLIED)
        await heard(house, well, 1)
        assert deaf.heard == []
        await heard(house, deaf, 1)


async def test_what_happened_while_nobody_told_is_told_at_the_next_start(house: Installation) -> None:
    ear = Ear()
    async with at_work(house, rule(ear, Topic.REPLY)):
        await happens(house, EventType.REPLIED)
        await heard(house, ear, 1)
    await happens(house, EventType.REPLIED, count=2)
    again = Ear()
    async with at_work(house, rule(again, Topic.REPLY)):
        await heard(house, again, 1)
    assert [len(one.shown) for one in again.heard] == [2]


async def test_a_new_rule_is_not_told_of_the_past(house: Installation) -> None:
    await happens(house, EventType.REPLIED, count=3)
    ear = Ear()
    async with at_work(house, rule(ear, Topic.REPLY)):
        await happens(house, EventType.REPLIED)
        await heard(house, ear, 1)
    assert len(ear.heard[0].shown) == 1


async def test_a_digest_is_one_mail_in_our_queue_that_nobody_is_to_answer(house: Installation) -> None:
    committer = Committer(house.queue, house.clock, gather_s=0)  # a clock that stands still gathers for ever
    running = asyncio.create_task(committer.run())
    schedule = RetrySchedule(intervals=(timedelta(minutes=1),), lifetime=timedelta(days=1))
    codec = TokenCodec(b"a secret of the installation")
    intake = Intake(committer=committer, codec=codec, schedule=schedule, clock=house.clock)
    to = Address.parse("ops@example.com")
    way = MailWay(intake, to, domain="example.com", hostname="mta.example.com", clock=house.clock)
    event = house.event(EventType.MAILBOX_FAILING, data={"mailbox": "x", "reason": "no\r\nBcc: eve@evil.example"})
    news = news_of(event)
    assert news is not None
    for _ in range(2):
        await way.tell(Digest.of([news]), "ops@7")
    epoch = await house.register()
    (delivery,) = await house.claim(epoch)
    stored = await house.queue.stored_message(delivery.id)
    committer.close()
    await running
    assert (delivery.recipient, delivery.reverse_path) == ("ops@example.com", "")
    mail = message_from_bytes(b"".join(stored.parts), policy=policy.default)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == '"tierii-mta at mta.example.com" <postmaster@example.com>'
    assert mail["Subject"] == "mailbox x takes no mail: no  Bcc: eve@evil.example"
    assert mail["Bcc"] is None
    assert "mailbox x takes no mail" in mail.get_content()


async def test_a_webhook_is_told_with_the_events(house: Installation) -> None:
    caller = HookCaller(house.clock)
    news = news_of(house.event(EventType.REPLIED, recipient="ada@elsewhere.example"))
    assert news is not None
    async with receiving("500 Oops", "200 OK") as receiver:
        way = HookWay(caller, Hook(name="chat", url=receiver.url, secret=bytes(32)), house.clock)
        with pytest.raises(NotTold, match="chat answered 500 Oops"):
            await way.tell(Digest.of([news]), "chat@7")
        await way.tell(Digest.of([news]), "chat@7")
        await caller.close()
    assert [one.headers["webhook-id"] for one in receiver.requests] == ["chat@7", "chat@7"]
    data = receiver.requests[1].document["data"]
    assert data["subject"] == "ada@elsewhere.example replied"
    assert data["news"][0]["topic"] == "reply"
    assert data["news"][0]["event"]["type"] == "email.replied"


def test_a_reply_and_a_quarantine_say_what_it_is_about() -> None:
    house = Installation("sqlite", Path(), ManualClock())
    reply = house.event(EventType.REPLIED, campaign_id="spring", data={"from": "a@b.example", "words": "Yes,\nplease"})
    apart = house.event(
        EventType.INBOUND_QUARANTINED,
        recipient="sales@example.com",
        data={"inbox": "7", "reverse_path": "x@y.example", "reasons": ["spf_fail", "listed"]},
    )
    assert [news.sentence for one in (reply, apart) if (news := news_of(one)) is not None] == [
        "a@b.example replied (campaign spring): Yes, please",
        "mail to sales@example.com from <x@y.example> is in quarantine as inbox 7: spf_fail, listed",
    ]


@pytest.mark.parametrize("kind", TYPES)
def test_every_kind_of_news_is_a_sentence(kind: str) -> None:
    event = Installation("sqlite", Path(), ManualClock()).event(EventType(kind), recipient="ada@elsewhere.example")
    news = news_of(event)
    assert isinstance(news, News)
    assert len(news.sentence.split()) > 1
    assert "\n" not in news.line
