"""Jobs of mailboxes in the database: `MailboxJobs`, and the rows that the processing of a received message makes.

Owns the table `mailbox_job`.  A job belongs to an epoch while it is in hand; one whose owner died is free for the next
claim, as deliveries are (storage.upkeep), but nothing has to be freed first.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, or_, select, text, update

from tierii_mta.clock import Clock, Instant
from tierii_mta.correspondence.mailboxes.jobs import JobId, JobState, JobView, MailboxJob, Settled
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.received import InboxId, NewMailboxJob
from tierii_mta.storage.backend import is_dead, is_postgres
from tierii_mta.storage.bulk import Values, insert_rows
from tierii_mta.storage.codes import MAILBOX_JOB, MAILBOX_JOB_OF
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.received_tables import mailbox_job
from tierii_mta.storage.tables import AnyRow


def put_into_mailboxes(
    connection: Connection, processed: Sequence[tuple[InboxId, Sequence[NewMailboxJob]]], at: Instant
) -> None:
    """Make the jobs of processed messages, due at once; a job that is there already is left as it is."""
    rows: list[Values] = [
        (inbox, job.mailbox, job.recipient, MAILBOX_JOB[JobState.WAITING], at, 0, at)
        for inbox, jobs in processed
        for job in jobs
    ]
    insert_rows(connection, mailbox_job, _NEW, rows, conflict="ON CONFLICT (inbox, mailbox, recipient) DO NOTHING")


_NEW = ("inbox", "mailbox", "recipient", "state", "due", "attempts", "created_at")
_IS_WAITING = text(f"mailbox_job.state = {MAILBOX_JOB[JobState.WAITING]}")  # in the words of the partial index
_WAITING = text(
    # From one mailbox to the next, by the index: what one of them has waiting is not gone through.
    """
    WITH RECURSIVE box (mailbox) AS (
        SELECT min(mailbox) FROM mailbox_job WHERE state = 0
        UNION ALL
        SELECT (SELECT min(mailbox) FROM mailbox_job WHERE state = 0 AND mailbox > box.mailbox)
        FROM box WHERE box.mailbox IS NOT NULL
    )
    SELECT mailbox, (SELECT min(due) FROM mailbox_job WHERE state = 0 AND mailbox = box.mailbox) AS due
    FROM box WHERE mailbox IS NOT NULL
    """
)


class StoredMailboxJobs:
    """`MailboxJobs` on one database."""

    def __init__(self, connections: Connections, clock: Clock, node: str) -> None:
        self._connections, self._clock, self._node = connections, clock, node

    async def waiting(self) -> Mapping[str, Instant]:
        return await self._connections.read(_waiting)

    async def of_message(self, message: InboxId) -> Sequence[JobView]:
        wanted = select(mailbox_job).where(mailbox_job.c.inbox == message).order_by(mailbox_job.c.id)
        rows = await self._connections.read(lambda connection: connection.execute(wanted).all())
        return [_view(row) for row in rows]

    async def claim(self, quotas: Mapping[str, int], *, epoch: Epoch, now: Instant) -> Sequence[MailboxJob]:
        return await self._connections.write(_claim, quotas, epoch, now)

    async def settle(self, settled: Sequence[Settled], *, epoch: Epoch) -> Sequence[bool]:
        return await self._connections.write(
            lambda connection: _settle(connection, settled, epoch, Ledger(self._clock, self._node))
        )


def _waiting(connection: Connection) -> Mapping[str, Instant]:
    return {row.mailbox: Instant(row.due) for row in connection.execute(_WAITING)}


def _claim(connection: Connection, quotas: Mapping[str, int], epoch: Epoch, now: Instant) -> Sequence[MailboxJob]:
    jobs = mailbox_job.c
    if is_postgres(connection):
        is_free: ColumnElement[bool] = or_(
            jobs.owner.is_(None), is_dead(connection, jobs.owner, now) & (jobs.owner != epoch)
        )
    else:
        is_free = or_(jobs.owner.is_(None), jobs.owner < epoch)  # there is one daemon
    found: list[MailboxJob] = []
    for mailbox, limit in sorted(quotas.items()):
        due = select(jobs.id).where(_IS_WAITING, jobs.mailbox == mailbox, jobs.due <= now, is_free)
        due = due.order_by(jobs.due, jobs.id).limit(limit).with_for_update(of=mailbox_job, skip_locked=True)
        ids = connection.execute(due).scalars().all()
        if ids:
            taken = update(mailbox_job).where(jobs.id.in_(ids)).values(owner=epoch, attempts=jobs.attempts + 1)
            rows = connection.execute(taken.returning(mailbox_job)).all()
            found += [_job(row) for row in sorted(rows, key=lambda row: (row.due, row.id))]
    return found


def _view(row: AnyRow) -> JobView:
    return JobView(
        mailbox=row.mailbox,
        recipient=row.recipient,
        state=MAILBOX_JOB_OF[row.state],
        attempts=row.attempts,
        due=Instant(row.due),
        last_error=row.last_error,
        finished_at=Instant(row.finished_at) if row.finished_at is not None else None,
    )


def _job(row: AnyRow) -> MailboxJob:
    return MailboxJob(
        id=JobId(row.id),
        inbox=InboxId(row.inbox),
        mailbox=row.mailbox,
        recipient=row.recipient,
        attempts=row.attempts,
        created_at=Instant(row.created_at),
        last_error=row.last_error,
    )


def _settle(connection: Connection, settled: Sequence[Settled], epoch: Epoch, ledger: Ledger) -> Sequence[bool]:
    kept = []
    for one in sorted(settled, key=lambda one: one.job):
        written = connection.execute(
            update(mailbox_job)
            .where(mailbox_job.c.id == one.job, mailbox_job.c.owner == epoch, _IS_WAITING)
            .values(_values(one))
        )
        if written.rowcount:
            ledger.record(one.events)
            kept.append(one.job)
    ledger.write(connection)
    return [one.job in kept for one in settled]


def _values(one: Settled) -> dict[str, object]:
    is_over = one.state is not JobState.WAITING
    values: dict[str, object] = {
        "state": MAILBOX_JOB[one.state],
        "owner": None,
        "attempts": one.attempts,
        "due": one.due if one.due is not None else one.at,
        "finished_at": one.at if is_over else None,
    }
    return values if one.error is None else values | {"last_error": one.error}
