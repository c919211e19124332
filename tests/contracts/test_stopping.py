"""Persons who are suppressed while their mail waits: what is dropped, when, and in which scope."""

from datetime import timedelta

from tests.contracts.installation import Installation
from tierii_mta.clock import later
from tierii_mta.consent.suppression import SuppressionReason, list_scope, sender_scope
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import State
from tierii_mta.queue.store import Activate


async def test_whoever_leaves_after_the_claim_is_dropped_before_mail_from(store: Installation) -> None:
    other = await store.another()  # another process takes the word: a web process, a second daemon
    epoch = await store.register()
    await store.run_campaign("spring", ["ann@one.example", "bo@one.example"])
    claimed = {one.recipient: one.id for one in await store.claim(epoch)}
    left = store.suppressed(
        "ann@one.example", scope=list_scope("news.example.com"), reason=SuppressionReason.UNSUBSCRIBE
    )
    await other.suppression.add([left])
    ann, bo = claimed["ann@one.example"], claimed["bo@one.example"]
    assert await store.queue.apply([Activate(delivery=ann, epoch=epoch), Activate(delivery=bo, epoch=epoch)]) == [
        False,
        True,
    ]
    assert (await store.state_of(ann), await store.state_of(bo)) == (State.SUPPRESSED, State.ACTIVE)
    (event,) = await store.events(EventType.SUPPRESSED)
    assert (event.recipient, event.data["reason"]) == ("ann@one.example", "unsubscribe")
    assert await store.queue.apply([Activate(delivery=ann, epoch=epoch)]) == [False]
    assert len(await store.events(EventType.SUPPRESSED)) == 1
    await store.check_tally()


async def test_what_stops_other_mail_or_has_expired_lets_an_attempt_begin(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["ann@one.example"])
    await store.accept("bo@one.example")
    claimed = await store.claim(epoch)
    await store.suppression.add(
        [
            store.suppressed("ann@one.example", scope=list_scope("other"), reason=SuppressionReason.UNSUBSCRIBE),
            store.suppressed("ann@one.example", expires_at=later(store.now(), -timedelta(seconds=1))),
            store.suppressed("bo@one.example", reason=SuppressionReason.UNSUBSCRIBE),  # marketing alone
        ]
    )
    assert await store.queue.apply([Activate(delivery=one.id, epoch=epoch) for one in claimed]) == [True, True]


async def test_the_sender_of_submitted_mail_learns_that_it_was_dropped(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("ann@one.example")
    (one,) = await store.claim(epoch)
    await store.suppression.add([store.suppressed("ann@one.example", reason=SuppressionReason.HARD_BOUNCE)])
    assert await store.queue.apply([Activate(delivery=one.id, epoch=epoch)]) == [False]
    owed = await store.db.reports.owed(before=store.now(), now=store.now(), limit=10)
    assert owed is not None


async def test_a_word_against_a_sender_stops_all_it_sends_and_nothing_else(store: Installation) -> None:
    epoch = await store.register()
    name = "ann@one.example"
    await store.run_campaign("news", [name], sender="acme.example")
    await store.run_campaign("tips", [name], sender="acme.example", list_id=None, fingerprint="f2")
    await store.run_campaign("other", [name], sender="beta.example", fingerprint="f3")
    await store.accept(name, reverse_path="shop@acme.example")
    await store.accept(name, reverse_path="shop@beta.example")
    await store.accept(name, reverse_path="")
    await store.suppression.add([store.suppressed(name, scope=sender_scope("acme.example"))])
    claimed = await store.claim(epoch)
    assert sorted(one.campaign or one.reverse_path or "" for one in claimed) == ["", "other", "shop@beta.example"]
    assert (await store.campaigns.open_draft(store.draft("late", sender="acme.example", fingerprint="f4"))).list_id
    assert (await store.add("late", [name])).suppressed == 1
