"""The queue manager on a real SQLite database, with a way out that follows a script."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.queue.plant import (
    CODEC,
    MESSAGE,
    SCHEDULE,
    Script,
    addresses,
    committing,
    deliver_it,
    open_database,
    plant,
    recipients,
)
from tests.queue.values import attempt
from tests.support.clock import ManualClock
from tierii_mta.clock import Instant, later, rfc3339
from tierii_mta.queue.delivery import (
    Deferred,
    Delivered,
    Delivery,
    Failed,
    FailureReason,
    Outcome,
    Priority,
    Returned,
    State,
)
from tierii_mta.queue.hand import Ending
from tierii_mta.queue.intake import Intake, Submission
from tierii_mta.queue.manager import ManagerLimits
from tierii_mta.queue.operator import Scope, StandingSuspension
from tierii_mta.queue.store import Claim, CommitFailed, Operation, Quota, Result, Settle, SuspendLane

Activate = Callable[[], Awaitable[bool]]


class Gate:
    """Attempts that wait, queued or active, until the test lets them go on."""

    def __init__(self, *, active: bool) -> None:
        self.active, self.opened, self.waiting = active, asyncio.Event(), 0

    async def __call__(self, delivery: Delivery, activate: Activate) -> Outcome:
        if self.active:
            await activate()
        self.waiting += 1
        await self.opened.wait()
        return await deliver_it(delivery, activate) if not self.active else Delivered(attempt=attempt())


async def test_accepted_mail_is_delivered_and_completed(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue:
        accepted = await queue.accept("ann@one.example", "bob@two.example")
        await queue.ended(2)
        assert await queue.states("ann@one.example", "bob@two.example") == [State.COMPLETED] * 2
        delivered = await queue.events("email.delivered")
        assert {event.delivery_id for event in delivered} == set(accepted.deliveries)
        assert b"".join(await queue.database.queue.message_parts(accepted.message)) == MESSAGE
        assert len(queue.manager.hand) == 0


async def test_a_lane_never_has_more_in_hand_than_its_room(tmp_path: Path) -> None:
    script = Script(rooms={"one.example": 3, "two.example": 7})
    async with plant(tmp_path, script) as queue:
        await queue.accept(*addresses(40), *addresses(40, "two.example"))
        await queue.ended(80)
        assert script.most_inside == {"one.example": 3, "two.example": 7}


async def test_the_hand_is_bounded_and_keeps_a_share_for_high_priority(tmp_path: Path) -> None:
    gate = Gate(active=False)
    script = Script(acts={"one.example": gate})
    async with plant(tmp_path, script, limits=ManagerLimits(in_hand=10, reserved_high=4)) as queue:
        await queue.accept(*addresses(30))
        await queue.until(lambda: gate.waiting == 6)
        await queue.accept("high@two.example", stream="shop", priority=Priority.HIGH)
        await queue.ended(1)
        assert queue.endings[0].delivery.recipient == "high@two.example"
        assert len(queue.manager.hand) == 6
        gate.opened.set()
        await queue.ended(31)
        assert gate.waiting == 30


async def test_high_priority_overtakes_waiting_bulk(tmp_path: Path) -> None:
    script = Script(rooms={"one.example": 1})
    async with plant(tmp_path, script) as queue:
        await queue.accept(*addresses(20))
        await queue.until(lambda: len(script.handed) >= 3)
        seen = len(script.handed)
        await queue.accept("high@one.example", stream="shop", priority=Priority.HIGH)
        await queue.ended(21)
        position = [one.recipient for one in script.handed].index("high@one.example")
        assert position <= seen + 3


async def test_a_slow_destination_delays_nobody_else(tmp_path: Path) -> None:
    gate = Gate(active=True)
    script = Script(acts={"slow.example": gate}, rooms={"slow.example": 5})
    async with plant(tmp_path, script) as queue:
        await queue.accept(*addresses(50, "slow.example"))
        await queue.accept(*addresses(50))
        await queue.ended(50)
        assert {ending.delivery.lane.domain for ending in queue.endings} == {"one.example"}
        gate.opened.set()
        await queue.ended(100)


async def test_a_deferred_delivery_comes_again_at_its_time_and_not_before(tmp_path: Path) -> None:
    tries: list[Instant] = []

    async def greylist(delivery: Delivery, activate: Activate) -> Outcome:
        tries.append(queue.clock.now())
        await activate()
        if delivery.attempts == 0:
            return Deferred(attempt=attempt(451, "come back", "4.7.1"))
        return Delivered(attempt=attempt())

    async with plant(tmp_path, Script(acts={"one.example": greylist})) as queue:
        await queue.accept("ann@one.example")
        await queue.ended(1)
        assert await queue.states("ann@one.example") == [State.RETRY]
        (deferred,) = await queue.events("email.deferred")
        queue.clock.advance(timedelta(minutes=4))
        await queue.until(lambda: len(queue.endings) == 2, step=timedelta(seconds=1))
        assert await queue.states("ann@one.example") == [State.COMPLETED]
        assert later(tries[0], timedelta(minutes=5)) <= tries[1]
        assert deferred.data["next_attempt"] <= rfc3339(tries[1])


async def test_a_hard_bounce_keeps_the_next_mail_to_the_person_back(tmp_path: Path) -> None:
    async def refuse(delivery: Delivery, activate: Activate) -> Outcome:
        await activate()
        reply = attempt(550, "no such user", "5.1.1")
        return Failed(attempt=reply, reason=FailureReason.BOUNCED, suppress=True)

    script = Script(acts={"one.example": refuse})
    async with plant(tmp_path, script) as queue:
        await queue.accept("ann@one.example")
        await queue.ended(1)
        await queue.accept("ann@one.example")
        await queue.until(lambda: len(queue.directory) == 0)
        assert await queue.states("ann@one.example") == [State.SUPPRESSED]
        assert len(script.handed) == 1
        kinds = [str(event.type) for event in await queue.events()]
        assert kinds.count("suppression.created") == kinds.count("email.bounced") == 1


async def test_a_lane_that_refuses_us_is_suspended_once_and_opens_again(tmp_path: Path) -> None:
    is_listed = True

    async def listed(delivery: Delivery, activate: Activate) -> Outcome:
        await activate()
        if is_listed:
            return Deferred(attempt=attempt(554, "listed", "5.7.1", reply_class="SpamBlock"), is_blocked=True)
        return Delivered(attempt=attempt())

    script = Script(acts={"one.example": listed}, rooms={"one.example": 4})
    async with plant(tmp_path, script) as queue:
        await queue.accept(*addresses(20))
        await queue.ended(4)
        await queue.until(lambda: len(queue.manager.hand) == 0)
        handed = len(script.handed)
        assert handed <= 8
        await queue.accept("late@one.example")
        await queue.until(
            lambda: queue.clock.now() > later(queue.endings[0].delivery.accepted_at, timedelta(minutes=20)),
            step=timedelta(seconds=10),
        )
        assert len(script.handed) == handed
        assert len(await queue.events("lane.suspended")) == 1
        is_listed = False
        await queue.until(
            lambda: sum(isinstance(one.outcome, Delivered) for one in queue.endings) == 21, step=timedelta(seconds=10)
        )
        assert Counter(await queue.states(*addresses(20), "late@one.example")) == {State.COMPLETED: 21}
        assert len(await queue.events("lane.resumed")) == 1


async def test_a_suspension_outlives_the_process(tmp_path: Path) -> None:
    async def listed(delivery: Delivery, activate: Activate) -> Outcome:
        await activate()
        return Deferred(attempt=attempt(554, "listed", "5.7.1"), is_blocked=True)

    script = Script(acts={"one.example": listed}, rooms={"one.example": 1})
    async with plant(tmp_path, script) as queue:
        await queue.accept(*addresses(3))
        await queue.ended(1)
        await queue.until(lambda: queue.directory.is_suspended(script.handed[0].lane.id))
        await queue.drain()
    later_script = Script()
    async with plant(tmp_path, later_script, clock=queue.clock) as queue:
        await queue.accept("ann@two.example")
        await queue.ended(1)
        assert [one.recipient for one in later_script.handed] == ["ann@two.example"]
        await queue.database.operator.unsuspend(Scope.DOMAIN, "one.example", queue.clock.now())
        await queue.until(lambda: len(queue.endings) >= 3)


async def test_a_returned_delivery_counts_no_attempt(tmp_path: Path) -> None:
    seen: list[int] = []

    async def throttled(delivery: Delivery, activate: Activate) -> Outcome:
        seen.append(delivery.attempts)
        if len(seen) < 4:
            return Returned(why="rate", due=later(queue.clock.now(), timedelta(seconds=2)) if len(seen) < 3 else None)
        return await deliver_it(delivery, activate)

    async with plant(tmp_path, Script(acts={"one.example": throttled})) as queue:
        await queue.accept("ann@one.example")
        await queue.ended(4)
        assert seen == [0, 0, 0, 0]
        assert [str(event.type) for event in await queue.events()] == ["email.queued", "email.delivered"]


@pytest.mark.parametrize("is_active", [False, True])
async def test_a_fault_of_the_port_is_logged_and_the_mail_tried_again(
    tmp_path: Path, is_active: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(delivery: Delivery, activate: Activate) -> Outcome:
        if delivery.attempts:
            return await deliver_it(delivery, activate)
        if is_active:
            await activate()
        raise KeyError("a fault of ours")

    async with plant(tmp_path, Script(acts={"one.example": broken})) as queue:
        await queue.accept("ann@one.example")
        await queue.ended(1)
        assert queue.manager.hand.faults.count == 1
        assert "broke off" in caplog.text
        assert await queue.states("ann@one.example") == [State.RETRY]
        doubts = await queue.events("email.in_doubt")
        assert [event.data["cause"] for event in doubts] == (["crash"] if is_active else [])
        await queue.until(lambda: len(queue.endings) == 2, step=timedelta(seconds=5))
        assert await queue.states("ann@one.example") == [State.COMPLETED]


@pytest.mark.parametrize("is_active", [False, True])
async def test_the_third_fault_of_ours_sets_a_delivery_aside_and_the_others_go_on(
    tmp_path: Path, is_active: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(delivery: Delivery, activate: Activate) -> Outcome:
        if delivery.recipient != "p1@one.example":
            return await deliver_it(delivery, activate)
        if is_active:
            await activate()
        raise KeyError("a fault of ours")

    async with plant(tmp_path, Script(acts={"one.example": broken})) as queue:
        await queue.accept(*addresses(5))
        await queue.until(lambda: len(queue.endings) == 7, step=timedelta(seconds=5))
        assert await queue.states(*addresses(3)) == [State.COMPLETED, State.FAILED, State.COMPLETED]
        (failed,) = await queue.events("email.failed")
        assert (failed.data["class"], failed.data["reason"], failed.data["attempt"]) == ("error", "error", 3)
        assert [one.outcome for one in queue.endings if isinstance(one.outcome, Failed)]
        assert caplog.text.count("Traceback") <= 2, "once per kind"


async def test_an_outcome_that_cannot_be_written_is_that_deliverys_fault_alone(tmp_path: Path) -> None:
    async def unwritable(delivery: Delivery, activate: Activate) -> Outcome:
        if delivery.recipient == "p1@one.example":
            return Deferred(attempt=None)  # type: ignore[arg-type]  # a bug of the port
        return await deliver_it(delivery, activate)

    async with plant(tmp_path, Script(acts={"one.example": unwritable})) as queue:
        await queue.accept(*addresses(3))
        await queue.ended(3)
        assert await queue.states(*addresses(3)) == [State.COMPLETED, State.RETRY, State.COMPLETED]


async def test_an_observer_that_fails_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with plant(tmp_path) as queue:
        seen: list[Ending] = []

        def fail_once(ending: Ending) -> None:
            seen.append(ending)
            if len(seen) == 1:
                raise KeyError("a fault of the observer")

        queue.manager._observe = fail_once
        await queue.accept(*addresses(3))
        await queue.until(lambda: len(seen) == 3)
        assert await queue.states(*addresses(3)) == [State.COMPLETED] * 3
        assert "could not be ended" in caplog.text


async def test_suspects_of_two_deaths_are_tried_one_by_one_before_anything_else(tmp_path: Path) -> None:
    clock = ManualClock()
    for death in range(2):
        gate = Gate(active=True)
        async with plant(tmp_path, Script(acts={"one.example": gate}), clock=clock) as queue:
            if death == 0:
                await queue.accept(*addresses(3))
            await queue.until(lambda waiting=gate: waiting.waiting == 3)  # type: ignore[misc]
            await queue.abandon()
    script = Script()
    async with plant(tmp_path, script, clock=clock) as queue:
        await queue.accept(*addresses(3, "two.example"))
        await queue.ended(6)
        assert script.most_inside["one.example"] == 1
        assert [one.lane.domain for one in script.handed[:3]] == ["one.example"] * 3
        assert await queue.database.queue.claim_suspect(queue.epoch, clock.now()) is None


async def test_a_port_that_delivers_without_activation_is_a_fault_and_not_a_delivery(tmp_path: Path) -> None:
    async def unannounced(delivery: Delivery, activate: Activate) -> Outcome:
        return Delivered(attempt=attempt())

    async with plant(tmp_path, Script(acts={"one.example": unannounced})) as queue:
        await queue.accept("ann@one.example")
        await queue.ended(1)
        assert queue.manager.hand.faults.count == 1
        assert await queue.states("ann@one.example") == [State.RETRY]


async def test_a_drain_lets_the_active_finish_and_returns_the_rest(tmp_path: Path) -> None:
    active, queued = Gate(active=True), Gate(active=False)
    script = Script(acts={"active.example": active, "queued.example": queued})
    async with plant(tmp_path, script) as queue:
        await queue.accept(*addresses(3, "active.example"), *addresses(4, "queued.example"))
        await queue.until(lambda: active.waiting == 3 and queued.waiting == 4)
        draining = asyncio.create_task(queue.manager.drain(timedelta(minutes=5)))
        await queue.until(lambda: len(queue.manager.hand) == 3)
        await queue.accept("new@other.example")
        active.opened.set()
        await queue.until_done(draining)
        await queue.running
        assert await queue.states(*addresses(3, "active.example")) == [State.COMPLETED] * 3
        assert await queue.states(*addresses(4, "queued.example"), "new@other.example") == [State.PENDING] * 5
        assert await queue.events("email.deferred", "email.in_doubt") == []


async def test_a_drain_that_comes_right_after_a_claim_returns_what_had_not_begun(tmp_path: Path) -> None:
    gate = Gate(active=False)
    async with plant(tmp_path, Script(acts={"one.example": gate})) as queue:
        await queue.accept(*addresses(50))
        await queue.drain()
        assert set(await queue.states(*addresses(50))) == {State.PENDING}
        assert len(queue.manager.hand) == 0


async def test_what_outlives_the_drain_is_in_doubt_at_the_next_start_and_is_sent_again(tmp_path: Path) -> None:
    gate = Gate(active=True)
    async with plant(tmp_path, Script(acts={"one.example": gate})) as queue:
        await queue.accept(*addresses(2))
        await queue.until(lambda: gate.waiting == 2)
        await queue.drain(timedelta(seconds=1))
        assert await queue.states(*addresses(2)) == [State.ACTIVE] * 2
    async with plant(tmp_path, clock=queue.clock) as queue:
        await queue.ended(2)
        assert await queue.states(*addresses(2)) == [State.COMPLETED] * 2
        assert [event.data["cause"] for event in await queue.events("email.in_doubt")] == ["crash"] * 2


async def test_after_a_crash_every_mail_is_delivered_and_only_active_ones_are_in_doubt(tmp_path: Path) -> None:
    active, queued = Gate(active=True), Gate(active=False)
    script = Script(acts={"active.example": active, "queued.example": queued})
    everybody = (*addresses(5, "active.example"), *addresses(7, "queued.example"), *addresses(30, "plain.example"))
    async with plant(tmp_path, script, limits=ManagerLimits(in_hand=20, reserved_high=1)) as queue:
        await queue.accept(*everybody)
        await queue.until(lambda: active.waiting == 5 and queued.waiting == 7 and len(queue.endings) >= 10)
        await queue.abandon()
    database = await open_database(tmp_path, queue.clock)
    left = sum((await database.queue.totals()).values())  # an outcome may have been kept whose ending nobody saw
    await database.close()
    again = Script()
    async with plant(tmp_path, again, clock=queue.clock) as queue:
        await queue.ended(left)
        assert set(await queue.states(*everybody)) == {State.COMPLETED}
        doubts = {str(event.recipient) for event in await queue.events("email.in_doubt")}
        tried_twice = {one.recipient for one in again.handed} & {one.recipient for one in script.handed}
        assert doubts >= {*addresses(5, "active.example")}
        assert tried_twice - doubts == {*addresses(7, "queued.example")}  # these were never on the wire


async def test_mail_of_another_process_is_found_through_the_change_log(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue:
        other = await open_database(tmp_path, queue.clock)
        async with committing(other, queue.clock) as committer:
            intake = Intake(committer=committer, codec=CODEC, schedule=SCHEDULE, clock=queue.clock)
            await intake.accept(
                Submission(
                    stream="send",
                    reverse_path=None,
                    recipients=recipients("x@one.example", "y@two.example"),
                    content=MESSAGE,
                    message_id="<m2@a.example>",
                )
            )
        await other.close()
        await queue.ended(2)
        assert await queue.states("x@one.example", "y@two.example") == [State.COMPLETED] * 2
        assert queue.script.handed[0].reverse_path == ""


async def test_own_mail_is_delivered_without_waiting_for_the_change_log(tmp_path: Path) -> None:
    async with plant(tmp_path, limits=ManagerLimits(poll=timedelta(days=1))) as queue:
        await queue.accept("ann@one.example")
        await queue.ended(1)


@pytest.mark.parametrize(("scope", "value"), [(Scope.DOMAIN, "one.example"), (Scope.USER, "shop"), (Scope.ALL, "")])
async def test_what_the_operator_suspends_waits_in_lanes_old_and_new_until_it_is_lifted(
    tmp_path: Path, scope: Scope, value: str
) -> None:
    script = Script(rooms={"one.example": 0})
    async with plant(tmp_path, script) as queue:
        await queue.accept(*addresses(3), stream="user:shop")
        operator = queue.database.operator
        now = queue.clock.now()
        await operator.suspend(
            StandingSuspension(scope=scope, value=value, until=None, reason="asked to", created_at=now)
        )
        script.rooms["one.example"] = 10
        await queue.accept(*addresses(5), stream="user:shop")
        await queue.until(lambda: queue.clock.now() > later(now, timedelta(hours=1)), step=timedelta(minutes=1))
        assert script.handed == []
        await operator.unsuspend(scope, value, queue.clock.now())
        await queue.ended(8)
        assert {type(one.outcome) for one in queue.endings} == {Delivered}


async def test_a_suspension_of_the_operator_ends_by_itself(tmp_path: Path) -> None:
    async with plant(tmp_path) as queue:
        now = queue.clock.now()
        until = later(now, timedelta(minutes=30))
        await queue.database.operator.suspend(
            StandingSuspension(scope=Scope.ALL, value="", until=until, reason="asked to", created_at=now)
        )
        await queue.accept(*addresses(3))
        await queue.until(lambda: queue.clock.now() >= later(until, -timedelta(minutes=1)), step=timedelta(minutes=1))
        assert queue.script.handed == []
        await queue.ended(3)


@pytest.mark.parametrize(("scope", "value"), [(Scope.DOMAIN, "one.example"), (Scope.USER, "shop")])
async def test_a_suspension_recalls_what_is_in_hand_and_not_yet_on_the_wire(
    tmp_path: Path, scope: Scope, value: str
) -> None:
    async def wait_for_a_permit(delivery: Delivery, activate: Activate) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError("nobody gives one")

    async with plant(tmp_path, Script(acts={"one.example": wait_for_a_permit})) as queue:
        await queue.accept(*addresses(2), stream="user:shop")
        await queue.until(lambda: len(queue.script.handed) == 2)
        await queue.database.operator.suspend(
            StandingSuspension(scope=scope, value=value, until=None, reason="", created_at=queue.clock.now())
        )
        await queue.ended(2)
        assert [type(one.outcome) for one in queue.endings] == [Returned, Returned]
        assert len(queue.script.handed) == 2


async def test_a_lane_suspended_by_another_process_is_left_alone_until_released(tmp_path: Path) -> None:
    script = Script(rooms={"one.example": 0})
    async with plant(tmp_path, script) as queue:
        accepted = await queue.accept(*addresses(2))
        lane = accepted.loads[0].lane
        other = await open_database(tmp_path, queue.clock)
        until = later(queue.clock.now(), timedelta(hours=6))
        await other.queue.apply([SuspendLane(lane=lane.id, until=until, reason="elsewhere")])
        await queue.until(lambda: queue.directory.is_suspended(lane.id))
        script.rooms.clear()
        await queue.until(lambda: queue.clock.now() > later(until, -timedelta(hours=1)), step=timedelta(minutes=1))
        assert script.handed == []
        await other.queue.apply([SuspendLane(lane=lane.id, until=None)])
        await other.close()
        await queue.ended(2)


async def test_an_outcome_that_waits_for_a_sick_store_is_not_dropped_by_a_recall(tmp_path: Path) -> None:
    async def fail_as_the_store_does(delivery: Delivery, activate: Activate) -> Outcome:
        queue.committer.report_sick(CommitFailed("the disk is full"))
        return Deferred(attempt=attempt(451))

    script = Script(acts={"one.example": fail_as_the_store_does})
    async with plant(tmp_path, script) as queue:
        await queue.accept("ann@one.example")
        await queue.until(lambda: queue.committer.is_sick)
        queue.manager.hand.recall("lane suspended")
        await queue.ended(1)
        assert await queue.states("ann@one.example") == [State.RETRY]
        assert len(await queue.events("email.deferred")) == 1


async def test_an_outcome_whose_commit_was_kept_but_not_confirmed_does_not_leave_its_row_waiting_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[Outcome] = [Deferred(attempt=attempt(451)), Delivered(attempt=attempt())]
    unconfirmed: list[Operation] = []

    async def next_outcome(delivery: Delivery, activate: Activate) -> Outcome:
        await activate()
        return outcomes.pop(0)

    async with plant(tmp_path, Script(acts={"one.example": next_outcome})) as queue:
        keep = queue.database.queue.apply

        async def keep_and_lose_the_answer(operations: Sequence[Operation]) -> Sequence[Result]:
            results = await keep(operations)
            settles = [one for one in operations if isinstance(one, Settle)]
            if settles and not unconfirmed:
                unconfirmed.extend(settles)
                raise CommitFailed("the server was lost during COMMIT")
            return results

        monkeypatch.setattr(queue.database.queue, "apply", keep_and_lose_the_answer)
        await queue.accept("ann@one.example")
        await queue.until(lambda: not outcomes, step=timedelta(seconds=1))
        await queue.ended(2)
        assert await queue.states("ann@one.example") == [State.COMPLETED]


async def test_a_claim_whose_answer_is_lost_strands_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranded: list[Delivery] = []

    async with plant(tmp_path) as queue:
        keep = queue.database.queue.claim

        async def keep_and_lose_the_answer(quotas: Sequence[Quota], **given: Any) -> Claim:
            claim = await keep(quotas, **given)
            if claim.deliveries and not stranded:
                stranded.extend(claim.deliveries)
                raise CommitFailed("the server was lost during COMMIT")
            return claim

        monkeypatch.setattr(queue.database.queue, "claim", keep_and_lose_the_answer)
        await queue.accept("ann@one.example", "bob@one.example")
        await queue.until(lambda: len(queue.endings) == 2, step=timedelta(milliseconds=100))
        assert {one.recipient for one in stranded} == {"ann@one.example", "bob@one.example"}
        assert await queue.states("ann@one.example", "bob@one.example") == [State.COMPLETED] * 2
