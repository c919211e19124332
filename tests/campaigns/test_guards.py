"""Guards: sliding counts and the judgement over them."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.campaigns.guards import (
    Guard,
    Judgement,
    Level,
    Limits,
    Sight,
    Sighting,
    Sliding,
    Watch,
    canary_size,
    is_over,
)
from tierii_mta.clock import Instant, later

START = Instant(1_790_000_000_000)
HOUR = timedelta(hours=1)


def limits(**given: object) -> Limits:
    values: dict[str, object] = {
        "shares": {Guard.BOUNCE: 0.05, Guard.COMPLAINT: 0.003},
        "min_sample": 200,
        "window": HOUR,
        "pauses": True,
    }
    return Limits(**values | given)  # type: ignore[arg-type]


def watch(**given: object) -> Watch:
    return Watch(limits(**given))


def seen(
    one: Watch, sight: Sight, count: int, *, provider: str | None = "google", after: timedelta = timedelta(0)
) -> None:
    one.see(Sighting(campaign="spring", provider=provider, at=later(START, after), sight=sight, count=count))


def told(judgement: Judgement | None) -> tuple[Guard, str | None, Level] | None:
    return (judgement.guard, judgement.provider, judgement.level) if judgement is not None else None


def test_too_small_a_sample_proves_nothing() -> None:
    one = watch()
    seen(one, Sight.BOUNCED, 199)
    assert one.judge(START) is None
    seen(one, Sight.DELIVERED, 1)
    assert told(one.judge(START)) == (Guard.BOUNCE, None, Level.LIMIT)


@pytest.mark.parametrize(
    ("bounced", "expected"),
    [(19, None), (20, Level.WARNING), (49, Level.WARNING), (50, Level.LIMIT), (1000, Level.LIMIT)],
)
def test_two_percent_of_bounces_warn_and_five_are_too_many(bounced: int, expected: Level | None) -> None:
    one = watch()
    seen(one, Sight.DELIVERED, 1000 - bounced)
    seen(one, Sight.BOUNCED, bounced)
    judgement = one.judge(START)
    assert (judgement.level if judgement else None) == expected


@pytest.mark.parametrize(("complaints", "expected"), [(0, None), (1, Level.WARNING), (3, Level.LIMIT)])
def test_a_complaint_in_a_thousand_warns_and_three_are_too_many(complaints: int, expected: Level | None) -> None:
    one = watch()
    seen(one, Sight.DELIVERED, 1000)
    if complaints:
        seen(one, Sight.COMPLAINED, complaints)
    judgement = one.judge(START)
    assert (judgement.level if judgement else None) == expected


def test_what_came_back_later_counts_as_bounced_of_what_was_delivered() -> None:
    one = watch()
    seen(one, Sight.DELIVERED, 1000)
    seen(one, Sight.RETURNED, 50)
    judgement = one.judge(START)
    assert judgement is not None
    assert (judgement.part, judgement.whole, judgement.share) == (50, 1000, 0.05)


def test_deferrals_are_watched_where_asked_for() -> None:
    quiet, asked = watch(), watch(shares={Guard.DEFERRAL: 0.5})
    for one in (quiet, asked):
        seen(one, Sight.DELIVERED, 100)
        seen(one, Sight.DEFERRED, 100)
    assert quiet.judge(START) is None
    assert told(asked.judge(START)) == (Guard.DEFERRAL, None, Level.LIMIT)


def test_one_provider_can_be_too_bad_where_the_whole_is_not() -> None:
    one = watch()
    seen(one, Sight.DELIVERED, 9_800, provider="google")
    seen(one, Sight.DELIVERED, 180, provider="yahoo")
    seen(one, Sight.BOUNCED, 20, provider="yahoo")
    judgement = one.judge(START)
    assert told(judgement) == (Guard.BOUNCE, "yahoo", Level.LIMIT)
    assert judgement is not None
    assert judgement.sentence == "guard bounce: 20 of 200 mails to yahoo bounced (10 %; the limit is 5 %)"


def test_what_is_past_no_longer_counts() -> None:
    one = watch()
    seen(one, Sight.BOUNCED, 300)
    seen(one, Sight.DELIVERED, 300, after=HOUR * 1.5)
    assert one.judge(later(START, HOUR * 2)) is None


def test_a_slow_campaign_is_judged_by_as_many_mails_as_prove_something() -> None:
    one = watch()
    for number in range(10):  # thirty an hour
        seen(one, Sight.DELIVERED, 27, after=HOUR * number)
        seen(one, Sight.BOUNCED, 3, after=HOUR * number)
    judgement = one.judge(later(START, HOUR * 9))
    assert told(judgement) == (Guard.BOUNCE, None, Level.LIMIT)
    assert judgement is not None
    assert 200 <= judgement.whole < 240
    assert one.judge(later(START, HOUR * 40)) is None, "what is older than a day is forgotten"


def test_what_was_told_is_told_once_until_the_campaign_goes_on() -> None:
    one = watch()
    seen(one, Sight.DELIVERED, 970)
    seen(one, Sight.BOUNCED, 30)
    first = one.judge(START)
    assert first is not None
    one.note_told(first.guard, first.provider, first.level)
    assert told(one.judge(START)) == (Guard.BOUNCE, "google", Level.WARNING)
    one.note_told(Guard.BOUNCE, "google", Level.WARNING)
    assert one.judge(START) is None
    one.forget()
    assert one.judge(START) is None, "counting has begun anew"


def test_the_graver_judgement_comes_first() -> None:
    one = watch()
    seen(one, Sight.DELIVERED, 970)
    seen(one, Sight.BOUNCED, 30)
    seen(one, Sight.COMPLAINED, 9)
    assert told(one.judge(START)) == (Guard.COMPLAINT, None, Level.LIMIT)


def test_a_canary_is_judged_however_small_and_as_a_whole() -> None:
    one = watch()
    seen(one, Sight.DELIVERED, 18)
    seen(one, Sight.BOUNCED, 2)
    assert one.judge(START) is None
    assert told(one.judge(START, is_canary_over=True)) == (Guard.BOUNCE, None, Level.LIMIT)


@pytest.mark.parametrize(
    ("first", "total", "size"),
    [(None, 1000, 0), (0.05, 1000, 50), (0.05, 3, 1), (50, 1000, 50), (50, 50, 0), (50, 20, 0), (1.0, 9, 0), (1, 0, 0)],
)
def test_the_size_of_a_canary(first: float | None, total: int, size: int) -> None:
    assert canary_size(limits(first=first), total) == size


@pytest.mark.parametrize(("size", "ended", "over"), [(100, 89, False), (100, 90, True), (1, 0, False), (1, 1, True)])
def test_a_canary_is_over_when_nine_in_ten_have_ended(size: int, ended: int, over: bool) -> None:
    assert is_over(size, ended) is over


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 7_200), st.sampled_from(Sight), st.integers(1, 50)), max_size=60))
def test_the_counts_are_those_of_the_window_and_nothing_is_counted_twice(steps: list[tuple[int, Sight, int]]) -> None:
    sliding = Sliding(HOUR, min_sample=1)
    seconds = 0
    happened: list[tuple[int, Sight, int]] = []
    for gap, sight, count in steps:
        seconds += gap
        sliding.add(later(START, timedelta(seconds=seconds)), sight, count)
        happened.append((seconds, sight, count))
    sums = sliding.sums(later(START, timedelta(seconds=seconds)))
    for sight in Sight:
        inside = sum(count for at, one, count in happened if one is sight and at > seconds - 3_600)
        ever = sum(count for _, one, count in happened if one is sight)
        assert inside <= sums.get(sight, 0) <= ever
