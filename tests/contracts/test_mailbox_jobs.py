"""Jobs of mailboxes: taken by one owner at a time, settled with their events, and free again when their owner died."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.contracts.installation import Installation
from tests.contracts.test_inbox import keep
from tierii_mta.clock import Instant, later
from tierii_mta.correspondence.mailboxes.jobs import JobState, MailboxJob, Settled
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.received import InboxId, InboxState, NewMailboxJob
from tierii_mta.storage.mailbox_jobs import put_into_mailboxes
from tierii_mta.storage.received_tables import mailbox_job

SALES, CATCH_ALL = "example.com/sales", "example.com/*"
NEVER = Instant(0)


async def put(store: Installation, *mailboxes: str, recipient: str = "sales@example.com") -> InboxId:
    inbox = await keep(store)
    jobs = [NewMailboxJob(mailbox=one, recipient=recipient) for one in mailboxes]
    await store.db._connections.write(put_into_mailboxes, [(inbox, jobs)], store.now())
    return inbox


async def claim(store: Installation, epoch: Epoch, **quotas: int) -> Sequence[MailboxJob]:
    wanted = quotas or {SALES: 10, CATCH_ALL: 10}
    return await store.db.mailbox_jobs.claim(wanted, epoch=epoch, now=store.now())


def settled(store: Installation, job: MailboxJob, state: JobState = JobState.DONE, **fields: Any) -> Settled:
    values: dict[str, Any] = {"job": job.id, "state": state, "attempts": job.attempts, "at": store.now()}
    return Settled(**values | fields)


async def test_a_job_waits_at_its_mailbox_until_somebody_takes_it(store: Installation) -> None:
    epoch = await store.register()
    inbox = await put(store, SALES, CATCH_ALL)
    assert await store.db.mailbox_jobs.waiting() == {SALES: store.now(), CATCH_ALL: store.now()}
    jobs = await claim(store, epoch)
    assert {(one.inbox, one.mailbox, one.recipient, one.attempts) for one in jobs} == {
        (inbox, SALES, "sales@example.com", 1),
        (inbox, CATCH_ALL, "sales@example.com", 1),
    }
    assert await claim(store, epoch) == []


async def test_nothing_waits_in_an_empty_house(store: Installation) -> None:
    assert await store.db.mailbox_jobs.waiting() == {}


async def test_a_message_is_put_into_a_mailbox_once_for_each_recipient(store: Installation) -> None:
    epoch = await store.register()
    inbox = await keep(store)
    jobs = [NewMailboxJob(mailbox=CATCH_ALL, recipient=f"{name}@example.com") for name in ("a", "b", "a")]
    for _ in range(2):
        await store.db._connections.write(put_into_mailboxes, [(inbox, jobs)], store.now())
    assert sorted(one.recipient for one in await claim(store, epoch)) == ["a@example.com", "b@example.com"]


async def test_each_mailbox_gives_its_quota_earliest_first(store: Installation) -> None:
    epoch = await store.register()
    first = await put(store, SALES)
    store.clock.advance(timedelta(seconds=1))
    for _ in range(3):
        await put(store, SALES, CATCH_ALL)
    found = await claim(store, epoch, **{SALES: 2, CATCH_ALL: 1})
    assert [one.mailbox for one in found] == [CATCH_ALL, SALES, SALES]
    assert found[1].inbox == first


async def test_what_is_due_later_waits(store: Installation) -> None:
    epoch = await store.register()
    await put(store, SALES)
    (job,) = await claim(store, epoch)
    due = later(store.now(), timedelta(minutes=1))
    waits = settled(store, job, JobState.WAITING, due=due, error="connection refused")
    assert await store.db.mailbox_jobs.settle([waits], epoch=epoch) == [True]
    assert await claim(store, epoch) == []
    assert await store.db.mailbox_jobs.waiting() == {SALES: due}
    store.clock.advance(timedelta(minutes=1))
    (again,) = await claim(store, epoch)
    assert (again.id, again.attempts, again.last_error) == (job.id, 2, "connection refused")


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED])
async def test_an_end_is_final_and_told_in_its_commit(store: Installation, state: JobState) -> None:
    epoch = await store.register()
    await put(store, SALES)
    (job,) = await claim(store, epoch)
    event = store.event(EventType.INBOUND_DELIVERED, recipient=job.recipient, data={"mailbox": SALES})
    assert await store.db.mailbox_jobs.settle([settled(store, job, state, events=[event])], epoch=epoch) == [True]
    assert [one.data for one in await store.events("inbound.delivered")] == [{"mailbox": SALES}]
    assert await store.db.mailbox_jobs.settle([settled(store, job, events=[event])], epoch=epoch) == [False]
    assert len(await store.events("inbound.delivered")) == 1
    assert await claim(store, epoch) == []
    assert await store.db.mailbox_jobs.waiting() == {}


async def test_nobody_settles_what_another_has_in_hand(store: Installation) -> None:
    epoch, other = await store.register("one"), await store.register("two")
    await put(store, SALES, CATCH_ALL)
    mine, theirs = (await claim(store, epoch, **{SALES: 1})), (await claim(store, other, **{CATCH_ALL: 1}))
    both = [settled(store, theirs[0]), settled(store, mine[0])]
    assert await store.db.mailbox_jobs.settle(both, epoch=epoch) == [False, True]


async def test_what_a_dead_owner_had_in_hand_is_taken_and_the_attempt_counted(store: Installation) -> None:
    dead = await store.register("dead")
    await put(store, SALES)
    (job,) = await claim(store, dead)
    await store.queue.retire(dead)
    epoch = await store.register("next")
    (again,) = await claim(store, epoch)
    assert (again.id, again.attempts) == (job.id, 2)
    assert await store.db.mailbox_jobs.settle([settled(store, job)], epoch=dead) == [False]


async def test_jobs_go_with_their_message_once_they_are_over(store: Installation) -> None:
    epoch = await store.register()
    inbox = await keep(store, state=InboxState.QUARANTINED)
    job = NewMailboxJob(mailbox=SALES, recipient="sales@example.com")
    await store.db._connections.write(put_into_mailboxes, [(inbox, [job])], store.now())
    store.clock.advance(timedelta(days=10))
    counts = []
    count = select(func.count()).select_from(mailbox_job)
    for _ in range(2):
        await store.queue.purge(deliveries_before=NEVER, events_before=NEVER, inbox_before=store.now())
        counts.append(await store.db._connections.read(lambda connection: connection.execute(count).scalar_one()))
        for one in await claim(store, epoch):
            await store.db.mailbox_jobs.settle([settled(store, one)], epoch=epoch)
    assert counts == [1, 0]


async def test_the_jobs_of_a_message_are_shown(store: Installation) -> None:
    epoch = await store.register()
    inbox = await put(store, SALES, CATCH_ALL)
    await put(store, SALES)
    (first, *_) = await claim(store, epoch, **{SALES: 1})
    await store.db.mailbox_jobs.settle([settled(store, first)], epoch=epoch)
    done, waiting = await store.db.mailbox_jobs.of_message(inbox)
    assert (done.mailbox, done.state, done.attempts, done.finished_at) == (SALES, JobState.DONE, 1, store.now())
    assert (waiting.mailbox, waiting.state, waiting.finished_at) == (CATCH_ALL, JobState.WAITING, None)


async def test_a_reader_of_events_begins_at_the_newest_and_goes_on_where_it_was(store: Installation) -> None:
    await put(store, SALES)
    (newest,) = await store.events("inbound.received")
    readers = store.db.event_readers
    assert await readers.begin("notify", store.now()) == newest.seq
    await put(store, SALES)
    assert await readers.begin("notify", store.now()) == newest.seq
    assert newest.seq is not None
    await readers.move("notify", newest.seq + 1, store.now())
    await readers.move("notify", newest.seq, store.now())
    assert await readers.begin("notify", store.now()) == newest.seq + 1
