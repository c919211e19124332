"""The state table against the real store: whatever happens in whatever order, rows stand where the model says."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.queue.plant import CODEC, SCHEDULE, open_database
from tests.queue.values import attempt
from tests.support.clock import ManualClock
from tierii_mta.clock import later, sortable_id
from tierii_mta.mail.address import Address
from tierii_mta.queue.crashes import Freed
from tierii_mta.queue.delivery import (
    FINAL,
    OPEN,
    TRANSITIONS,
    Deferred,
    Delivered,
    Delivery,
    DeliveryId,
    Epoch,
    Failed,
    FailureReason,
    InDoubt,
    Outcome,
    Priority,
    Returned,
    State,
)
from tierii_mta.queue.settlement import Moment, Settlement, SettlementPolicy
from tierii_mta.queue.store import Accept, Accepted, Activate, NewDelivery, Quota

T = TypeVar("T")
BEFORE: list[Outcome] = [
    Deferred(attempt=attempt(451, "no connection", is_local=True)),
    Failed(attempt=attempt(554, "no"), reason=FailureReason.REJECTED),
    Returned(why="drain"),
]
AFTER: list[Outcome] = [
    *BEFORE,
    Delivered(attempt=attempt()),
    Deferred(attempt=attempt(554, "listed"), is_blocked=True),
    InDoubt(attempt=attempt(451, "lost", is_local=True)),
    Failed(attempt=attempt(550, "no such user"), reason=FailureReason.BOUNCED, suppress=True),
]


def test_every_state_is_in_the_table_and_final_ones_but_failed_are_never_left() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {state for state, after in TRANSITIONS.items() if not after} == FINAL - {State.FAILED}
    assert set(State) == OPEN | FINAL
    assert not OPEN & FINAL


@dataclass
class Row:
    """What the model knows of a delivery."""

    recipient: str
    state: State = State.PENDING
    attempts: int = 0
    held: Delivery | None = None


class StateMachine(RuleBasedStateMachine):
    """Accept, claim, activate, settle, crash, expire, on SQLite."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.database = self.run(open_database(Path(self.folder.name), self.clock))
        self.rows: dict[DeliveryId, Row] = {}
        self.gone: set[str] = set()  # suppressed persons
        self.epoch = Epoch(0)
        self._next_epoch()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()
        self.folder.cleanup()

    def move(self, number: DeliveryId, to_state: State) -> None:
        row = self.rows[number]
        assert to_state in TRANSITIONS[row.state], f"{row.state} to {to_state}"
        row.state = to_state

    def in_state(self, *states: State) -> list[DeliveryId]:
        return [number for number, row in self.rows.items() if row.state in states]

    @rule(person=st.integers(0, 5), count=st.integers(1, 3))
    def accept(self, person: int, count: int) -> None:
        persons = [Address.parse(f"p{person + number}@one.example") for number in range(count)]
        accept = Accept(
            stream="send",
            priority=Priority.NORMAL,
            reverse_path="a@example.com",
            message_id="<m@example.com>",
            parts=(b"x\r\n",),
            deliveries=[
                NewDelivery(recipient=str(one), recipient_key=CODEC.person_key(one), domain=one.domain)
                for one in persons
            ],
            accepted_at=self.clock.now(),
            expires_at=SCHEDULE.expires_at(self.clock.now()),
        )
        (accepted,) = self.run(self.database.queue.apply([accept]))
        assert isinstance(accepted, Accepted)
        self.rows |= {n: Row(str(one)) for n, one in zip(accepted.deliveries, persons, strict=True)}

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        loads = self.run(self._loads())
        quotas = [Quota(lane=load.lane.id, priority=load.priority, limit=limit) for load in loads]
        waiting = self.in_state(State.PENDING, State.RETRY)
        claim = self.run(self.database.queue.claim(quotas, epoch=self.epoch, now=self.clock.now()))
        assert len(claim.deliveries) <= limit
        for one in claim.deliveries:
            assert one.recipient not in self.gone
            assert one.attempts == self.rows[one.id].attempts
            self.move(one.id, State.QUEUED)
            self.rows[one.id].held = one
        for number in waiting:
            if self.rows[number].recipient in self.gone and self._state(number) is State.SUPPRESSED:
                self.move(number, State.SUPPRESSED)

    @precondition(lambda self: self.in_state(State.QUEUED))
    @rule(data=st.data())
    def activate(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.in_state(State.QUEUED)))
        operation = Activate(delivery=number, epoch=self.epoch)
        assert self.run(self.database.queue.apply([operation, operation])) == [True, False]
        self.move(number, State.ACTIVE)

    @precondition(lambda self: self.in_state(State.QUEUED, State.ACTIVE))
    @rule(data=st.data(), is_foreign=st.booleans())
    def settle(self, data: st.DataObject, is_foreign: bool) -> None:
        number = data.draw(st.sampled_from(self.in_state(State.QUEUED, State.ACTIVE)))
        row = self.rows[number]
        assert row.held is not None
        outcome: Outcome = data.draw(st.sampled_from(AFTER if row.state is State.ACTIVE else BEFORE))
        epoch = Epoch(self.epoch + 1) if is_foreign else self.epoch
        moment = Moment(now=self.clock.now(), spread=0.5, new_id=lambda: sortable_id("evt", self.clock))
        settlement = Settlement(SettlementPolicy(schedule=SCHEDULE), epoch)
        operation = settlement.settle(row.held, outcome, from_state=row.state, moment=moment)
        assert self.run(self.database.queue.apply([operation, operation])) == [not is_foreign, False]
        if not is_foreign:
            self.move(number, operation.to_state)
            row.attempts, row.held = operation.attempts, None
            if operation.suppression is not None:
                self.gone.add(row.recipient)

    @rule()
    def crash(self) -> None:
        queued, active = self.in_state(State.QUEUED), self.in_state(State.ACTIVE)
        self.run(
            self.database.queue.retire(self.epoch)
        )  # so that nobody is suspected; contracts.test_crashes tells that
        assert self._next_epoch() == (len(queued), len(active), 0)
        for number in queued:
            self.move(number, State.PENDING)
        for number in active:
            self.move(number, State.RETRY)

    @rule(hours=st.sampled_from([1, 9, 25]))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @rule()
    def expire(self) -> None:
        waiting = self.in_state(State.PENDING, State.RETRY, State.HELD)
        ended = self.run(self.database.queue.expire(self.clock.now()))
        for number in waiting:
            if self._state(number) is State.FAILED:
                self.move(number, State.FAILED)
                ended -= 1
        assert ended == 0

    @invariant()
    def totals_count_what_the_model_counts(self) -> None:
        counted = Counter(row.state for row in self.rows.values() if row.state in OPEN)
        totals = self.run(self.database.queue.totals())
        assert {state: count for (state, _), count in totals.items() if count} == dict(counted)

    @invariant()
    def rows_stand_where_the_model_says(self) -> None:
        assert {number: self._state(number) for number in list(self.rows)[-3:]} == {
            number: self.rows[number].state for number in list(self.rows)[-3:]
        }

    def _state(self, number: DeliveryId) -> State:
        key = CODEC.person_key(Address.parse(self.rows[number].recipient))
        histories = self.run(self.database.queue.history(key=key))
        return next(one.state for one in histories if one.id == number)

    def _next_epoch(self) -> Freed:
        queue, now = self.database.queue, self.clock.now()
        self.epoch = self.run(queue.register(name="test", role="outbound", pid=1, now=now))
        return self.run(queue.free_dead(self.epoch, later(now, timedelta(0))))

    async def _loads(self) -> list[Any]:
        return [load async for load in self.database.queue.loads()]


TestStates = StateMachine.TestCase
TestStates.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
