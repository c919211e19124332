"""Groups of operations: atomic, in order, with an exact result each, their events in the same commit."""

import asyncio
from datetime import timedelta

import pytest

from tests.contracts.installation import Installation, key_of
from tierii_mta.clock import Instant, later
from tierii_mta.consent.suppression import EVERYWHERE, SuppressionReason
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import DeliveryId, Epoch, FailureReason, Priority, State
from tierii_mta.queue.store import (
    Accepted,
    Activate,
    ChangeKind,
    NewDelivery,
    Record,
    StatementFailed,
    SuspendLane,
)


async def test_an_accepted_message_is_kept_whole(store: Installation) -> None:
    parts = [b"a" * 262_144, b"b" * 262_144, b"\r\n\x00\xff"]
    queued = [store.event(EventType.QUEUED, recipient=name) for name in ("a", "b")]
    accepted = await store.accept("a@one.example", "b@two.example", parts=parts, events=queued)
    assert await store.queue.message_parts(accepted.message) == parts
    assert len(set(accepted.deliveries)) == 2
    assert [event.delivery_id for event in await store.events()] == list(accepted.deliveries)
    assert {load.lane.domain: load.count for load in accepted.loads} == {"one.example": 1, "two.example": 1}
    assert sorted(await store.loads(), key=lambda load: load.lane.id) == sorted(
        accepted.loads, key=lambda load: load.lane.id
    )
    assert await store.queue.totals() == {(State.PENDING, Priority.HIGH): 2}


async def test_many_messages_of_one_group_get_their_own_deliveries(store: Installation) -> None:
    messages = [store.message(*(f"p{n}-{k}@d{k}.example" for k in range(n % 3 + 1))) for n in range(60)]
    results = await store.queue.apply(messages)
    for message, result in zip(messages, results, strict=True):
        assert isinstance(result, Accepted)
        assert result.message_id == message.message_id
        found = await store.queue.history(message_id=message.message_id)
        assert sorted(one.recipient for one in found) == sorted(new.recipient for new in message.deliveries)
        assert [one.id for one in found] == sorted(result.deliveries, reverse=True)


async def test_one_recipient_may_get_many_submitted_messages(store: Installation) -> None:
    await store.accept("a@one.example")
    await store.accept("a@one.example")
    assert len(await store.queue.history(key=key_of("a@one.example"))) == 2


async def test_a_repeated_idempotency_key_answers_with_the_first_message(store: Installation) -> None:
    first = await store.accept("a@one.example", idempotency_key="k1")
    again = await store.accept("b@one.example", idempotency_key="k1")
    assert (again.message, again.deliveries, again.message_id) == (first.message, first.deliveries, first.message_id)
    assert (first.is_repeat, again.is_repeat, again.loads) == (False, True, ())
    elsewhere = await store.accept("c@one.example", idempotency_key="k1", stream="user:shop")
    assert not elsewhere.is_repeat
    assert await store.queue.totals() == {(State.PENDING, Priority.HIGH): 2}


async def test_a_key_repeated_within_one_group_is_kept_once(store: Installation) -> None:
    twice = [store.message("a@one.example", idempotency_key="k"), store.message("b@one.example", idempotency_key="k")]
    first, second = await store.queue.apply(twice)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (second.message, second.deliveries) == (first.message, first.deliveries)
    assert (first.is_repeat, second.is_repeat) == (False, True)


async def test_the_road_of_a_delivery_is_settled_with_its_event_and_counted(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example"])
    (one,) = await store.claim(epoch)
    assert await store.queue.apply([Activate(delivery=one.id, epoch=epoch)]) == [True]
    assert await store.state_of(one.id) is State.ACTIVE
    delivered = store.event(EventType.DELIVERED, campaign_id="spring", data={"code": 250, "mx": "mx.one.example"})
    settle = store.settle(one, epoch, State.COMPLETED, body_hash="ab", last_reply="250 ok", events=[delivered])
    assert await store.queue.apply([settle]) == [True]
    (history,) = await store.queue.history(key=key_of("a@one.example"))
    assert (history.state, history.attempts, history.due) == (State.COMPLETED, 1, None)
    (event,) = history.events
    assert (event.type, event.delivery_id, event.data) == (EventType.DELIVERED, one.id, delivered.data)
    assert (await store.campaigns.counts("spring"))[State.COMPLETED] == 1
    await store.check_tally()


async def test_a_group_is_judged_as_if_one_operation_came_after_the_other(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    (one,) = await store.claim(epoch)
    activate = Activate(delivery=one.id, epoch=epoch)
    settle = store.settle(one, epoch, State.COMPLETED)
    assert await store.queue.apply([settle, activate, activate, settle, settle]) == [False, True, False, True, False]
    await store.check_tally()


async def test_a_settlement_that_comes_too_late_writes_nothing(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example", "b@one.example")
    one, two = await store.claim(epoch)
    await store.queue.apply([store.settle(one, epoch, State.PENDING, from_state=State.QUEUED, attempts=0)])
    late = store.settle(
        one,
        epoch,
        State.FAILED,
        from_state=State.QUEUED,
        reason=FailureReason.BOUNCED,
        events=[store.event(EventType.BOUNCED)],
        suppression=store.suppressed("a@one.example"),
    )
    fine = store.settle(two, epoch, State.RETRY, from_state=State.QUEUED, due=store.now())
    gone = Activate(delivery=DeliveryId(12345), epoch=epoch)
    assert await store.queue.apply([late, fine, gone]) == [False, True, False]
    assert await store.events() == []
    assert await store.suppression.find([key_of("a@one.example")]) == []
    assert (await store.state_of(one.id), await store.state_of(two.id)) == (State.PENDING, State.RETRY)
    await store.check_tally()


async def test_what_a_settlement_does_not_name_is_kept(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    (one,) = await store.claim(epoch)
    retried = store.settle(
        one, epoch, State.RETRY, from_state=State.QUEUED, due=store.now(), body_hash="ab", was_blocked=True
    )
    await store.queue.apply([retried])
    (again,) = await store.claim(epoch)
    assert (again.body_hash, again.was_blocked, again.attempts) == ("ab", True, 1)
    returned = store.settle(again, epoch, State.PENDING, from_state=State.QUEUED, attempts=1)
    await store.queue.apply([returned])
    (third,) = await store.claim(epoch)
    assert (third.body_hash, third.was_blocked, third.attempts) == ("ab", False, 1)


async def test_a_bounce_suppresses_the_person_in_the_same_commit(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    (one,) = await store.claim(epoch)
    entry = store.suppressed("a@one.example", reason=SuppressionReason.HARD_BOUNCE, evidence="550 5.1.1")
    bounced = store.settle(
        one, epoch, State.FAILED, from_state=State.QUEUED, reason=FailureReason.BOUNCED, suppression=entry
    )
    await store.queue.apply([bounced])
    assert await store.suppression.find([key_of("a@one.example")]) == [entry]
    (event,) = await store.events(EventType.SUPPRESSION_CREATED)
    assert event.data == {"scope": EVERYWHERE, "reason": "hard_bounce", "evidence": "550 5.1.1"}


async def test_a_suppression_event_that_the_operation_brings_is_not_written_twice(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    (one,) = await store.claim(epoch)
    told = store.event(EventType.SUPPRESSION_CREATED, data={"scope": EVERYWHERE})
    entry = store.suppressed("a@one.example")
    settle = store.settle(one, epoch, State.FAILED, from_state=State.QUEUED, suppression=entry, events=[told])
    await store.queue.apply([settle])
    assert len(await store.events(EventType.SUPPRESSION_CREATED)) == 1


async def test_a_person_is_in_doubt_once_however_often_it_happens(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example"])
    for _ in range(2):
        (one,) = await store.claim(epoch)
        doubt = store.settle(one, epoch, State.RETRY, from_state=State.QUEUED, due=store.now(), is_in_doubt=True)
        assert await store.queue.apply([doubt]) == [True]
    assert (await store.campaigns.marks("spring"))["in_doubt"] == 1
    (history,) = await store.queue.history(delivery=one.id)
    assert history.is_in_doubt


async def test_recorded_events_mark_their_person_once(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example"])
    (one,) = await store.claim(epoch)
    await store.queue.apply([Activate(delivery=one.id, epoch=epoch), store.settle(one, epoch, State.COMPLETED)])
    kinds = [EventType.OPENED, EventType.OPENED, EventType.UNSUBSCRIBED, EventType.BOUNCED, EventType.DELIVERED]
    await store.queue.apply([Record(events=[store.event(kind, delivery_id=one.id) for kind in kinds])])
    await store.queue.apply([Record(events=[store.event(EventType.OPENED, delivery_id=one.id)])])
    marks = await store.campaigns.marks("spring")
    assert {name for name, count in marks.items() if count == 1} == {"opened", "unsubscribed", "late_bounce"}
    assert len(await store.events()) == 2 + len(kinds) + 1  # created, started


async def test_an_event_and_whom_it_suppresses_are_one_commit(store: Installation) -> None:
    entry = store.suppressed("a@one.example", reason=SuppressionReason.UNSUBSCRIBE)
    await store.queue.apply([Record(events=[store.event(EventType.UNSUBSCRIBED)], suppressions=[entry])])
    assert await store.suppression.find([entry.key]) == [entry]
    assert {event.type for event in await store.events()} == {EventType.UNSUBSCRIBED, EventType.SUPPRESSION_CREATED}


async def test_events_are_read_in_commit_order_behind_a_cursor(store: Installation) -> None:
    other = await store.another()
    writers = [store, other] * 10
    groups = [Record(events=[one.event(EventType.CLICKED, message_id=f"{n}")] * 3) for n, one in enumerate(writers)]
    await asyncio.gather(*(one.queue.apply([group]) for one, group in zip(writers, groups, strict=True)))
    events = await store.events()
    seqs = [event.seq for event in events if event.seq is not None]
    assert len(seqs) == 60
    assert seqs == sorted(set(seqs))
    for start in range(0, 60, 3):  # a commit's events stand together
        assert len({event.message_id for event in events[start : start + 3]}) == 1
    behind = [event async for event in store.queue.events(after=seqs[29], limit=7)]
    assert [event.seq for event in behind] == seqs[30:37]
    assert [event async for event in store.queue.events(types=[EventType.OPENED])] == []


async def test_a_reader_by_cursor_never_misses_a_commit(store: Installation) -> None:
    other = await store.another()
    seen: list[str | None] = []
    cursor = 0

    async def write(where: Installation, name: str) -> None:
        for number in range(15):
            event = where.event(EventType.CLICKED, message_id=f"{name}{number}")
            await where.queue.apply([Record(events=[event])])

    async def follow() -> None:
        nonlocal cursor
        while len(seen) < 30:
            async for event in store.queue.events(after=cursor):
                seen.append(event.message_id)
                cursor = event.seq or cursor

    async with asyncio.timeout(60):
        await asyncio.gather(write(store, "a"), write(other, "b"), follow())
    assert sorted(map(str, seen)) == sorted(f"{name}{n}" for name in "ab" for n in range(15))


async def test_one_bad_value_fails_the_group_and_leaves_nothing_of_it(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    (one,) = await store.claim(epoch)
    bad = store.message("b@one.example", message_id="\ud800 is no character")
    with pytest.raises(StatementFailed):
        await store.queue.apply([Activate(delivery=one.id, epoch=epoch), bad])
    assert await store.state_of(one.id) is State.QUEUED
    assert await store.queue.apply([Activate(delivery=one.id, epoch=epoch)]) == [True]
    await store.check_tally()


async def test_a_number_too_large_for_the_database_is_its_authors_fault(store: Installation) -> None:
    with pytest.raises(StatementFailed):
        await store.accept("a@one.example", expires_at=Instant(2**70))
    await store.accept("a@one.example")


async def test_a_cancelled_caller_changes_nothing(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    (one,) = await store.claim(epoch)
    caller = asyncio.create_task(store.queue.apply([Activate(delivery=one.id, epoch=epoch)]))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    async with asyncio.timeout(30):  # what was begun goes on to its commit
        while await store.state_of(one.id) is not State.ACTIVE:
            pass
    assert await store.queue.apply([store.settle(one, epoch, State.COMPLETED)]) == [True]
    await store.check_tally()


async def test_others_learn_what_a_group_changed_and_its_author_does_not(store: Installation) -> None:
    other = await store.another()
    start = await store.queue.last_change()
    accepted = await store.accept("a@one.example")
    (load,) = accepted.loads
    await store.queue.apply([SuspendLane(lane=load.lane.id, until=later(store.now(), timedelta(hours=1)))])
    assert list(await store.queue.changes(start)) == []
    changes = await other.queue.changes(start)
    assert [(one.kind, one.stream, one.lane) for one in changes] == [
        (ChangeKind.MAIL, load.lane.stream, load.lane.id),
        (ChangeKind.LANE, None, load.lane.id),
    ]
    assert list(await other.queue.changes(changes[-1].seq)) == []
    assert [one.seq for one in await other.queue.changes(start)] == [one.seq for one in changes]


async def test_news_hidden_behind_many_own_changes_is_found(store: Installation) -> None:
    other = await store.another()
    cursor = await store.queue.last_change()
    for number in range(30):
        await store.accept(f"p@d{number}.example")
        assert list(await store.queue.changes(cursor)) == []
    await other.accept("z@z.example")
    (news,) = await store.queue.changes(cursor)
    assert news.kind is ChangeKind.MAIL
    assert list(await store.queue.changes(news.seq)) == []


async def test_the_probe_commits(store: Installation) -> None:
    for _ in range(3):
        await store.queue.probe()


async def test_nothing_to_apply_is_nothing(store: Installation) -> None:
    assert await store.queue.apply([]) == []


async def test_a_stream_is_made_once_by_many_at_once(store: Installation) -> None:
    other = await store.another()
    names = [f"p{n}@d{n % 3}.example" for n in range(24)]
    both = [(store if n % 2 else other) for n in range(24)]
    await asyncio.gather(*(one.accept(name, stream="user:shop") for one, name in zip(both, names, strict=True)))
    loads = await store.loads()
    assert len({load.lane.stream for load in loads}) == 1
    assert sum(load.count for load in loads) == 24
    await store.check_tally()


async def test_an_unknown_epoch_owns_nothing(store: Installation) -> None:
    await store.accept("a@one.example")
    (one,) = await store.claim(await store.register())
    assert await store.queue.apply([Activate(delivery=one.id, epoch=Epoch(999))]) == [False]


async def test_a_message_without_recipients_is_kept_and_queues_nothing(store: Installation) -> None:
    accepted = await store.accept()
    assert (accepted.deliveries, accepted.loads) == ((), [])
    assert await store.queue.totals() == {}


async def test_a_delivery_is_accepted_with_its_contact(store: Installation) -> None:
    epoch = await store.register()
    new = NewDelivery(
        recipient="a@one.example", recipient_key=key_of("a"), domain="one.example", contact={"first_name": "Åse"}
    )
    await store.accept(deliveries=[new])
    (one,) = await store.claim(epoch)
    assert one.contact == {"first_name": "Åse"}
