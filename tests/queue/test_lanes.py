"""Whose turn it is."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.queue.values import after, delivery
from tests.queue.values import lane as make_lane
from tests.support.clock import START
from tierii_mta.clock import Instant, later
from tierii_mta.quantities import Rate
from tierii_mta.queue.delivery import Delivery, Lane, LaneId, Priority, StreamId
from tierii_mta.queue.lane_report import report_lanes
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.pacing import Plans, StreamPlan
from tierii_mta.queue.store import Claim, LaneLoad, Quota
from tierii_mta.queue.timetable import Timetable

HIGH, NORMAL, LOW = Priority


def load(lane: Lane, count: int = 1, *, priority: Priority = NORMAL, due: Instant = START) -> LaneLoad:
    return LaneLoad(lane=lane, priority=priority, count=count, due=due)


def much(_lane: Lane, _priority: Priority, most: int) -> int:
    return most


def pick(
    directory: LaneDirectory,
    *,
    now: Instant = START,
    room: Callable[[Lane, Priority, int], int] = much,
    limit: int = 100,
    budget: Mapping[Priority, int] | None = None,
) -> list[Quota]:
    return directory.pick(now, room=room, budget=budget or dict.fromkeys(Priority, 1_000), limit=limit)


def claimed(quotas: list[Quota], *, stream: int = 1) -> list[Delivery]:
    """Return deliveries that fill the quotas."""
    return [
        delivery(lane=make_lane(quota.lane, stream=stream), priority=quota.priority)
        for quota in quotas
        for _ in range(quota.limit)
    ]


def test_a_lane_is_asked_for_one_more_than_known_but_never_for_more_than_there_is_room() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 3), now=START)
    directory.add(load(make_lane(2), 30), now=START)
    quotas = pick(directory, room=lambda _lane, _priority, most: min(most, 10))
    assert {quota.lane: quota.limit for quota in quotas} == {1: 4, 2: 10}


def test_a_taken_lane_is_not_picked_again_before_its_claim_came_back() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 30), now=START)
    quotas = pick(directory, room=lambda _lane, _priority, most: min(most, 10))
    assert pick(directory) == []
    directory.learn(quotas, Claim(deliveries=claimed(quotas), exhausted={}), now=START)
    assert directory.in_hand(LaneId(1), NORMAL) == 10
    assert [quota.limit for quota in pick(directory)] == [21]


def test_high_priority_goes_first_and_bulk_leaves_it_a_share() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 500), now=START)
    directory.add(load(make_lane(2), 500, priority=LOW), now=START)
    directory.add(load(make_lane(3), 20, priority=HIGH), now=START)
    budget = {HIGH: 100, NORMAL: 50, LOW: 50}
    quotas = pick(directory, budget=budget)
    assert [(quota.priority, quota.limit) for quota in quotas] == [(HIGH, 21), (NORMAL, 29)]


def test_a_stream_with_a_million_rows_leaves_another_its_turn() -> None:
    directory = LaneDirectory()
    for number in range(1, 401):
        directory.add(load(make_lane(number, stream=1), 2_500), now=START)
    directory.add(load(make_lane(900, stream=2), 40), now=START)
    picked = Counter[int]()
    for _ in range(2):
        quotas = pick(directory)
        for quota in quotas:
            picked[2 if quota.lane == 900 else 1] += quota.limit
        directory.learn(quotas, Claim(deliveries=claimed(quotas), exhausted={}), now=START)
    assert picked == {1: 200 - picked[2], 2: picked[2]}
    assert picked[2] >= 40


def test_each_lane_of_a_stream_has_its_turn() -> None:
    directory = LaneDirectory()
    for number in range(1, 101):
        directory.add(load(make_lane(number), 1_000), now=START)
    seen = set()
    for _ in range(30):
        quotas = pick(directory)
        seen |= {quota.lane for quota in quotas}
        directory.learn(quotas, Claim(deliveries=claimed(quotas), exhausted={}), now=START)
    assert len(seen) == 100


def test_a_claim_says_when_an_exhausted_lane_is_due_again() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 5), now=START)
    directory.add(load(make_lane(2), 5), now=START)
    quotas = pick(directory)
    exhausted = {(LaneId(1), NORMAL): after(minutes=5), (LaneId(2), NORMAL): None}
    directory.learn(quotas, Claim(deliveries=(), exhausted=exhausted), now=START)
    assert len(directory) == 1
    assert directory.next_wake(START) == after(minutes=5)
    assert pick(directory, now=after(minutes=4.9)) == []
    assert [quota.lane for quota in pick(directory, now=after(minutes=5))] == [1]


def test_mail_that_comes_while_its_lane_is_being_claimed_is_not_forgotten() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 1), now=START)
    quotas = pick(directory)
    directory.note(make_lane(1), NORMAL, after(seconds=1), now=START)
    directory.learn(quotas, Claim(deliveries=claimed(quotas), exhausted={(LaneId(1), NORMAL): None}), now=START)
    assert directory.next_wake(START) == after(seconds=1)


def test_new_mail_brings_a_waiting_lane_forward() -> None:
    directory = LaneDirectory()
    directory.note(make_lane(1), NORMAL, after(hours=4), now=START)
    directory.note(make_lane(1), NORMAL, START, now=START)
    assert [quota.limit for quota in pick(directory)] == [3]


def test_a_lane_without_room_is_looked_at_again_soon() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 5), now=START)
    assert pick(directory, room=lambda _lane, _priority, most: min(most, 0)) == []
    assert directory.next_wake(START) == after(milliseconds=100)
    assert pick(directory) == []
    assert len(pick(directory, now=after(milliseconds=100))) == 1


def test_a_delivery_that_ends_opens_its_lane_at_once() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 6), now=START)
    quotas = pick(directory, room=lambda _lane, _priority, most: min(most, 1))
    directory.learn(quotas, Claim(deliveries=claimed(quotas), exhausted={}), now=START)
    assert pick(directory, room=lambda _lane, _priority, most: min(most, 0)) == []
    directory.ended(claimed(quotas)[0], now=START)
    assert len(pick(directory)) == 1


def test_many_lanes_without_room_cost_less_looks_each() -> None:
    directory = LaneDirectory()
    for number in range(1, 1_501):
        directory.add(load(make_lane(number)), now=START)
    asked = Counter[str]()

    def room(_lane: Lane, _priority: Priority, most: int) -> int:
        asked["looks"] += 1
        return 0

    for tick in range(300):  # a minute in steps of 200 ms
        pick(directory, now=after(milliseconds=200 * tick), room=room)
    assert 1_500 < asked["looks"] <= 2_500 * 60


def test_a_suspended_lane_waits_until_its_time_and_is_announced_once() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 5), now=START)
    directory.suspend(make_lane(1), after(minutes=30))
    assert pick(directory) == []
    assert directory.is_suspended(LaneId(1))
    assert directory.resumed(after(minutes=29)) == []
    assert directory.resumed(after(minutes=30)) == [make_lane(1)]
    assert directory.resumed(after(minutes=31)) == []
    assert len(pick(directory, now=after(minutes=30))) == 1


def test_a_released_lane_goes_at_once() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 5), now=START)
    directory.suspend(make_lane(1), after(minutes=30))
    assert pick(directory) == []
    assert directory.release(LaneId(1), now=START)
    assert not directory.release(LaneId(1), now=START)
    assert len(pick(directory)) == 1
    assert directory.resumed(after(hours=1)) == []


def test_a_suspension_known_to_the_store_holds_after_a_restart() -> None:
    directory = LaneDirectory()
    known = LaneLoad(lane=make_lane(1), priority=NORMAL, count=3, due=START, suspended_until=after(minutes=10))
    directory.add(known, now=START)
    assert pick(directory) == []
    assert directory.is_suspended(LaneId(1))


def test_strikes_count_until_the_lane_takes_mail() -> None:
    directory = LaneDirectory()
    assert [directory.strike(LaneId(1)) for _ in range(3)] == [0, 1, 2]
    directory.clear_strikes(LaneId(1))
    assert directory.strike(LaneId(1)) == 0


def test_a_closed_stream_leaves_and_comes_back_with_its_loads() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1, stream=1), 5), now=START)
    directory.add(load(make_lane(2, stream=1), 5, due=after(hours=1)), now=START)
    directory.add(load(make_lane(3, stream=2), 5), now=START)
    directory.close_stream(StreamId(1))
    directory.note(make_lane(1, stream=1), NORMAL, START, now=START)
    assert not directory.sweep()
    assert len(directory) == 1
    quotas = pick(directory)
    assert [quota.lane for quota in quotas] == [3]
    directory.open_stream(StreamId(1))
    directory.add(load(make_lane(1, stream=1), 5), now=START)
    assert [quota.lane for quota in pick(directory)] == [1]


def test_a_stream_closed_while_its_lane_is_being_claimed_stays_away() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1), 5), now=START)
    quotas = pick(directory)
    directory.close_stream(StreamId(1))
    directory.learn(quotas, Claim(deliveries=claimed(quotas), exhausted={}), now=START)
    directory.sweep()
    assert len(directory) == 0
    assert directory.in_hand(LaneId(1), NORMAL) == 6
    assert pick(directory) == []


def test_lanes_that_keep_getting_mail_leave_no_pile_behind() -> None:
    directory = LaneDirectory()
    key = (LaneId(1), NORMAL)
    now = START
    for _ in range(10_000):
        now = later(now, timedelta(milliseconds=10))
        directory.note(make_lane(1), NORMAL, now, now=now)
        quotas = pick(directory, now=now)
        directory.learn(quotas, Claim(deliveries=(), exhausted={key: later(now, timedelta(hours=8))}), now=now)
    assert len(directory._waiting) < 2_000


def test_a_directory_of_half_a_million_lanes_stays_below_120_octets_a_lane() -> None:
    directory = LaneDirectory()
    lanes = 30_000  # the layout does not depend on the number
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(lanes):
        due = START if number % 2 else after(seconds=number)
        lane = Lane(id=LaneId(number * 7 + 1), stream=StreamId(1), domain=f"domain{number:06}.ex")
        directory.add(load(lane, 3, due=due), now=START)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / lanes <= 120


class Store:
    """What the database would hold: due times of claimable rows by lane."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int, Priority], list[Instant]] = {}

    def claim(self, quotas: list[Quota], lanes: Mapping[int, Lane], now: Instant) -> Claim:
        deliveries: list[Delivery] = []
        exhausted: dict[tuple[LaneId, Priority], Instant | None] = {}
        for quota in quotas:
            lane = lanes[quota.lane]
            rows = sorted(self.rows.get((lane.id, lane.stream, quota.priority), []))
            due = [row for row in rows if row <= now][: quota.limit]
            rest = rows[len(due) :]
            self.rows[lane.id, lane.stream, quota.priority] = rest
            deliveries += [delivery(lane=lane, priority=quota.priority) for _ in due]
            if len(due) < quota.limit:
                exhausted[quota.lane, quota.priority] = rest[0] if rest else None
        return Claim(deliveries=deliveries, exhausted=exhausted)


class DirectoryMachine(RuleBasedStateMachine):
    """The directory against a store: whatever happens, no due row of an open stream is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        plans = Plans()
        plans.learn(StreamId(0), StreamPlan(rate=Rate.parse("2/s")))
        self.directory = LaneDirectory(plans)
        self.held: dict[int, Instant] = {}
        self.store = Store()
        self.now = START
        self.lanes = {number: make_lane(number, stream=number % 3) for number in range(1, 10)}
        self.closed: set[int] = set()
        self.suspended: dict[int, Instant] = {}
        self.hand: list[Delivery] = []

    @rule(number=st.integers(1, 9), priority=st.sampled_from(Priority), delay=st.integers(0, 5_000))
    def mail_comes(self, number: int, priority: Priority, delay: int) -> None:
        lane, due = self.lanes[number], Instant(self.now + delay)
        self.store.rows.setdefault((lane.id, lane.stream, priority), []).append(due)
        if lane.stream not in self.closed:
            self.directory.note(lane, priority, due, now=self.now)

    @rule(room=st.integers(0, 3), limit=st.integers(1, 10), late=st.booleans())
    def claim(self, room: int, limit: int, late: bool) -> None:
        self.directory.resumed(self.now)
        budget = dict.fromkeys(Priority, 1_000)
        quotas = self.directory.pick(self.now, room=lambda _l, _p, most: min(most, room), budget=budget, limit=limit)
        assert sum(quota.limit for quota in quotas) <= limit
        assert all(quota.limit <= room for quota in quotas)
        assert not {quota.lane for quota in quotas if self.suspended.get(quota.lane, START) > self.now}
        assert not {quota.lane for quota in quotas if self.lanes[quota.lane].stream in self.closed}
        streams = Counter[int]()
        for quota in quotas:
            streams[self.lanes[quota.lane].stream] += quota.limit
        assert not {stream for stream in streams if self.held.get(stream, START) > self.now}
        assert streams[0] <= 2 * len(Priority)  # a turn of each
        claim = self.store.claim(quotas, self.lanes, self.now)
        if late and quotas:
            self.mail_comes(quotas[0].lane, quotas[0].priority, 0)
        self.directory.learn(quotas, claim, now=self.now)
        self.hand += claim.deliveries

    @precondition(lambda self: self.hand)
    @rule(retry=st.none() | st.integers(0, 5_000))
    def one_ends(self, retry: int | None) -> None:
        one = self.hand.pop()
        self.directory.ended(one, now=self.now)
        if retry is not None:
            self.mail_comes(one.lane.id, one.priority, retry)

    @rule(stream=st.integers(0, 2), wait=st.integers(1, 3_000))
    def hold(self, stream: int, wait: int) -> None:
        self.held[stream] = Instant(self.now + wait)
        self.directory.hold(StreamId(stream), self.held[stream])

    @rule(number=st.integers(1, 9), wait=st.integers(1, 3_000))
    def suspend(self, number: int, wait: int) -> None:
        self.suspended[number] = Instant(self.now + wait)
        self.directory.suspend(self.lanes[number], self.suspended[number])

    @rule(number=st.integers(1, 9))
    def release(self, number: int) -> None:
        self.suspended.pop(number, None)
        self.directory.release(LaneId(number), now=self.now)

    @rule(stream=st.integers(0, 2))
    def close(self, stream: int) -> None:
        self.closed.add(stream)
        self.held.pop(stream, None)
        self.directory.close_stream(StreamId(stream))

    @rule()
    def sweep(self) -> None:
        self.directory.sweep(1)

    @rule(stream=st.integers(0, 2))
    def open(self, stream: int) -> None:
        self.closed.discard(stream)
        self.held.pop(stream, None)
        self.directory.open_stream(StreamId(stream))
        for (number, owner, priority), rows in self.store.rows.items():
            if owner == stream and rows:
                self.directory.add(load(self.lanes[number], len(rows), priority=priority, due=min(rows)), now=self.now)

    @rule(wait=st.integers(1, 4_000))
    def time_passes(self, wait: int) -> None:
        self.now = Instant(self.now + wait)

    @invariant()
    def in_hand_is_counted(self) -> None:
        counted = Counter((one.lane.id, one.priority) for one in self.hand)
        for lane in self.lanes.values():
            for priority in Priority:
                assert self.directory.in_hand(lane.id, priority) == counted[lane.id, priority]

    def teardown(self) -> None:
        """With room for all and time enough, every row of an open stream is claimed, by `next_wake` alone."""
        while self.directory.sweep():
            pass
        for _ in range(1_000):
            wake = self.directory.next_wake(self.now)
            if wake is None:
                break
            self.now = max(self.now, wake)
            self.claim(1_000, 1_000, False)
        assert self.directory.next_wake(self.now) is None
        assert not {key: rows for key, rows in self.store.rows.items() if rows and key[1] not in self.closed}


TestDirectory = pytest.mark.filterwarnings("ignore")(DirectoryMachine.TestCase)
TestDirectory.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_a_held_stream_gives_nothing_and_comes_back_with_all_it_had() -> None:
    plans = Plans()
    directory = LaneDirectory(plans)
    plans.learn(StreamId(1), StreamPlan(timetable=Timetable(start=after(hours=1))))
    for number in range(1, 4):
        directory.add(load(make_lane(number, stream=1), 5), now=START)
    directory.add(load(make_lane(9, stream=2), 5), now=START)
    assert {quota.lane for quota in pick(directory)} == {9}
    assert directory.is_held(StreamId(1))
    directory.note(make_lane(4, stream=1), NORMAL, START, now=START)  # one more becomes due meanwhile
    assert directory.next_wake(START) == after(hours=1)
    assert pick(directory, now=after(minutes=59)) == []
    assert {quota.lane for quota in pick(directory, now=after(hours=1))} == {1, 2, 3, 4}


def test_holding_a_stream_of_many_lanes_looks_at_none_of_them() -> None:
    directory = LaneDirectory()
    for number in range(1, 2_001):
        directory.add(load(make_lane(number, stream=1), 5), now=START)
    quotas = pick(directory, limit=1)
    asked = 0

    def room(_lane: Lane, _priority: Priority, most: int) -> int:
        nonlocal asked
        asked += 1
        return most

    shut = {StreamId(1): after(minutes=5)}
    directory.learn(quotas, Claim(deliveries=(), exhausted={}, shut=shut), now=START)
    assert pick(directory, now=after(minutes=4), room=room) == []
    assert asked == 0
    assert len(pick(directory, now=after(minutes=5), limit=10_000, room=room)) > 100


def test_a_paced_stream_is_asked_for_no_more_than_its_rate_allows_and_others_go_on() -> None:
    plans = Plans()
    directory = LaneDirectory(plans)
    plans.learn(StreamId(1), StreamPlan(rate=Rate.parse("2/s")))
    for number in range(1, 50):
        directory.add(load(make_lane(number, stream=1), 5), now=START)
    directory.add(load(make_lane(99, stream=2), 5), now=START)
    quotas = pick(directory)
    assert sum(quota.limit for quota in quotas if quota.lane != 99) == 2
    assert any(quota.lane == 99 for quota in quotas)


def test_a_stream_that_is_paused_while_it_is_held_leaves_nothing_behind() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1, stream=1), 5), now=START)
    directory.hold(StreamId(1), after(hours=1))
    directory.close_stream(StreamId(1))
    assert not directory.is_held(StreamId(1))
    directory.open_stream(StreamId(1))
    assert len(directory) == 0
    assert pick(directory, now=after(hours=2)) == []


def test_what_is_held_is_shown_as_such_and_is_not_eligible() -> None:
    directory = LaneDirectory()
    directory.add(load(make_lane(1, stream=1), 5), now=START)
    directory.hold(StreamId(1), after(hours=1))
    report = report_lanes(directory, now=after(minutes=30), limit=10)
    assert [row.place for row in report.oldest] == ["held"]
    assert report.oldest_eligible_s[NORMAL] == 0
