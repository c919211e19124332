"""Campaigns: loading, starting, verbs, counts, and the snapshot."""

import asyncio
from datetime import timedelta
from hashlib import sha256

import pytest

from tests.contracts.installation import CONTENT, DIGEST, LIFETIME, Installation, key_of
from tierii_mta.campaigns.store import CAMPAIGN_TRANSITIONS, Added, CampaignState, Retried, Snapshot
from tierii_mta.clock import later
from tierii_mta.consent.suppression import SuppressionReason, list_scope
from tierii_mta.errors import Conflict, NotFound
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import Priority, State
from tierii_mta.queue.store import ChangeKind

NAMES = ["a@one.example", "b@one.example", "c@two.example"]


async def test_a_draft_is_loaded_started_and_found(store: Installation) -> None:
    record = await store.campaigns.open_draft(store.draft("spring"))
    assert (record.state, record.fingerprint, record.started_at) == (CampaignState.DRAFT, "f1", None)
    assert await store.add("spring", NAMES) == Added(accepted=3, present=0, suppressed=0)
    assert await store.loads() == []  # nothing of a draft is claimable
    started = await store.campaigns.start("spring", report={"rows": 3, "rejected": 0}, now=store.now())
    assert (started.state, started.started_at) == (CampaignState.RUNNING, store.now())
    assert await store.campaigns.find("spring") == started
    assert started.report == {"rows": 3, "rejected": 0}
    assert sum(load.count for load in await store.loads()) == 3
    assert [event.type for event in await store.events()] == [EventType.CAMPAIGN_CREATED, EventType.CAMPAIGN_STARTED]
    await store.check_tally()


async def test_all_nine_states_are_counted(store: Installation) -> None:
    await store.run_campaign("spring", NAMES)
    counts = await store.campaigns.counts("spring")
    assert set(counts) == set(State)
    assert sum(counts.values()) == counts[State.PENDING] == 3
    assert set(await store.campaigns.marks("spring")) == {
        "in_doubt",
        "late_bounce",
        "opened",
        "clicked",
        "replied",
        "unsubscribed",
        "complained",
    }


async def test_loading_again_adds_only_who_is_missing(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", NAMES[:2])
    record = await store.campaigns.open_draft(store.draft("spring"))  # killed, and run again
    assert record.state is CampaignState.DRAFT
    assert await store.add("spring", NAMES) == Added(accepted=1, present=2, suppressed=0)
    await store.campaigns.start("spring", report={}, now=store.now())
    running = await store.campaigns.open_draft(store.draft("spring"))
    assert running.state is CampaignState.RUNNING
    assert await store.add("spring", [*NAMES, "d@one.example"]) == Added(accepted=1, present=3, suppressed=0)
    await store.check_tally()


async def test_a_person_twice_in_one_batch_is_one_recipient(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("spring"))
    assert await store.add("spring", ["a@one.example"] * 3) == Added(accepted=1, present=2, suppressed=0)


async def test_two_loaders_at_once_never_make_two_of_one_person(store: Installation) -> None:
    other = await store.another()
    await store.campaigns.open_draft(store.draft("spring"))
    names = [f"p{n}@d{n % 10}.example" for n in range(300)]
    added = await asyncio.gather(
        *(one.add("spring", names[k : k + 100]) for one in (store, other) for k in (0, 100, 200))
    )
    assert sum(one.accepted for one in added) == 300
    assert sum(one.present for one in added) == 300
    await store.check_tally()


async def test_the_same_person_is_a_recipient_of_another_campaign(store: Installation) -> None:
    await store.run_campaign("spring", NAMES)
    await store.run_campaign("summer", NAMES, fingerprint="f2")
    assert len(await store.queue.history(key=key_of(NAMES[0]))) == 2


async def test_suppressed_persons_are_left_out_by_the_rule_of_consent(store: Installation) -> None:
    await store.suppression.add(
        [
            store.suppressed("a@one.example"),
            store.suppressed("b@one.example", scope=list_scope("news.example.com")),
            store.suppressed("c@two.example", scope=list_scope("elsewhere"), reason=SuppressionReason.UNSUBSCRIBE),
        ]
    )
    await store.campaigns.open_draft(store.draft("spring"))
    assert await store.add("spring", NAMES) == Added(accepted=1, present=0, suppressed=2)


async def test_suppression_can_be_left_to_the_attempt(store: Installation) -> None:
    await store.suppression.add([store.suppressed("a@one.example")])
    await store.campaigns.open_draft(store.draft("spring"))
    added = await store.campaigns.add_recipients(
        "spring", [], now=store.now(), expires_at=store.now(), exclude_suppressed=False
    )
    assert added == Added(accepted=0, present=0, suppressed=0)


async def test_a_draft_takes_other_content_and_forgets_the_rows_of_the_first(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", [f"p{n}@d{n % 40}.example" for n in range(1000)])
    await store.add("spring", NAMES)
    other = b"other"
    digest = sha256(other).hexdigest()
    snapshot = Snapshot(specification={"version": 2}, contents={digest: other})
    record = await store.campaigns.open_draft(store.draft("spring", fingerprint="f2", snapshot=snapshot))
    assert (record.fingerprint, record.state) == ("f2", CampaignState.DRAFT)
    assert sum((await store.campaigns.counts("spring")).values()) == 0
    assert await store.campaigns.snapshot("spring") == snapshot
    assert await store.add("spring", NAMES) == Added(accepted=3, present=0, suppressed=0)
    await store.check_tally()


async def test_a_refused_draft_fails_loses_its_rows_and_its_id_may_be_used_again(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", NAMES)
    await store.campaigns.fail("spring", reason="too many rejects", now=store.now())
    record = await store.campaigns.find("spring")
    assert record is not None
    assert (record.state, record.reason) == (CampaignState.FAILED, "too many rejects")
    assert sum((await store.campaigns.counts("spring")).values()) == 0
    assert await store.queue.history(key=key_of(NAMES[0])) == []
    with pytest.raises(Conflict):
        await store.add("spring", NAMES)
    with pytest.raises(Conflict):
        await store.campaigns.fail("spring", reason="again", now=store.now())
    again = await store.campaigns.open_draft(store.draft("spring"))
    assert (again.state, again.reason) == (CampaignState.DRAFT, None)
    await store.check_tally()


async def test_other_content_under_an_id_in_use_is_a_conflict(store: Installation) -> None:
    await store.run_campaign("spring", NAMES)
    with pytest.raises(Conflict, match="other content"):
        await store.campaigns.open_draft(store.draft("spring", fingerprint="f2"))


async def test_a_final_campaign_is_opened_again_only_on_request(store: Installation) -> None:
    await store.run_campaign("spring", [])
    assert await store.queue.finish_streams(store.now()) == ["spring"]
    with pytest.raises(Conflict, match="--reopen"):
        await store.campaigns.open_draft(store.draft("spring"))
    record = await store.campaigns.open_draft(store.draft("spring"), reopen=True)
    assert record.state is CampaignState.COMPLETED
    assert await store.add("spring", NAMES) == Added(accepted=3, present=0, suppressed=0)
    assert await store.loads() == []
    record = await store.campaigns.start("spring", report={}, now=store.now())
    assert (record.state, record.finished_at) == (CampaignState.RUNNING, None)
    assert len(await store.loads()) == 2


async def test_reopening_without_a_new_recipient_leaves_it_final(store: Installation) -> None:
    await store.run_campaign("spring", [])
    await store.queue.finish_streams(store.now())
    await store.campaigns.open_draft(store.draft("spring"), reopen=True)
    record = await store.campaigns.start("spring", report={}, now=store.now())
    assert record.state is CampaignState.COMPLETED


async def test_verbs_follow_the_table_and_tell_the_daemon(store: Installation) -> None:
    daemon = await store.another()
    await store.run_campaign("spring", NAMES)
    cursor = await daemon.queue.last_change()
    for to_state in (CampaignState.PAUSED, CampaignState.RUNNING, CampaignState.DRAINING):
        record = await store.campaigns.move("spring", to_state, reason="because", now=store.now())
        assert (record.state, record.reason) == (to_state, "because")
        changes = await daemon.queue.changes(cursor)
        assert [change.kind for change in changes] == [ChangeKind.STREAM]
        cursor = changes[-1].seq
    types = [event.type for event in await store.events()][2:]
    assert types == [EventType.CAMPAIGN_PAUSED, EventType.CAMPAIGN_RESUMED]


@pytest.mark.parametrize("to_state", sorted(set(CampaignState) - CAMPAIGN_TRANSITIONS[CampaignState.PAUSED]))
async def test_what_the_table_forbids_is_a_conflict_and_changes_nothing(
    store: Installation, to_state: CampaignState
) -> None:
    await store.run_campaign("spring", NAMES)
    before = await store.campaigns.move("spring", CampaignState.PAUSED, reason=None, now=store.now())
    with pytest.raises(Conflict):
        await store.campaigns.move("spring", to_state, reason="no", now=store.now())
    assert await store.campaigns.find("spring") == before


async def test_a_cancelled_draft_is_over_at_once(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", NAMES)
    record = await store.campaigns.move("spring", CampaignState.CANCELLED, reason=None, now=store.now())
    assert (record.state, record.finished_at) == (CampaignState.CANCELLED, store.now())
    assert sum((await store.campaigns.counts("spring")).values()) == 0
    await store.check_tally()


async def test_only_its_loader_leaves_a_draft_and_no_verb_an_ended_campaign(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", NAMES)
    await store.run_campaign("summer", [])
    await store.queue.finish_streams(store.now())
    await store.run_campaign("autumn", NAMES)
    await store.campaigns.move("autumn", CampaignState.DRAINING, reason=None, now=store.now())
    await store.queue.finish_streams(store.now())
    for name in ("spring", "summer", "autumn"):
        with pytest.raises(Conflict, match="cannot become running"):
            await store.campaigns.move(name, CampaignState.RUNNING, reason=None, now=store.now())
    assert await store.loads() == []


async def test_who_loads_an_id_learns_that_it_took_other_content_meanwhile(store: Installation) -> None:
    opened = await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", NAMES, opened=opened)
    other = await store.campaigns.open_draft(store.draft("spring", fingerprint="f2"))
    with pytest.raises(Conflict, match="other content"):
        await store.add("spring", NAMES, opened=opened)
    await store.add("spring", NAMES[:1], opened=other)
    with pytest.raises(Conflict, match="other content"):
        await store.campaigns.start("spring", report={}, now=store.now(), opened=opened)
    await store.campaigns.start("spring", report={}, now=store.now(), opened=other)
    assert (await store.campaigns.counts("spring"))[State.PENDING] == 1


@pytest.mark.parametrize("is_started", [False, True])
async def test_who_loads_a_campaign_learns_that_it_was_cancelled_meanwhile(
    store: Installation, *, is_started: bool
) -> None:
    if is_started:
        await store.run_campaign("spring", [])
    opened = await store.campaigns.open_draft(store.draft("spring"))
    end = CampaignState.DRAINING if is_started else CampaignState.CANCELLED
    await store.campaigns.move("spring", end, reason=None, now=store.now())
    await store.queue.finish_streams(store.now())
    with pytest.raises(Conflict, match="was cancelled"):
        await store.add("spring", NAMES, opened=opened)
    with pytest.raises(Conflict, match="was cancelled"):
        await store.campaigns.start("spring", report={}, now=store.now(), opened=opened)
    again = await store.campaigns.open_draft(store.draft("spring"), reopen=True)
    await store.add("spring", NAMES, opened=again)
    record = await store.campaigns.start("spring", report={}, now=store.now(), opened=again)
    assert record.state is CampaignState.RUNNING


async def test_nobody_joins_a_campaign_that_is_being_cancelled(store: Installation) -> None:
    await store.run_campaign("spring", NAMES)
    await store.campaigns.move("spring", CampaignState.DRAINING, reason=None, now=store.now())
    with pytest.raises(Conflict):
        await store.campaigns.open_draft(store.draft("spring"), reopen=True)
    with pytest.raises(Conflict):
        await store.add("spring", ["z@one.example"])
    with pytest.raises(Conflict):
        await store.campaigns.start("spring", report={}, now=store.now())


async def test_failed_deliveries_are_retried_as_if_new(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", [f"p{n}@d{n % 3}.example" for n in range(1000)])
    await store.add("spring", [f"q{n}@d{n % 3}.example" for n in range(500)])
    rows = await store.claim(epoch, limit=600)
    keep, failed = rows[:100], rows[100:]
    await store.queue.apply(
        [store.settle(one, epoch, State.FAILED, from_state=State.QUEUED, was_blocked=True) for one in failed]
        + [store.settle(one, epoch, State.PENDING, from_state=State.QUEUED, attempts=0) for one in keep]
    )
    await store.campaigns.move("spring", CampaignState.PAUSED, reason=None, now=store.now())
    store.clock.advance(timedelta(days=6))
    expires = later(store.now(), LIFETIME)
    assert await store.campaigns.retry_failed("spring", now=store.now(), expires_at=expires) == Retried(
        count=1400, suppressed=0
    )
    assert await store.campaigns.retry_failed("spring", now=store.now(), expires_at=expires) == Retried(
        count=0, suppressed=0
    )
    assert (await store.campaigns.counts("spring"))[State.PENDING] == 1500
    (history,) = await store.queue.history(delivery=failed[0].id)
    assert (history.attempts, history.reason, history.expires_at, history.due) == (0, None, expires, store.now())
    await store.check_tally()


async def test_retrying_a_completed_campaign_lets_it_run_again(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", NAMES)
    rows = await store.claim(epoch)
    await store.queue.apply([store.settle(one, epoch, State.FAILED, from_state=State.QUEUED) for one in rows])
    assert await store.queue.finish_streams(store.now()) == ["spring"]
    done = await store.campaigns.retry_failed("spring", now=store.now(), expires_at=later(store.now(), LIFETIME))
    assert done == Retried(count=3, suppressed=0)
    record = await store.campaigns.find("spring")
    assert record is not None
    assert (record.state, record.finished_at) == (CampaignState.RUNNING, None)
    assert len(await store.claim(epoch)) == 3


async def test_who_was_suppressed_meanwhile_is_not_tried_again(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", [f"p{number}@d.example" for number in range(1000)])
    await store.add("spring", [f"q{number}@d.example" for number in range(200)])
    rows = await store.claim(epoch, limit=1200)
    for some in (rows[:600], rows[600:]):
        await store.queue.apply([store.settle(one, epoch, State.FAILED, from_state=State.QUEUED) for one in some])
    gone = [one.recipient for one in rows[::2]]
    await store.suppression.add([store.suppressed(name, reason=SuppressionReason.HARD_BOUNCE) for name in gone])
    done = await store.campaigns.retry_failed("spring", now=store.now(), expires_at=later(store.now(), LIFETIME))
    assert done == Retried(count=600, suppressed=600)
    counts = await store.campaigns.counts("spring")
    assert (counts[State.PENDING], counts[State.FAILED], counts[State.SUPPRESSED]) == (600, 600, 0)
    await store.check_tally()


async def test_a_draft_has_nothing_to_retry(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("spring"))
    with pytest.raises(Conflict):
        await store.campaigns.retry_failed("spring", now=store.now(), expires_at=store.now())


async def test_the_snapshot_comes_back_whole(store: Installation) -> None:
    big = bytes(range(256)) * 4096
    snapshot = Snapshot(
        specification={"campaign": {"id": "spring"}, "tags": ["a", 1, None, True, 1.5], "ü": "ß"},
        contents={DIGEST: CONTENT, sha256(big).hexdigest(): big},
    )
    await store.campaigns.open_draft(store.draft("spring", snapshot=snapshot))
    await store.campaigns.open_draft(store.draft("summer", fingerprint="f2"))  # shares a content
    assert await store.campaigns.snapshot("spring") == snapshot


async def test_content_that_is_not_what_it_says_is_refused(store: Installation) -> None:
    snapshot = Snapshot(specification={}, contents={DIGEST: b"something else"})
    with pytest.raises(ValueError, match="SHA-256"):
        await store.campaigns.open_draft(store.draft("spring", snapshot=snapshot))
    assert await store.campaigns.find("spring") is None


async def test_the_newest_campaigns_come_first(store: Installation) -> None:
    for number in range(4):
        await store.campaigns.open_draft(store.draft(f"c{number}", fingerprint=f"f{number}"))
    assert [one.id for one in await store.campaigns.campaigns(limit=3)] == ["c3", "c2", "c1"]


async def test_an_unknown_campaign_is_not_found(store: Installation) -> None:
    assert await store.campaigns.find("nobody") is None
    for call in (
        store.campaigns.counts("nobody"),
        store.campaigns.marks("nobody"),
        store.campaigns.snapshot("nobody"),
        store.campaigns.start("nobody", report={}, now=store.now()),
        store.campaigns.fail("nobody", reason="", now=store.now()),
        store.campaigns.move("nobody", CampaignState.PAUSED, reason=None, now=store.now()),
        store.campaigns.retry_failed("nobody", now=store.now(), expires_at=store.now()),
        store.add("nobody", NAMES),
    ):
        with pytest.raises(NotFound):
            await call


async def test_a_campaigns_priority_is_its_deliveries(store: Installation) -> None:
    await store.run_campaign("receipts", NAMES, priority=Priority.HIGH, is_marketing=False)
    assert {load.priority for load in await store.loads()} == {Priority.HIGH}
