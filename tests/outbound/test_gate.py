"""Waiting for a permit: order, patience, and no lost wake-ups."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest

from tests.support.clock import ManualClock
from tierii_mta import yaml12
from tierii_mta.outbound.gate import Gate
from tierii_mta.outbound.path import Feedback, Path, Permit, Wait
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.throttle import Throttle
from tierii_mta.queue.delivery import Priority


class Rig:
    """A gate before one throttle, under a clock that stands still."""

    def __init__(self, shaping: str) -> None:
        self.clock = ManualClock()
        self.throttle = Throttle(Shaping.load([yaml12.parse(shaping, file="shaping.yaml")]))
        self.gate = Gate(self.throttle, self.clock, patience=timedelta(seconds=10))
        self.order: list[str] = []

    def path(self, domain: str = "a.example") -> Path:
        self.throttle.learn(domain, site="mx", provider="other")
        found = self.throttle.path("main", domain, self.clock.monotonic())
        assert found is not None
        return found

    async def take(self, priority: Priority = Priority.NORMAL, domain: str = "a.example") -> Permit:
        permit = await self.gate.admit(self.path(domain), priority)
        assert isinstance(permit, Permit), permit.why
        return permit

    async def visit(self, name: str, priority: Priority = Priority.NORMAL) -> None:
        permit = await self.take(priority)
        self.order.append(name)
        self.gate.release(permit, Feedback.REACHED)

    async def start(self, *coroutines: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
        tasks = []
        for coroutine in coroutines:
            tasks.append(asyncio.ensure_future(coroutine))
            await self.clock.settle(3)
        return tasks


ONE_AT_A_TIME = "default: {connections: 1}"


async def test_the_next_in_turn_gets_what_is_released() -> None:
    rig = Rig(ONE_AT_A_TIME)
    permit = await rig.take()
    tasks = await rig.start(rig.visit("first"), rig.visit("second"), rig.visit("third"))
    assert rig.gate.waiting(rig.path()) == 3
    rig.gate.release(permit, Feedback.REACHED)
    await asyncio.gather(*tasks)
    assert rig.order == ["first", "second", "third"]
    assert rig.gate.waiting(rig.path()) == 0


async def test_high_priority_goes_first() -> None:
    rig = Rig(ONE_AT_A_TIME)
    permit = await rig.take()
    tasks = await rig.start(
        rig.visit("low", Priority.LOW), rig.visit("normal"), rig.visit("high", Priority.HIGH), rig.visit("normal too")
    )
    rig.gate.release(permit, Feedback.REACHED)
    await asyncio.gather(*tasks)
    assert rig.order == ["high", "normal", "normal too", "low"]


async def test_a_newcomer_does_not_overtake_its_equals() -> None:
    rig = Rig(ONE_AT_A_TIME)
    permit = await rig.take()
    (waiting,) = await rig.start(rig.visit("first"))
    rig.gate.release(permit, Feedback.REACHED)
    newcomer = asyncio.ensure_future(rig.visit("newcomer"))  # before the one that was woken could run
    await asyncio.gather(waiting, newcomer)
    assert rig.order == ["first", "newcomer"]


async def test_a_rate_lets_them_through_one_by_one_at_its_pace() -> None:
    rig = Rig("default: {rate: 1/s}")
    tasks = await rig.start(*(rig.visit(str(number)) for number in range(5)))
    assert rig.order == ["0"]
    await rig.clock.run(timedelta(seconds=1))
    assert rig.order == ["0", "1"]
    await rig.clock.run(timedelta(seconds=3))
    await asyncio.gather(*tasks)
    assert rig.order == ["0", "1", "2", "3", "4"]


async def test_a_wait_that_is_too_long_is_not_begun() -> None:
    rig = Rig("default: {rate: 1/m}")
    await rig.visit("one")
    answer = await rig.gate.admit(rig.path(), Priority.NORMAL)
    assert isinstance(answer, Wait)
    assert answer.seconds == pytest.approx(60)


async def test_patience_ends_and_the_others_still_get_their_turn() -> None:
    rig = Rig(ONE_AT_A_TIME)
    permit = await rig.take()
    impatient = asyncio.ensure_future(rig.gate.admit(rig.path(), Priority.NORMAL))
    await rig.clock.settle(3)
    await rig.clock.run(timedelta(seconds=6))
    (patient,) = await rig.start(rig.visit("patient"))
    await rig.clock.run(timedelta(seconds=5))
    assert isinstance(await impatient, Wait)
    rig.gate.release(permit, Feedback.REACHED)
    await patient
    assert rig.order == ["patient"]


async def test_a_cancelled_waiter_passes_its_turn_on() -> None:
    rig = Rig(ONE_AT_A_TIME)
    permit = await rig.take()
    first, second = await rig.start(rig.visit("first"), rig.visit("second"))
    rig.gate.release(permit, Feedback.REACHED)
    first.cancel()  # woken already, but it never ran
    await second
    assert rig.order == ["second"]


async def test_a_permit_handed_to_somebody_cancelled_in_the_same_moment_is_not_lost() -> None:
    rig = Rig(ONE_AT_A_TIME)
    permit = await rig.take()
    first, second = await rig.start(rig.visit("first"), rig.visit("second"))
    rig.gate.release(permit, Feedback.REACHED)
    first.cancel()
    await second
    assert first.cancelled()
    assert rig.order == ["second"]


async def test_a_permit_released_on_one_domain_wakes_another_domain_of_the_same_site() -> None:
    rig = Rig(ONE_AT_A_TIME)
    permit = await rig.take(domain="a.example")
    waiting = asyncio.ensure_future(rig.take(domain="b.example"))
    await rig.clock.settle(3)
    assert not waiting.done()
    rig.gate.release(permit, Feedback.REACHED)
    assert (await waiting).path.domain == "b.example"


async def test_who_waits_for_two_limits_in_turn_is_not_lost() -> None:
    rig = Rig("default: {connections: 1, rate: 1/s}")
    permit = await rig.take()
    tasks = await rig.start(*(rig.visit(str(number)) for number in range(4)))
    rig.gate.release(permit, Feedback.REACHED)
    await rig.clock.run(timedelta(seconds=4))
    await asyncio.gather(*tasks)
    assert rig.order == ["0", "1", "2", "3"]
    assert rig.gate.waiting(rig.path()) == 0


async def test_two_domains_behind_different_limits_of_one_site_do_not_wake_each_other_for_ever() -> None:
    rig = Rig("default: {connections: 1}\ndomains: {slow.example: {rate: 1/s}}")
    first = await rig.take(domain="slow.example")
    tasks = [asyncio.ensure_future(rig.take(domain=name)) for name in ("slow.example", "a.example")]
    await rig.clock.settle()
    rig.gate.release(first, Feedback.REACHED)
    await rig.clock.settle()
    assert [task.done() for task in tasks] == [False, True]
    rig.gate.release(tasks[1].result(), Feedback.REACHED)
    await rig.clock.run(timedelta(seconds=1))
    assert tasks[0].done()


async def test_connections_are_opened_at_their_own_rate() -> None:
    rig = Rig("default: {connection_rate: 1/s}")
    assert await rig.gate.connect(rig.path()) is None
    second = asyncio.ensure_future(rig.gate.connect(rig.path()))
    await rig.clock.settle()
    assert not second.done()
    await rig.clock.run(timedelta(seconds=1))
    assert await second is None


async def test_many_waiters_all_get_through() -> None:
    rig = Rig("default: {connections: 3, rate: 50/s}")
    tasks = await rig.start(*(rig.visit(str(number), Priority(number % 3)) for number in range(300)))
    await rig.clock.run(timedelta(seconds=8))
    await asyncio.gather(*tasks)
    assert len(rig.order) == 300
