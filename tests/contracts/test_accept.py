"""What an accepted message brings along: what its sender wants to be told, labels, and what it costs its account."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from tests.contracts.installation import Installation, key_of
from tierii_mta.queue.store import NewDelivery
from tierii_mta.smtp.requests import Notify, Return
from tierii_mta.storage.tables import acquaintance, delivery, message, usage


async def test_the_wishes_of_a_sender_are_kept_with_the_message(store: Installation) -> None:
    ann = NewDelivery(recipient="ann@a.example", recipient_key=key_of("ann@a.example"), domain="a.example")
    told = replace(ann, notify=frozenset({Notify.SUCCESS, Notify.DELAY}), orcpt="rfc822;ann+2B@a.example")
    never = replace(ann, recipient="bob@a.example", recipient_key=key_of("bob"), notify=frozenset({Notify.NEVER}))
    silent = replace(ann, recipient="cy@a.example", recipient_key=key_of("cy"))
    wishes = {"ret": Return.HEADERS, "envid": "QQ+3D314159", "is_smtputf8": True, "label": "welcome", "tag": "shop"}
    wishes |= {"return_path": "bounce.example.com"}
    accepted = await store.accept(deliveries=[told, never, silent], **wishes)
    stored = await store.queue.stored_message(accepted.deliveries[0])
    assert (stored.is_smtputf8, stored.return_path) == (True, "bounce.example.com")
    await store.accept("ann@a.example")
    columns = (message.c.ret, message.c.envid, message.c.is_smtputf8, message.c.label, message.c.tag)
    rows = await store.db._connections.read(lambda db: db.execute(select(*columns).order_by(message.c.id)).all())
    assert [tuple(row) for row in rows] == [
        (2, "QQ+3D314159", True, "welcome", "shop"),
        (None, None, False, None, None),
    ]
    of_delivery = select(delivery.c.notify, delivery.c.orcpt).order_by(delivery.c.id)
    kept = await store.db._connections.read(lambda db: db.execute(of_delivery).all())
    assert [tuple(row) for row in kept] == [(2 + 8, "rfc822;ann+2B@a.example"), (1, None), (0, None), (0, None)]


async def test_messages_count_to_the_day_of_their_account_and_make_acquaintances(store: Installation) -> None:
    shop = {"stream": "user:shop", "account": "shop"}
    await store.accept("ann@a.example", "bob@a.example", **shop)
    await store.queue.apply(
        [
            store.message("ann@a.example", "cy@c.example", **shop),
            store.message("ann@a.example", stream="user:crm", account="crm"),
            store.message("dan@d.example"),
        ]
    )
    store.clock.advance(timedelta(days=1))
    await store.accept("dan@d.example", "ann@a.example", **shop)
    rows = await store.db._connections.read(lambda db: db.execute(select(usage).order_by(usage.c.account)).all())
    today = store.now() // 86_400_000
    assert sorted(map(tuple, rows)) == [
        ("crm", today - 1, 1, 1, 1),
        ("shop", today - 1, 2, 4, 3),
        ("shop", today, 1, 2, 1),
    ]
    known = await store.db._connections.read(lambda db: db.execute(select(acquaintance)).all())
    assert len(known) == 5


async def test_a_repeated_key_costs_nothing(store: Installation) -> None:
    shop = {"stream": "user:shop", "account": "shop", "idempotency_key": "order-7"}
    first = await store.accept("ann@a.example", **shop)
    again = await store.accept("ann@a.example", "bob@a.example", **shop)
    assert (again.is_repeat, again.message, again.message_id) == (True, first.message, first.message_id)
    rows = await store.db._connections.read(lambda db: db.execute(select(usage)).all())
    assert [(row.messages, row.recipients, row.newcomers) for row in rows] == [(1, 1, 1)]
