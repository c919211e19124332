"""What is owed to senders becomes notifications: one for what happened together, and nobody waits for a broken one."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage, Message
from pathlib import Path
from typing import cast

from tests.queue.plant import CODEC, MESSAGE, committing, open_database
from tests.support.clock import ManualClock
from tierii_mta.clock import later
from tierii_mta.mail.address import Address
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import Delivery, DeliveryId, Epoch, Priority, Report, State
from tierii_mta.queue.intake import Intake, Submission
from tierii_mta.queue.reporter import GATHERING, STREAM, Reporter
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.queue.store import Quota, Settle
from tierii_mta.smtp.requests import Recipient, Return
from tierii_mta.storage.database import Database

SCHEDULE = RetrySchedule(intervals=(timedelta(hours=1),), lifetime=timedelta(days=1))


@dataclass
class Office:
    """Where senders hand in mail and are told what became of it."""

    database: Database
    clock: ManualClock
    intake: Intake
    reporter: Reporter
    epoch: Epoch
    made: list[Action] = field(default_factory=list)

    async def accept(self, *recipients: str, sender: str = "ann@ours.example", content: bytes = MESSAGE) -> None:
        await self.intake.accept(
            Submission(
                stream="user:shop",
                reverse_path=Address.parse(sender),
                recipients=[Recipient(forward_path=Address.parse(one)) for one in recipients],
                content=content,
                message_id="<m1@ours.example>",
                ret=Return.FULL,
            )
        )

    async def claim(self) -> Sequence[Delivery]:
        quotas = [
            Quota(lane=load.lane.id, priority=load.priority, limit=100) async for load in self.database.queue.loads()
        ]
        found = (await self.database.queue.claim(quotas, epoch=self.epoch, now=self.clock.now())).deliveries
        return sorted(found, key=lambda one: one.id)

    async def end(self, *of: Delivery, action: Action = Action.FAILED, reply: str = "550 5.1.1 nobody there") -> None:
        state = State.RETRY if action is Action.DELAYED else State.FAILED
        settles = [
            Settle(
                delivery=one,
                epoch=self.epoch,
                from_state=State.QUEUED,
                to_state=state,
                at=self.clock.now(),
                due=later(self.clock.now(), timedelta(days=2)),
                last_reply=reply,
                report=Report(action=action, at=self.clock.now()),
            )
            for one in of
        ]
        assert all(await self.database.queue.apply(settles))

    async def notifications(self) -> list[tuple[Delivery, EmailMessage]]:
        """Take what waits, and return the notifications of it, parsed."""
        found = []
        for one in await self.claim():
            octets = b"".join((await self.database.queue.stored_message(one.id)).parts)
            parsed = email.message_from_bytes(octets, policy=email.policy.default)
            assert isinstance(parsed, EmailMessage)
            found.append((one, parsed))
        return found


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Office]:
    clock = ManualClock()
    database = await open_database(folder, clock)
    epoch = await database.queue.register(name="test", role="outbound", pid=1, now=clock.now())
    made: list[Action] = []
    try:
        async with committing(database, clock) as committer:
            intake = Intake(committer=committer, codec=CODEC, schedule=SCHEDULE, clock=clock)
            reporter = Reporter(
                store=database.reports,
                intake=intake,
                clock=clock,
                hostname="mta.host.example",
                domains={"ours.example": "ours.example", "bounce.ours.example": "ours.example"},
                on_made=made.append,
            )
            yield Office(database, clock, intake, reporter, epoch, made)
    finally:
        await database.close()


def recipients(notification: EmailMessage) -> list[Message]:
    """Return the groups of fields of the recipients."""
    status = next(part for part in notification.iter_parts() if part.get_content_type() == "message/delivery-status")
    return cast("list[Message]", status.get_payload())[1:]


async def test_who_failed_together_is_told_of_together(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.accept("a@one.example", "b@two.example", "c@three.example")
        first, second, third = await here.claim()
        await here.end(first)
        assert not await here.reporter.make_next(), "others may fail as well"
        here.clock.advance(timedelta(seconds=3))
        await here.end(second)
        here.clock.advance(GATHERING - timedelta(seconds=3))
        assert await here.reporter.make_next()
        await here.end(third)
        assert not await here.reporter.make_next()
        here.clock.advance(GATHERING)
        assert await here.reporter.make_next()
        told = [
            [one["Final-Recipient"].partition("; ")[2] for one in recipients(notification)]
            for _, notification in await here.notifications()
        ]
        assert told == [["a@one.example", "b@two.example"], ["c@three.example"]]
        assert here.made == [Action.FAILED, Action.FAILED]


async def test_a_notification_leaves_behind_all_other_mail_and_answers_to_nobody(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.accept("a@one.example")
        await here.end(*await here.claim())
        here.clock.advance(GATHERING)
        await here.reporter.make_next()
        ((delivery, notification),) = await here.notifications()
        assert (delivery.reverse_path, delivery.recipient, delivery.priority) == ("", "ann@ours.example", Priority.LOW)
        assert delivery.expires_at == later(here.clock.now(), timedelta(days=1))
        assert notification["From"] == "Mail Delivery System <MAILER-DAEMON@ours.example>"
        assert notification["In-Reply-To"] == "<m1@ours.example>"
        (of,) = recipients(notification)
        assert (of["Status"], of["Diagnostic-Code"]) == ("5.1.1", "x-tierii; 550 5.1.1 nobody there")
        assert [part.get_content_type() for part in notification.iter_parts()][2] == "message/rfc822"
        (history,) = await here.database.queue.history(delivery=delivery.id)
        assert history.message_id == notification["Message-ID"]
        await here.end(delivery)
        here.clock.advance(GATHERING)
        assert not await here.reporter.make_next(), "nobody is told of a notification that fails"


async def test_the_host_writes_to_who_is_not_ours(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.accept("a@one.example", sender="zoe@elsewhere.example")
        await here.accept("a@one.example", sender="b+x@bounce.ours.example")
        await here.end(*await here.claim())
        here.clock.advance(GATHERING)
        assert [await here.reporter.make_next() for _ in range(3)] == [True, True, False]
        authors = {notification["From"].addresses[0].domain for _, notification in await here.notifications()}
        assert authors == {"mta.host.example", "ours.example"}


async def test_a_delay_says_until_when(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.accept("a@one.example")
        (one,) = await here.claim()
        await here.end(one, action=Action.DELAYED, reply="450 4.2.0 later")
        here.clock.advance(GATHERING)
        await here.reporter.make_next()
        ((_, notification),) = await here.notifications()
        (of,) = recipients(notification)
        assert (of["Action"], of["Status"]) == ("delayed", "4.2.0")
        assert of["Will-Retry-Until"] == "Tue, 22 Sep 2026 14:13:20 +0000"


async def test_one_that_cannot_be_made_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.accept("a@one.example")
        await here.accept("b@one.example")
        first, second = await here.claim()
        await here.database._connections.write(
            lambda connection: connection.exec_driver_sql("UPDATE message SET reverse_path = 'no address' WHERE id = 1")
        )
        await here.end(first)
        await here.end(second)
        here.clock.advance(GATHERING)
        assert [await here.reporter.make_next() for _ in range(3)] == [True, True, False]
        assert here.made == [Action.FAILED]
        here.clock.advance(timedelta(minutes=20))
        assert await here.reporter.make_next(), "it is tried again"


async def test_it_makes_what_is_owed_while_it_runs(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.accept("a@one.example")
        await here.end(*await here.claim())
        running = asyncio.create_task(here.reporter.run())
        for _ in range(2_000):
            if here.made:
                break
            here.clock.advance(timedelta(milliseconds=100))
            await asyncio.to_thread(int)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert here.made == [Action.FAILED]
        assert [delivery.id for delivery, _ in await here.notifications()] == [DeliveryId(2)]
        assert STREAM == "dsn"
