"""quantities: the grammar of durations, sizes, rates and shares."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.quantities import Rate, format_duration, parse_duration, parse_share, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("5d", 432000),
        ("1h30m", 5400),
        ("250ms", 0.25),
        (90, 90),
        ("1.5h", 5400),
    ],
)
def test_durations(text: str | int, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "5x", -1, True, "1h-30m"])
def test_what_is_no_duration(text: str | int) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**10))
def test_durations_round_trip(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "octets"), [("25MB", 25_000_000), ("256KiB", 262_144), ("1 GiB", 1 << 30), (7, 7), ("10b", 10)]
)
def test_sizes(text: str | int, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "5 bananas", True])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "per_second"), [("600/h", 1 / 6), ("100/s", 100), ("1/10s", 0.1), ("86400/d", 1), ("60/min", 1)]
)
def test_rates(text: str, per_second: float) -> None:
    assert Rate.parse(text).per_second == pytest.approx(per_second)


def test_a_rate_reads_as_it_was_written() -> None:
    assert [str(Rate.parse(text)) for text in ("600/h", "1/10s", "100/s")] == ["600/h", "1/10s", "100/s"]


@pytest.mark.parametrize("text", ["", "0/s", "5", "5/0s", "x/h", "5/y"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        Rate.parse(text)


def test_shares() -> None:
    assert parse_share("5%") == pytest.approx(0.05)
    assert parse_share(0.3) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="between"):
        parse_share("130%")
    with pytest.raises(ValueError, match="share"):
        parse_share("few")
