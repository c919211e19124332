"""Claiming: by quota, in due order, open lanes and unsuppressed persons only."""

import asyncio
from datetime import timedelta

import pytest

from tests.contracts.installation import Installation, key_of, lane_of
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import later
from tierii_mta.consent.suppression import SuppressionReason, list_scope
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import LaneId, Priority, State
from tierii_mta.queue.store import Activate, Quota, SuspendLane


async def test_a_claimed_delivery_says_all_that_an_attempt_needs(store: Installation) -> None:
    epoch = await store.register()
    accepted = await store.accept("quinn@one.example", reverse_path="")
    (one,) = await store.claim(epoch)
    assert (one.id, one.recipient, one.recipient_key) == (
        accepted.deliveries[0],
        "quinn@one.example",
        key_of("quinn@one.example"),
    )
    assert (one.lane.domain, one.campaign, one.message) == ("one.example", None, accepted.message)
    assert (one.reverse_path, one.attempts, one.priority) == ("", 0, Priority.HIGH)
    assert await store.state_of(one.id) is State.QUEUED


async def test_a_campaign_delivery_carries_its_contact_and_no_message(store: Installation) -> None:
    epoch = await store.register()
    await store.campaigns.open_draft(store.draft("spring"))
    await store.add("spring", ["é@one.example"], {"first_name": "Zoë", "age": 7, "tags": ["a"]})
    await store.campaigns.start("spring", report={}, now=store.now())
    (one,) = await store.claim(epoch)
    assert one.contact == {"first_name": "Zoë", "age": 7, "tags": ["a"]}
    assert (one.campaign, one.step, one.message, one.reverse_path) == ("spring", 0, None, None)


async def test_a_quota_is_never_exceeded_and_the_earliest_due_comes_first(store: Installation) -> None:
    epoch = await store.register()
    for number in range(5):
        await store.accept(f"p{number}@one.example")
        store.clock.advance(timedelta(seconds=1))
    quotas = await store.quotas(limit=3)
    first = await store.claim_lanes(epoch, quotas)
    assert [one.recipient for one in first.deliveries] == [f"p{n}@one.example" for n in range(3)]
    assert first.exhausted == {}
    second = await store.claim_lanes(epoch, quotas)
    assert [one.recipient for one in second.deliveries] == ["p3@one.example", "p4@one.example"]
    assert second.exhausted == {(quotas[0].lane, quotas[0].priority): None}


async def test_what_is_not_due_stays_and_the_answer_says_when_it_will_be(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("quinn@one.example")
    (one,) = await store.claim(epoch)
    due = later(store.now(), timedelta(minutes=5))
    await store.queue.apply([store.settle(one, epoch, State.RETRY, from_state=State.QUEUED, due=due)])
    quota = Quota(lane=one.lane.id, priority=one.priority, limit=10)
    claim = await store.claim_lanes(epoch, [quota])
    assert claim.deliveries == []
    assert claim.exhausted == {(one.lane.id, one.priority): due}
    store.clock.advance(timedelta(minutes=5))
    assert [again.attempts for again in (await store.claim_lanes(epoch, [quota])).deliveries] == [1]


async def test_priorities_are_claimed_apart(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("low@one.example", priority=Priority.LOW)
    await store.accept("high@one.example", priority=Priority.HIGH)
    lane = lane_of(await store.loads(), "one.example")
    claim = await store.claim_lanes(epoch, [Quota(lane=lane, priority=Priority.HIGH, limit=10)])
    assert [one.recipient for one in claim.deliveries] == ["high@one.example"]


async def test_more_lanes_than_one_statement_takes_are_claimed_in_one_call(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("wide", [f"p@d{number}.example" for number in range(620)])
    quotas = await store.quotas(limit=1)
    claim = await store.claim_lanes(epoch, quotas)
    assert len(claim.deliveries) == 620
    await store.check_tally()


async def test_an_unknown_lane_gives_nothing(store: Installation) -> None:
    epoch = await store.register()
    claim = await store.claim_lanes(epoch, [Quota(lane=LaneId(999), priority=Priority.HIGH, limit=1)])
    assert claim.deliveries == []
    assert claim.exhausted == {(999, Priority.HIGH): None}


async def test_no_quota_no_work(store: Installation) -> None:
    epoch = await store.register()
    assert (await store.claim_lanes(epoch, [])).deliveries == ()


async def test_lanes_of_a_paused_campaign_are_closed_and_no_row_is_touched(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example", "b@two.example"])
    quotas = await store.quotas()
    await store.campaigns.move("spring", CampaignState.PAUSED, reason="look first", now=store.now())
    assert (await store.claim_lanes(epoch, quotas)).deliveries == []
    assert await store.loads() == []
    assert (await store.campaigns.counts("spring"))[State.PENDING] == 2
    await store.campaigns.move("spring", CampaignState.RUNNING, reason=None, now=store.now())
    assert len((await store.claim_lanes(epoch, quotas)).deliveries) == 2


async def test_a_suspended_lane_gives_nothing_until_its_time(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("quinn@one.example")
    (quota,) = await store.quotas()
    until = later(store.now(), timedelta(minutes=10))
    await store.queue.apply([SuspendLane(lane=quota.lane, until=until, reason="blocked")])
    claim = await store.claim_lanes(epoch, [quota])
    assert claim.deliveries == []
    assert claim.exhausted == {(quota.lane, quota.priority): until}
    assert [load.suspended_until for load in await store.loads()] == [until]
    store.clock.advance(timedelta(minutes=10))
    assert len((await store.claim_lanes(epoch, [quota])).deliveries) == 1


async def test_a_suppressed_person_is_not_claimed_and_ends_suppressed_with_an_event(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example", "b@one.example"])
    await store.suppression.add([store.suppressed("a@one.example", reason=SuppressionReason.COMPLAINT)])
    claimed = await store.claim(epoch)
    assert [one.recipient for one in claimed] == ["b@one.example"]
    counts = await store.campaigns.counts("spring")
    assert (counts[State.SUPPRESSED], counts[State.QUEUED]) == (1, 1)
    (event,) = await store.events(EventType.SUPPRESSED)
    assert (event.campaign_id, event.recipient) == ("spring", "a@one.example")
    assert event.data == {"scope": "all", "reason": "complaint"}
    await store.check_tally()


async def test_unsubscribing_stops_marketing_of_its_list_and_nothing_else(store: Installation) -> None:
    epoch = await store.register()
    name = "a@one.example"
    unsubscribed = store.suppressed(name, scope=list_scope("news.example.com"), reason=SuppressionReason.UNSUBSCRIBE)
    await store.run_campaign("news", [name])
    await store.run_campaign("offers", [name], list_id="offers.example.com", fingerprint="f2")
    await store.run_campaign("receipt", [name], is_marketing=False, list_id=None, fingerprint="f3")
    await store.accept(name)
    await store.suppression.add([unsubscribed])
    assert sorted(str(one.campaign) for one in await store.claim(epoch)) == ["None", "offers", "receipt"]


async def test_an_expired_suppression_stops_nobody(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    soon = later(store.now(), timedelta(hours=1))
    await store.suppression.add([store.suppressed("a@one.example", expires_at=soon)])
    store.clock.advance(timedelta(hours=1))
    assert len(await store.claim(epoch)) == 1


async def test_two_owners_claiming_at_once_get_disjoint_rows(store: Installation) -> None:
    other = await store.another()
    one, two = await store.register("one"), await other.register("two")
    await store.run_campaign("big", [f"p{n}@d{n % 5}.example" for n in range(400)])
    quotas = await store.quotas(limit=20)
    claims = await asyncio.gather(
        *(store.claim_lanes(one, quotas) for _ in range(3)), *(other.claim_lanes(two, quotas) for _ in range(3))
    )
    ids = [row.id for claim in claims for row in claim.deliveries]
    assert len(ids) == len(set(ids)) > 100
    await store.check_tally()


async def test_only_the_owner_settles_what_it_claimed(store: Installation) -> None:
    mine, other = await store.register("one"), await store.register("two")
    await store.accept("quinn@one.example")
    (row,) = await store.claim(mine)
    assert await store.queue.apply([Activate(delivery=row.id, epoch=other)]) == [False]
    assert await store.queue.apply([Activate(delivery=row.id, epoch=mine)]) == [True]
    assert await store.queue.apply([store.settle(row, other, State.COMPLETED)]) == [False]
    assert await store.queue.apply([store.settle(row, mine, State.COMPLETED)]) == [True]


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_quota_without_room_is_not_asked(store: Installation, limit: int) -> None:
    epoch = await store.register()
    await store.accept("quinn@one.example")
    quotas = await store.quotas(limit=limit)
    claim = await store.claim_lanes(epoch, quotas)
    assert (claim.deliveries, claim.exhausted) == ([], {})
