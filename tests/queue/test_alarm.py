"""How the queue's loops sleep."""

import asyncio
from datetime import timedelta

from tests.support.clock import ManualClock
from tierii_mta.queue.alarm import Alarm


async def test_a_ring_wakes_who_waits_and_is_kept_for_who_does_not_yet() -> None:
    alarm = Alarm(ManualClock())
    waiting = asyncio.create_task(alarm.wait())
    await asyncio.sleep(0)
    alarm.ring()
    assert await waiting
    alarm.ring()
    alarm.ring()
    assert await alarm.wait(5)


async def test_the_time_going_by_is_told_from_a_ring() -> None:
    clock = ManualClock()
    waiting = asyncio.create_task(Alarm(clock).wait(5))
    await clock.settle()
    clock.advance(timedelta(seconds=5))
    assert not await waiting


async def test_the_timer_of_an_earlier_wait_does_not_end_a_later_one() -> None:
    clock = ManualClock()
    alarm = Alarm(clock)
    first = asyncio.create_task(alarm.wait(5))
    await clock.settle()
    alarm.ring()
    second = asyncio.create_task(alarm.wait(60))
    assert await first
    await clock.settle()
    clock.advance(timedelta(seconds=30))
    await clock.settle()
    assert not second.done()
    clock.advance(timedelta(seconds=30))
    assert not await second
