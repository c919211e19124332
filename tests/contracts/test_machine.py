"""Whatever happens in whatever order, the books balance: a state machine over the ports, on both databases."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select

from tests.contracts.conftest import BACKENDS, empty
from tests.contracts.installation import LIFETIME, Installation
from tests.support.clock import ManualClock
from tierii_mta.campaigns.store import CAMPAIGN_TRANSITIONS, CampaignState
from tierii_mta.clock import later
from tierii_mta.queue.delivery import FINAL, IN_HAND, TRANSITIONS, Delivery, Epoch, State
from tierii_mta.queue.store import Activate
from tierii_mta.storage.codes import STATE_OF
from tierii_mta.storage.tables import delivery

T = TypeVar("T")
PEOPLE = [f"p{number}@d{number % 3}.example" for number in range(12)]
people = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5, unique=True)


class Books(RuleBasedStateMachine):
    """One campaign, some submitted mail, one owner at a time."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="tierii-books-"))
        self.store = Installation(url, self.folder, ManualClock())
        self.hand: list[Delivery] = []
        self.active: set[int] = set()
        self.epoch = Epoch(0)
        self.seen: Mapping[int, State] = {}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.do(self.store.open())
        if self.store.is_postgres:
            self.do(self.store.db._connections.write(empty))
        self.do(self.store.campaigns.open_draft(self.store.draft("spring")))
        self.epoch = self.do(self.store.register())

    def teardown(self) -> None:
        self.do(self.store.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def state(self) -> CampaignState:
        record = self.do(self.store.campaigns.find("spring"))
        assert record is not None
        return record.state

    # -- what may happen

    @rule(names=people)
    def submit(self, names: list[str]) -> None:
        self.do(self.store.accept(*names))

    @rule(names=people)
    def enqueue(self, names: list[str]) -> None:
        if self.state() not in {CampaignState.DRAINING, CampaignState.FAILED}:
            added = self.do(self.store.add("spring", names))
            assert added.accepted + added.present + added.suppressed == len(names)

    @rule()
    def start(self) -> None:
        if self.state() not in {CampaignState.DRAINING, CampaignState.FAILED}:
            self.do(self.store.campaigns.start("spring", report={}, now=self.store.now()))

    @rule(to_state=st.sampled_from([CampaignState.PAUSED, CampaignState.RUNNING, CampaignState.DRAINING]))
    def move(self, to_state: CampaignState) -> None:
        if to_state in CAMPAIGN_TRANSITIONS[self.state()] and self.state() in {
            CampaignState.RUNNING,
            CampaignState.PAUSED,
        }:
            self.do(self.store.campaigns.move("spring", to_state, reason=None, now=self.store.now()))

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        self.hand += self.do(self.store.claim(self.epoch, limit))

    @precondition(lambda self: self.hand)
    @rule(data=st.data())
    def activate(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.hand))
        (ours,) = self.do(self.store.queue.apply([Activate(delivery=one.id, epoch=self.epoch)]))
        assert ours is (one.id not in self.active)
        self.active.add(one.id)

    @precondition(lambda self: self.hand)
    @rule(data=st.data(), in_doubt=st.booleans())
    def settle(self, data: st.DataObject, *, in_doubt: bool) -> None:
        one = data.draw(st.sampled_from(self.hand))
        from_state = State.ACTIVE if one.id in self.active else State.QUEUED
        to_state = data.draw(st.sampled_from(sorted(TRANSITIONS[from_state] - {State.ACTIVE})))
        due = later(self.store.now(), timedelta(minutes=1)) if to_state is State.RETRY else None
        settled = self.store.settle(one, self.epoch, to_state, from_state=from_state, due=due, is_in_doubt=in_doubt)
        assert self.do(self.store.queue.apply([settled, settled])) == [True, False]
        self.hand.remove(one)
        self.active.discard(one.id)

    @rule(name=st.sampled_from(PEOPLE))
    def suppress(self, name: str) -> None:
        self.do(self.store.suppression.add([self.store.suppressed(name)]))

    @rule(name=st.sampled_from(PEOPLE))
    def forgive(self, name: str) -> None:
        self.do(self.store.suppression.remove(self.store.suppressed(name).key, by="operator"))

    @rule()
    def crash(self) -> None:
        """The owner dies and another one takes its place."""
        self.do(self.store.queue.retire(self.epoch))
        self.epoch = self.do(self.store.register())
        queued, active, _ = self.do(self.store.queue.free_dead(self.epoch, self.store.now()))
        assert (queued, active) == (len(self.hand) - len(self.active), len(self.active))
        self.hand, self.active = [], set()

    @rule(by=st.sampled_from([timedelta(minutes=1), LIFETIME]))
    def wait(self, by: timedelta) -> None:
        self.store.clock.advance(by)

    @rule()
    def expire(self) -> None:
        self.do(self.store.queue.expire(self.store.now()))

    @rule()
    def finish(self) -> None:
        self.do(self.store.queue.finish_streams(self.store.now()))

    @rule()
    def retry_failed(self) -> None:
        if self.state() in {CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.COMPLETED}:
            expires = later(self.store.now(), LIFETIME)
            self.do(self.store.campaigns.retry_failed("spring", now=self.store.now(), expires_at=expires))

    # -- what must hold

    @invariant()
    def the_tally_is_what_counting_says(self) -> None:
        if self.epoch:
            self.do(self.store.check_tally())

    @invariant()
    def every_row_is_in_order(self) -> None:
        if self.epoch:
            self.seen = self.do(self.store.db._connections.read(self._check_rows))

    def _check_rows(self, connection: Connection) -> Mapping[int, State]:
        recipients: set[tuple[bytes, int]] = set()
        states: dict[int, State] = {}
        for row in connection.execute(select(delivery)):
            state = states[row.id] = STATE_OF[row.state]
            assert (row.owner is not None) == (state in IN_HAND)
            assert (row.finished_at is not None) == (state in FINAL)
            before = self.seen.get(row.id, state)
            if before in FINAL - {State.FAILED}:
                assert state is before
            if row.campaign is not None:
                assert (row.recipient_key, row.campaign) not in recipients
                recipients.add((row.recipient_key, row.campaign))
        assert {one.id for one in self.hand} == {number for number, state in states.items() if state in IN_HAND}
        return states


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_books_balance_whatever_happens(backend: str, request: pytest.FixtureRequest) -> None:
    url = "sqlite" if backend == "sqlite" else request.getfixturevalue("postgres")

    class Here(Books):
        def __init__(self) -> None:
            super().__init__(url)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
