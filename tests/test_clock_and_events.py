"""clock and events: instants, sortable ids, and the shape events have outside."""

from datetime import UTC, datetime, timedelta

import pytest

from tierii_mta.clock import Instant, SystemClock, elapsed, from_datetime, later, rfc3339, sortable_id, to_datetime
from tierii_mta.events import DATA_FIELDS, Event, EventType
from tierii_mta.queue.delivery import CLAIMABLE, FINAL, IN_HAND, OPEN, TRANSITIONS, State


def test_instants_and_datetimes_are_the_same_line() -> None:
    moment = datetime(2026, 11, 21, 9, 30, 0, 123000, tzinfo=UTC)
    instant = from_datetime(moment)
    assert to_datetime(instant) == moment
    assert rfc3339(instant) == "2026-11-21T09:30:00.123Z"
    assert elapsed(instant, later(instant, timedelta(minutes=5))) == timedelta(minutes=5)


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        from_datetime(datetime(2026, 1, 1))  # noqa: DTZ001


def test_ids_sort_by_time() -> None:
    clock = SystemClock()
    first = sortable_id("evt", clock)
    assert first.startswith("evt_")
    assert len(first) == 4 + 12 + 16
    assert first[:16] <= sortable_id("evt", clock)[:16]


def test_an_event_is_seen_with_the_fields_of_the_contract() -> None:
    event = Event(id="evt_1", type=EventType.DELIVERED, at=Instant(0), delivery_id=7, data={"code": 250}, seq=3)
    assert event.as_json() == {
        "id": "evt_1",
        "seq": 3,
        "type": "email.delivered",
        "timestamp": "1970-01-01T00:00:00.000Z",
        "campaign_id": None,
        "delivery_id": "7",
        "message_id": None,
        "recipient": None,
        "provider": None,
        "data": {"code": 250},
    }
    assert set(DATA_FIELDS) <= set(EventType)


def test_the_state_table_is_whole() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(State) == FINAL | OPEN
    assert not FINAL & OPEN
    assert CLAIMABLE | IN_HAND | {State.HELD} == OPEN
    for state in (State.COMPLETED, State.SUPPRESSED, State.CANCELLED):
        assert not TRANSITIONS[state], f"{state} is never left"
    assert all(State.QUEUED in TRANSITIONS[state] for state in CLAIMABLE)
