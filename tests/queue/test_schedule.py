"""When a deferred delivery is tried again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.queue.values import after, delivery
from tests.support.clock import START
from tierii_mta.clock import Instant, later
from tierii_mta.queue.schedule import Expired, RetrySchedule

MINUTE = timedelta(minutes=1)
SCHEDULE = RetrySchedule(
    intervals=tuple(MINUTE * m for m in (5, 15, 30, 60, 120, 240, 480)), lifetime=timedelta(days=5)
)


@pytest.mark.parametrize(("attempts", "minutes"), [(0, 5), (1, 15), (2, 30), (6, 480), (7, 480), (50, 480)])
def test_each_attempt_waits_its_interval_and_the_last_one_repeats(attempts: int, minutes: int) -> None:
    assert SCHEDULE.next_attempt(delivery(attempts=attempts), now=START, spread=0) == after(minutes=minutes)


def test_the_spread_lengthens_a_wait_by_up_to_a_tenth() -> None:
    assert SCHEDULE.next_attempt(delivery(), now=START, spread=0.5) == after(minutes=5.25)


def test_the_last_attempt_is_due_at_the_deadline_itself() -> None:
    dying = delivery(attempts=6, expires_at=after(hours=1))
    assert SCHEDULE.next_attempt(dying, now=START, spread=0.9) == after(hours=1)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(milliseconds=1), timedelta(days=3)])
def test_a_failure_at_the_deadline_or_past_it_is_the_last(late: timedelta) -> None:
    dying = delivery(expires_at=after(hours=1))
    assert SCHEDULE.next_attempt(dying, now=later(after(hours=1), late), spread=0) == Expired()


@pytest.mark.parametrize(
    ("attempts", "wish", "minutes"),
    [
        (0, MINUTE * 45, 45),  # a longer wish is granted
        (0, timedelta(days=2), 480),  # up to our longest interval
        (0, timedelta(seconds=1), 5),  # never below our first
        (4, MINUTE * 10, 10),  # a shorter wish is granted while the schedule climbs
        (7, MINUTE * 10, 480),  # and no longer after that
    ],
)
def test_a_peers_wish_is_honoured_within_bounds(attempts: int, wish: timedelta, minutes: int) -> None:
    due = SCHEDULE.next_attempt(delivery(attempts=attempts), now=START, spread=0, retry_after=wish)
    assert due == after(minutes=minutes)


@given(
    attempts=st.integers(0, 200),
    age=st.timedeltas(timedelta(0), timedelta(days=2)),
    spread=st.floats(0, 1, exclude_max=True),
    wish=st.none() | st.timedeltas(timedelta(0), timedelta(days=30)),
)
def test_the_next_attempt_always_lies_ahead_and_never_past_the_deadline(
    attempts: int, age: timedelta, spread: float, wish: timedelta | None
) -> None:
    waiting = delivery(attempts=attempts)
    now = later(START, age)
    due = SCHEDULE.next_attempt(waiting, now=now, spread=spread, retry_after=wish)
    if isinstance(due, Expired):
        assert now >= waiting.expires_at
    else:
        assert now < due <= waiting.expires_at
        assert due <= later(now, max(SCHEDULE.intervals) * 1.1)


@given(spreads=st.lists(st.floats(0, 1, exclude_max=True), min_size=100, max_size=100))
def test_a_delivery_that_always_fails_ends_after_its_last_attempt_at_the_deadline(spreads: list[float]) -> None:
    waiting = delivery(expires_at=after(days=1))
    now: Instant = START
    for attempts, spread in enumerate(spreads):
        due = SCHEDULE.next_attempt(delivery(attempts=attempts), now=now, spread=spread)
        if isinstance(due, Expired):
            break
        now = due
    assert now == waiting.expires_at


@pytest.mark.parametrize(
    ("intervals", "lifetime"),
    [((), timedelta(days=1)), ((timedelta(0),), timedelta(days=1)), ((MINUTE,), timedelta(0))],
)
def test_a_schedule_that_cannot_work_is_refused(intervals: tuple[timedelta, ...], lifetime: timedelta) -> None:
    with pytest.raises(ValueError, match="above zero"):
        RetrySchedule(intervals=intervals, lifetime=lifetime)


def test_a_delivery_that_waited_weeks_for_its_turn_is_tried_no_longer_than_others() -> None:
    patient = delivery(attempts=20, expires_at=after(days=30))
    assert SCHEDULE.next_attempt(patient, now=after(days=20), spread=0) == after(days=20, hours=8)
    assert SCHEDULE.next_attempt(delivery(attempts=21, expires_at=after(days=30)), now=START, spread=0) == Expired()
