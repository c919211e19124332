"""How much mail went where of late: counted by day and provider, from the event log's end backwards."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.contracts.installation import Installation
from tierii_mta.campaigns.preflight.history import DayCount
from tierii_mta.clock import Instant, from_datetime, later, to_datetime
from tierii_mta.events import EventType
from tierii_mta.queue.store import Record
from tierii_mta.storage import volumes


async def _tell(store: Installation, kind: EventType, provider: str | None, at: Instant, times: int = 1) -> None:
    events = [replace(store.event(kind, provider=provider), at=at) for _ in range(times)]
    await store.queue.apply([Record(events=events)])


@pytest.mark.parametrize("window", [2, 50_000])
async def test_mail_is_counted_by_day_and_provider(
    store: Installation, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(volumes, "_WINDOW", window)
    midnight = from_datetime(to_datetime(store.now()).replace(hour=0, minute=0, second=0, microsecond=0))
    today, yesterday, long_ago = (later(midnight, timedelta(seconds=s)) for s in (0, -1, -8 * 86_400))
    await _tell(store, EventType.DELIVERED, "google", long_ago, 4)
    await _tell(store, EventType.DELIVERED, "google", yesterday, 2)
    await _tell(store, EventType.COMPLAINED, "google", yesterday)
    await _tell(store, EventType.DEFERRED, "google", today, 3)
    await _tell(store, EventType.DELIVERED, None, today)
    await _tell(store, EventType.SENT, "google", today)

    found = await store.db.mail_history.days(since=later(midnight, timedelta(days=-7)))

    first, second = (to_datetime(at).date() for at in (yesterday, today))
    assert isinstance(first, date)
    assert list(found) == [
        DayCount(day=first, provider="google", delivered=2, complained=1),
        DayCount(day=second, provider="google", delivered=1, complained=0),
        DayCount(day=second, provider="other", delivered=1, complained=0),
    ]


async def test_an_empty_log_has_no_days(store: Installation) -> None:
    assert await store.db.mail_history.days(since=Instant(0)) == []
