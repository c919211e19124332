"""Rate buckets and concurrency windows."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.outbound.meters import Bucket, Window, WindowRules
from tierii_mta.outbound.shaping import Ceiling, Resource
from tierii_mta.outbound.shaping_file import Level
from tierii_mta.quantities import Rate

RULES = WindowRules()


def bucket(rate: str) -> Bucket:
    return Bucket(
        Ceiling(resource=Resource.RATE, level=Level.DEFAULT, bucket=("x",), limit=Rate.parse(rate), origin="f:1")
    )


def take_all(found: Bucket, now: float) -> int:
    count = 0
    while found.wait(now) == 0:
        found.take(now)
        count += 1
    return count


@pytest.mark.parametrize(("rate", "burst"), [("100/s", 100), ("10/s", 10), ("1/s", 1), ("600/h", 1), ("3/2s", 1)])
def test_a_burst_is_one_seconds_worth_and_at_least_one(rate: str, burst: int) -> None:
    assert take_all(bucket(rate), 1000.0) == burst


def test_after_a_burst_the_rate_holds() -> None:
    found = bucket("10/s")
    take_all(found, 0.0)
    assert found.wait(0.0) == pytest.approx(0.1)
    assert sum(take_all(found, tick / 100) for tick in range(1, 1001)) == pytest.approx(100, abs=1)


def test_what_was_not_used_may_be_given_back() -> None:
    found = bucket("1/m")
    found.take(0.0)
    assert found.wait(0.0) == pytest.approx(60)
    found.give_back()
    assert found.wait(0.0) == 0


def test_a_bucket_tells_how_many_may_be_taken_soon() -> None:
    found = bucket("10/s")
    assert found.available(0.0, within=1.0) == 20
    take_all(found, 0.0)
    assert found.available(0.0, within=0.0) == 0
    assert found.available(0.0, within=1.0) == 10
    slow = bucket("1/m")
    slow.take(0.0)
    assert slow.available(30.0, within=1.0) == 0
    assert slow.available(59.5, within=1.0) == 1


def test_a_lower_limit_applies_to_what_was_taken_before() -> None:
    found = bucket("100/s")
    for _ in range(50):
        found.take(0.0)
    found.adopt(bucket("1/s").ceiling)
    assert found.wait(0.0) == pytest.approx(0.5)


@given(
    rate=st.sampled_from(["100/s", "7/s", "1/s", "30/m", "600/h"]),
    steps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
@settings(max_examples=100)
def test_no_stretch_of_time_sees_more_than_its_rate_and_a_burst(rate: str, steps: list[float]) -> None:
    found, now, taken = bucket(rate), 0.0, []
    for step in steps:
        now += step
        if found.wait(now) == 0:
            found.take(now)
            taken.append(now)
    per_second = Rate.parse(rate).per_second
    for start in range(len(taken)):
        stretch = taken[-1] - taken[start]
        assert len(taken) - start <= stretch * per_second + max(1.0, per_second) + 1e-6


def test_a_window_starts_at_five_and_grows_by_one_per_window_of_successes() -> None:
    window = Window(RULES)
    window.busy = 5
    sizes = []
    for _ in range(11):
        window.succeeded(20)
        sizes.append(window.size)
    assert sizes == [5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7]


def test_a_window_grows_no_higher_than_its_ceiling() -> None:
    window = Window(RULES)
    window.busy = 50
    for _ in range(500):
        window.succeeded(10)
    assert window.size == 10


def test_a_window_that_is_not_used_does_not_grow() -> None:
    window = Window(RULES)
    window.busy = 1
    for _ in range(500):
        window.succeeded(20)
    assert window.size == 6


def test_a_window_shrinks_with_the_first_of_each_window_of_failures() -> None:
    window = Window(RULES)
    window.failed(0.0)
    assert window.size == 4
    window.succeeded(20)
    window.failed(0.0)
    assert window.size == 4  # the failure before it was not used up


def test_a_window_of_failures_without_a_success_shuts_the_site_and_a_probe_reopens_it() -> None:
    window = Window(RULES)
    failures = 0
    while window.dead_until is None:
        window.failed(100.0)
        failures += 1
    assert failures == 5
    assert window.dead_until == 400.0
    assert [window.limit(now) for now in (100.0, 399.9, 400.0)] == [0, 0, 1]
    window.succeeded(20)
    assert (window.limit(400.0), window.size) == (1, 1)
    window.succeeded(20)
    assert window.size == 2


def test_successes_in_between_keep_the_site_open() -> None:
    window = Window(RULES)
    for _ in range(50):
        window.failed(0.0)
        window.succeeded(20)
    assert window.dead_until is None


def test_each_failed_probe_waits_twice_as_long_up_to_an_hour() -> None:
    window = Window(RULES)
    now, waits = 0.0, []
    for _ in range(5):
        window.failed(now)
    for _ in range(6):
        assert window.dead_until is not None
        waits.append(window.dead_until - now)
        now = window.dead_until
        window.failed(now)
    assert waits == [300, 600, 1200, 2400, 3600, 3600]


def test_attempts_that_began_before_the_site_was_shut_do_not_lengthen_it() -> None:
    window = Window(RULES)
    for _ in range(20):
        window.failed(0.0)
    assert window.dead_until == 300.0


def test_a_shut_window_is_not_forgotten() -> None:
    window = Window(RULES)
    assert window.is_idle(0.0)
    for _ in range(5):
        window.failed(0.0)
    assert not window.is_idle(200.0)
    assert not window.is_idle(800.0)
    assert window.is_idle(1000.0 + timedelta(hours=1).total_seconds())
