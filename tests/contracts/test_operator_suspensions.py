"""Suspensions by the operator: what they close, for how long, and who hears of it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.contracts.installation import Installation
from tierii_mta.clock import Instant, later
from tierii_mta.queue.operator import Scope, StandingSuspension
from tierii_mta.queue.store import ChangeKind, SuspendLane

CLOSES = {  # of ann@one.example by campaign spring, bob@two.example by user shop, cay@one.example by `send`
    (Scope.ALL, ""): {"ann@one.example", "bob@two.example", "cay@one.example"},
    (Scope.DOMAIN, "one.example"): {"ann@one.example", "cay@one.example"},
    (Scope.CAMPAIGN, "spring"): {"ann@one.example"},
    (Scope.USER, "shop"): {"bob@two.example"},
    (Scope.USER, "shopkeeper"): set(),
}


def suspension(store: Installation, scope: Scope, value: str, until: Instant | None = None) -> StandingSuspension:
    return StandingSuspension(scope=scope, value=value, until=until, reason="we were asked to", created_at=store.now())


async def fill(store: Installation) -> None:
    await store.run_campaign("spring", ["ann@one.example"])
    await store.accept("bob@two.example", stream="user:shop")
    await store.accept("cay@one.example")


async def recipients(store: Installation) -> set[str]:
    """Claim all there is, asking for every lane."""
    epoch = await store.register()
    return {one.recipient for one in await store.claim(epoch)}


@pytest.mark.parametrize("scope_value", CLOSES, ids=" ".join)
async def test_a_suspension_closes_what_it_names_and_nothing_else(
    store: Installation, scope_value: tuple[Scope, str]
) -> None:
    await fill(store)
    epoch = await store.register()
    quotas = await store.quotas()
    await store.db.operator.suspend(suspension(store, *scope_value))
    everybody = CLOSES[Scope.ALL, ""]
    claim = await store.claim_lanes(epoch, quotas)
    assert {one.recipient for one in claim.deliveries} == everybody - CLOSES[scope_value]
    waits = await store.loads()
    assert waits == [], "what has no end is not even due"
    assert await store.db.operator.unsuspend(*scope_value, store.now()) == 1
    assert len(await store.loads()) == len(CLOSES[scope_value])
    assert await recipients(store) == CLOSES[scope_value]


@pytest.mark.parametrize("scope_value", [one for one in CLOSES if CLOSES[one]], ids=" ".join)
async def test_lanes_made_later_obey_it_and_it_ends_by_itself(
    store: Installation, scope_value: tuple[Scope, str]
) -> None:
    until = later(store.now(), timedelta(hours=2))
    await store.db.operator.suspend(suspension(store, *scope_value, until))
    await fill(store)
    late = [one.due for one in await store.loads() if one.due > store.now()]
    assert late == [until] * len(CLOSES[scope_value])
    assert await recipients(store) == CLOSES[Scope.ALL, ""] - CLOSES[scope_value]
    store.clock.advance(timedelta(hours=2))
    assert await recipients(store) == CLOSES[scope_value]
    assert await store.db.operator.suspensions(store.now()) == []


async def test_a_claim_tells_when_a_suspended_lane_is_open_again(store: Installation) -> None:
    await store.accept("ann@one.example")
    epoch, (quota,) = await store.register(), await store.quotas()
    until = later(store.now(), timedelta(minutes=10))
    await store.db.operator.suspend(suspension(store, Scope.DOMAIN, "one.example", until))
    assert (await store.claim_lanes(epoch, [quota])).exhausted == {(quota.lane, quota.priority): until}
    await store.db.operator.suspend(suspension(store, Scope.ALL, ""))
    assert (await store.claim_lanes(epoch, [quota])).exhausted == {(quota.lane, quota.priority): None}


async def test_suspending_again_replaces_the_end_and_the_reason(store: Installation) -> None:
    await store.db.operator.suspend(suspension(store, Scope.DOMAIN, "one.example", later(store.now(), timedelta(1))))
    again = suspension(store, Scope.DOMAIN, "one.example")
    await store.db.operator.suspend(again)
    assert await store.db.operator.suspensions(store.now()) == [again]


async def test_lifting_what_is_not_suspended_does_nothing(store: Installation) -> None:
    await fill(store)
    assert await store.db.operator.unsuspend(Scope.DOMAIN, "one.example", store.now()) == 0
    assert await store.events("lane.resumed") == []


async def test_lifting_a_domain_also_opens_lanes_that_it_had_refused(store: Installation) -> None:
    await fill(store)
    refused = [load.lane for load in await store.loads() if load.lane.domain == "one.example"]
    until = later(store.now(), timedelta(hours=1))
    await store.queue.apply([SuspendLane(lane=one.id, until=until, reason="550 5.7.1 blocked") for one in refused])
    assert await store.db.operator.unsuspend(Scope.DOMAIN, "one.example", store.now()) == 2
    assert await recipients(store) == CLOSES[Scope.ALL, ""]


async def changes(store: Installation, after: int) -> Sequence[tuple[ChangeKind, bool, bool]]:
    return [(one.kind, one.stream is not None, one.lane is not None) for one in await store.queue.changes(after)]


async def test_a_running_daemon_is_told_of_lanes_or_of_streams_and_every_reader_by_an_event(
    store: Installation,
) -> None:
    await fill(store)
    other = await store.another()
    cursor = await store.queue.last_change()
    await other.db.operator.suspend(suspension(store, Scope.DOMAIN, "one.example"))
    assert await changes(store, cursor) == [(ChangeKind.LANE, False, True)] * 2
    cursor = await store.queue.last_change()
    await other.db.operator.suspend(suspension(store, Scope.USER, "shop"))
    assert await changes(store, cursor) == [(ChangeKind.STREAM, True, False)]
    cursor = await store.queue.last_change()
    await other.db.operator.unsuspend(Scope.USER, "shop", store.now())
    assert await changes(store, cursor) == [(ChangeKind.STREAM, True, False)]
    told = [(str(one.type), dict(one.data)) for one in await store.events("lane.suspended", "lane.resumed")]
    reason = {"reason": "we were asked to"}
    assert told == [
        ("lane.suspended", {"scope": "domain", "domain": "one.example"} | reason),
        ("lane.suspended", {"scope": "user", "user": "shop"} | reason),
        ("lane.resumed", {"scope": "user", "user": "shop"}),
    ]


async def test_one_that_has_run_out_is_forgotten_with_its_event(store: Installation) -> None:
    until = later(store.now(), timedelta(minutes=1))
    brief = suspension(store, Scope.CAMPAIGN, "spring", until)
    await store.db.operator.suspend(brief)
    assert await store.db.operator.end_suspensions(store.now()) == []
    assert await store.db.operator.end_suspensions(until) == [brief]
    assert await store.db.operator.end_suspensions(until) == []
    (event,) = await store.events("lane.resumed")
    assert event.campaign_id == "spring"
