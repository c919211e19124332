"""What the checks remember: the greylist's visits in one transaction each, and who has had mail of ours."""

import asyncio
from datetime import timedelta

from sqlalchemy import Connection, func, select, update

from tests.contracts.installation import Installation, key_of
from tierii_mta.inbound.screening.greylist import Terms, Visitor
from tierii_mta.queue.delivery import State
from tierii_mta.storage.codes import STATE
from tierii_mta.storage.received_tables import greylist
from tierii_mta.storage.tables import delivery

TERMS = Terms()
WHO = Visitor(client="192.0.2.0/24", sender="elsewhere.example", recipients=["ann@example.com", "bob@example.com"])


async def rows(store: Installation) -> int:
    counted: int = await store.db._connections.read(
        lambda connection: connection.execute(select(func.count()).select_from(greylist)).scalar_one()
    )
    return counted


async def test_a_visit_is_remembered_and_a_second_one_passes(store: Installation) -> None:
    kept = store.db.greylist
    assert not (await kept.meet(WHO, TERMS, store.now())).has_waited
    store.clock.advance(timedelta(minutes=6))
    again = await kept.meet(WHO, TERMS, store.now())
    assert (again.has_waited, again.time) == (True, timedelta(minutes=6))
    assert [one.attempts for one in again.visits] == [2, 2, 1]
    other = Visitor(client=WHO.client, sender=WHO.sender, recipients=["eve@example.com"])
    assert (await kept.meet(other, TERMS, store.now())).has_waited
    assert await rows(store) == 4


async def test_another_network_sender_or_recipient_is_another_stranger(store: Installation) -> None:
    kept = store.db.greylist
    await kept.meet(WHO, TERMS, store.now())
    store.clock.advance(timedelta(minutes=6))
    for client, sender, recipient in (
        ("198.51.100.0/24", WHO.sender, "ann@example.com"),
        (WHO.client, "", "ann@example.com"),
        (WHO.client, WHO.sender, "eve@example.com"),
    ):
        stranger = Visitor(client=client, sender=sender, recipients=[recipient])
        assert not (await kept.meet(stranger, TERMS, store.now())).has_waited


async def test_visits_at_the_same_time_are_all_kept(store: Installation) -> None:
    kept = store.db.greylist
    await asyncio.gather(*(kept.meet(WHO, TERMS, store.now()) for _ in range(10)))
    assert await rows(store) == 2
    store.clock.advance(timedelta(minutes=6))
    results = await asyncio.gather(*(kept.meet(WHO, TERMS, store.now()) for _ in range(10)))
    assert all(one.has_waited for one in results)


async def test_what_is_old_goes_a_page_a_visit(store: Installation) -> None:
    kept = store.db.greylist
    for number in range(150):
        await kept.meet(Visitor(client=str(number), sender="", recipients=["ann@example.com"]), TERMS, store.now())
    store.clock.advance(TERMS.memory + timedelta(days=1))
    await kept.meet(WHO, TERMS, store.now())
    assert await rows(store) == 52
    await kept.meet(WHO, TERMS, store.now())
    assert await rows(store) == 2


def end(connection: Connection, number: int, state: State) -> None:
    connection.execute(update(delivery).where(delivery.c.id == number).values(state=STATE[state]))


async def test_somebody_our_mail_reached_is_a_correspondent(store: Installation) -> None:
    kept = store.db.correspondents
    for name, state in (("ann@one.example", State.COMPLETED), ("bob@one.example", State.FAILED)):
        sent = await store.accept(name)
        await store.db._connections.write(end, sent.deliveries[0], state)
    assert await kept.has_had_mail([key_of("bob@one.example"), key_of("ann@one.example")])
    assert not await kept.has_had_mail([key_of("bob@one.example")])
    assert not await kept.has_had_mail([])
