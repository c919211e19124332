"""All there is of a delivery: message, wishes, transcripts; and how long transcripts stay."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, func, select

from tests.contracts.installation import Installation, key_of
from tierii_mta.clock import later
from tierii_mta.queue.delivery import Delivery, DeliveryId, State
from tierii_mta.queue.operator import Transcript
from tierii_mta.queue.selection import Ids, Selection
from tierii_mta.queue.store import NewDelivery
from tierii_mta.smtp.requests import Notify, Return
from tierii_mta.storage.tables import transcript


async def try_it(store: Installation, text: str | None, to_state: State = State.RETRY) -> Delivery:
    """Make one attempt of what waits."""
    epoch = await store.register()
    (one,) = await store.claim(epoch)
    settle = store.settle(one, epoch, to_state, from_state=State.QUEUED, due=store.now(), transcript=text)
    assert await store.queue.apply([settle]) == [True]
    return one


async def test_each_attempt_keeps_what_was_said_in_it_if_anything_was(store: Installation) -> None:
    await store.accept("ann@one.example")
    for text in ("< 450 first", None, "< 450 third"):
        one = await try_it(store, text)
    (dossier,) = await store.db.operator.dossiers([one.id])
    assert dossier.transcripts == [
        Transcript(attempt=1, at=store.now(), text="< 450 first"),
        Transcript(attempt=3, at=store.now(), text="< 450 third"),
    ]


async def test_attempts_counted_anew_replace_the_transcripts_of_old_ones(store: Installation) -> None:
    await store.run_campaign("spring", ["ann@one.example"])
    await try_it(store, "< 550 old", State.FAILED)
    await store.campaigns.retry_failed("spring", now=store.now(), expires_at=later(store.now(), timedelta(1)))
    one = await try_it(store, "< 450 new")
    (dossier,) = await store.db.operator.dossiers([one.id])
    assert [kept.text for kept in dossier.transcripts] == ["< 450 new"]


async def test_transcripts_go_with_their_delivery(store: Installation) -> None:
    await store.accept("ann@one.example")
    one = await try_it(store, "< 550 no", State.FAILED)
    after = later(store.now(), timedelta(days=1))
    await store.queue.purge(deliveries_before=after, events_before=after)
    assert await store.db.operator.dossiers([one.id]) == []
    assert await transcripts(store) == 0


async def transcripts(store: Installation) -> int:
    def work(connection: Connection) -> int:
        return int(connection.execute(select(func.count()).select_from(transcript)).scalar_one())

    return await store.db._connections.read(work)


async def test_a_dossier_holds_what_came_with_the_message(store: Installation) -> None:
    new = NewDelivery(
        recipient="ann@one.example",
        recipient_key=key_of("ann"),
        domain="one.example",
        notify=frozenset({Notify.FAILURE, Notify.DELAY}),
        orcpt="rfc822;anna@one.example",
    )
    accepted = await store.accept(
        deliveries=[new], stream="user:shop", ret=Return.HEADERS, envid="e+2B1", tag="receipt", label="summer"
    )
    (dossier,) = await store.db.operator.dossiers(accepted.deliveries)
    message = dossier.message
    assert message is not None
    assert (dossier.owner, dossier.notify, dossier.orcpt) == ("user:shop", new.notify, new.orcpt)
    assert (message.row, message.reverse_path) == (accepted.message, "sender@example.com")
    assert (message.ret, message.envid, message.tag, message.label) == (Return.HEADERS, "e+2B1", "receipt", "summer")
    assert (message.header, message.size_bytes) == (b"Subject: hi", 21)


async def test_campaign_mail_has_no_stored_message(store: Installation) -> None:
    await store.run_campaign("spring", ["ann@one.example"])
    one = await try_it(store, None)
    (dossier,) = await store.db.operator.dossiers([one.id])
    assert (dossier.owner, dossier.message) == ("spring", None)


@pytest.mark.parametrize("is_final", [False, True])
async def test_deliveries_are_found_by_what_names_their_message(store: Installation, is_final: bool) -> None:
    accepted = await store.accept("ann@one.example", message_id="<m9@example.com>", tag="receipt")
    if is_final:
        await try_it(store, None, State.FAILED)
    selections = (Selection(tag="receipt"), Selection(ids=Ids.parse(["m9@example.com"])))
    for selection in selections:
        assert await store.db.operator.find(selection, limit=10) == list(accepted.deliveries)
    assert await store.db.operator.find(Selection(tag="other"), limit=10) == []
    assert await store.db.operator.dossiers([DeliveryId(999)]) == []
