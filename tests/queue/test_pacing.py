"""How fast a stream may send."""

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from tierii_mta.clock import Instant, later
from tierii_mta.quantities import Rate
from tierii_mta.queue.delivery import StreamId
from tierii_mta.queue.pacing import NEVER, Pace, Plans, StreamPlan, read_plan
from tierii_mta.queue.timetable import Timetable, Window

STREAM = StreamId(1)


def after(**units: float) -> Instant:
    return later(START, timedelta(**units))


def test_a_slow_rate_lets_one_through_at_a_time() -> None:
    plan, pace = StreamPlan(rate=Rate.parse("600/h")), Pace()
    assert pace.room(plan, START, most=100) == 1
    pace = pace.moved(plan, 1, START)
    assert pace.room(plan, after(seconds=5.9), most=100) == 0
    assert pace.opens_at(plan, START) == after(seconds=6)
    assert pace.room(plan, after(seconds=6), most=100) == 1
    assert pace.room(plan, after(hours=1), most=100) == 1  # what was not used is not saved up


def test_a_quick_rate_has_a_burst_of_one_second() -> None:
    plan = StreamPlan(rate=Rate.parse("100/s"))
    assert Pace().room(plan, START, most=1_000) == 100
    pace = Pace().moved(plan, 100, START)
    assert pace.room(plan, after(seconds=0.5), most=1_000) == 50


def test_what_was_claimed_and_came_back_may_be_claimed_again() -> None:
    plan = StreamPlan(rate=Rate.parse("100/s"), batch_size=150, batch_delay=timedelta(minutes=1))
    pace = Pace().moved(plan, 100, START).moved(plan, -40, START)
    assert pace.room(plan, START, most=1_000) == 40
    full = pace.moved(plan, 40, START).moved(plan, 50, after(seconds=1))
    assert full.resumes_at == after(seconds=61)
    assert full.moved(plan, -1, after(seconds=2)).room(plan, after(seconds=2), most=10) == 1


def test_a_batch_is_followed_by_its_delay() -> None:
    plan, pace = StreamPlan(batch_size=3, batch_delay=timedelta(minutes=5)), Pace()
    assert pace.room(plan, START, most=100) == 3
    pace = pace.moved(plan, 2, START)
    assert pace.room(plan, after(hours=1), most=100) == 1
    assert pace.opens_at(plan, after(hours=1)) == after(hours=1)
    pace = pace.moved(plan, 1, after(hours=1))
    assert pace.room(plan, after(hours=1), most=100) == 0
    assert pace.opens_at(plan, after(hours=1)) == after(hours=1, minutes=5)
    assert pace.room(plan, after(hours=1, minutes=5), most=100) == 3


@given(
    per_hour=st.integers(1, 2_000_000),
    gaps=st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 3_000)), max_size=30),
)
def test_no_stretch_of_time_sees_more_than_its_rate_and_one_burst(per_hour: int, gaps: list[tuple[int, int]]) -> None:
    rate = Rate(per_hour, timedelta(hours=1))
    plan, pace, now, total = StreamPlan(rate=rate), Pace(), START, 0
    for wait, wanted in gaps:
        now = later(now, timedelta(milliseconds=wait))
        taken = pace.room(plan, now, most=wanted)
        if taken:
            pace = pace.moved(plan, taken, now)
        total += taken
        assert total <= max(1, rate.per_second) + rate.per_second * (now - START) / 1000 * 1.001 + 1
        assert pace.room(plan, pace.opens_at(plan, now), most=1) == 1


def test_a_plan_is_kept_and_read_again() -> None:
    plan = StreamPlan(
        timetable=Timetable(
            start=START,
            end=after(days=9),
            zone="America/Los_Angeles",
            window=Window(days=frozenset({0, 4}), opens=540, shuts=1020),
            is_local=True,
        ),
        misfire=timedelta(hours=6),
        rate=Rate.parse("5000/h"),
        per_provider={"google": Rate.parse("600/h")},
        batch_size=100,
        batch_delay=timedelta(seconds=30),
        pool="bulk",
    )
    assert read_plan(json.loads(json.dumps(plan.as_json()))) == plan
    assert StreamPlan().as_json() == {}
    assert read_plan({}) == StreamPlan()


def test_a_stream_is_shut_as_a_whole_outside_its_window() -> None:
    plans = Plans()
    table = Timetable(start=after(hours=1), end=after(hours=3))
    plans.learn(STREAM, StreamPlan(timetable=table))
    assert plans.shut_until(STREAM, START) == after(hours=1)
    assert plans.shut_until(STREAM, after(hours=1)) is None
    assert plans.shut_until(STREAM, after(hours=2)) is None
    assert plans.shut_until(STREAM, after(hours=3)) == NEVER
    plans.learn(STREAM, None)
    assert plans.shut_until(STREAM, after(hours=3)) is None


def test_a_stream_of_local_windows_is_open_between_its_start_and_its_end() -> None:
    plans = Plans()
    night = Window(days=frozenset(range(7)), opens=0, shuts=1)
    table = Timetable(start=after(hours=1), end=after(hours=3), window=night, is_local=True)
    plans.learn(STREAM, StreamPlan(timetable=table))
    assert plans.shut_until(STREAM, START) == after(hours=1)
    assert plans.shut_until(STREAM, after(hours=2)) is None
    assert plans.shut_until(STREAM, after(hours=3)) == NEVER
