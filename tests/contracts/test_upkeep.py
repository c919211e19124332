"""Dead owners, age, retention, and the ends of campaigns."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Table, func, select, text

from tests.contracts.installation import LIFETIME, Installation, key_of
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant, later
from tierii_mta.errors import Conflict
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import Epoch, FailureReason, Priority, State
from tierii_mta.queue.store import Activate, ChangeKind
from tierii_mta.storage.tables import body_part, delivery, event, idempotency, lane, message


async def rows_in(store: Installation, *tables: Table) -> list[int]:
    """Return how many rows each table has."""

    def work(connection: Connection) -> list[int]:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]

    return await store.db._connections.read(work)


async def die(store: Installation, epoch: Epoch) -> None:
    """Let the owner of an epoch have been silent for long, where silence is what counts."""
    if store.is_postgres:
        silence = text("UPDATE node SET seen_at = seen_at - 61000 WHERE epoch = :epoch")
        await store.db._connections.write(lambda connection: connection.execute(silence, {"epoch": epoch}).rowcount)


async def test_epochs_grow_and_nodes_are_listed(store: Installation) -> None:
    first = await store.register("one")
    second = await store.register("two")
    assert second > first
    assert [(node.epoch, node.name, node.role, node.pid) for node in await store.queue.nodes()] == [
        (first, "one", "outbound", 1),
        (second, "two", "outbound", 1),
    ]
    await store.queue.retire(second)
    assert [node.epoch for node in await store.queue.nodes()] == [first]
    assert await store.register("three") > second  # never given out again


async def test_a_heartbeat_is_seen_and_brings_back_who_was_taken_for_dead(store: Installation) -> None:
    epoch = await store.register("one")
    await die(store, epoch)
    (silent,) = await store.queue.nodes()
    store.clock.advance(timedelta(minutes=5))
    await store.queue.heartbeat(epoch, store.now())
    (node,) = await store.queue.nodes()
    assert node.seen_at > silent.seen_at
    forget = text("DELETE FROM node")
    await store.db._connections.write(lambda connection: connection.execute(forget).rowcount)
    await store.queue.heartbeat(epoch, store.now())
    assert [node.epoch for node in await store.queue.nodes()] == [epoch]


async def test_rows_of_a_dead_owner_are_freed_and_those_on_the_wire_are_in_doubt(store: Installation) -> None:
    dead = await store.register("one")
    await store.run_campaign("spring", ["a@one.example", "b@one.example", "c@one.example"])
    one, two, _ = await store.claim(dead)
    await store.queue.apply([Activate(delivery=one.id, epoch=dead), Activate(delivery=two.id, epoch=dead)])
    await die(store, dead)
    alive = await store.register("one")
    cursor = await store.queue.last_change()
    store.clock.advance(timedelta(seconds=5))
    assert await store.queue.free_dead(alive, store.now()) == (1, 2, 0)
    assert await store.queue.free_dead(alive, store.now()) == (0, 0, 0)
    counts = await store.campaigns.counts("spring")
    assert (counts[State.PENDING], counts[State.RETRY]) == (1, 2)
    events = await store.events(EventType.IN_DOUBT)
    assert {event.delivery_id for event in events} == {one.id, two.id}
    assert all(event.data["cause"] == "crash" and event.campaign_id == "spring" for event in events)
    assert (await store.campaigns.marks("spring"))["in_doubt"] == 2
    assert [node.epoch for node in await store.queue.nodes()] == [alive]
    assert ChangeKind.MAIL in {change.kind for change in await store.queue.changes(cursor)}
    assert len(await store.claim(alive)) == 3  # due now
    assert await store.queue.apply([store.settle(one, dead, State.COMPLETED)]) == [False]
    await store.check_tally()


async def test_an_older_owner_lives_on_postgresql_and_cannot_on_sqlite(store: Installation) -> None:
    other = await store.register("two")
    await store.accept("a@one.example")
    await store.claim(other)
    mine = await store.register("one")
    freed = await store.queue.free_dead(mine, store.now())
    alive = {node.epoch for node in await store.queue.nodes()}
    # SQLite has one daemon per data_dir: whoever asks is it.
    assert (freed, alive) == (((0, 0, 0), {other, mine}) if store.is_postgres else ((1, 0, 0), {mine}))


async def test_freeing_more_than_a_page_goes_on_to_the_end(store: Installation) -> None:
    dead = await store.register()
    names = [f"p{n}@d{n % 4}.example" for n in range(2400)]
    await store.campaigns.open_draft(store.draft("big"))
    for start in range(0, 2400, 800):
        await store.add("big", names[start : start + 800])
    await store.campaigns.start("big", report={}, now=store.now())
    assert len(await store.claim(dead, limit=1000)) == 2400
    await die(store, dead)
    assert await store.queue.free_dead(await store.register(), store.now()) == (2400, 0, 0)
    await store.check_tally()


async def test_age_ends_every_waiting_delivery_with_its_event(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example", "b@one.example")
    one, _ = await store.claim(epoch)
    due = later(store.now(), LIFETIME)
    blocked = store.settle(
        one, epoch, State.RETRY, from_state=State.QUEUED, due=due, was_blocked=True, last_reply="554 5.7.1 listed"
    )
    await store.queue.apply([blocked])
    store.clock.advance(LIFETIME)
    assert await store.queue.expire(store.now()) == 0  # at the deadline itself a last attempt is due
    store.clock.advance(timedelta(milliseconds=1))
    assert await store.queue.expire(store.now(), grace=timedelta(hours=1)) == 0
    assert await store.queue.expire(store.now()) == 1  # the other one is in the hand of a living owner
    (failed,) = await store.events(EventType.FAILED)
    assert failed.delivery_id == one.id
    assert failed.data == {"reason": "blocked", "attempt": 1, "reply": "554 5.7.1 listed"}
    (history,) = await store.queue.history(key=key_of("a@one.example"))
    assert (history.state, history.reason) == (State.FAILED, FailureReason.BLOCKED)
    await store.queue.retire(epoch)
    assert await store.queue.expire(store.now()) == 1
    (expired,) = await store.events(EventType.EXPIRED)
    assert expired.data == {"age_s": round(LIFETIME.total_seconds()), "attempts": 0}
    await store.check_tally()


async def test_expiry_is_paged(store: Installation) -> None:
    await store.accept(*(f"p{n}@one.example" for n in range(25)))
    store.clock.advance(LIFETIME + timedelta(seconds=1))
    assert [await store.queue.expire(store.now(), limit=10) for _ in range(3)] == [10, 10, 5]
    assert await store.queue.totals() == {}


async def test_retention_takes_final_rows_with_their_bodies_and_leaves_what_waits(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example", idempotency_key="k")
    (one,) = await store.claim(epoch)
    await store.queue.apply([store.settle(one, epoch, State.FAILED, from_state=State.QUEUED)])
    await store.accept("b@one.example")
    store.clock.advance(timedelta(days=500))
    limit = store.now()
    assert await rows_in(store, delivery, message, body_part, idempotency) == [2, 2, 4, 1]
    assert await store.queue.purge(deliveries_before=limit, events_before=Instant(0)) == 1
    assert await rows_in(store, delivery, message, body_part, idempotency) == [1, 1, 2, 0]
    assert await store.queue.purge(deliveries_before=limit, events_before=limit) == 0
    assert await store.claim(epoch) != []


async def test_retention_takes_old_events_a_page_at_a_time(store: Installation) -> None:
    for number in range(5):
        await store.suppression.add([store.suppressed(f"a{number}@one.example")])
        store.clock.advance(timedelta(days=1))
    limit = later(store.now(), -timedelta(days=2))
    purged = [await store.queue.purge(deliveries_before=limit, events_before=limit, limit=2) for _ in range(3)]
    assert purged == [2, 1, 0]
    assert await rows_in(store, event) == [2]


async def test_old_bodies_go_before_their_rows_unless_somebody_waits_for_them(store: Installation) -> None:
    epoch = await store.register()
    done = await store.accept("a@one.example")
    (one,) = await store.claim(epoch)
    await store.queue.apply([store.settle(one, epoch, State.FAILED, from_state=State.QUEUED)])
    waiting = await store.accept("b@one.example")
    store.clock.advance(timedelta(days=8))
    week = later(store.now(), -timedelta(days=7))
    gone = await store.queue.purge(deliveries_before=Instant(0), events_before=Instant(0), bodies_before=week)
    assert gone == 1
    assert await store.queue.message_parts(done.message) == []
    assert len(await store.queue.message_parts(waiting.message)) == 2
    assert len(await store.queue.history(key=key_of("a@one.example"))) == 1


async def finish(store: Installation, campaign: str, names: list[str]) -> None:
    """Run a campaign to its end."""
    epoch = await store.register()
    await store.run_campaign(campaign, names)
    rows = await store.claim(epoch)
    await store.queue.apply([store.settle(one, epoch, State.FAILED, from_state=State.QUEUED) for one in rows])
    assert await store.queue.finish_streams(store.now()) == [campaign]


async def test_lanes_go_a_page_at_a_time_when_nothing_of_their_campaign_is_left(store: Installation) -> None:
    await finish(store, "spring", [f"a@d{n}.example" for n in range(25)])
    store.clock.advance(timedelta(days=10))
    await finish(store, "summer", ["a@one.example", "b@two.example"])
    await store.run_campaign("autumn", ["a@one.example"])
    store.clock.advance(timedelta(days=3))
    limit = later(store.now(), -timedelta(days=5))
    assert await store.queue.drop_lanes(before=limit) == 0  # rows are kept
    assert await store.queue.purge(deliveries_before=limit, events_before=Instant(0)) == 25
    dropped = [await store.queue.drop_lanes(before=limit, limit=10) for _ in range(4)]
    assert (dropped, await rows_in(store, lane)) == ([10, 10, 5, 0], [3])
    counts = await store.campaigns.counts("spring")
    assert counts[State.FAILED] == 25
    with pytest.raises(Conflict):
        await store.campaigns.open_draft(store.draft("spring", fingerprint="f2"))
    store.clock.advance(timedelta(days=500))
    limit = store.now()
    await store.queue.purge(deliveries_before=limit, events_before=Instant(0))
    assert await store.queue.drop_lanes(before=limit) == 2
    assert await rows_in(store, lane) == [1]  # of the campaign that runs
    (load,) = [load async for load in store.queue.loads()]
    assert load.lane.domain == "one.example"


async def test_lanes_of_a_campaign_that_is_being_reopened_stay(store: Installation) -> None:
    await finish(store, "spring", ["a@one.example"])
    store.clock.advance(timedelta(days=500))
    limit = store.now()
    assert await store.queue.purge(deliveries_before=limit, events_before=Instant(0)) == 1
    opened = await store.campaigns.open_draft(store.draft("spring"), reopen=True)
    await store.add("spring", ["b@two.example"], opened=opened)
    assert await store.queue.drop_lanes(before=limit) == 0
    await store.campaigns.start("spring", report={}, now=store.now(), opened=opened)
    assert len(await store.claim(await store.register())) == 1


async def test_a_campaign_without_open_deliveries_completes(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example", "b@one.example"])
    assert await store.queue.finish_streams(store.now()) == []
    rows = await store.claim(epoch)
    settled = [store.settle(one, epoch, State.FAILED, from_state=State.QUEUED) for one in rows]
    await store.queue.apply(settled[:1])
    assert await store.queue.finish_streams(store.now()) == []
    await store.queue.apply(settled[1:])
    assert await store.queue.finish_streams(store.now()) == ["spring"]
    assert await store.queue.finish_streams(store.now()) == []
    record = await store.campaigns.find("spring")
    assert record is not None
    assert (record.state, record.finished_at) == (CampaignState.COMPLETED, store.now())
    assert len(await store.events(EventType.CAMPAIGN_COMPLETED)) == 1


async def test_a_cancelled_campaign_is_swept_and_ends_when_the_last_one_in_hand_is_back(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", [f"p{n}@d{n % 7}.example" for n in range(40)])
    one, two = (await store.claim(epoch, limit=1))[:2]
    in_hand = 7
    await store.queue.apply([Activate(delivery=one.id, epoch=epoch)])
    await store.campaigns.move("spring", CampaignState.DRAINING, reason="typo", now=store.now())
    assert not await store.claim(epoch)
    assert await store.queue.finish_streams(store.now()) == []
    assert (await store.campaigns.counts("spring"))[State.CANCELLED] == 40 - in_hand
    back = store.settle(two, epoch, State.PENDING, from_state=State.QUEUED)
    await store.queue.apply([store.settle(one, epoch, State.COMPLETED), back])
    await store.queue.finish_streams(store.now())
    assert await store.state_of(two.id) is State.CANCELLED
    await store.queue.retire(epoch)
    await die(store, epoch)
    await store.queue.free_dead(await store.register(), store.now())
    assert await store.queue.finish_streams(store.now()) == ["spring"]
    record = await store.campaigns.find("spring")
    assert record is not None
    assert (record.state, record.reason) == (CampaignState.CANCELLED, "typo")
    counts = await store.campaigns.counts("spring")
    assert (counts[State.CANCELLED], counts[State.COMPLETED]) == (39, 1)
    assert len(await store.events(EventType.CANCELLED)) == 39
    await store.check_tally()


async def test_a_large_cancelled_campaign_is_swept_a_page_a_call(store: Installation) -> None:
    await store.campaigns.open_draft(store.draft("big"))
    for start in range(0, 2100, 700):
        await store.add("big", [f"p{n}@d{n % 900}.example" for n in range(start, start + 700)])
    await store.campaigns.start("big", report={}, now=store.now())
    await store.campaigns.move("big", CampaignState.DRAINING, reason=None, now=store.now())
    ended = [await store.queue.finish_streams(store.now()) for _ in range(3)]
    assert ended == [[], [], ["big"]]
    assert (await store.campaigns.counts("big"))[State.CANCELLED] == 2100
    await store.check_tally()


async def test_totals_count_open_states_by_priority(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example", "b@two.example"])
    await store.accept("c@three.example")
    (high,) = [one for one in await store.claim(epoch) if one.priority is Priority.HIGH]
    await store.queue.apply([store.settle(high, epoch, State.RETRY, from_state=State.QUEUED, due=store.now())])
    assert await store.queue.totals() == {(State.QUEUED, Priority.NORMAL): 2, (State.RETRY, Priority.HIGH): 1}


async def test_what_was_claimed_and_is_not_held_waits_again(store: Installation) -> None:
    epoch = await store.register("one")
    await store.run_campaign("spring", ["a@one.example", "b@one.example", "c@one.example"])
    lost, held, active = await store.claim(epoch)
    await store.queue.apply([Activate(delivery=active.id, epoch=epoch)])
    assert await store.queue.free_unheld(epoch, {held.id, active.id}) == 1
    assert await store.queue.free_unheld(epoch, {held.id, active.id}) == 0
    counts = await store.campaigns.counts("spring")
    assert (counts[State.PENDING], counts[State.QUEUED], counts[State.ACTIVE]) == (1, 1, 1)
    assert [one.id for one in await store.claim(epoch)] == [lost.id]
