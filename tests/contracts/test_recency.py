"""Who had mail of another campaign of late."""

from datetime import timedelta

from tests.contracts.installation import Installation, key_of
from tierii_mta.campaigns.recency import LastMail
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant, later
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import FailureReason, State
from tierii_mta.queue.store import Activate

DAY = timedelta(days=1)


async def _send(store: Installation, *, failing: str = "") -> None:
    """Deliver whatever waits; the mail of `failing` fails."""
    epoch = await store.register()
    for one in await store.claim(epoch):
        await store.queue.apply([Activate(delivery=one.id, epoch=epoch)])
        if one.recipient == failing:
            done = store.settle(one, epoch, State.FAILED, reason=FailureReason.REJECTED)
        else:
            done = store.settle(one, epoch, State.COMPLETED)
        assert await store.queue.apply([done]) == [True]


async def _find(store: Installation, *names: str, days: int = 3, but: str = "new") -> dict[str, LastMail]:
    since = later(store.now(), -DAY * days)
    found = await store.db.recent_mail.find([key_of(name) for name in names], since=since, but=but)
    by_key = {key_of(name): name for name in names}
    return {by_key[key]: last for key, last in found.items()}


async def test_the_last_delivery_of_another_campaign_within_the_time_counts(store: Installation) -> None:
    people = ["a@one.example", "b@one.example", "c@two.example"]
    await store.run_campaign("winter", people[:2])
    await _send(store, failing="b@one.example")
    first = store.now()
    store.clock.advance(DAY)
    await store.run_campaign("spring", people[::2])
    await _send(store)
    second = store.now()
    store.clock.advance(DAY)

    assert await _find(store, *people) == {
        "a@one.example": LastMail(campaign="spring", delivered_at=second),
        "c@two.example": LastMail(campaign="spring", delivered_at=second),
    }, "what failed was not had"
    assert await _find(store, *people, but="spring") == {
        "a@one.example": LastMail(campaign="winter", delivered_at=first)
    }, "a rerun does not count its own"
    assert set(await _find(store, *people, days=2)) == {"a@one.example", "c@two.example"}
    store.clock.advance(DAY)
    assert await _find(store, *people, but="spring", days=2) == {}, "too long ago"
    assert await _find(store) == {}


async def test_mail_that_waits_counts_unless_its_campaign_is_loading_or_cancelled(store: Installation) -> None:
    person = "a@one.example"
    await store.campaigns.open_draft(store.draft("loading"))
    await store.add("loading", [person])
    assert await _find(store, person) == {}
    await store.run_campaign("waiting", [person])
    await store.campaigns.move("waiting", CampaignState.PAUSED, reason=None, now=store.now())
    store.clock.advance(DAY * 2)
    assert await _find(store, person, days=1) == {person: LastMail(campaign="waiting", delivered_at=None)}
    await store.campaigns.move("waiting", CampaignState.DRAINING, reason=None, now=store.now())
    await store.queue.finish_streams(store.now())
    assert await _find(store, person) == {}


async def test_submitted_mail_is_no_campaigns(store: Installation) -> None:
    await store.accept("a@one.example")
    assert await _find(store, "a@one.example") == {}


async def test_a_thousand_persons_are_asked_after_at_once(store: Installation) -> None:
    people = [f"p{number}@d{number % 7}.example" for number in range(1000)]
    await store.run_campaign("winter", people[:500])
    keys = [PersonKey(key_of(name)) for name in people]
    found = await store.db.recent_mail.find(keys, since=Instant(0), but="new")
    assert set(found) == set(keys[:500])
