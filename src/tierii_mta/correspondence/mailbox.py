"""The postman: received mail gets into its mailboxes, each at its own pace, and nothing is given up silently.

Owns when a job is tried, how many at once, and what an answer makes of it; not who is due one (mailboxes.routing), how
it is kept (mailboxes.jobs) nor how it is delivered (mailboxes.delivery).  A job, step by step:

1. `_claim`   of each mailbox that has due jobs and does not rest, as many as it has room for: `concurrency`, and one
              while it fails
2. `_carry`   the message is read and delivered
3. `_settle`  done: `inbound.delivered`.  Refused for good, or older than its lifetime: `inbound.undelivered`, and the
              message stays in the inbox.  Later: it waits.  A mailbox that is down as a whole rests, and it is told
              when it has failed twice in a row (`mailbox.failing`) and when it is back (`mailbox.recovered`)

A mailbox that hangs or fails uses its own room and nobody else's.  Killed at any moment, what was in hand is tried once
more by the next process, with the same job: deliverers know what that means.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from tierii_mta.clock import Clock, Instant, later, sortable_id
from tierii_mta.correspondence.mailboxes.delivery import Deliverer, Done, Later, Letter, Never, Outcome
from tierii_mta.correspondence.mailboxes.jobs import JobState, MailboxJob, MailboxJobs, Settled
from tierii_mta.errors import Unavailable
from tierii_mta.events import Event, EventType
from tierii_mta.inbound.inbox import Inbox
from tierii_mta.queue.alarm import Alarm
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.schedule import RetrySchedule

_EVERY_S = 1.0
_ROUND = 64  # jobs claimed at once, at most
_ADDRESSES = 16  # mailboxes that are addresses to send on to: as many as people write from, so they share a room
_FIRST_REST, _LONGEST_REST = timedelta(seconds=5), timedelta(minutes=10)
_SPREAD = 0.1
_TOLD_AFTER = 2  # failures in a row
_SHOWN = 500  # characters of a reason
_NEVER = Instant(0)


@dataclass(slots=True)
class _Box:
    """How a mailbox is doing, as far as this process has seen."""

    in_hand: int = 0
    failures: int = 0  # in a row
    rests_until: Instant = _NEVER


def _is_never_busy() -> bool:
    """Nobody else needs the database."""
    return False


class Postman:
    """Delivers jobs; `run` it in one task."""

    def __init__(
        self,
        *,
        jobs: MailboxJobs,
        inbox: Inbox,
        deliverer: Callable[[str], Deliverer | None],
        schedule: RetrySchedule,
        epoch: Epoch,
        clock: Clock,
        concurrency: int,
        observe: Callable[[MailboxJob, Outcome], None] | None = None,
        is_busy: Callable[[], bool] = _is_never_busy,
    ) -> None:
        """`deliverer` returns who delivers to a mailbox; None: the settings have it no more. `concurrency` is that of
        one mailbox; `schedule` that of a message which its mailbox does not take now, and how long it is tried. While
        `is_busy` says that clients wait for the database, rounds come by the clock alone.
        """
        self._jobs, self._inbox, self._deliverer = jobs, inbox, deliverer
        self._schedule, self._epoch, self._clock = schedule, epoch, clock
        self._concurrency, self._observe, self._is_busy = concurrency, observe, is_busy
        self._boxes: defaultdict[str, _Box] = defaultdict(_Box)
        self._unsettled: list[Settled] = []
        self._settling = asyncio.Lock()
        self._alarm = Alarm(clock)

    @property
    def failing(self) -> int:
        """How many mailboxes are down."""
        return sum(box.failures > 0 for box in self._boxes.values())

    def ring(self) -> None:
        """Say that there may be jobs."""
        self._alarm.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until asked to stop, then let what is in hand end."""
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(self._alarm.ring_at(stop))
            while not stop.is_set():
                for job in await self._claim():
                    group.create_task(self._carry(job))
                await self._alarm.wait(_EVERY_S)
            asked.cancel()

    # --- 1. what is taken

    async def _claim(self) -> Sequence[MailboxJob]:
        now = self._clock.now()
        try:
            quotas = self._quotas(await self._jobs.waiting(), now)
            taken = await self._jobs.claim(quotas, epoch=self._epoch, now=now) if quotas else []
        except Unavailable as failure:
            structlog.get_logger().warning("mailboxes.unserved", error=str(failure))
            return []
        for job in taken:
            self._boxes[job.mailbox].in_hand += 1
        return taken

    def _quotas(self, waiting: Mapping[str, Instant], now: Instant) -> dict[str, int]:
        """Return how many jobs of each mailbox may be taken, those that have waited longest first."""
        quotas: dict[str, int] = {}
        addresses = _ADDRESSES - sum(box.in_hand for name, box in self._boxes.items() if _is_address(name))
        left = _ROUND
        for mailbox, due in sorted(waiting.items(), key=lambda one: one[1]):
            box = self._boxes.get(mailbox) or _Box()
            room = min(left, self._room(box, now))
            if _is_address(mailbox):
                room = min(room, addresses, 1)
                addresses -= max(room, 0)
            if due <= now and room > 0:
                quotas[mailbox] = room
                left -= room
        return quotas

    def _room(self, box: _Box, now: Instant) -> int:
        if now < box.rests_until:
            return 0
        return (1 if box.failures else self._concurrency) - box.in_hand

    # --- 2. what is done

    async def _carry(self, job: MailboxJob) -> None:
        outcome = await self._outcome(job)
        self._tell(job, outcome)
        await self._settle(self._settled(job, outcome))
        box = self._boxes[job.mailbox]
        box.in_hand -= 1
        if box.in_hand <= self._concurrency // 2 and not self._is_busy():
            self._alarm.ring()  # a claim is a commit: it is for several
        if not box.in_hand and not box.failures:
            del self._boxes[job.mailbox]

    async def _outcome(self, job: MailboxJob) -> Outcome:
        try:
            deliverer = self._deliverer(job.mailbox)
            if deliverer is None:
                return Later(reason=f"the settings have no mailbox {job.mailbox}")
            message = await self._inbox.get(job.inbox)
            if message is None:
                return Never(reason="the message is not in the inbox any more")
            letter = Letter(job=job, entry=message.entry, read=lambda: self._inbox.parts(job.inbox))
            return await deliverer.deliver(letter)
        except Unavailable as failure:
            return Later(reason=str(failure), is_mailbox_down=False)
        except Exception:  # a fault of ours, which must not keep others waiting
            structlog.get_logger().exception("mailbox.fault", inbox=job.inbox, mailbox=job.mailbox)
            return Later(reason="a fault of ours; the log has it", is_mailbox_down=False)

    def _tell(self, job: MailboxJob, outcome: Outcome) -> None:
        """The canonical line of an attempt."""
        log, facts = structlog.get_logger(), {"inbox": job.inbox, "mailbox": job.mailbox, "attempt": job.attempts}
        match outcome:
            case Done(answer=answer):
                log.info("mailbox.delivered", **facts, answer=answer)
            case Later(reason=reason):
                log.warning("mailbox.deferred", **facts, reason=reason)
            case Never(reason=reason):
                log.error("mailbox.refused", **facts, reason=reason)
        if self._observe is not None:
            self._observe(job, outcome)

    # --- 3. what it comes to

    def _settled(self, job: MailboxJob, outcome: Outcome) -> Settled:
        now, box = self._clock.now(), self._boxes[job.mailbox]
        match outcome:
            case Done(answer=answer):
                events = [self._event(EventType.INBOUND_DELIVERED, job, answer=answer), *self._recovered(job, box)]
                return Settled(job=job.id, state=JobState.DONE, attempts=job.attempts, at=now, events=events)
            case Never(reason=reason):
                return self._given_up(job, reason, self._recovered(job, box))
            case Later(reason=reason, is_mailbox_down=is_down, after=wish):
                events = self._failing(job, box, reason, wish) if is_down else self._recovered(job, box)
                if now >= self._schedule.expires_at(job.created_at):
                    return self._given_up(job, f"it was tried for its whole lifetime; at last: {reason}", events)
                due = box.rests_until if is_down else self._due(job, now, wish)
                return Settled(
                    job=job.id,
                    state=JobState.WAITING,
                    attempts=job.attempts,
                    at=now,
                    due=due,
                    error=reason[:_SHOWN],
                    events=events,
                )

    def _given_up(self, job: MailboxJob, reason: str, events: Sequence[Event]) -> Settled:
        told = self._event(EventType.INBOUND_UNDELIVERED, job, reason=reason[:_SHOWN])
        return Settled(
            job=job.id,
            state=JobState.FAILED,
            attempts=job.attempts,
            at=self._clock.now(),
            error=reason[:_SHOWN],
            events=[told, *events],
        )

    def _due(self, job: MailboxJob, now: Instant, wish: timedelta | None) -> Instant:
        step = self._schedule.intervals[min(job.attempts, len(self._schedule.intervals)) - 1]
        return later(now, max(step, wish or step) * (1 + _SPREAD * self._clock.random()))

    def _failing(self, job: MailboxJob, box: _Box, reason: str, wish: timedelta | None) -> list[Event]:
        """Let the mailbox rest, longer each time."""
        if self._clock.now() < box.rests_until:
            return []  # tried at the same time as the one that has put it to rest
        box.failures += 1
        rest = min(_FIRST_REST * 2 ** min(box.failures - 1, 10), _LONGEST_REST)
        rest = max(rest, wish or rest) * (1 + _SPREAD * self._clock.random())
        box.rests_until = later(self._clock.now(), rest)
        if box.failures != _TOLD_AFTER:
            return []
        return [self._of_mailbox(EventType.MAILBOX_FAILING, job, reason=reason[:_SHOWN])]

    def _recovered(self, job: MailboxJob, box: _Box) -> list[Event]:
        failures, box.failures, box.rests_until = box.failures, 0, _NEVER
        return [self._of_mailbox(EventType.MAILBOX_RECOVERED, job)] if failures >= _TOLD_AFTER else []

    def _event(self, kind: EventType, job: MailboxJob, **data: str) -> Event:
        about = {"inbox": str(job.inbox), "mailbox": job.mailbox, "attempt": job.attempts} | data
        return Event(
            id=sortable_id("evt", self._clock), type=kind, at=self._clock.now(), recipient=job.recipient, data=about
        )

    def _of_mailbox(self, kind: EventType, job: MailboxJob, **data: str) -> Event:
        data = {"mailbox": job.mailbox} | data
        return Event(id=sortable_id("evt", self._clock), type=kind, at=self._clock.now(), data=data)

    async def _settle(self, settled: Settled) -> None:
        """Write what came of a job; whoever comes first writes for all who wait. While the database cannot be written
        to, the job stays in hand: another attempt would only repeat it.
        """
        self._unsettled.append(settled)
        async with self._settling:
            group, self._unsettled = self._unsettled, []
            while group:
                try:
                    await self._jobs.settle(group, epoch=self._epoch)
                    group = []
                except Unavailable as failure:
                    structlog.get_logger().warning("mailboxes.unsettled", jobs=len(group), error=str(failure))
                    await self._clock.sleep(_EVERY_S)


def _is_address(mailbox: str) -> bool:
    return "/" not in mailbox
