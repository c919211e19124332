"""Campaigns by the calendar: scheduled, started, missed, ended."""

from dataclasses import replace
from datetime import timedelta

from tests.contracts.installation import Installation
from tierii_mta.campaigns.store import CampaignRecord, CampaignState
from tierii_mta.clock import Instant, later
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import State
from tierii_mta.queue.pacing import StreamPlan
from tierii_mta.queue.store import Activate, ChangeKind
from tierii_mta.queue.timetable import Timetable, Window

NAMES = [f"p{number}@d{number % 3}.example" for number in range(6)]
MISFIRE = timedelta(hours=6)
STATES = CampaignState


def soon(store: Installation, **units: float) -> Instant:
    return later(store.now(), timedelta(**units))


async def begun(store: Installation, table: Timetable, misfire: timedelta | None = MISFIRE) -> CampaignRecord:
    await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", NAMES)
    plan = StreamPlan(timetable=table, misfire=misfire)
    return await store.campaigns.start("spring", report={}, now=store.now(), plan=plan)


async def state_of(store: Installation) -> CampaignState:
    record = await store.campaigns.find("spring")
    assert record is not None
    return record.state


def morning(store: Installation) -> Window:
    """Return a daily window that opens in an hour of the test's clock, for two hours."""
    minute = store.now() // 60_000 % 1440
    return Window(days=frozenset(range(7)), opens=(minute + 60) % 1440, shuts=(minute + 180) % 1440)


async def test_a_campaign_with_a_start_is_scheduled_and_starts_at_its_time(store: Installation) -> None:
    start = soon(store, hours=1)
    record = await begun(store, Timetable(start=start))
    assert (record.state, record.started_at) == (STATES.SCHEDULED, None)
    assert record.plan == StreamPlan(timetable=Timetable(start=start), misfire=MISFIRE)
    assert await store.loads() == []
    assert await store.queue.attend(store.now()) == []
    store.clock.advance(timedelta(hours=1))
    cursor = await store.queue.last_change()
    assert await store.queue.attend(store.now()) == ["campaign spring is running"]
    assert await store.queue.attend(store.now()) == []
    assert [change.kind for change in await store.queue.changes(cursor)] == [ChangeKind.STREAM]
    assert sum(load.count for load in await store.loads()) == 6
    assert list((await store.queue.plans()).values()) == [record.plan]
    kinds = [event.type for event in await store.events()]
    assert kinds == [EventType.CAMPAIGN_CREATED, EventType.CAMPAIGN_SCHEDULED, EventType.CAMPAIGN_STARTED]


async def test_a_start_that_was_missed_by_too_much_pauses_and_says_how_to_go_on(store: Installation) -> None:
    await begun(store, Timetable(start=soon(store, hours=1)))
    store.clock.advance(timedelta(hours=8))
    await store.queue.attend(store.now())
    record = await store.campaigns.find("spring")
    assert record is not None
    assert record.state is STATES.PAUSED
    assert "was missed by 7h" in (record.reason or "")
    assert (record.reason or "").endswith("tierii-mta resume spring")
    (event,) = await store.events(EventType.CAMPAIGN_PAUSED)
    assert event.data == {"reason": record.reason, "by": "calendar"}
    resumed = await store.campaigns.move("spring", STATES.RUNNING, reason=None, now=store.now())
    assert (resumed.state, resumed.started_at) == (STATES.RUNNING, store.now())
    assert await store.queue.attend(store.now()) == []


async def test_a_start_missed_by_little_or_without_the_rule_is_made_up_for(store: Installation) -> None:
    await begun(store, Timetable(start=soon(store, hours=1)))
    store.clock.advance(timedelta(hours=6, minutes=59))
    await store.queue.attend(store.now())
    assert await state_of(store) is STATES.RUNNING


async def test_an_opening_that_nobody_attended_pauses_the_campaign(store: Installation) -> None:
    await begun(store, Timetable(window=morning(store)), timedelta(minutes=30))
    store.clock.advance(timedelta(hours=1, minutes=20))
    assert await store.queue.attend(store.now()) == []  # 20 minutes late
    store.clock.advance(timedelta(days=1, minutes=15))  # the next one: 35 minutes late
    (line,) = await store.queue.attend(store.now())
    assert "its opening at" in line
    assert await state_of(store) is STATES.PAUSED
    await store.campaigns.move("spring", STATES.RUNNING, reason=None, now=store.now())
    assert await store.queue.attend(store.now()) == []


async def test_what_is_left_at_the_end_is_cancelled_with_the_reason(store: Installation) -> None:
    epoch = await store.register()
    await begun(store, Timetable(end=soon(store, hours=1)))
    for one in await store.claim(epoch, limit=1):
        await store.queue.apply([Activate(delivery=one.id, epoch=epoch), store.settle(one, epoch, State.COMPLETED)])
    store.clock.advance(timedelta(hours=1))
    await store.queue.attend(store.now())
    assert await state_of(store) is STATES.DRAINING
    await store.queue.finish_streams(store.now())
    await store.queue.finish_streams(store.now())
    assert await state_of(store) is STATES.COMPLETED
    counts = await store.campaigns.counts("spring")
    events = await store.events(EventType.CANCELLED)
    assert (counts[State.COMPLETED], counts[State.CANCELLED], len(events)) == (3, 3, 3)
    assert all(event.data["reason"].startswith("window closed: schedule.end was ") for event in events)
    assert await store.queue.attend(store.now()) == []
    await store.check_tally()


async def test_a_paused_campaign_ends_at_its_end_too(store: Installation) -> None:
    await begun(store, Timetable(end=soon(store, hours=1)))
    await store.campaigns.move("spring", STATES.PAUSED, reason="wait", now=store.now())
    store.clock.advance(timedelta(hours=1))
    await store.queue.attend(store.now())
    assert await state_of(store) is STATES.DRAINING


async def test_a_scheduled_campaign_waits_again_after_a_pause_and_may_be_started_early(store: Installation) -> None:
    await begun(store, Timetable(start=soon(store, hours=1)))
    await store.campaigns.move("spring", STATES.PAUSED, reason="wait", now=store.now())
    resumed = await store.campaigns.move("spring", STATES.RUNNING, reason=None, now=store.now())
    assert resumed.state is STATES.SCHEDULED
    early = await store.campaigns.move("spring", STATES.RUNNING, reason=None, now=store.now())
    assert (early.state, early.started_at) == (STATES.RUNNING, store.now())
    assert early.plan is not None
    assert early.plan.timetable.start == store.now()
    assert sum(load.count for load in await store.loads()) == 6


async def test_a_scheduled_campaign_may_get_another_start_and_a_running_one_keeps_its_plan(
    store: Installation,
) -> None:
    first = await begun(store, Timetable(start=soon(store, hours=1)))
    assert first.plan is not None
    moved = replace(first.plan, timetable=Timetable(start=soon(store, hours=3)))
    await store.campaigns.start("spring", report={}, now=store.now(), plan=moved)
    store.clock.advance(timedelta(hours=2))
    assert await store.queue.attend(store.now()) == []
    store.clock.advance(timedelta(hours=1))
    assert await store.queue.attend(store.now()) != []
    again = await store.campaigns.start("spring", report={}, now=store.now(), plan=first.plan)
    assert (again.state, again.plan) == (STATES.RUNNING, moved)


async def test_a_recipient_is_due_when_it_is_said(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", NAMES[:1])
    row = store.row("p9@late.example", due=soon(store, hours=2))
    await store.campaigns.add_recipients("spring", [row], now=store.now(), expires_at=soon(store, days=5))
    await store.campaigns.start("spring", report={}, now=store.now())
    due = {load.lane.domain: load.due for load in await store.loads()}
    assert due == {"d0.example": store.now(), "late.example": soon(store, hours=2)}
