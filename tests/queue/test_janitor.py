"""What is done to the queue from time to time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from tests.queue.plant import MESSAGE, Plant, Script, addresses, plant
from tests.queue.values import attempt
from tierii_mta.clock import later
from tierii_mta.queue.delivery import Deferred, Delivery, Outcome, State
from tierii_mta.queue.janitor import Janitor, Retention
from tierii_mta.queue.store import CommitFailed


@asynccontextmanager
async def janitor(
    queue: Plant, retention: Retention | None = None, *, grace: timedelta = timedelta(minutes=5)
) -> AsyncIterator[Janitor]:
    """Run the janitor beside the queue."""
    made = Janitor(
        store=queue.database.queue,
        operator=queue.database.operator,
        clock=queue.clock,
        epoch=queue.epoch,
        retention=retention or Retention(),
        grace=grace,
    )
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def refuse_for_now(delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
    await activate()
    return Deferred(attempt=attempt(451, "later", "4.3.0"))


async def count(queue: Plant, kind: str) -> int:
    return len(await queue.events(kind))


async def until_event(queue: Plant, kind: str, number: int, *, step: timedelta) -> None:
    for _ in range(2_000):
        if await count(queue, kind) >= number:
            return
        queue.clock.advance(step)
    raise AssertionError(f"{number} {kind} never came")


async def test_a_heartbeat_is_written_every_fifteen_seconds(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue, janitor(queue):
        started = (await queue.database.queue.nodes())[0].seen_at
        queue.clock.advance(timedelta(seconds=1))
        for _ in range(2_000):
            (node,) = await queue.database.queue.nodes()
            if node.seen_at > started:
                break
            queue.clock.advance(timedelta(seconds=1))
        assert node.seen_at >= later(started, timedelta(seconds=15))


async def test_mail_that_no_attempt_reached_in_its_lifetime_expires(tmp_path: Path) -> None:
    script = Script(rooms={"one.example": 0})
    async with plant(tmp_path, script) as queue, janitor(queue):
        await queue.accept(*addresses(3))
        queue.clock.advance(timedelta(days=1))
        await until_event(queue, "email.expired", 3, step=timedelta(seconds=20))
        assert await queue.states(*addresses(3)) == [State.FAILED] * 3
        expired = await queue.events("email.expired")
        assert all(event.at >= later(queue.clock.now(), -timedelta(days=1)) for event in expired)
        assert script.handed == []


async def test_the_last_attempt_at_the_deadline_comes_before_the_age_sweep(tmp_path: Path) -> None:
    script = Script(acts={"one.example": refuse_for_now})
    async with plant(tmp_path, script) as queue, janitor(queue, grace=timedelta(minutes=30)):
        await queue.accept("ann@one.example")
        await queue.ended(1)
        await until_event(queue, "email.expired", 1, step=timedelta(minutes=1))
        (expired,) = await queue.events("email.expired")
        assert expired.data["attempts"] == len(script.handed)
        assert expired.data["last_reply"] == "451 4.3.0 later"
        assert expired.at >= script.handed[0].expires_at
        assert await count(queue, "email.deferred") == len(script.handed) - 1


async def test_what_is_over_is_purged_after_its_time(tmp_path: Path) -> None:
    retention = Retention(events=timedelta(hours=2), deliveries=timedelta(hours=3), bodies=timedelta(hours=1))
    async with plant(tmp_path) as queue, janitor(queue, retention):
        accepted = await queue.accept("ann@one.example")
        await queue.ended(1)
        assert b"".join(await queue.database.queue.message_parts(accepted.message)) == MESSAGE
        queue.clock.advance(timedelta(hours=4))
        for _ in range(2_000):
            queue.clock.advance(timedelta(minutes=1))
            if not await queue.events():
                break
        assert await queue.events() == []


async def test_preparing_frees_what_a_crash_left_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hold = asyncio.Event()

    async def hang(delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        await activate()
        await hold.wait()
        raise AssertionError("never reached")

    async with plant(tmp_path, Script(acts={"one.example": hang})) as queue:
        await queue.accept("ann@one.example")
        await queue.until(lambda: bool(queue.script.handed))
        while await queue.states("ann@one.example") != [State.ACTIVE]:
            await asyncio.sleep(0)
        await queue.abandon()
        epoch = await queue.database.queue.register(name="next", role="outbound", pid=2, now=queue.clock.now())
        store, operator = queue.database.queue, queue.database.operator
        successor = Janitor(store=store, operator=operator, clock=queue.clock, epoch=epoch, retention=Retention())
        await successor.prepare()
        assert "1 are in doubt" in caplog.text
        assert await queue.states("ann@one.example") == [State.RETRY]


async def test_a_store_that_cannot_be_used_now_is_tried_again_at_the_next_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with plant(tmp_path) as queue, janitor(queue) as made:
        turns = 0

        async def fail_once() -> None:
            nonlocal turns
            turns += 1
            if turns == 1:
                raise CommitFailed("the disk is full")

        async with asyncio.TaskGroup() as group:
            task = group.create_task(made.every(timedelta(seconds=1), fail_once, name="duty"))
            await queue.until(lambda: turns == 2)
            task.cancel()
        assert "duty could not be done" in caplog.text
