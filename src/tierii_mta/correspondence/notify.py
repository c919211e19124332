"""Telling people: what happened goes to those who asked for it, by mail, webhook or log.

Owns how far each of them has been told, how often, and the ways; not what there is to tell (news) nor whom (settings
`notify`).  The event log drives it: each rule has a place in the log of its own, kept in the database and moved once
the news is out, so that a crash loses none and repeats at most one.  A rule is told at most every so often; what
happens meanwhile comes as one digest.  A way that fails delays its own rule alone, and is tried until it works.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog

from tierii_mta.clock import Clock, Instant
from tierii_mta.correspondence.hooks import Hook, HookCaller
from tierii_mta.correspondence.news import TYPES, Digest, News, Severity, Topic, news_of
from tierii_mta.errors import TieriiError
from tierii_mta.events import Event
from tierii_mta.mail.address import Address
from tierii_mta.mail.compose import Skeleton
from tierii_mta.mail.header import address_field, date_field, raw_field, text_field
from tierii_mta.mail.message_id import random_message_id
from tierii_mta.queue.intake import Intake, Submission
from tierii_mta.smtp.requests import Recipient

STREAM = "notify"
_EVERY_S = 2.0
_GATHERING_S = 5.0  # what happens together is told together
_SAVED_EVERY_S = 60.0
_AGAIN_S = (10.0, 60.0, 300.0, 900.0)
_HELD = 200  # news of one digest; of more the number alone


class EventReaders(Protocol):
    """Who follows the event log. Every method is atomic."""

    async def begin(self, name: str, at: Instant) -> int:
        """Return the `seq` that a reader is done with; a new one begins behind the newest event."""

    async def read(self, after: int, types: Sequence[str]) -> tuple[Sequence[Event], int]:
        """Return a page of events of these types behind `after`, and the `seq` that was looked at last."""

    async def move(self, name: str, seq: int, at: Instant) -> None:
        """Keep how far a reader has come; it never goes back."""


class NotTold(TieriiError):
    """A way does not work now; the sentence says why."""


class Way(Protocol):
    """A way to tell somebody."""

    async def tell(self, digest: Digest, key: str) -> None:
        """Tell it. The same key says that it is the same digest. Raises `TieriiError` where that fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who wants to know what."""

    name: str  # stable: the place in the log is kept under it
    topics: frozenset[Topic]
    at_least: Severity
    every: timedelta
    way: Way

    def wants(self, news: News) -> bool:
        """Whether somebody asked for it."""
        return news.topic in self.topics and news.severity >= self.at_least


@dataclass(slots=True)
class _Place:
    """Where a rule stands."""

    seq: int  # looked at
    kept: int  # in the database
    kept_at: float
    pending: list[News] = field(default_factory=list)
    more: int = 0
    tells_at: float = 0.0
    failures: int = 0


class Notifier:
    """Tells; `run` it in one task of one process."""

    def __init__(self, *, readers: EventReaders, rules: Sequence[Rule], clock: Clock) -> None:
        self._readers, self._rules, self._clock = readers, rules, clock

    async def run(self) -> None:
        """Tell until cancelled."""
        async with asyncio.TaskGroup() as group:
            for rule in self._rules:
                group.create_task(self._follow(rule))

    async def _follow(self, rule: Rule) -> None:
        place: _Place | None = None
        while True:
            is_behind = False
            try:
                place = place or await self._begin(rule)
                is_behind = await self._read(rule, place)
                await self._tell(rule, place)
            except TieriiError as failure:
                structlog.get_logger().warning("notify.waits", rule=rule.name, error=str(failure))
            if not is_behind:
                await self._clock.sleep(_EVERY_S)

    async def _begin(self, rule: Rule) -> _Place:
        seq = await self._readers.begin(rule.name, self._clock.now())
        return _Place(seq=seq, kept=seq, kept_at=self._clock.monotonic())

    async def _read(self, rule: Rule, place: _Place) -> bool:
        """Take up what happened; return whether there may be more at once."""
        before = place.seq
        events, place.seq = await self._readers.read(before, TYPES)
        found = [news for event in events if (news := news_of(event)) is not None and rule.wants(news)]
        if found and not place.pending:
            place.tells_at = max(place.tells_at, self._clock.monotonic() + _GATHERING_S)
        room = max(0, _HELD - len(place.pending))
        place.pending += found[:room]
        place.more += len(found[room:])
        return bool(events)

    async def _tell(self, rule: Rule, place: _Place) -> None:
        now = self._clock.monotonic()
        if place.pending and now >= place.tells_at:
            await self._tell_now(rule, place)
        is_stale = place.seq > place.kept and now - place.kept_at >= _SAVED_EVERY_S
        if not place.pending and is_stale:
            await self._keep(rule, place)

    async def _tell_now(self, rule: Rule, place: _Place) -> None:
        digest = Digest.of(place.pending, more=place.more)
        try:
            await rule.way.tell(digest, f"{rule.name}@{place.seq}")
        except TieriiError:
            again = _AGAIN_S[min(place.failures, len(_AGAIN_S) - 1)]
            place.failures += 1
            place.tells_at = self._clock.monotonic() + again
            raise
        place.pending, place.more, place.failures = [], 0, 0
        place.tells_at = self._clock.monotonic() + rule.every.total_seconds()
        await self._keep(rule, place)

    async def _keep(self, rule: Rule, place: _Place) -> None:
        seq = place.seq
        await self._readers.move(rule.name, seq, self._clock.now())
        place.kept, place.kept_at = seq, self._clock.monotonic()


# -- ways


class LogWay:
    """Writes to our own log."""

    async def tell(self, digest: Digest, key: str) -> None:
        """Write a line for each."""
        log = structlog.get_logger()
        for one in digest.shown:
            write = log.error if one.severity is Severity.HIGH else log.info
            write("notify", topic=str(one.topic), text=one.sentence)
        if digest.left_out:
            log.info("notify.more", left_out=digest.left_out)


class HookWay:
    """Posts to a webhook."""

    KIND = "notification"

    def __init__(self, caller: HookCaller, hook: Hook, clock: Clock) -> None:
        self._caller, self._hook, self._clock = caller, hook, clock

    async def tell(self, digest: Digest, key: str) -> None:
        """Post the digest; whatever is not 2xx is tried again."""
        posted = await self._caller.post(
            self._hook, id=key, kind=self.KIND, at=self._clock.now(), data=digest.as_json()
        )
        if not posted.is_taken:
            raise NotTold(posted.reason)


class MailWay:
    """Sends a mail through our own queue, from the null sender: nobody answers it, and no failure of it is told."""

    def __init__(self, intake: Intake, to: Address, *, domain: str, hostname: str, clock: Clock) -> None:
        """`intake` asks for no reserve of disk space, and `domain` is who writes."""
        self._intake, self._to, self._domain, self._hostname, self._clock = intake, to, domain, hostname, clock
        self._skeleton = Skeleton(has_html=False, has_text=True)

    async def tell(self, digest: Digest, key: str) -> None:
        """Put the mail into the queue, once for each key."""
        message_id = random_message_id(self._clock, self._domain)
        fields = [
            date_field(self._clock.now()),
            address_field("From", [(f"tierii-mta at {self._hostname}", Address("postmaster", self._domain))]),
            address_field("To", [(None, self._to)]),
            text_field("Subject", digest.subject),
            raw_field("Message-ID", message_id),
            raw_field("Auto-Submitted", "auto-generated"),  # RFC 3834 §5
            raw_field("X-Auto-Response-Suppress", "All"),
        ]
        await self._intake.accept(
            Submission(
                stream=STREAM,
                reverse_path=None,
                recipients=[Recipient(forward_path=self._to)],
                content=self._skeleton.assemble(fields, digest.text, None),
                message_id=message_id,
                idempotency_key=key,
                is_smtputf8=self._to.needs_smtputf8,
            )
        )
