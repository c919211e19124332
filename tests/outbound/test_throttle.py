"""Permits, room, and why mail waits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta import yaml12
from tierii_mta.outbound.path import Feedback, Path, Permit, Wait
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.throttle import UNKNOWN_ROOM, Throttle
from tierii_mta.queue.delivery import Priority

SHAPING = """
default: {connections: 10, rate: 100/s}
providers: {big: {mx: [big.example], connections: 3}}
domains: {slow.example: {rate: 1/m}, narrow.example: {connections: 1}}
sources: {second: {connections: 2, connection_rate: 1/s}}
"""


def throttle(text: str = SHAPING) -> Throttle:
    return Throttle(Shaping.load([yaml12.parse(text, file="shaping.yaml")]))


def path(found: Throttle, domain: str, *, source: str = "main", site: str = "", provider: str = "other") -> Path:
    found.learn(domain, site=site or domain, provider=provider)
    way = found.path(source, domain, 0.0)
    assert way is not None
    return way


def acquire(found: Throttle, way: Path, now: float = 0.0) -> Permit:
    permit = found.acquire(way, now)
    assert isinstance(permit, Permit), permit.why
    return permit


def refused(found: Throttle, way: Path, now: float = 0.0) -> Wait:
    wait = found.acquire(way, now)
    assert isinstance(wait, Wait)
    return wait


def test_a_site_starts_with_a_window_of_five() -> None:
    found = throttle()
    way = path(found, "a.example")
    permits = [acquire(found, way) for _ in range(5)]
    assert "concurrency window to a.example" in refused(found, way).why
    found.release(permits[0], Feedback.REACHED, 0.0)
    acquire(found, way)


def test_hosted_domains_share_the_window_of_their_site() -> None:
    found = throttle()
    first, second = path(found, "a.example", site="mx.host.example"), path(found, "b.example", site="mx.host.example")
    for _ in range(5):
        acquire(found, first)
    assert refused(found, second).seconds is None


def test_sources_have_windows_of_their_own() -> None:
    found = throttle()
    for _ in range(5):
        acquire(found, path(found, "a.example"))
    acquire(found, path(found, "a.example", source="second"))


def test_a_provider_ceiling_spans_its_sites() -> None:
    found = throttle()
    ways = [path(found, f"{name}.example", site=name, provider="big") for name in "abcd"]
    for way in ways[:3]:
        acquire(found, way)
    wait = refused(found, ways[3])
    assert wait.why == "all 3 connections are busy (provider, shaping.yaml:3)"


def test_a_domain_ceiling_spans_sources() -> None:
    found = throttle()
    acquire(found, path(found, "narrow.example"))
    assert "domain" in refused(found, path(found, "narrow.example", source="second")).why


def test_a_rate_says_how_long_the_wait_is_and_a_refusal_takes_nothing() -> None:
    found = throttle()
    way = path(found, "slow.example")
    found.release(acquire(found, way), Feedback.REACHED, 0.0)
    wait = refused(found, way, 20.0)
    assert wait.seconds == pytest.approx(40)
    assert "rate 1/m is used up (domain, shaping.yaml:4)" in wait.why
    for _ in range(100):
        refused(found, way, 20.0)
    acquire(found, way, 60.0)


def test_an_unused_permit_returns_its_message_to_the_rate() -> None:
    found = throttle()
    way = path(found, "slow.example")
    found.release(acquire(found, way), Feedback.NONE, 0.0, is_used=False)
    acquire(found, way)


def test_a_permit_is_released_once() -> None:
    found = throttle()
    permit = acquire(found, path(found, "a.example"))
    found.release(permit, Feedback.NONE, 0.0)
    with pytest.raises(RuntimeError):
        found.release(permit, Feedback.NONE, 0.0)


def test_new_connections_have_a_rate_of_their_own() -> None:
    found = throttle()
    way = path(found, "a.example", source="second")
    assert found.connect(way, 0.0) is None
    wait = found.connect(way, 0.0)
    assert wait is not None
    assert wait.seconds == pytest.approx(1)


def test_a_site_that_cannot_be_reached_is_shut_and_probed_by_one() -> None:
    found = throttle()
    way = path(found, "dead.example")
    for permit in [acquire(found, way) for _ in range(5)]:
        found.release(permit, Feedback.UNREACHED, 0.0)
    assert refused(found, way, 1.0).seconds == pytest.approx(299)
    assert found.room(way, Priority.HIGH, 1.0, most=100) == 0
    assert found.room(way, Priority.NORMAL, 300.0, most=100) == 1
    probe = acquire(found, way, 300.0)
    assert "probe" in refused(found, way, 300.0).why
    found.release(probe, Feedback.REACHED, 301.0)
    acquire(found, way, 301.0)


def test_a_refused_message_says_nothing_about_the_site() -> None:
    found = throttle()
    way = path(found, "a.example")
    for _ in range(50):
        found.release(acquire(found, way, 1.0), Feedback.NONE, 1.0, is_used=False)
    assert way.window.size == 5
    assert way.window.dead_until is None


def test_room_counts_what_is_in_hand_and_keeps_a_short_queue_ahead() -> None:
    found = throttle()
    way = path(found, "a.example")
    assert found.room(way, Priority.NORMAL, 0.0, most=100) == 10
    for _ in range(10):
        found.enter(way)
    assert found.room(way, Priority.NORMAL, 0.0, most=100) == 0
    assert found.room(way, Priority.HIGH, 0.5, most=100) == 2
    found.leave(way)
    assert found.room(way, Priority.NORMAL, 1.0, most=100) == 1


def test_lanes_that_share_a_site_are_not_all_told_of_the_same_room() -> None:
    found = throttle()
    ways = [path(found, f"d{number}.example", site="mx.host.example") for number in range(50)]
    told = [found.room(way, Priority.NORMAL, 1.0, most=4) for way in ways]
    assert told == [4, 4, 2] + [0] * 47
    for way in ways[:3]:
        found.enter(way)
    assert found.room(ways[9], Priority.NORMAL, 1.02, most=4) == 0
    assert found.room(ways[9], Priority.NORMAL, 1.25, most=100) == 7  # those promised and not come are forgotten


def test_lanes_that_share_a_provider_are_not_all_told_of_the_same_room() -> None:
    found = throttle()
    ways = [path(found, f"d{number}.example", provider="big") for number in range(50)]
    assert sum(found.room(way, Priority.NORMAL, 0.0, most=4) for way in ways) == 6


def test_black_holes_have_half_of_the_hand_together_and_proven_sites_all_they_need() -> None:
    found = throttle()
    proven = path(found, "good.example")
    found.release(acquire(found, proven), Feedback.REACHED, 0.0)
    for number in range(2_000):
        way = path(found, f"hole{number}.example")
        for _ in range(found.room(way, Priority.NORMAL, float(number), most=100)):
            found.enter(way)
    assert found.unproven.in_hand == 450
    assert found.room(path(found, "hole2001.example"), Priority.NORMAL, 3_000.0, most=100) == 0
    assert found.unknown_room(0, Priority.NORMAL, 3_000.0, most=100) == 0
    assert found.room(path(found, "hole2001.example"), Priority.HIGH, 3_000.0, most=100) > 0
    assert found.room(proven, Priority.NORMAL, 3_000.0, most=100) == 10


def test_many_black_holes_get_a_place_each_rather_than_a_few_of_them_all() -> None:
    found = throttle()
    ways = [path(found, f"hole{number}.example") for number in range(120)]
    for turn in range(20):  # who asks again gets no more
        for way in ways:
            for _ in range(found.room(way, Priority.NORMAL, float(turn), most=100)):
                found.enter(way)
    assert min(way.window.in_hand for way in ways) > 0
    assert found.unproven.in_hand < 450
    assert found.room(path(found, "new.example"), Priority.NORMAL, 30.0, most=100) > 0


def test_three_hundred_and_fifty_black_holes_leave_places_for_first_contacts() -> None:
    found = throttle()
    for turn in range(3):
        for number in range(350):
            way = path(found, f"hole{number}.example")
            wanted = found.unknown_room(0, Priority.NORMAL, 0.1 * turn, most=100) if turn == 0 else 0
            for _ in range(wanted or found.room(way, Priority.NORMAL, 0.1 * turn, most=100)):
                found.enter(way)
    assert 350 <= found.unproven.in_hand < 430
    assert found.unknown_room(0, Priority.NORMAL, 30.0, most=100) == 1


def test_a_site_that_is_no_longer_reached_goes_back_among_the_unproven_with_all_it_has() -> None:
    found = throttle()
    way = path(found, "a.example")
    for _ in range(3):
        found.enter(way)
    found.release(acquire(found, way), Feedback.REACHED, 0.0)
    assert found.unproven.in_hand == 0
    found.release(acquire(found, way), Feedback.UNREACHED, 0.0)
    assert found.unproven.in_hand == 3
    for _ in range(3):
        found.leave(way)
    assert found.unproven.in_hand == 0


def spend(found: Throttle, way: Path, *, on_the_way: float, on_the_connection: float) -> None:
    for _ in range(200):
        way.window.came(on_the_way)
        found.release(acquire(found, way, 0.0), Feedback.REACHED, on_the_connection)


def test_a_site_gets_ahead_what_it_takes_while_more_is_on_the_way_and_a_slow_one_gets_little() -> None:
    found = throttle("default: {connections: 10, rate: null}")
    quick, slow = path(found, "quick.example"), path(found, "slow.example")
    spend(found, quick, on_the_way=0.05, on_the_connection=0.009)
    spend(found, slow, on_the_way=0.05, on_the_connection=20.0)
    assert found.room(quick, Priority.NORMAL, 0.0, most=1000) == 7 * quick.window.size
    assert found.room(slow, Priority.NORMAL, 0.0, most=1000) == 2 * slow.window.size


def test_however_quick_a_site_is_what_it_has_ahead_is_bounded() -> None:
    found = throttle("default: {connections: 10, rate: null}")
    way = path(found, "a.example")
    spend(found, way, on_the_way=5.0, on_the_connection=0.001)
    assert found.room(way, Priority.NORMAL, 0.0, most=1000) == 8 * way.window.size


def test_as_many_stand_by_as_there_are_connections_and_only_while_all_are_busy() -> None:
    found = throttle()
    way = path(found, "a.example")
    found.release(acquire(found, way), Feedback.REACHED, 0.0)
    assert not found.stand_by(way, 0.0)
    permits = [acquire(found, way) for _ in range(5)]
    assert [found.stand_by(way, 0.0) for _ in range(6)] == [True] * 5 + [False]
    found.step_up(way)
    assert found.stand_by(way, 0.0)
    found.step_up(way)
    found.release(permits[0], Feedback.NONE, 0.0)
    assert not found.stand_by(way, 0.0)


def test_nobody_stands_by_for_a_rate_or_a_site_that_was_not_reached() -> None:
    found = throttle("default: {connections: 1, rate: 1/m}")
    limited = path(found, "a.example")
    found.release(acquire(found, limited), Feedback.REACHED, 0.0)
    acquire(found, limited, 60.0)
    assert not found.stand_by(limited, 60.0)
    found = throttle("default: {connections: 1, rate: null}")
    new = path(found, "b.example")
    permit = acquire(found, new)
    assert not found.stand_by(new, 0.0)
    found.release(permit, Feedback.REACHED, 0.0)
    acquire(found, new)
    assert found.stand_by(new, 0.0)


def test_a_crowd_is_told_to_come_again_later() -> None:
    found = throttle()
    way = path(found, "a.example")
    for _ in range(50):
        assert not found.is_crowded(way, Priority.NORMAL)
        found.enter(way)
    assert found.is_crowded(way, Priority.NORMAL)
    assert not found.is_crowded(way, Priority.HIGH)


def test_room_follows_the_smallest_ceiling_and_the_rate() -> None:
    found = throttle()
    assert found.room(path(found, "narrow.example"), Priority.NORMAL, 0.0, most=100) == 2
    slow = path(found, "slow.example")
    assert found.room(slow, Priority.NORMAL, 0.0, most=100) == 1
    acquire(found, slow)
    assert found.room(slow, Priority.NORMAL, 1.0, most=100) == 0


def test_a_site_is_not_known_before_it_is_learnt() -> None:
    found = throttle()
    assert found.path("main", "new.example", 0.0) is None
    assert UNKNOWN_ROOM > 0


def test_a_changed_mx_set_begins_a_new_path() -> None:
    found = throttle()
    before = path(found, "a.example", site="old")
    after = path(found, "a.example", site="new")
    assert before.window is not after.window
    assert path(found, "a.example", site="new") is after


def test_a_reload_changes_limits_and_keeps_the_count() -> None:
    found = throttle()
    way = path(found, "a.example")
    permits = [acquire(found, way) for _ in range(4)]
    found.reshape(Shaping.load([yaml12.parse("default: {connections: 3}", file="new.yaml")]))
    changed = path(found, "a.example")
    assert refused(found, changed).why == "all 3 connections are busy (default, new.yaml:1)"
    for permit in permits:
        found.release(permit, Feedback.REACHED, 0.0)
    acquire(found, changed)


def test_everything_that_makes_mail_wait_is_told() -> None:
    found = throttle("default: {connections: 1, rate: 1/m}")
    way = path(found, "a.example")
    assert list(found.waits(way, 0.0)) == []
    acquire(found, way)
    assert [wait.why for wait in found.waits(way, 0.0)] == [
        "all 1 connections are busy (default, shaping.yaml:1)",
        "rate 1/m is used up (default, shaping.yaml:1)",
    ]


def test_idle_destinations_are_forgotten() -> None:
    found = throttle()
    for number in range(5000):
        way = path(found, f"d{number}.example")
        found.enter(way)
        found.release(acquire(found, way, number / 10), Feedback.REACHED, number / 10)
        found.leave(way)
    assert found.size < 20_000
    found.drop_idle(10_000.0)
    assert found.size == 0


def test_what_is_in_use_or_shut_is_kept() -> None:
    found = throttle()
    used, dead = path(found, "used.example"), path(found, "dead.example")
    permit = acquire(found, used)
    for failed in [acquire(found, dead) for _ in range(5)]:
        found.release(failed, Feedback.UNREACHED, 0.0)
    found.drop_idle(100.0)
    assert found.path("main", "used.example", 100.0) is used
    assert found.path("main", "dead.example", 100.0) is dead
    found.release(permit, Feedback.REACHED, 100.0)


def test_a_domain_that_ran_into_a_slow_rate_is_not_forgotten_into_a_second_message() -> None:
    found = throttle("domains: {slow.example: {rate: 1/d}}")
    way = path(found, "slow.example")
    found.release(acquire(found, way), Feedback.REACHED, 0.0)
    found.drop_idle(3600.0)
    assert isinstance(found.acquire(path(found, "slow.example"), 3600.0), Wait)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "release", "sweep"]),
        st.integers(0, 5),  # which path
        st.sampled_from(Feedback),
        st.floats(0, 400),
    ),
    max_size=120,
)


@given(steps=STEPS)
@settings(max_examples=100)
def test_no_order_of_events_exceeds_a_ceiling_or_loses_count(steps: list[tuple[str, int, Feedback, float]]) -> None:
    found = throttle()
    domains = [f"d{number}.example" for number in range(4)] + ["narrow.example", "slow.example"]
    held: list[Permit] = []
    now = 0.0
    for what, which, feedback, later in steps:
        now += later
        if what == "acquire":
            found.learn(domains[which], site=f"site{which % 2}", provider="big" if which < 3 else "other")
            way = found.path("second" if which % 3 else "main", domains[which], now)
            assert way is not None
            found.enter(way)
            permit = found.acquire(way, now)
            if isinstance(permit, Wait):
                assert permit.seconds is None or permit.seconds > 0
                found.leave(way)
            else:
                held.append(permit)
                assert all(gauge.busy <= gauge.limit for gauge in way.gauges)
                assert 1 <= way.window.busy <= max(way.window.size, 1)
        elif what == "release" and held:
            permit = held.pop(which % len(held))
            found.release(permit, feedback, now)
            found.leave(permit.path)
        else:
            found.drop_idle(now)
    for permit in held:
        found.release(permit, Feedback.NONE, now)
        found.leave(permit.path)
    found.drop_idle(now + 100_000)
    assert found.size == 0
