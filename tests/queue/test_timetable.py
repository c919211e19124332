"""When a stream may send: windows, zones, and nights on which the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.clock import Instant, from_datetime, later, rfc3339, to_datetime
from tierii_mta.queue.timetable import Timetable, Window, local_instant

WEEKDAYS = frozenset(range(5))
DAILY = frozenset(range(7))
NEW_YORK = "America/New_York"  # 2026: 8 March 02:00 → 03:00, 1 November 02:00 → 01:00
LORD_HOWE = "Australia/Lord_Howe"  # changes by half an hour
ZONES = ("UTC", NEW_YORK, "Europe/Berlin", LORD_HOWE, "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo")


def at(text: str) -> Instant:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def text(moment: Instant | None) -> str | None:
    return rfc3339(moment).removesuffix(":00.000Z") if moment is not None else None


def clock_time(hours: str) -> int:
    hour, _, minute = hours.partition(":")
    return int(hour) * 60 + int(minute)


def window(opens: str, shuts: str, days: frozenset[int] = DAILY) -> Window:
    return Window(days=days, opens=clock_time(opens), shuts=clock_time(shuts))


OFFICE = Timetable(zone="Europe/Berlin", window=window("09:00", "17:00", WEEKDAYS))


@pytest.mark.parametrize(
    ("now", "opening", "shutting"),
    [
        ("2026-01-14T07:59", "2026-01-14T08:00", None),
        ("2026-01-14T08:00", "2026-01-14T08:00", "2026-01-14T16:00"),
        ("2026-01-14T15:59", "2026-01-14T15:59", "2026-01-14T16:00"),
        ("2026-01-14T16:00", "2026-01-15T08:00", None),
        ("2026-01-16T16:00", "2026-01-19T08:00", None),  # Friday evening
        ("2026-07-14T06:30", "2026-07-14T07:00", None),  # summer time
    ],
)
def test_mail_waits_for_the_next_opening_of_its_window(now: str, opening: str, shutting: str | None) -> None:
    assert text(OFFICE.opening(at(now))) == opening
    assert text(OFFICE.shutting(at(now))) == shutting


@pytest.mark.parametrize(
    ("zone", "opens", "shuts", "night", "spans"),
    [
        # skipped: from 02:00 to 03:00, by half an hour in Lord Howe
        (NEW_YORK, "02:30", "05:00", "2026-03-08", [("2026-03-08T07:00", "2026-03-08T09:00")]),
        (NEW_YORK, "01:00", "02:30", "2026-03-08", [("2026-03-08T06:00", "2026-03-08T07:00")]),
        (NEW_YORK, "02:15", "02:45", "2026-03-08", []),
        (NEW_YORK, "22:00", "06:00", "2026-03-07", [("2026-03-08T03:00", "2026-03-08T10:00")]),
        (LORD_HOWE, "02:10", "04:00", "2026-10-04", [("2026-10-03T15:30", "2026-10-03T17:00")]),
        # twice: from 01:00 to 02:00
        (NEW_YORK, "00:00", "01:30", "2026-11-01", [
            ("2026-11-01T04:00", "2026-11-01T05:30"), ("2026-11-01T06:00", "2026-11-01T06:30"),
        ]),
        (NEW_YORK, "01:30", "05:00", "2026-11-01", [
            ("2026-11-01T05:30", "2026-11-01T06:00"), ("2026-11-01T06:30", "2026-11-01T10:00"),
        ]),
        (NEW_YORK, "00:30", "03:00", "2026-11-01", [("2026-11-01T04:30", "2026-11-01T08:00")]),
        (NEW_YORK, "00:00", "00:00", "2026-11-01", [("2026-11-01T04:00", "2026-11-02T05:00")]),
        # a day that did not exist
        ("Pacific/Apia", "09:00", "17:00", "2011-12-30", []),
    ],
)  # fmt: skip
def test_a_window_is_open_while_the_clocks_show_a_time_within_it(
    zone: str, opens: str, shuts: str, night: str, spans: list[tuple[str, str]]
) -> None:
    found = window(opens, shuts).spans(datetime.fromisoformat(night).date(), ZoneInfo(zone))
    assert [(text(since), text(until)) for since, until in found] == spans


def test_a_window_that_the_clocks_skip_opens_a_week_later() -> None:
    table = Timetable(zone=NEW_YORK, window=window("02:15", "02:45", frozenset({6})))
    assert text(table.opening(at("2026-03-07T12:00"))) == "2026-03-15T06:15"


@pytest.mark.parametrize(
    ("wall", "moment"),
    [
        ("2026-07-01T12:00", "2026-07-01T16:00"),
        ("2026-03-08T02:30", "2026-03-08T07:00"),  # skipped: when the clocks go on
        ("2026-11-01T01:30", "2026-11-01T05:30"),  # twice: the first
    ],
)
def test_a_local_time_is_one_moment(wall: str, moment: str) -> None:
    assert text(local_instant(datetime.fromisoformat(wall), ZoneInfo(NEW_YORK))) == moment


def test_nothing_goes_before_the_start_nor_from_the_end_on() -> None:
    table = Timetable(start=at("2026-01-14T12:00"), end=at("2026-01-15T09:00"), window=window("10:00", "13:00"))
    assert text(table.opening(at("2026-01-01T00:00"))) == "2026-01-14T12:00"
    assert table.opening(at("2026-01-14T13:00")) is None  # the next opening is behind the end
    plain = Timetable(end=at("2026-01-15T09:00"))
    assert text(plain.shutting(at("2026-01-15T08:00"))) == "2026-01-15T09:00"
    assert plain.opening(at("2026-01-15T09:00")) is None


def test_a_recipients_own_zone_counts_where_the_window_is_local() -> None:
    nine = window("09:00", "17:00")
    moment = at("2026-01-14T10:00")
    local = Timetable(zone="Europe/Berlin", window=nine, is_local=True)
    assert text(local.opening(moment, zone="America/Denver")) == "2026-01-14T16:00"
    assert local.opening(moment, zone=None) == moment
    assert Timetable(zone="Europe/Berlin", window=nine).opening(moment, zone="America/Denver") == moment


def test_work_rests_while_the_window_is_shut() -> None:
    friday = at("2026-01-16T15:00")
    assert text(OFFICE.advance(friday, timedelta(hours=1))) == "2026-01-16T16:00"
    assert text(OFFICE.advance(friday, timedelta(hours=2))) == "2026-01-19T09:00"
    assert text(OFFICE.advance(friday, timedelta(hours=41))) == "2026-01-23T16:00"
    assert text(OFFICE.advance(friday, timedelta(0))) == "2026-01-16T15:00"
    ending = Timetable(end=at("2026-01-16T16:00"))
    assert ending.advance(friday, timedelta(hours=2)) is None


@settings(max_examples=60)
@given(
    zone=st.sampled_from(ZONES),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    opens=st.integers(0, 24 * 60 - 1),
    shuts=st.integers(0, 24 * 60 - 1),
    day=st.sampled_from((66, 67, 85, 87, 93, 95, 276, 277, 297, 299, 304, 305)) | st.integers(0, 364),
    minute=st.integers(0, 24 * 60 - 1),
)
def test_every_opening_is_the_first_moment_at_which_a_clock_shows_the_window(
    zone: str, days: frozenset[int], opens: int, shuts: int, day: int, minute: int
) -> None:
    table = Timetable(zone=zone, window=Window(days=days, opens=opens, shuts=shuts))
    now = later(at("2026-01-01T00:00"), timedelta(days=day, minutes=minute))
    opening = table.opening(now)
    assert opening is not None
    assert _is_inside(table, opening)
    step = now
    while step < min(opening, later(now, timedelta(days=2))):
        assert not _is_inside(table, step)
        step = later(step, timedelta(minutes=15))
    shuts_at = table.shutting(opening)
    assert shuts_at is not None
    assert _is_inside(table, later(shuts_at, -timedelta(milliseconds=1)))


def _is_inside(table: Timetable, moment: Instant) -> bool:
    """Look at a clock on the wall."""
    assert table.window is not None
    wall = to_datetime(moment).astimezone(ZoneInfo(table.zone))
    since = wall.hour * 60 + wall.minute
    opens, shuts = table.window.opens, table.window.shuts
    if opens < shuts:
        return wall.weekday() in table.window.days and opens <= since < shuts
    is_evening = wall.weekday() in table.window.days and since >= opens
    return is_evening or ((wall.weekday() - 1) % 7 in table.window.days and since < shuts)
