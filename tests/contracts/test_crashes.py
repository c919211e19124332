"""Deliveries that were in hand when processes died: counted, kept back for their trial, set aside."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Connection, delete, update

from tests.contracts.installation import Installation
from tests.contracts.test_upkeep import die
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.events import EventType
from tierii_mta.queue.crashes import Crashes
from tierii_mta.queue.delivery import Delivery, FailureReason, State
from tierii_mta.queue.store import Activate
from tierii_mta.storage.tables import delivery, message


async def crash(store: Installation, *, is_active: bool = False) -> Sequence[Delivery]:
    """Claim all that is due, die with it, and be found by the next start."""
    epoch = await store.register()
    taken = await store.claim(epoch)
    if is_active:
        await store.queue.apply([Activate(delivery=one.id, epoch=epoch) for one in taken])
    await _found_dead(store, epoch)
    return taken


async def crash_alone(store: Installation) -> Delivery | None:
    """Die with the next suspect in hand."""
    epoch = await store.register()
    suspect = await store.queue.claim_suspect(epoch, store.now())
    await _found_dead(store, epoch)
    return suspect


async def _found_dead(store: Installation, epoch: int) -> None:
    await die(store, epoch)  # type: ignore[arg-type]
    await store.queue.free_dead(await store.register(), store.now())


async def test_a_delivery_alone_in_hand_at_three_deaths_is_set_aside(store: Installation) -> None:
    await store.run_campaign("spring", ["a@one.example"])
    (one,) = await crash(store, is_active=True)
    assert await store.queue.crashes(one.id) == Crashes(count=1, certain=1)
    assert len(await crash(store, is_active=True)) == 1
    assert await crash(store) == []  # it waits for its trial
    assert (suspect := await crash_alone(store)) is not None
    assert suspect.id == one.id
    assert await store.state_of(one.id) is State.FAILED
    (event,) = await store.events(EventType.FAILED)
    assert (event.delivery_id, event.data["reason"], event.data["class"]) == (one.id, "error", "error")
    assert (await store.campaigns.failures("spring")) == {FailureReason.ERROR: 1}
    assert await store.queue.crashes(one.id) == Crashes()
    await store.check_tally()


async def test_neighbours_are_suspects_and_not_convicted(store: Installation) -> None:
    await store.run_campaign("spring", ["a@one.example", "b@one.example", "c@two.example"])
    taken = [one.id for one in await crash(store)]
    await crash(store)
    assert [await store.queue.crashes(one) for one in taken] == [Crashes(count=2)] * 3
    epoch = await store.register()
    assert await store.claim(epoch) == []
    innocent = await store.queue.claim_suspect(epoch, store.now())
    assert innocent is not None
    await store.queue.absolve(innocent.id)
    await store.queue.apply([store.settle(innocent, epoch, State.FAILED, from_state=State.QUEUED)])
    await _found_dead(store, epoch)
    first, second = await crash_alone(store), await crash_alone(store)
    assert first is not None
    assert second is not None
    assert {first.id, second.id, innocent.id} == set(taken), "an accident does not meet the same one twice in a row"
    assert await store.state_of(first.id) is await store.state_of(second.id) is State.PENDING
    assert (await crash_alone(store)) is not None
    assert await store.state_of(first.id) is State.FAILED
    await store.check_tally()


async def test_suspects_that_had_no_trial_come_with_the_others_later(store: Installation) -> None:
    await store.accept("a@one.example", "b@one.example")
    await crash(store)
    await crash(store)
    epoch = await store.register()
    assert await store.claim(epoch) == []
    store.clock.advance(timedelta(minutes=16))
    assert len(await store.claim(epoch)) == 2


async def test_what_a_clean_stop_leaves_in_hand_is_no_crash(store: Installation) -> None:
    await store.accept("a@one.example")
    epoch = await store.register()
    (one,) = await store.claim(epoch)
    await store.queue.retire(epoch)
    await store.queue.free_dead(await store.register(), store.now())
    assert await store.queue.crashes(one.id) == Crashes()


async def test_faults_of_an_attempt_are_certain(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    (one,) = await store.claim(epoch)
    retried = store.settle(one, epoch, State.RETRY, from_state=State.QUEUED, is_crash=True, due=store.now())
    assert await store.queue.apply([retried]) == [True]
    assert await store.queue.crashes(one.id) == Crashes(count=1, certain=1)


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.DRAINING])
async def test_no_suspect_of_a_stream_that_is_not_open_is_tried(store: Installation, state: CampaignState) -> None:
    await store.run_campaign("spring", ["a@one.example", "b@one.example"])
    await crash(store)
    await crash(store)
    await store.campaigns.move("spring", state, reason=None, now=store.now())
    assert await store.queue.claim_suspect(await store.register(), store.now()) is None


async def test_a_suppressed_suspect_is_not_tried(store: Installation) -> None:
    await store.run_campaign("spring", ["a@one.example", "b@one.example"])
    taken = await crash(store)
    await crash(store)
    await store.suppression.add([store.suppressed("a@one.example")])
    epoch = await store.register()
    suspect = await store.queue.claim_suspect(epoch, store.now())
    assert suspect is not None
    assert suspect.recipient == "b@one.example"
    assert await store.queue.claim_suspect(epoch, store.now()) is None
    (other,) = (one for one in taken if one.id != suspect.id)
    assert await store.state_of(other.id) is State.SUPPRESSED
    await store.check_tally()


async def test_a_row_that_cannot_be_read_is_set_aside_and_stops_nobody(store: Installation) -> None:
    await store.run_campaign("spring", [f"{name}@one.example" for name in "abc"])
    await store.accept("d@one.example")
    epoch = await store.register()

    def damage(connection: Connection) -> None:
        torn = update(delivery).where(delivery.c.recipient == "b@one.example")
        connection.execute(torn.values(contact='{"first_name": "B'))
        connection.execute(update(delivery).where(delivery.c.recipient == "c@one.example").values(contact="[1]"))
        connection.execute(delete(message))

    await store.db._connections.write(damage)
    claim = await store.claim_lanes(epoch, await store.quotas())
    assert [one.recipient for one in claim.deliveries] == ["a@one.example"]
    assert len(claim.damaged) == 3
    events = await store.events(EventType.FAILED)
    assert {event.delivery_id for event in events} == set(claim.damaged)
    assert {event.data["reason"] for event in events} == {"error"}
    assert [await store.state_of(one) for one in claim.damaged] == [State.FAILED] * 3
    await store.check_tally()
