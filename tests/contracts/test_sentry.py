"""The sentry over a real database: sightings of the event log, campaigns that are stopped, warned of and let go."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.contracts.installation import Installation, key_of
from tierii_mta.campaigns.guards import Guard, Judgement, Level
from tierii_mta.campaigns.sentry import Page, Sentry
from tierii_mta.campaigns.store import CampaignRecord, CampaignState, NewRecipient, Snapshot
from tierii_mta.clock import Instant, later
from tierii_mta.errors import Unavailable
from tierii_mta.events import Event, EventType
from tierii_mta.queue.delivery import Delivery, Epoch, FailureReason, Json, State
from tierii_mta.queue.store import Activate, Record
from tierii_mta.storage.sentry import StoredSentry

MINIMAL: dict[str, Any] = {
    "campaign": {"id": "spring"},
    "from": {"email": "news@news.example"},
    "subject": "Hi",
    "template": {"html": "a.html"},
    "contacts": [{"type": "inline"}],
}
JUDGEMENT = Judgement(guard=Guard.BOUNCE, provider="google", level=Level.LIMIT, part=4, whole=40, threshold=0.05)
NO_SMTP = {"code": 550, "reply": "no such user", "class": "InvalidRecipient"}


async def started(store: Installation, size: int, *, canary: int = 0, **guards: Any) -> CampaignRecord:
    """Return a running campaign to `size` persons, the first of whom are its canary."""
    kept = {"campaign": {**MINIMAL, "guards": {"min_sample": 20, **guards}}}
    await store.campaigns.open_draft(store.draft("spring", snapshot=Snapshot(specification=kept, contents={})))
    names = [f"p{number}@d{number % 5}.example" for number in range(size)]
    rows = [
        NewRecipient(
            recipient=name,
            recipient_key=key_of(name),
            domain=name.rpartition("@")[2],
            contact={},
            is_canary=number < canary,
        )
        for number, name in enumerate(names)
    ]
    expires_at = later(store.now(), timedelta(days=5))
    await store.campaigns.add_recipients("spring", rows, now=store.now(), expires_at=expires_at)
    return await store.campaigns.start("spring", report={}, now=store.now())


async def ends(store: Installation, epoch: Epoch, rows: Sequence[Delivery], *, bounced: int = 0) -> None:
    """Settle deliveries, so many of them bounced, at google and yahoo in turn."""
    settled = []
    for number, one in enumerate(rows):
        kind = EventType.BOUNCED if number < bounced else EventType.DELIVERED
        provider = ("google", "yahoo")[number % 2]
        event = store.event(kind, campaign_id="spring", delivery_id=one.id, provider=provider, data=NO_SMTP)
        state = State.FAILED if number < bounced else State.COMPLETED
        reason = FailureReason.BOUNCED if number < bounced else None
        settled.append(
            store.settle(one, epoch, state, from_state=State.QUEUED, reason=reason, events=[event])
            if number < bounced
            else store.settle(one, epoch, state, from_state=State.ACTIVE, events=[event])
        )
    await store.queue.apply([Activate(delivery=one.id, epoch=epoch) for one in rows[bounced:]])
    assert all(await store.queue.apply(settled))


async def state_of(store: Installation) -> CampaignState:
    record = await store.campaigns.find("spring")
    assert record is not None
    return record.state


async def happened(store: Installation, *kinds: EventType) -> list[Event]:
    return await store.events(*map(str, kinds))


async def read(store: Installation) -> list[Page]:
    """Read the whole log."""
    pages = [await store.db.sentry.read(0)]
    while not pages[-1].is_last:
        pages.append(await store.db.sentry.read(pages[-1].seq))
    return pages


async def test_too_many_bounces_pause_the_campaign_and_say_why(store: Installation) -> None:
    epoch, sentry = await store.register(), Sentry(store.db.sentry, store.clock)
    await started(store, 60)
    rows = await store.claim(epoch)
    await ends(store, epoch, rows[:40], bounced=2)
    await sentry.look()
    record = await store.campaigns.find("spring")
    assert record is not None
    assert record.state is CampaignState.PAUSED
    assert record.reason == "guard bounce: 2 of 40 mails bounced (5 %; the limit is 5 %)"
    tripped, paused = await happened(store, EventType.CAMPAIGN_GUARD_TRIPPED, EventType.CAMPAIGN_PAUSED)
    assert tripped.data == {
        "guard": "bounce",
        "level": "limit",
        "count": 2,
        "sample": 40,
        "share": 0.05,
        "threshold": 0.05,
        "reason": record.reason,
        "action": "pause",
        "command": "tierii-mta resume spring",
    }
    assert paused.data == {"reason": record.reason, "by": "guard"}
    assert await store.loads() == []


async def test_a_campaign_that_goes_on_begins_to_count_anew(store: Installation) -> None:
    epoch, sentry = await store.register(), Sentry(store.db.sentry, store.clock)
    await started(store, 90)
    rows = await store.claim(epoch)
    await ends(store, epoch, rows[:30], bounced=10)
    await sentry.look()
    await store.campaigns.move("spring", CampaignState.RUNNING, reason=None, now=store.now())
    await ends(store, epoch, rows[30:60])
    again = Sentry(store.db.sentry, store.clock)  # another process, or this one started anew
    for one in (sentry, again):
        await one.look()
        assert await state_of(store) is CampaignState.RUNNING
    await ends(store, epoch, rows[60:90], bounced=10)
    await again.look()
    assert await state_of(store) is CampaignState.PAUSED


async def test_counts_survive_a_restart_and_two_daemons_stop_a_campaign_once(store: Installation) -> None:
    epoch, other = await store.register(), await store.another()
    await started(store, 40)
    rows = await store.claim(epoch)
    await ends(store, epoch, rows[:15], bounced=1)
    here, there = Sentry(store.db.sentry, store.clock), Sentry(other.db.sentry, store.clock)
    await here.look()
    store.clock.advance(timedelta(minutes=5))
    await ends(store, epoch, rows[15:30], bounced=1)
    fresh = Sentry(store.db.sentry, store.clock)
    await there.look()
    await fresh.look()
    await here.look()
    assert await state_of(store) is CampaignState.PAUSED
    assert len(await happened(store, EventType.CAMPAIGN_GUARD_TRIPPED, EventType.CAMPAIGN_PAUSED)) == 2


async def test_a_warning_is_told_once_by_all_daemons_together(store: Installation) -> None:
    epoch, other = await store.register(), await store.another()
    await started(store, 60, bounce="5%", min_sample=30)
    rows = await store.claim(epoch)
    await ends(store, epoch, rows[:50], bounced=1)
    for _ in range(2):
        for one in (Sentry(store.db.sentry, store.clock), Sentry(other.db.sentry, store.clock)):
            await one.look()
    assert await state_of(store) is CampaignState.RUNNING
    (told,) = await happened(store, EventType.CAMPAIGN_GUARD_TRIPPED)
    assert (told.data["level"], told.data["action"], told.data["threshold"]) == ("warning", "warn", 0.02)
    assert "command" not in told.data


async def test_two_daemons_that_judge_at_once_warn_once_and_do_not_stop_what_was_resumed(store: Installation) -> None:
    epoch = await store.register()
    await started(store, 60)
    await ends(store, epoch, (await store.claim(epoch))[:40], bounced=4)
    sentry = Sentry(store.db.sentry, store.clock)
    await sentry.look()
    (tripped,) = await happened(store, EventType.CAMPAIGN_GUARD_TRIPPED)
    await store.campaigns.move("spring", CampaignState.RUNNING, reason=None, now=store.now())
    pages = await read(store)
    old, now = tripped.seq or 0, store.now()
    assert await store.db.sentry.stop("spring", JUDGEMENT, read_to=old, now=now) is False, "it was resumed since"
    assert await store.db.sentry.warn("spring", JUDGEMENT, read_to=old, now=now) is False
    assert [one.resumed for one in pages] == [["spring"], ["spring"]], "it began, and it went on"
    assert await store.db.sentry.warn("spring", JUDGEMENT, read_to=pages[-1].seq, now=now) is True
    assert await store.db.sentry.warn("spring", JUDGEMENT, read_to=pages[-1].seq, now=now) is False
    assert await store.db.sentry.stop("spring", JUDGEMENT, read_to=pages[-1].seq, now=now) is True


async def test_complaints_and_late_bounces_count_for_the_provider_that_took_the_mail(store: Installation) -> None:
    epoch, sentry = await store.register(), Sentry(store.db.sentry, store.clock)
    await started(store, 80, complaint="5%", bounce=None)
    rows = await store.claim(epoch)
    await ends(store, epoch, rows[:80])
    about = [one for number, one in enumerate(rows) if number % 2][:2]  # yahoo took them
    complaints = [
        store.event(EventType.COMPLAINED, campaign_id="spring", delivery_id=one.id, recipient=one.recipient)
        for one in about
    ]
    before = (await read(store))[-1].seq
    await store.queue.apply([Record(events=complaints)])
    found = (await store.db.sentry.read(before)).sightings
    assert [(one.provider, str(one.sight)) for one in found] == [("yahoo", "complained")] * 2
    await sentry.look()
    record = await store.campaigns.find("spring")
    assert record is not None
    assert record.reason == "guard complaint: 2 of 40 mails to yahoo were reported as spam (5 %; the limit is 5 %)"


class Failing(StoredSentry):
    """A database that is away the first time it is asked for something."""

    def __init__(self, store: Installation) -> None:
        super().__init__(store.db._connections, store.clock, "one")
        self.away: set[str] = set()

    def _asked(self, name: str) -> None:
        if name in self.away:
            self.away.remove(name)
            raise Unavailable("the database is away")

    async def kept(self, campaign: str) -> Mapping[str, Json]:
        self._asked("kept")
        return await super().kept(campaign)

    async def stop(self, campaign: str, judgement: Judgement, *, read_to: int, now: Instant) -> bool:
        self._asked("stop")
        return await super().stop(campaign, judgement, read_to=read_to, now=now)


async def test_a_database_that_was_away_neither_counts_twice_nor_forgets_to_stop(store: Installation) -> None:
    database = Failing(store)
    epoch, sentry = await store.register(), Sentry(database, store.clock)
    await started(store, 60)
    await store.run_campaign("summer", ["a@one.example"])
    rows = [one for one in await store.claim(epoch) if one.campaign == "spring"]
    await store.campaigns.move("summer", CampaignState.PAUSED, reason=None, now=store.now())
    for _ in range(2):
        await sentry.look()
    database.away = {"kept", "stop"}
    await ends(store, epoch, rows[:15], bounced=15)
    await store.queue.apply([Record(events=[store.event(EventType.BOUNCED, campaign_id="summer")])])
    with pytest.raises(Unavailable):  # what is under guard of the other campaign cannot be read
        await sentry.look()
    await sentry.look()
    assert await state_of(store) is CampaignState.RUNNING, "15 mails are less than 20, counted once"
    await ends(store, epoch, rows[15:25], bounced=1)
    with pytest.raises(Unavailable):
        await sentry.look()
    await sentry.look()
    assert await state_of(store) is CampaignState.PAUSED


async def test_the_others_wait_behind_the_canary_and_follow_when_it_has_ended(store: Installation) -> None:
    epoch, sentry = await store.register(), Sentry(store.db.sentry, store.clock)
    record = await started(store, 60, canary=10)
    assert record.canary == 10
    rows = await store.claim(epoch)
    assert {one.recipient for one in rows} == {f"p{number}@d{number % 5}.example" for number in range(10)}
    assert {one.step for one in rows} == {0}
    await ends(store, epoch, rows[:8])
    await sentry.look()
    assert await store.loads() == [], "two of ten have not ended"
    assert await store.queue.finish_streams(store.now()) == []
    await ends(store, epoch, rows[8:9])
    await sentry.look()
    await Sentry((await store.another()).db.sentry, store.clock).look()
    (passed,) = await happened(store, EventType.CAMPAIGN_CANARY_PASSED)
    assert passed.data == {"size": 10, "ended": 9}
    assert sum(load.count for load in await store.loads()) == 50
    record_after = await store.campaigns.find("spring")
    assert record_after is not None
    assert (record_after.state, record_after.canary) == (CampaignState.RUNNING, None)
    await store.check_tally()


async def test_a_canary_that_goes_wrong_pauses_and_resuming_lets_the_others_go(store: Installation) -> None:
    epoch, sentry = await store.register(), Sentry(store.db.sentry, store.clock)
    await started(store, 60, canary=10)
    rows = await store.claim(epoch)
    await ends(store, epoch, rows, bounced=1)
    await sentry.look()
    assert await state_of(store) is CampaignState.PAUSED
    assert await happened(store, EventType.CAMPAIGN_CANARY_PASSED) == []
    await store.campaigns.move("spring", CampaignState.RUNNING, reason=None, now=store.now())
    assert await store.loads() == []
    await sentry.look()
    assert sum(load.count for load in await store.loads()) == 50


async def test_pausing_and_cancelling_reach_the_canary_and_those_behind_it(store: Installation) -> None:
    epoch = await store.register()
    await started(store, 60, canary=10)
    await store.campaigns.move("spring", CampaignState.PAUSED, reason=None, now=store.now())
    assert list(await store.claim(epoch)) == []
    await store.campaigns.move("spring", CampaignState.RUNNING, reason=None, now=store.now())
    assert sum(load.count for load in await store.loads()) == 10
    await store.campaigns.move("spring", CampaignState.DRAINING, reason=None, now=store.now())
    while "spring" not in await store.queue.finish_streams(store.now()):
        pass
    assert (await store.campaigns.counts("spring"))[State.CANCELLED] == 60
    record = await store.campaigns.find("spring")
    assert record is not None
    assert (record.state, record.canary) == (CampaignState.CANCELLED, None)
    await store.check_tally()


async def test_loading_again_moves_nobody_between_canary_and_others(store: Installation) -> None:
    await started(store, 20, canary=5)
    added = await store.campaigns.add_recipients(
        "spring",
        [
            NewRecipient(
                recipient=f"n{number}@d1.example",
                recipient_key=key_of(f"n{number}@d1.example"),
                domain="d1.example",
                contact={},
                is_canary=True,
            )
            for number in range(3)
        ],
        now=store.now(),
        expires_at=later(store.now(), timedelta(days=5)),
    )
    assert added.accepted == 3
    assert sum(load.count for load in await store.loads()) == 5, "who comes later does not go first"
    await store.check_tally()


async def test_the_place_of_a_time_in_the_log_is_found(store: Installation) -> None:
    assert await store.db.sentry.seq_at(store.now()) == 0
    for _ in range(30):
        await store.queue.apply([Record(events=[store.event(EventType.DELIVERED, campaign_id="spring")])])
        store.clock.advance(timedelta(minutes=10))
    everything = await store.events()
    since = later(store.now(), -timedelta(hours=1))
    after = await store.db.sentry.seq_at(since)
    read = [one for one in everything if (one.seq or 0) > after]
    assert [one for one in everything if one.at >= since] == read[-6:]
    assert len(read) <= 7
