"""When the last mail goes out."""

from datetime import timedelta

import pytest

from tests.queue.test_timetable import OFFICE, at, text
from tierii_mta.campaigns.outlook import Pastime, outlook
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import later
from tierii_mta.quantities import Rate
from tierii_mta.queue.pacing import StreamPlan
from tierii_mta.queue.timetable import Timetable

FRIDAY = at("2026-01-16T15:00")  # an hour before OFFICE shuts for the weekend
RUNNING = CampaignState.RUNNING
HOUR = timedelta(hours=1)
RATE = StreamPlan(rate=Rate.parse("100/h"))


@pytest.mark.parametrize(
    ("plan", "left", "finish", "because"),
    [
        (StreamPlan(), 0, "2026-01-16T15:00", "nothing holds it up"),
        (RATE, 201, "2026-01-16T17:00", "rate.max 100/h"),
        (RATE, 1, "2026-01-16T15:00", "rate.max 100/h"),
        (StreamPlan(timetable=OFFICE, rate=Rate.parse("100/h")), 201, "2026-01-19T09:00", "rate.max 100/h"),
        (StreamPlan(batch_size=100, batch_delay=HOUR), 300, "2026-01-16T17:00", "batches of 100"),
        (StreamPlan(batch_size=100, batch_delay=HOUR), 100, "2026-01-16T15:00", "nothing holds it up"),
        (StreamPlan(timetable=Timetable(start=at("2026-01-20T08:00"))), 9, "2026-01-20T08:00", "nothing holds it up"),
    ],
)
def test_rates_batches_and_windows_say_when_it_is_done(plan: StreamPlan, left: int, finish: str, because: str) -> None:
    found = outlook(plan, RUNNING, left=left, now=FRIDAY)
    assert (text(found.finishes_at), found.because) == (finish, because)


def test_how_it_went_so_far_counts_where_it_is_slower() -> None:
    past = Pastime(done=100, takes=2 * HOUR)
    found = outlook(RATE, RUNNING, left=101, now=FRIDAY, past=past)
    assert found.because == "as it went so far"
    assert found.finishes_at == later(FRIDAY, timedelta(seconds=7272))
    assert outlook(RATE, RUNNING, left=101, now=FRIDAY, past=Pastime()).because == "rate.max 100/h"


def test_a_shut_window_says_when_it_opens() -> None:
    found = outlook(StreamPlan(timetable=OFFICE), RUNNING, left=5, now=at("2026-01-17T12:00"))
    assert (found.is_open, text(found.next_opening)) == (False, "2026-01-19T08:00")
    assert found.lines()[0] == ("window", "shut until 2026-01-19T08:00:00.000Z")
    assert outlook(StreamPlan(timetable=OFFICE), RUNNING, left=5, now=FRIDAY).is_open


def test_nobody_can_tell_of_a_paused_campaign_nor_of_one_that_ends_first() -> None:
    assert outlook(RATE, CampaignState.PAUSED, left=5, now=FRIDAY).finishes_at is None
    ending = StreamPlan(timetable=Timetable(end=at("2026-01-16T16:00")), rate=Rate.parse("1/h"))
    found = outlook(ending, RUNNING, left=5, now=FRIDAY)
    assert (found.finishes_at, found.because) == (None, "it does not come to its end before schedule.end")
