"""The suppression list: added, replaced, removed, read."""

from datetime import timedelta

import pytest

from tests.contracts.installation import Installation, key_of
from tierii_mta.clock import later
from tierii_mta.consent.suppression import EVERYWHERE, SuppressionReason, list_scope
from tierii_mta.events import EventType
from tierii_mta.queue.store import ChangeKind


async def test_entries_are_added_once_each_with_an_event(store: Installation) -> None:
    daemon = await store.another()
    cursor = await daemon.queue.last_change()
    entries = [
        store.suppressed("a@one.example", reason=SuppressionReason.HARD_BOUNCE, evidence="550 5.1.1 no such user"),
        store.suppressed("a@one.example", scope=list_scope("news"), reason=SuppressionReason.UNSUBSCRIBE),
    ]
    assert await store.suppression.add(entries) == 2
    assert await store.suppression.add(entries) == 0
    found = await store.suppression.find([key_of("a@one.example"), key_of("nobody")])
    assert sorted(found, key=lambda one: one.scope) == entries
    events = await store.events()
    assert [event.type for event in events] == [EventType.SUPPRESSION_CREATED] * 2
    assert events[0].data == {"scope": EVERYWHERE, "reason": "hard_bounce", "evidence": "550 5.1.1 no such user"}
    assert {change.kind for change in await daemon.queue.changes(cursor)} == {ChangeKind.SUPPRESSION}


async def test_an_entry_is_replaced_by_a_later_one_for_the_same_reason(store: Installation) -> None:
    name = "a@one.example"
    await store.suppression.add([store.suppressed(name, evidence="on the phone")])
    later_one = store.suppressed(name, expires_at=later(store.now(), timedelta(days=1)), address=None)
    assert await store.suppression.add([later_one]) == 0
    assert await store.suppression.find([key_of(name)]) == [later_one]


async def test_every_reason_holds_on_its_own(store: Installation) -> None:
    name, soon = "a@one.example", later(store.now(), timedelta(hours=1))
    entries = [
        store.suppressed(name, reason=SuppressionReason.COMPLAINT),
        store.suppressed(name, reason=SuppressionReason.HARD_BOUNCE, expires_at=soon),
        store.suppressed(name, reason=SuppressionReason.MANUAL, expires_at=soon),
        store.suppressed(name, reason=SuppressionReason.UNSUBSCRIBE),
    ]
    assert [await store.suppression.add([entry]) for entry in entries] == [1, 1, 1, 1]
    found = await store.suppression.find([key_of(name)])
    assert sorted(found, key=lambda one: one.reason) == entries


async def test_entries_are_removed_in_one_scope_or_in_all(store: Installation) -> None:
    name = "a@one.example"
    for scope in (EVERYWHERE, list_scope("x"), list_scope("y")):
        await store.suppression.add([store.suppressed(name, scope=scope)])
    assert await store.suppression.remove(key_of(name), list_scope("x"), by="operator ann", why="asked by phone") == 1
    assert await store.suppression.remove(key_of(name), list_scope("x"), by="operator ann", why="asked by phone") == 0
    assert await store.suppression.remove(key_of(name), by="person") == 2
    assert await store.suppression.find([key_of(name)]) == []
    deleted = await store.events(EventType.SUPPRESSION_DELETED)
    assert sorted(event.data["scope"] for event in deleted) == [EVERYWHERE, "list:x", "list:y"]
    told = next(event.data for event in deleted if event.data["scope"] == "list:x")
    assert told == {"scope": "list:x", "reason": "manual", "by": "operator ann", "why": "asked by phone"}


async def test_what_was_undone_for_one_reason_holds_for_the_others(store: Installation) -> None:
    name = "a@one.example"
    complaint = store.suppressed(name, reason=SuppressionReason.COMPLAINT)
    await store.suppression.add([complaint, store.suppressed(name, reason=SuppressionReason.UNSUBSCRIBE)])
    assert await store.suppression.remove(key_of(name), reason=SuppressionReason.UNSUBSCRIBE, by="person") == 1
    assert await store.suppression.find([key_of(name)]) == [complaint]


async def test_an_addition_that_may_only_extend_never_shortens(store: Installation) -> None:
    soon, late = (later(store.now(), timedelta(days=days)) for days in (1, 9))
    known = [
        store.suppressed("forever@one.example", evidence="first"),
        store.suppressed("late@one.example", expires_at=late, evidence="first", address=None),
        store.suppressed("soon@one.example", expires_at=soon, evidence="first"),
    ]
    await store.suppression.add(known)
    given = [
        store.suppressed("forever@one.example", expires_at=soon),
        store.suppressed("late@one.example", expires_at=soon),
        store.suppressed("soon@one.example", expires_at=late),
        store.suppressed("new@one.example"),
        store.suppressed("new@one.example", expires_at=soon),  # of two lines of a file the one that lasts longer
    ]
    assert await store.suppression.add(given, only_extend=True) == 1
    found = {one.key: one for one in await store.suppression.find([one.key for one in given])}
    assert [(found[key_of(f"{name}@one.example")].expires_at) for name in ("forever", "late", "soon", "new")] == [
        None,
        late,
        late,
        None,
    ]
    kept = found[key_of("late@one.example")]
    assert (kept.evidence, kept.address) == ("first", "late@one.example")
    await store.suppression.add([store.suppressed("soon@one.example")], only_extend=True)
    assert [one.expires_at for one in await store.suppression.find([key_of("soon@one.example")])] == [None]


async def test_the_whole_list_is_read_in_the_order_of_its_key(store: Installation) -> None:
    entries = [store.suppressed(f"p{n}@one.example", scope=scope) for n in range(700) for scope in ("all", "list:a")]
    assert await store.suppression.add(entries) == 1400
    listed = [entry async for entry in store.suppression.entries()]
    assert listed == sorted(entries, key=lambda one: (one.key, one.scope))


async def test_nobody_is_nobody(store: Installation) -> None:
    assert await store.suppression.find([]) == []
    assert await store.suppression.add([]) == 0


@pytest.mark.parametrize("others", [0, 3, 400])
async def test_many_persons_are_found_however_many_others_stand_between_them(store: Installation, others: int) -> None:
    asked = [f"asked{number}@one.example" for number in range(200)]
    wanted = [store.suppressed(name) for name in asked[::50]]
    strangers = [store.suppressed(f"other{number}@one.example") for number in range(others)]
    await store.suppression.add([*wanted, *strangers])
    found = await store.suppression.find([key_of(name) for name in asked])
    assert {entry.address for entry in found} == {entry.address for entry in wanted}
