"""The postman: every mailbox at its own pace, nothing given up silently, and a kill costs at most a repetition."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.contracts.installation import Installation
from tests.contracts.test_inbox import keep
from tierii_mta.correspondence.mailbox import Postman
from tierii_mta.correspondence.mailboxes.delivery import Deliverer, Done, Later, Letter, Never, Outcome
from tierii_mta.correspondence.mailboxes.maildir import MaildirDeliverer
from tierii_mta.events import Event
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.received import InboxId, NewMailboxJob
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.storage.mailbox_jobs import put_into_mailboxes

SALES, SUPPORT = "example.com/sales", "example.com/support"
SCHEDULE = RetrySchedule(intervals=(timedelta(minutes=1), timedelta(minutes=10)), lifetime=timedelta(hours=2))


@dataclass
class Box:
    """A mailbox in the outside world: it answers as told, then takes everything; `hangs` until it is let go."""

    answers: list[Outcome] = field(default_factory=list)
    got: list[Letter] = field(default_factory=list)
    lets_go: asyncio.Event | None = None

    async def deliver(self, letter: Letter) -> Outcome:
        self.got.append(letter)
        if self.lets_go is not None:
            await self.lets_go.wait()
        return self.answers.pop(0) if self.answers else Done(answer="ok")


async def put(house: Installation, mailbox: str, count: int = 1) -> list[InboxId]:
    """Put messages on their way to a mailbox."""
    made = [await keep(house) for _ in range(count)]
    jobs = [NewMailboxJob(mailbox=mailbox, recipient="sales@example.com")]
    await house.db._connections.write(put_into_mailboxes, [(one, jobs) for one in made], house.now())
    return made


@asynccontextmanager
async def at_work(
    house: Installation, boxes: Mapping[str, Deliverer], epoch: Epoch | None = None
) -> AsyncIterator[Postman]:
    """Have a postman run for as long as the block does."""
    postman = Postman(
        jobs=house.db.mailbox_jobs,
        inbox=house.db.inbox,
        deliverer=boxes.get,
        schedule=SCHEDULE,
        epoch=epoch or await house.register(),
        clock=house.clock,
        concurrency=4,
    )
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(postman.run(stop))
        try:
            yield postman
        finally:
            stop.set()
            if any(isinstance(box, Box) and box.lets_go is not None for box in boxes.values()):
                running.cancel()


async def until(house: Installation, is_so: Callable[[], bool], *, step: float = 1.0) -> None:
    """Let time pass until something holds."""
    for _ in range(20_000):
        if is_so():
            return
        await asyncio.sleep(0.0005)
        house.clock.advance(timedelta(seconds=step))
    raise AssertionError("it never came to that")


async def told(house: Installation, *kinds: str, count: int = 1) -> Sequence[Event]:
    """Wait for so many events."""
    for _ in range(2_000):
        found = await house.events(*kinds)
        if len(found) >= count:
            return found
        await asyncio.sleep(0.001)
        house.clock.advance(timedelta(seconds=1))
    raise AssertionError(f"no {count} of {kinds}")


async def test_a_message_reaches_its_mailbox_and_the_log_says_so(house: Installation) -> None:
    box = Box()
    (inbox,) = await put(house, SALES)
    async with at_work(house, {SALES: box}):
        (event,) = await told(house, "inbound.delivered")
    assert event.data == {"inbox": str(inbox), "mailbox": SALES, "attempt": 1, "answer": "ok"}
    assert [part async for part in box.got[0].read()] == [b"Subject: x\r\n\r\n", b"y\r\n"]
    assert await house.db.mailbox_jobs.waiting() == {}


async def test_what_is_refused_for_good_stays_in_the_inbox_and_is_told(house: Installation) -> None:
    (inbox,) = await put(house, SALES)
    async with at_work(house, {SALES: Box([Never(reason="550 5.1.1 nobody")])}):
        (event,) = await told(house, "inbound.undelivered")
    assert event.data == {"inbox": str(inbox), "mailbox": SALES, "attempt": 1, "reason": "550 5.1.1 nobody"}
    assert await house.db.inbox.get(inbox) is not None
    assert await house.db.mailbox_jobs.waiting() == {}


async def test_a_mailbox_that_fails_is_tried_until_it_takes_its_mail(house: Installation) -> None:
    box = Box([Later(reason="connection refused")] * 5)
    await put(house, SALES, 3)
    async with at_work(house, {SALES: box}):
        await told(house, "inbound.delivered", count=3)
    (failing,), (recovered,) = await house.events("mailbox.failing"), await house.events("mailbox.recovered")
    assert failing.data == {"mailbox": SALES, "reason": "connection refused"}
    assert recovered.data == {"mailbox": SALES}
    assert failing.seq is not None
    assert recovered.seq is not None
    assert failing.seq < recovered.seq


async def test_a_single_failure_is_not_worth_an_alarm(house: Installation) -> None:
    await put(house, SALES)
    async with at_work(house, {SALES: Box([Later(reason="a blink")])}):
        await told(house, "inbound.delivered")
    assert await house.events("mailbox.failing", "mailbox.recovered") == []


async def test_a_mailbox_that_is_down_is_asked_by_one_message_at_a_time_and_ever_more_rarely(
    house: Installation,
) -> None:
    box = Box([Later(reason="down")] * 1_000)
    await put(house, SALES, 50)
    begun = house.now()
    async with at_work(house, {SALES: box}):
        await until(house, lambda: house.now() - begun > 3_600_000, step=10)
    assert len(box.got) < 25  # four at once at first, then one each time, at last every ten minutes


async def test_a_refused_recipient_does_not_rest_the_others_of_its_mailbox(house: Installation) -> None:
    box = Box([Later(reason="over quota", is_mailbox_down=False)])
    await put(house, SALES, 3)
    begun = house.now()
    async with at_work(house, {SALES: box}):
        await told(house, "inbound.delivered", count=2)
        assert house.now() - begun < 60_000
        await told(house, "inbound.delivered", count=3)
    assert house.now() - begun >= 60_000
    assert await house.events("mailbox.failing") == []


async def test_a_lifetime_later_it_stays_in_the_inbox_with_its_reason(house: Installation) -> None:
    box = Box([Later(reason="over quota", is_mailbox_down=False)] * 1_000)
    (inbox,) = await put(house, SALES)
    begun = house.now()
    async with at_work(house, {SALES: box}):
        await until(house, lambda: house.now() - begun > 7_300_000, step=30)
        (event,) = await told(house, "inbound.undelivered")
    assert event.data["reason"] == "it was tried for its whole lifetime; at last: over quota"
    assert event.data["attempt"] == len(box.got) > 5
    assert await house.db.inbox.get(inbox) is not None


async def test_a_mailbox_that_hangs_delays_nobody_else(house: Installation) -> None:
    hanging, well = Box(lets_go=asyncio.Event()), Box()
    await put(house, SALES, 200)
    await put(house, SUPPORT, 20)
    async with at_work(house, {SALES: hanging, SUPPORT: well}):
        await told(house, "inbound.delivered", count=20)
        assert (len(hanging.got), len(well.got)) == (4, 20)


async def test_many_addresses_that_hang_leave_room_for_mailboxes(house: Installation) -> None:
    slow, well = Box(lets_go=asyncio.Event()), Box()
    addresses = [f"ada{number}@elsewhere.example" for number in range(100)]
    for address in addresses:
        await put(house, address)
    await put(house, SALES, 5)
    async with at_work(house, {SALES: well} | dict.fromkeys(addresses, slow)):
        await told(house, "inbound.delivered", count=5)
        assert len(slow.got) == 16


async def test_a_mailbox_that_the_settings_lost_waits_for_its_return(house: Installation) -> None:
    boxes: dict[str, Deliverer] = {}
    await put(house, SALES)
    async with at_work(house, boxes):
        await told(house, "mailbox.failing")
        boxes[SALES] = Box()
        await told(house, "inbound.delivered")


async def test_a_fault_of_ours_keeps_the_message_and_the_postman(house: Installation) -> None:
    class Broken:
        calls = 0

        async def deliver(self, letter: Letter) -> Outcome:
            self.calls += 1
            if self.calls == 1:
                raise ZeroDivisionError
            return Done()

    await put(house, SALES)
    async with at_work(house, {SALES: Broken()}):
        await told(house, "inbound.delivered")


async def test_a_kill_after_the_file_was_made_leaves_one_message(house: Installation, tmp_path: Path) -> None:
    """The file is in new/, the job still in hand: what the next process finds after the power came back."""
    box = MaildirDeliverer(tmp_path / "mail", hostname="mta.example.com", clock=house.clock)
    (inbox,) = await put(house, SALES)
    dead = await house.register("dead")
    (job,) = await house.db.mailbox_jobs.claim({SALES: 1}, epoch=dead, now=house.now())
    message = await house.db.inbox.get(inbox)
    assert message is not None
    await box.deliver(Letter(job=job, entry=message.entry, read=lambda: house.db.inbox.parts(inbox)))
    async with at_work(house, {SALES: box}):
        (event,) = await told(house, "inbound.delivered")
    assert event.data["attempt"] == 2
    assert len(list((tmp_path / "mail" / "new").iterdir())) == 1


async def test_a_kill_while_it_was_written_leaves_one_message(house: Installation, tmp_path: Path) -> None:
    box = MaildirDeliverer(tmp_path / "mail", hostname="mta.example.com", clock=house.clock)
    await put(house, SALES)
    dead = await house.register("dead")
    await house.db.mailbox_jobs.claim({SALES: 1}, epoch=dead, now=house.now())
    async with at_work(house, {SALES: box}):
        await told(house, "inbound.delivered")
    assert len(list((tmp_path / "mail" / "new").iterdir())) == 1
