"""A queue on a real SQLite database, and a way out that follows a script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.queue.values import attempt
from tests.support.clock import ManualClock
from tierii_mta.clock import Clock
from tierii_mta.events import Event
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Delivered, Delivery, Epoch, Lane, Outcome, Priority, State
from tierii_mta.queue.hand import Ending
from tierii_mta.queue.hours import Hours
from tierii_mta.queue.intake import Intake, Submission
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.manager import ManagerLimits, QueueManager
from tierii_mta.queue.pacing import Plans
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.queue.settlement import Settlement, SettlementPolicy
from tierii_mta.queue.store import Accepted
from tierii_mta.smtp.requests import Recipient
from tierii_mta.storage.database import Database

SCHEDULE = RetrySchedule(intervals=(timedelta(minutes=5), timedelta(hours=1)), lifetime=timedelta(days=1))
CODEC = TokenCodec(bytes(32))
MESSAGE = b"From: a@example.com\r\nSubject: hello\r\n\r\nHello.\r\n"

Act = Callable[[Delivery, Callable[[], Awaitable[bool]]], Awaitable[Outcome]]


async def deliver_it(delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
    """The plain course: activate, then a 250."""
    await activate()
    return Delivered(attempt=attempt(250))


@dataclass
class Script:
    """A Deliver port that does what the test says; the plain course where it says nothing."""

    acts: dict[str, Act] = field(default_factory=dict)  # by domain
    rooms: dict[str, int] = field(default_factory=dict)  # how many of a domain at once
    handed: list[Delivery] = field(default_factory=list)
    inside: dict[str, int] = field(default_factory=dict)
    most_inside: dict[str, int] = field(default_factory=dict)

    def room(self, lane: Lane, priority: Priority, most: int) -> int:
        return min(most, self.rooms.get(lane.domain, 100) - self.inside.get(lane.domain, 0))

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        domain = delivery.lane.domain
        self.handed.append(delivery)
        self.inside[domain] = self.inside.get(domain, 0) + 1
        self.most_inside[domain] = max(self.inside[domain], self.most_inside.get(domain, 0))
        try:
            return await self.acts.get(domain, deliver_it)(delivery, activate)
        finally:
            self.inside[domain] -= 1


@dataclass
class Plant:
    """Everything between the door and the way out."""

    database: Database
    clock: ManualClock
    committer: Committer
    intake: Intake
    manager: QueueManager
    script: Script
    directory: LaneDirectory
    epoch: Epoch
    endings: list[Ending]
    running: asyncio.Task[None]
    committing: asyncio.Task[None]

    async def accept(
        self, *names: str, stream: str = "send", priority: Priority = Priority.NORMAL, key: str | None = None
    ) -> Accepted:
        return await self.intake.accept(
            Submission(
                stream=stream,
                reverse_path=Address.parse("a@example.com"),
                recipients=recipients(*names),
                content=MESSAGE,
                message_id="<m1@example.com>",
                priority=priority,
                idempotency_key=key,
            )
        )

    async def until(self, condition: Callable[[], bool], *, step: timedelta = timedelta(milliseconds=5)) -> None:
        """Let time pass in small steps until the condition holds; the clock stands while the database is at work."""
        for _ in range(20_000):
            if condition():
                return
            if self.running.done():
                self.running.result()
            self.clock.advance(step)
            for _ in range(5):
                await asyncio.sleep(0)
            await self._database_rests()
        raise AssertionError("the condition never came to hold")

    async def ended(self, count: int) -> None:
        """Wait until so many deliveries have left the hand."""
        await self.until(lambda: len(self.endings) >= count)

    async def states(self, *recipients: str) -> list[State]:
        found = []
        for one in recipients:
            (history, *_) = await self.database.queue.history(key=CODEC.person_key(Address.parse(one)))
            found.append(history.state)
        return found

    async def events(self, *types: str) -> list[Event]:
        return [event async for event in self.database.queue.events(types=types)]

    async def abandon(self) -> None:
        """Stop as a crash does: nothing is settled."""
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def drain(self, within: timedelta = timedelta(seconds=1)) -> None:
        """Stop as SIGTERM does."""
        draining = asyncio.create_task(self.manager.drain(within))
        await self.until_done(draining)
        await self.running

    async def _database_rests(self) -> None:
        """Wait until no transaction runs, a second at most: a busy disk is no reason for the clock to run ahead."""
        await asyncio.to_thread(int)
        for _ in range(1_000):
            if not self.database._connections._running:
                return
            await asyncio.sleep(0.001)

    async def until_done(self, task: "asyncio.Task[None]") -> None:
        for _ in range(20_000):
            if task.done():
                return task.result()
            self.clock.advance(timedelta(milliseconds=5))
            for _ in range(5):
                await asyncio.sleep(0)
            await self._database_rests()
        raise AssertionError("the task never ended")


async def open_database(folder: Path, clock: Clock) -> Database:
    return await Database.open("sqlite", data_dir=folder, clock=clock, node="test", upgrade=True)


@asynccontextmanager
async def committing(database: Database, clock: Clock) -> AsyncIterator[Committer]:
    """Run a committer, and close it at the end."""
    committer = Committer(database.queue, clock, gather_s=0)
    task = asyncio.create_task(committer.run())
    try:
        yield committer
    finally:
        committer.close()
        await task


@asynccontextmanager
async def plant(
    folder: Path,
    script: Script | None = None,
    *,
    clock: ManualClock | None = None,
    limits: ManagerLimits | None = None,
    policy: SettlementPolicy | None = None,
) -> AsyncIterator[Plant]:
    """Open the database, take a new epoch, free what is dead and run the manager."""
    clock, script = clock or ManualClock(), script or Script()
    database = await open_database(folder, clock)
    epoch = await database.queue.register(name="test", role="outbound", pid=1, now=clock.now())
    await database.queue.free_dead(epoch, clock.now())
    endings: list[Ending] = []
    committer = Committer(database.queue, clock, gather_s=0)
    committing_task = asyncio.create_task(committer.run())
    plans = Plans()
    directory = LaneDirectory(plans)
    manager = QueueManager(
        store=database.queue,
        committer=committer,
        directory=directory,
        deliver=Hours(script, plans, clock),
        plans=plans,
        settlement=Settlement(policy or SettlementPolicy(schedule=SCHEDULE), epoch),
        clock=clock,
        limits=limits,
        observe=endings.append,
    )
    intake = Intake(committer=committer, codec=CODEC, schedule=SCHEDULE, clock=clock, on_accepted=manager.learn)
    running = asyncio.create_task(manager.run())
    try:
        yield Plant(
            database=database,
            clock=clock,
            committer=committer,
            intake=intake,
            manager=manager,
            script=script,
            directory=directory,
            epoch=epoch,
            endings=endings,
            running=running,
            committing=committing_task,
        )
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        committer.close()
        clock.advance(timedelta(minutes=1))
        await committing_task
        await database.close()


def recipients(*names: str) -> Sequence[Recipient]:
    """Return recipients of whom nothing is to be told."""
    return [Recipient(forward_path=Address.parse(name)) for name in names]


def addresses(count: int, domain: str = "one.example") -> Sequence[str]:
    """Return so many recipients at a domain."""
    return [f"p{number}@{domain}" for number in range(count)]
