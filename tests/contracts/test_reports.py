"""Reports to senders: owed in the commit that moves a delivery, once each, to those who want them."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.event import listen, remove

from tests.contracts.installation import LIFETIME, Installation, key_of
from tierii_mta.clock import Instant, later
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import Delivery, Epoch, FailureReason, Report, ReportKey, State
from tierii_mta.queue.operator import Order, Verb
from tierii_mta.queue.reports import Owed
from tierii_mta.queue.selection import Selection
from tierii_mta.queue.store import Accept, Accepted, Activate, NewDelivery
from tierii_mta.queue.views import StoredMessage
from tierii_mta.smtp.requests import Notify, Return
from tierii_mta.storage.codes import ACTION_OF
from tierii_mta.storage.tables import body_part, report


def to(name: str, *notify: Notify, orcpt: str | None = None) -> NewDelivery:
    domain = name.rpartition("@")[2]
    return NewDelivery(recipient=name, recipient_key=key_of(name), domain=domain, notify=frozenset(notify), orcpt=orcpt)


async def rows(store: Installation) -> Mapping[ReportKey, Any]:
    def work(connection: Connection) -> Mapping[ReportKey, Any]:
        return {(row.delivery, ACTION_OF[row.kind]): row for row in connection.execute(select(report))}

    return await store.db._connections.read(work)


async def taken(store: Installation, *new: NewDelivery, **fields: Any) -> tuple[Epoch, list[Delivery]]:
    """Accept a message, and return its deliveries in hand."""
    epoch = await store.register()
    await store.accept(deliveries=new, **fields)
    found = sorted(await store.claim(epoch), key=lambda one: one.id)
    await store.queue.apply([Activate(delivery=one.id, epoch=epoch) for one in found])
    return epoch, found


async def end(store: Installation, epoch: Epoch, *of: Delivery, action: Action = Action.FAILED, **fields: Any) -> None:
    """Settle deliveries with a report."""
    state = {Action.FAILED: State.FAILED, Action.DELAYED: State.RETRY}.get(action, State.COMPLETED)
    told = Report(action=action, at=fields.pop("report_at", store.now()))
    settles = [store.settle(one, epoch, state, report=told, **fields) for one in of]
    assert await store.queue.apply(settles) == [True] * len(of)


async def owed(store: Installation, *, before: Instant | None = None, limit: int = 100) -> Owed | None:
    return await store.db.reports.owed(before=before or store.now(), now=store.now(), limit=limit)


def answer(store: Installation, *reports: ReportKey) -> Accept:
    return store.message("sender@example.com", stream="dsn", reverse_path="", reports=reports)


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ((), {Action.FAILED, Action.DELAYED}),
        ((Notify.NEVER,), set()),
        ((Notify.FAILURE,), {Action.FAILED}),
        ((Notify.DELAY,), {Action.DELAYED}),
        ((Notify.SUCCESS,), {Action.RELAYED, Action.DELIVERED}),
        ((Notify.SUCCESS, Notify.FAILURE, Notify.DELAY), set(Action)),
    ],
)
async def test_the_sender_decides_what_is_owed(
    store: Installation, notify: tuple[Notify, ...], told: set[Action]
) -> None:
    epoch, every = await taken(store, *(to(f"{action}@one.example", *notify) for action in Action))
    for action, one in zip(Action, every, strict=True):
        await end(store, epoch, one, action=action)
    assert {action for _, action in await rows(store)} == told


async def test_nothing_is_owed_to_the_null_sender(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example", Notify.FAILURE), reverse_path="")
    await end(store, epoch, one)
    assert await rows(store) == {}


async def test_campaign_mail_owes_nothing(store: Installation) -> None:
    epoch = await store.register()
    await store.run_campaign("spring", ["a@one.example", "b@one.example"])
    one, _ = await store.claim(epoch)
    await end(store, epoch, one, from_state=State.QUEUED)
    store.clock.advance(LIFETIME * 2)
    await store.queue.retire(epoch)
    assert await store.queue.expire(store.now()) == 1
    assert await rows(store) == {}


async def test_a_settlement_that_comes_too_late_owes_nothing(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    failed = store.settle(one, epoch, State.FAILED, report=Report(action=Action.FAILED, at=store.now()))
    assert await store.queue.apply([store.settle(one, epoch, State.COMPLETED), failed]) == [True, False]
    assert await rows(store) == {}


async def test_a_delay_is_owed_once(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    await end(store, epoch, one, action=Action.DELAYED, due=store.now())
    store.clock.advance(timedelta(hours=1))
    (again,) = await store.claim(epoch)
    await end(store, epoch, again, action=Action.DELAYED, from_state=State.QUEUED, due=store.now())
    ((_, row),) = (await rows(store)).items()
    assert row.owed_at == store.now() - 3_600_000


async def test_age_owes_a_failure(store: Installation) -> None:
    await store.accept("a@one.example")
    store.clock.advance(LIFETIME * 2)
    assert await store.queue.expire(store.now()) == 1
    assert [action for _, action in await rows(store)] == [Action.FAILED]


async def test_a_recipient_suppressed_while_the_mail_waited_is_a_failure(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example")
    await store.suppression.add([store.suppressed("a@one.example")])
    assert await store.claim(epoch) == []
    assert [action for _, action in await rows(store)] == [Action.FAILED]


async def test_what_is_owed_brings_all_that_the_notification_says(store: Installation) -> None:
    accepted_at = store.now()
    epoch, (one, _) = await taken(
        store,
        to("a@one.example", orcpt="rfc822;anna@example.com"),
        to("b@one.example"),
        ret=Return.FULL,
        envid="e+2B1",
        is_smtputf8=True,
        parts=[b"x" * 100, b"y" * 10],
        message_id="<m1@example.com>",
    )
    store.clock.advance(timedelta(seconds=2))
    bounced = store.event(EventType.BOUNCED, data={"stage": "rcpt", "mx": "mx.one.example", "code": 550})
    await end(store, epoch, one, reason=FailureReason.BOUNCED, last_reply="550 5.1.1 no such user", events=[bounced])
    found = await owed(store)
    assert found is not None
    (recipient,) = found.recipients
    assert (recipient.delivery, recipient.recipient, recipient.orcpt) == (
        *(one.id, "a@one.example"),
        "rfc822;anna@example.com",
    )
    assert (recipient.reason, recipient.last_reply) == (FailureReason.BOUNCED, "550 5.1.1 no such user")
    assert (recipient.mx, recipient.is_local, recipient.attempted_at) == ("mx.one.example", False, store.now())
    assert (found.action, found.reverse_path, found.message_id) == (
        *(Action.FAILED, "sender@example.com"),
        "<m1@example.com>",
    )
    assert (found.accepted_at, found.expires_at) == (accepted_at, later(accepted_at, LIFETIME))
    assert (found.ret, found.envid, found.is_smtputf8) == (Return.FULL, "e+2B1", True)
    assert (found.content, found.size_bytes) == (b"x" * 100, 110)
    assert found.reports == [(one.id, Action.FAILED)]


async def test_what_nobody_said_is_ours(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    deferred = store.event(EventType.DEFERRED, data={"stage": "rcpt", "mx": "mx.one.example", "code": 450})
    failed = store.event(EventType.FAILED, data={"reason": "error"})
    await end(store, epoch, one, reason=FailureReason.ERROR, last_reply="the row is damaged", events=[deferred, failed])
    found = await owed(store)
    assert found is not None
    assert (found.recipients[0].is_local, found.recipients[0].mx) == (True, None)


async def test_what_the_operator_gave_up_is_a_failure_and_the_operators_word(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    deferred = store.event(EventType.DEFERRED, data={"stage": "rcpt", "mx": "mx.one.example", "code": 450})
    await store.queue.apply([store.settle(one, epoch, State.RETRY, due=store.now(), events=[deferred])])
    order = Order(verb=Verb.BOUNCE, selection=Selection(domain="one.example"), text="wrong list")
    assert (await store.db.operator.carry_out(order, store.now())).count == 1
    found = await owed(store)
    assert found is not None
    (recipient,) = found.recipients
    assert (recipient.last_reply, recipient.is_local, recipient.mx) == ("550 5.7.1 wrong list", True, None)


async def test_recipients_of_one_message_are_gathered_by_what_happened(store: Installation) -> None:
    epoch, every = await taken(store, *(to(f"p{number}@one.example") for number in range(5)))
    await end(store, epoch, *every[:2])
    await end(store, epoch, every[2], action=Action.DELAYED, due=store.now())
    store.clock.advance(timedelta(seconds=3))
    await end(store, epoch, every[3])
    first = await owed(store, before=later(store.now(), -timedelta(seconds=3)))
    assert first is not None
    assert [one.delivery for one in first.recipients] == [every[0].id, every[1].id, every[3].id]
    capped = await owed(store, limit=2)
    assert capped is not None
    assert len(capped.recipients) == 2


async def test_a_report_is_not_owed_before_its_time(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    due = later(store.now(), timedelta(hours=4))
    await end(store, epoch, one, action=Action.DELAYED, report_at=due, due=later(due, timedelta(hours=1)))
    assert await owed(store) is None
    store.clock.advance(timedelta(hours=4))
    assert await owed(store) is not None


async def test_a_delay_of_what_has_ended_meanwhile_is_not_told(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    await end(store, epoch, one, action=Action.DELAYED, due=store.now())
    (again,) = await store.claim(epoch)
    await store.queue.apply([store.settle(again, epoch, State.FAILED, from_state=State.QUEUED)])
    assert await owed(store) is None
    assert await rows(store) == {}


async def test_a_body_that_is_kept_no_more_stops_nobody(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    await end(store, epoch, one)
    await store.db._connections.write(lambda connection: connection.execute(delete(body_part)).rowcount)
    found = await owed(store)
    assert found is not None
    assert (found.content, found.size_bytes) == (b"", 0)


async def test_a_notification_and_its_reports_are_one_commit(store: Installation) -> None:
    epoch, every = await taken(store, to("a@one.example"), to("b@one.example"))
    await end(store, epoch, *every)
    found = await owed(store)
    assert found is not None
    (made,) = await store.queue.apply([answer(store, *found.reports)])
    assert isinstance(made, Accepted)
    assert len(made.loads) == 1
    assert await owed(store) is None
    assert {row.done_at for row in (await rows(store)).values()} == {store.now()}


async def test_a_report_that_was_made_is_made_by_nobody_else(store: Installation) -> None:
    epoch, (one, two) = await taken(store, to("a@one.example"), to("b@one.example"))
    await end(store, epoch, one, two)
    keys: list[ReportKey] = [(one.id, Action.FAILED), (two.id, Action.FAILED)]
    first, again, other = await store.queue.apply(
        [answer(store, keys[0]), answer(store, *keys), store.message("c@one.example")]
    )
    assert isinstance(first, Accepted)
    assert again is None
    assert isinstance(other, Accepted)
    found = await owed(store)
    assert found is not None, "the other one is owed still"
    assert found.reports == [keys[1]]


async def test_two_processes_make_one_notification(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    await end(store, epoch, one)
    other = await store.another()
    made = await asyncio.gather(
        *(each.queue.apply([answer(store, (one.id, Action.FAILED))]) for each in (store, other) for _ in range(3))
    )
    assert sorted(isinstance(result, Accepted) for (result,) in made) == [False] * 5 + [True]


async def test_a_notification_that_cannot_be_made_waits(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    await end(store, epoch, one)
    await store.db.reports.put_off([(one.id, Action.FAILED)], later(store.now(), timedelta(minutes=15)))
    assert await owed(store) is None
    store.clock.advance(timedelta(minutes=15))
    assert await owed(store) is not None


async def test_reports_go_with_their_deliveries(store: Installation) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    await end(store, epoch, one)
    store.clock.advance(timedelta(days=1))
    await store.queue.purge(deliveries_before=store.now(), events_before=store.now())
    assert await rows(store) == {}


async def test_an_attempt_reads_the_message_with_what_was_asked(store: Installation) -> None:
    asked = to("a@one.example", Notify.SUCCESS, Notify.DELAY, orcpt="rfc822;x@y.example")
    kept = await store.accept(deliveries=[asked, to("b@one.example")], ret=Return.HEADERS, envid="e1")
    one, two = [await store.queue.stored_message(number) for number in kept.deliveries]
    assert one == StoredMessage(
        parts=[b"Subject: hi\r\n\r\n", b"body\r\n"],
        ret=Return.HEADERS,
        envid="e1",
        notify=frozenset({Notify.SUCCESS, Notify.DELAY}),
        orcpt="rfc822;x@y.example",
        has_wishes=True,
    )
    assert two.has_wishes, "one of its neighbours has"
    assert (two.notify, two.orcpt, two.parts) == (frozenset(), None, one.parts)
    plain = await store.accept("c@one.example")
    assert await store.queue.stored_message(plain.deliveries[0]) == StoredMessage(parts=one.parts)


async def test_a_message_kept_no_more_has_no_parts(store: Installation) -> None:
    kept = await store.accept("a@one.example")
    await store.db._connections.write(lambda connection: connection.execute(delete(body_part)).rowcount)
    assert await store.queue.stored_message(kept.deliveries[0]) == StoredMessage(parts=[])


async def test_whatever_statement_fails_the_notification_and_its_reports_are_kept_together_or_not_at_all(
    store: Installation,
) -> None:
    epoch, (one,) = await taken(store, to("a@one.example"))
    await end(store, epoch, one)
    key = (one.id, Action.FAILED)
    statements = 0
    while True:
        statements += 1
        left = statements

        def fail_at(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise RuntimeError("the power went out")

        listen(Engine, "before_cursor_execute", fail_at)
        try:
            (made,) = await store.queue.apply([answer(store, key)])
        except Exception:
            assert await store.queue.history(key=key_of("sender@example.com")) == []
        else:
            break
        finally:
            remove(Engine, "before_cursor_execute", fail_at)
        assert await owed(store) is not None
    assert statements > 5
    assert isinstance(made, Accepted)
    assert await store.queue.apply([answer(store, key)]) == [None]
    assert len(await store.queue.history(key=key_of("sender@example.com"))) == 1
