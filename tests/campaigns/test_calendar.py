"""The calendar of a campaign file: what its words mean, and what they cannot mean."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.campaigns.workshop import CAMPAIGN
from tests.queue.test_timetable import at, text
from tierii_mta.campaigns.calendar import Clocks, alive_until, compile_plan, parse_at, remarks
from tierii_mta.campaigns.specification import Campaign, parse
from tierii_mta.errors import CheckFailed, UsageError
from tierii_mta.quantities import Rate
from tierii_mta.queue.pacing import StreamPlan

NOW = at("2027-01-13T12:00")  # a Wednesday
WINDOW = 'window: {days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:00"}'


def campaign(*lines: str) -> Campaign:
    return parse(CAMPAIGN + "\n".join(lines) + "\n", path=Path("c.yaml"))


def plan(*lines: str, start: str | None = None, pool: str = "default") -> StreamPlan:
    return compile_plan(campaign(*lines), pool=pool, now=NOW, at=start)


def test_a_file_that_says_nothing_of_time_asks_for_nothing() -> None:
    assert plan() == StreamPlan(misfire=timedelta(hours=6))
    assert not plan().is_paced
    assert plan("batch: {size: 50}").batch_size is None  # batches that follow at once


@pytest.mark.parametrize(
    ("line", "size", "delay"),
    [
        ("batch: {size: 50, delay: 90}", 50, 90),
        ("batch: {delay: 5m}", 100, 300),
        ("batch_size: 20\nbatch_delay: 30", 20, 30),
        ("delay_minutes: 1.5", 100, 90),
    ],
)
def test_a_batch_has_several_names(line: str, size: int, delay: int) -> None:
    found = plan(line)
    assert (found.batch_size, found.batch_delay) == (size, timedelta(seconds=delay))


def test_what_means_the_same_is_the_same_campaign() -> None:
    alias, plain = (campaign(line).specification.canonical() for line in ("delay_minutes: 1", "batch: {delay: 60}"))
    assert alias == plain


def test_times_are_those_of_the_campaigns_zone_unless_they_say_otherwise() -> None:
    zone = "timezone: America/Los_Angeles"
    assert text(plan(f'schedule: {{{zone}, start: "2027-01-14T09:00"}}').timetable.start) == "2027-01-14T17:00"
    assert text(plan(f'schedule: {{{zone}, start: "2027-01-14"}}').timetable.start) == "2027-01-14T08:00"
    assert text(plan(f'schedule: {{{zone}, start: "2027-01-14T09:00+01:00"}}').timetable.start) == "2027-01-14T08:00"
    assert text(plan(f'schedule: {{{zone}, end: "2027-01-14T09:00Z"}}').timetable.end) == "2027-01-14T09:00"


def test_a_start_on_the_command_line_goes_before_the_files() -> None:
    line = 'schedule: {timezone: Europe/Berlin, start: "2027-01-20T09:00"}'
    assert text(plan(line, start="2027-01-15T09:00").timetable.start) == "2027-01-15T08:00"
    assert plan(line, start="now").timetable.start is None
    with pytest.raises(UsageError, match="'soon' is not a time"):
        parse_at("soon", "UTC")


def test_a_start_that_is_past_is_remarked() -> None:
    assert remarks(plan('schedule: {start: "2027-01-13"}'), NOW) == (
        "the start, 2027-01-13T00:00:00.000Z, is past: it starts now",
    )
    assert remarks(plan('schedule: {start: "2027-01-14"}'), NOW) == ()
    assert remarks(plan(), NOW) == ()


def test_a_pool_of_its_own_goes_before_the_domains() -> None:
    assert plan(pool="bulk").pool == "bulk"
    own = parse(CAMPAIGN.replace("campaign: {", "campaign: {pool: own, ", 1), path=Path("c.yaml"))
    assert compile_plan(own, pool="bulk", now=NOW).pool == "own"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('schedule: {end: "2027-01-13T11:00"}', "nothing would be sent"),
        ('schedule: {start: "2027-01-15", end: "2027-01-14"}', "is not after the start"),
        ('schedule: {end: "2027-01-13T13:00", window: {from: "14:00", to: "15:00"}}', "does not open between"),
        (f'schedule: {{start: "2027-01-16", end: "2027-01-18", {WINDOW}}}', "does not open between"),  # a weekend
    ],
)
def test_a_calendar_that_lets_nothing_out_is_refused(line: str, expected: str) -> None:
    with pytest.raises(CheckFailed, match=expected):
        plan(line)


def test_each_recipient_is_due_when_their_own_window_opens() -> None:
    clocks = Clocks(plan(f"schedule: {{timezone: Europe/Berlin, recipient_local: true, {WINDOW}}}"))
    due = {
        zone: text(clocks.due({"timezone": zone}, NOW))
        for zone in ("Europe/Berlin", "America/Denver", "Asia/Tokyo", "", "Mars/Base", "../../etc/passwd")
    }
    assert due == {
        "Europe/Berlin": "2027-01-13T12:00",
        "America/Denver": "2027-01-13T16:00",
        "Asia/Tokyo": "2027-01-14T00:00",
        "": "2027-01-13T12:00",
        "Mars/Base": "2027-01-13T12:00",
        "../../etc/passwd": "2027-01-13T12:00",
    }
    (notice,) = clocks.notices()
    assert notice.startswith("2 contacts have a timezone that is no time zone ('Mars/Base', ")
    assert Clocks(plan()).due({"timezone": "Mars/Base"}, NOW) is None


def test_a_recipient_is_not_due_before_the_start() -> None:
    line = f'schedule: {{start: "2027-01-18T20:00", recipient_local: true, {WINDOW}}}'
    assert text(Clocks(plan(line)).due({"timezone": "America/Denver"}, NOW)) == "2027-01-18T20:00"
    assert text(Clocks(plan(line)).due({"timezone": "Asia/Tokyo"}, NOW)) == "2027-01-19T00:00"


def test_what_has_to_wait_for_its_turn_does_not_expire_meanwhile() -> None:
    day = timedelta(days=1)
    slow = StreamPlan(rate=Rate.parse("1000/d"))
    assert alive_until(slow, 10_000, now=NOW, lifetime=5 * day) - NOW == 15 * day / timedelta(milliseconds=1)
    batches = StreamPlan(batch_size=100, batch_delay=day)
    assert alive_until(batches, 301, now=NOW, lifetime=5 * day) - NOW == 8 * day / timedelta(milliseconds=1)
    assert alive_until(StreamPlan(), 301, now=NOW, lifetime=5 * day) - NOW == 5 * day / timedelta(milliseconds=1)
