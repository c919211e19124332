"""Received mail in hand, and its end: once, by its owner, with all that follows in one commit."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from tests.contracts.installation import CONTENT, DIGEST, Installation, key_of
from tests.contracts.test_inbox import content, keep, listed
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.clock import Instant, later
from tierii_mta.consent.suppression import SuppressionReason
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import Delivery, DeliveryId, Epoch, State
from tierii_mta.queue.processed import Conclude, Halt, Processed, Said
from tierii_mta.queue.received import InboxId, InboxState, NewMailboxJob
from tierii_mta.queue.store import Activate
from tierii_mta.storage.received_tables import mailbox_job

ANN, BOB = "ann@one.example", "bob@two.example"
WAY_BACK: dict[str, Any] = {"from": {"email": "news@example.com"}, "stop_on": ["reply"]}
SNAPSHOT = Snapshot(specification={"campaign": WAY_BACK}, contents={DIGEST: CONTENT})


async def in_hand(store: Installation, epoch: Epoch, limit: int = 10) -> list[tuple[InboxId, int]]:
    return [(one.message.id, one.attempts) for one in await store.db.intray.claim(epoch, limit=limit)]


def conclusion(store: Installation, number: InboxId, epoch: Epoch, **fields: Any) -> Conclude:
    done = Processed(at=store.now(), kind="other", sender=ANN, subject="Hello", reading={"kind": "other"})
    return Conclude(message=number, epoch=epoch, **{"processed": done, **fields})


def said(store: Installation, one: Delivery, **fields: Any) -> Said:
    values: dict[str, Any] = {
        "conversation": None,
        "delivery": one.id,
        "person": one.recipient_key,
        "address": one.recipient,
        "campaign": one.campaign,
        "subject": "Hello",
        "answered_id": "<ours@example.com>",
        "answered_at": one.accepted_at,
        "answered_from": "news@example.com",
        "message_id": "<theirs@one.example>",
        "sender": one.recipient,
        "words": "Yes, please.",
    }
    return Said(**values | fields)


async def delivered(store: Installation, name: str = ANN) -> tuple[Epoch, Delivery]:
    """Return a campaign's delivery that the remote took."""
    epoch = await store.register()
    await store.run_campaign("spring", [name], snapshot=SNAPSHOT)
    (one,) = await store.claim(epoch)
    await store.queue.apply([Activate(delivery=one.id, epoch=epoch)])
    arrived = store.event(EventType.DELIVERED, delivery_id=one.id, message_id="<ours@example.com>")
    await store.queue.apply([store.settle(one, epoch, State.COMPLETED, events=(arrived,))])
    return epoch, one


async def test_new_messages_are_taken_oldest_first_and_each_once(store: Installation) -> None:
    epoch, ids = await store.register(), [await keep(store) for _ in range(3)]
    await keep(store, state=InboxState.QUARANTINED)
    assert await in_hand(store, epoch, limit=2) == [(ids[0], 1), (ids[1], 1)]
    assert await in_hand(store, epoch) == [(ids[2], 1)]
    assert await in_hand(store, epoch) == []


async def test_what_is_let_go_comes_again_and_counts_only_if_it_was_tried(store: Installation) -> None:
    epoch, number = await store.register(), await keep(store)
    await in_hand(store, epoch)
    await store.db.intray.release([number], epoch, is_tried=False)
    assert await in_hand(store, epoch) == [(number, 1)]
    await store.db.intray.release([number], epoch, is_tried=True)
    assert await in_hand(store, epoch) == [(number, 2)]
    await store.db.intray.release([number], Epoch(epoch + 1), is_tried=True)  # not theirs
    assert await in_hand(store, epoch) == []


async def test_what_a_dead_owner_had_in_hand_is_taken_again(store: Installation) -> None:
    dead, number = await store.register(), await keep(store)
    await in_hand(store, dead)
    heir = await store.register("heir")
    await store.queue.retire(dead)
    assert await store.db.intray.free_dead(heir, store.now()) == 1
    assert await store.db.intray.free_dead(heir, store.now()) == 0
    assert await in_hand(store, heir) == [(number, 2)]
    (late,) = await store.queue.apply([conclusion(store, number, dead)])
    assert late is False


async def test_the_end_is_written_once_and_read_back(store: Installation) -> None:
    epoch, number = await store.register(), await keep(store)
    await in_hand(store, epoch)
    end = conclusion(store, number, epoch, events=(store.event(EventType.AUTO_REPLIED),))
    assert list(await store.queue.apply([end])) == [True]
    assert list(await store.queue.apply([end])) == [False]
    kept = await store.db.inbox.get(number)
    assert kept is not None
    assert kept.entry.state is InboxState.PROCESSED
    assert kept.processed == end.processed
    assert len(await store.events("email.auto_replied")) == 1
    assert await in_hand(store, epoch) == []
    assert await listed(store, kind="other") == [number]
    assert await listed(store, kind="bounce") == []


async def test_nothing_is_written_of_what_is_in_nobodys_hand(store: Installation) -> None:
    epoch, number = await store.register(), await keep(store)
    end = conclusion(
        store,
        number,
        epoch,
        suppressions=(store.suppressed(ANN),),
        mailboxes=(NewMailboxJob(mailbox="a/b", recipient="b@a"),),
    )
    assert list(await store.queue.apply([end])) == [False]
    assert await store.suppression.find([key_of(ANN)]) == []
    assert await jobs(store) == []


async def test_a_late_bounce_marks_the_delivery_and_suppresses_in_the_same_commit(store: Installation) -> None:
    epoch, one = await delivered(store)
    number = await keep(store)
    await in_hand(store, epoch)
    bounced = store.event(EventType.BOUNCED, delivery_id=one.id, campaign_id="spring", recipient=ANN)
    gone = store.suppressed(ANN, reason=SuppressionReason.HARD_BOUNCE)
    done = Processed(at=store.now(), kind="bounce", sender=None, subject="", delivery=one.id, trust="strong")
    end = conclusion(store, number, epoch, processed=done, events=(bounced,), suppressions=(gone,))
    await store.queue.apply([end])
    assert await store.campaigns.marks("spring") == {
        **dict.fromkeys(await store.campaigns.marks("spring"), 0),
        "late_bounce": 1,
    }
    assert await store.state_of(one.id) is State.COMPLETED
    assert [entry.reason for entry in await store.suppression.find([key_of(ANN)])] == [SuppressionReason.HARD_BOUNCE]
    assert len(await store.events("suppression.created")) == 1
    sent = await store.db.correspondence.sent(one.id)
    assert sent is not None
    assert (set(sent.marks), sent.state, set(sent.stop_on)) == ({"late_bounce"}, State.COMPLETED, {"reply"})
    assert (sent.author, sent.answers_go_to, sent.list_id) == (
        "news@example.com",
        "news@example.com",
        "news.example.com",
    )
    await store.check_tally()


async def test_what_waits_for_a_person_is_cancelled_and_nothing_else(store: Installation) -> None:
    epoch, number = await store.register(), await keep(store)
    await store.run_campaign("spring", [ANN, BOB])
    await store.run_campaign("autumn", [ANN])
    await in_hand(store, epoch)
    halt = Halt(campaign="spring", person=key_of(ANN), reason="reply")
    await store.queue.apply([conclusion(store, number, epoch, halt=halt)])
    (cancelled,) = await store.events("email.cancelled")
    assert (cancelled.campaign_id, cancelled.recipient, cancelled.data) == ("spring", ANN, {"reason": "reply"})
    counts = await store.campaigns.counts("spring")
    assert (counts[State.CANCELLED], counts[State.PENDING]) == (1, 1)
    assert (await store.campaigns.counts("autumn"))[State.PENDING] == 1
    await store.check_tally()


async def test_a_reply_opens_a_conversation_that_begins_with_our_mail(store: Installation) -> None:
    epoch, one = await delivered(store)
    first, second = await keep(store), await keep(store)
    await in_hand(store, epoch)
    await store.queue.apply([conclusion(store, first, epoch, said=said(store, one))])
    again = said(store, one, message_id="<again@one.example>", words="And one more.", sender="pal@one.example")
    await store.queue.apply([conclusion(store, second, epoch, said=again)])
    found = await store.db.correspondence.conversation(second)
    assert found == await store.db.correspondence.conversation(first)
    assert found is not None
    assert (found.address, found.campaign, found.subject) == (ANN, "spring", "Hello")
    assert [(each.is_ours, each.delivery, each.inbox, each.words) for each in found.messages] == [
        (True, one.id, None, None),
        (False, one.id, first, "Yes, please."),
        (False, one.id, second, "And one more."),
    ]
    assert await store.db.correspondence.conversation(InboxId(99)) is None


async def test_an_answer_to_what_we_received_joins_its_conversation(store: Installation) -> None:
    epoch, one = await delivered(store)
    first, second = await keep(store), await keep(store)
    await in_hand(store, epoch)
    await store.queue.apply([conclusion(store, first, epoch, said=said(store, one))])
    _, by_id = await store.db.correspondence.known([], ["<theirs@one.example>", "<unknown@one.example>"])
    (known,) = by_id.values()
    assert (known.delivery, known.message_id) == (None, "<theirs@one.example>")
    assert set(known.participants) == {ANN}
    other = said(store, one, conversation=known.conversation, delivery=None, message_id=None, words="Me too.")
    await store.queue.apply([conclusion(store, second, epoch, said=other)])
    found = await store.db.correspondence.conversation(second)
    assert found is not None
    assert [each.words for each in found.messages] == [None, "Yes, please.", "Me too."]


async def test_what_we_sent_is_known_by_delivery_by_message_id_and_by_person(store: Installation) -> None:
    _, one = await delivered(store)
    submitted = await store.accept(ANN, BOB, message_id="<sub@example.com>")
    by_delivery, by_id = await store.db.correspondence.known([one.id], ["<sub@example.com>"])
    assert by_delivery[one.id].message_id == "<ours@example.com>"
    assert list(by_delivery[one.id].participants) == [ANN]
    assert (by_id["<sub@example.com>"].delivery, list(by_id["<sub@example.com>"].participants)) == (
        submitted.deliveries[0],
        [ANN, BOB],
    )
    sent = await store.db.correspondence.sent(submitted.deliveries[0], answered_by=key_of(BOB))
    assert sent is not None
    assert (sent.delivery.recipient, sent.answers_go_to, sent.message_id) == (
        BOB,
        "sender@example.com",
        "<sub@example.com>",
    )
    assert await store.db.correspondence.sent(DeliveryId(one.id + 1000)) is None
    to_ann = await store.db.correspondence.sent_to(key_of(ANN), Instant(0), limit=5)
    assert [each.delivery for each in to_ann] == [one.id]  # the other one waits
    assert await store.db.correspondence.sent_to(key_of(ANN), later(store.now(), timedelta(1)), limit=5) == []


async def test_each_mailbox_of_a_message_gets_one_job(store: Installation) -> None:
    epoch, number = await store.register(), await keep(store)
    await in_hand(store, epoch)
    sales = NewMailboxJob(mailbox="example.com/sales", recipient="sales+x@example.com")
    info = NewMailboxJob(mailbox="example.com/info", recipient="info@example.com")
    await store.queue.apply([conclusion(store, number, epoch, mailboxes=(sales, info, sales))])
    assert await jobs(store) == [(number, "example.com/sales"), (number, "example.com/info")]


async def test_the_sender_of_submitted_mail_is_owed_a_report_of_a_late_bounce(store: Installation) -> None:
    epoch, number = await store.register(), await keep(store)
    one = (await store.accept(ANN)).deliveries[0]
    await in_hand(store, epoch)
    data = {"is_late": True, "code": 550, "enhanced": "5.1.1", "reply": "no such user", "mx": "mx.one.example"}
    bounced = store.event(EventType.BOUNCED, delivery_id=one, data=data)
    await store.queue.apply([conclusion(store, number, epoch, failed=one, events=(bounced,))])
    owed = await store.db.reports.owed(before=store.now(), now=store.now(), limit=10)
    assert owed is not None
    (told,) = owed.recipients
    assert (owed.action, told.recipient, told.last_reply) == (Action.FAILED, ANN, "550 5.1.1 no such user")
    assert (told.is_local, told.mx) == (False, "mx.one.example")


async def test_released_quarantine_is_processed_like_any_other(store: Installation) -> None:
    epoch, number = await store.register(), await keep(store, state=InboxState.QUARANTINED)
    assert await in_hand(store, epoch) == []
    assert await store.db.inbox.release(number) is True
    assert await store.db.inbox.release(number) is False
    assert await in_hand(store, epoch) == [(number, 1)]


async def test_retention_leaves_what_nobody_has_read_and_what_waits_for_a_mailbox(store: Installation) -> None:
    epoch, one = await delivered(store)
    waiting, done = await keep(store), await keep(store)
    await in_hand(store, epoch)
    box = NewMailboxJob(mailbox="example.com/sales", recipient="sales@example.com")
    await store.queue.apply([conclusion(store, waiting, epoch, mailboxes=(box,))])
    await store.queue.apply([conclusion(store, done, epoch, said=said(store, one))])
    unread = await keep(store)
    store.clock.advance(timedelta(days=400))
    await store.queue.purge(deliveries_before=Instant(0), events_before=Instant(0), inbox_before=store.now())
    assert await listed(store) == [unread, waiting]
    assert await store.db.correspondence.conversation(done) is None
    assert await content(store, waiting) != []


async def jobs(store: Installation) -> list[tuple[int, str]]:
    wanted = select(mailbox_job.c.inbox, mailbox_job.c.mailbox).order_by(mailbox_job.c.id)
    rows = await store.db._connections.read(lambda connection: connection.execute(wanted).all())
    return [(row.inbox, row.mailbox) for row in rows]
