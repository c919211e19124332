"""Campaigns with hours and a pace, from their rows to the way out."""

from datetime import timedelta
from pathlib import Path

from tests.queue.plant import CODEC, Plant, Script, plant
from tests.support.clock import START, ManualClock
from tierii_mta.campaigns.store import CampaignState, Draft, NewRecipient, Snapshot
from tierii_mta.clock import Instant, later
from tierii_mta.mail.address import Address
from tierii_mta.quantities import Rate
from tierii_mta.queue.delivery import Json, Priority, State
from tierii_mta.queue.pacing import StreamPlan
from tierii_mta.queue.timetable import Timetable, Window
from tierii_mta.storage.database import Database

ZONES = ("Europe/Berlin", "America/Denver", "Asia/Tokyo")


async def load(database: Database, clock: ManualClock, plan: StreamPlan, count: int, **contact: Json) -> None:
    now = clock.now()
    draft = Draft(
        id="spring",
        name="spring",
        is_marketing=True,
        priority=Priority.NORMAL,
        list_id=None,
        fingerprint="f",
        snapshot=Snapshot(specification={}, contents={}),
        created_at=now,
    )
    await database.campaigns.open_draft(draft)
    rows = [
        NewRecipient(
            recipient=f"p{number}@d{number % 3}.example",
            recipient_key=CODEC.person_key(Address.parse(f"p{number}@d{number % 3}.example")),
            domain=f"d{number % 3}.example",
            contact=contact or {"timezone": ZONES[number % 3]},
        )
        for number in range(count)
    ]
    await database.campaigns.add_recipients("spring", rows, now=now, expires_at=later(now, timedelta(days=30)))
    await database.campaigns.start("spring", report={}, now=now, plan=plan)


async def pass_time(queue: Plant, until: Instant) -> None:
    step = timedelta(milliseconds=max(100, (until - queue.clock.now()) // 50))
    await queue.until(lambda: queue.clock.now() >= until, step=step)


async def test_a_rate_spreads_a_campaign_over_time_and_delays_nobody_else(tmp_path: Path) -> None:
    script = Script()
    async with plant(tmp_path, script) as queue:
        await load(queue.database, queue.clock, StreamPlan(rate=Rate.parse("2/s")), 12)
        await queue.until(lambda: len(script.handed) >= 2)
        began = queue.clock.now()
        await pass_time(queue, later(began, timedelta(seconds=2)))
        assert 4 <= len(script.handed) <= 7
        await queue.accept("quinn@one.example")
        await queue.until(lambda: "quinn@one.example" in [one.recipient for one in script.handed])
        await queue.until(lambda: len(script.handed) == 13)
        assert queue.clock.now() >= later(began, timedelta(seconds=4.5))


async def test_a_restart_in_the_middle_of_a_batch_keeps_its_pause(tmp_path: Path) -> None:
    clock, script = ManualClock(), Script()
    plan = StreamPlan(batch_size=4, batch_delay=timedelta(minutes=10))
    async with plant(tmp_path, script, clock=clock) as queue:
        await load(queue.database, clock, plan, 10)
        await queue.ended(4)
        released = clock.now()
        await queue.drain()
    async with plant(tmp_path, script, clock=clock) as queue:
        await pass_time(queue, later(released, timedelta(minutes=9)))
        assert len(script.handed) == 4
        await queue.until(lambda: len(script.handed) == 8, step=timedelta(seconds=5))
        assert clock.now() >= later(released, timedelta(minutes=9, seconds=50))
        await queue.until(lambda: len(script.handed) == 10, step=timedelta(seconds=5))
        await queue.ended(6)
        assert clock.now() < later(released, timedelta(minutes=25))  # no pause after the last


async def test_a_window_lets_mail_out_while_it_is_open(tmp_path: Path) -> None:
    script = Script()
    minute = START // 60_000 % 1440
    window = Window(days=frozenset(range(7)), opens=(minute + 60) % 1440, shuts=(minute + 120) % 1440)
    async with plant(tmp_path, script) as queue:
        await load(queue.database, queue.clock, StreamPlan(timetable=Timetable(window=window)), 6)
        opening = later(Instant(START - START % 60_000), timedelta(hours=1))
        await pass_time(queue, later(opening, -timedelta(minutes=6)))
        assert script.handed == []
        await queue.until(lambda: len(script.handed) == 6, step=timedelta(seconds=20))
        assert opening <= queue.clock.now() < later(opening, timedelta(minutes=10))


async def test_each_recipients_own_window_is_looked_at_before_the_attempt(tmp_path: Path) -> None:
    script = Script()
    window = Window(days=frozenset(range(7)), opens=9 * 60, shuts=17 * 60)
    clock = ManualClock()
    clock.advance(timedelta(milliseconds=(43_200_000 - clock.now()) % 86_400_000))  # noon in Greenwich
    async with plant(tmp_path, script, clock=clock) as queue:
        plan = StreamPlan(timetable=Timetable(window=window, is_local=True))
        await load(queue.database, clock, plan, 3)
        await queue.ended(3)  # two of them returned: their zones have not opened
        assert [one.contact["timezone"] for one in script.handed] == ["Europe/Berlin"]
        record = await queue.database.campaigns.find("spring")
        assert record is not None
        assert record.state is CampaignState.RUNNING
        assert await queue.states("p1@d1.example", "p2@d2.example") == [State.PENDING, State.PENDING]
        (history, *_) = await queue.database.queue.history(key=CODEC.person_key(Address.parse("p1@d1.example")))
        assert history.attempts == 0
        await queue.until(lambda: len(script.handed) == 2, step=timedelta(minutes=1))
        assert script.handed[-1].contact["timezone"] == "America/Denver"
        await queue.until(lambda: len(script.handed) == 3, step=timedelta(minutes=1))
