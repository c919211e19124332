"""Received mail in the database.

Owns the rows behind the operation `Receive` and the port `inbound.inbox.Inbox`; not what may be received (inbound).
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, select, update

from tierii_mta.clock import Instant
from tierii_mta.correspondence.mailboxes.jobs import JobState
from tierii_mta.events import EventType
from tierii_mta.inbound.inbox import InboxMessage
from tierii_mta.mail.tokens import Purpose
from tierii_mta.queue.delivery import DeliveryId
from tierii_mta.queue.processed import Processed
from tierii_mta.queue.received import InboxEntry, InboxId, InboxRecipient, InboxState
from tierii_mta.queue.store import Receive, Received
from tierii_mta.storage.bulk import Values, insert_parts, insert_returning, insert_rows
from tierii_mta.storage.codes import INBOX_STATE, INBOX_STATE_OF, MAILBOX_JOB
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.ledger import Ledger, compact_json
from tierii_mta.storage.received_tables import inbox, inbox_part, inbox_recipient, mailbox_job
from tierii_mta.storage.tables import AnyRow

_PAGE = 200
_PURGED_BYTES = 64_000_000  # of a commit, at most; a single message may be larger
_EVENTS = {InboxState.NEW: EventType.INBOUND_RECEIVED, InboxState.QUARANTINED: EventType.INBOUND_QUARANTINED}


# -- writing


def receive_all(connection: Connection, received: Sequence[Receive], ledger: Ledger) -> Sequence[Received]:
    """Keep the messages and return their ids, in order."""
    ids = insert_returning(connection, inbox, _ENTRY, [_entry_row(one.entry) for one in received])
    recipients = [
        (number, position, each.address, each.mailbox, str(each.token) if each.token is not None else None)
        for number, one in zip(ids, received, strict=True)
        for position, each in enumerate(one.entry.recipients)
    ]
    insert_rows(connection, inbox_recipient, ("message", "position", "address", "mailbox", "token"), recipients)
    insert_parts(connection, inbox_part, ids, [one.parts for one in received])
    for number, one in zip(ids, received, strict=True):
        _announce(InboxId(number), one.entry, ledger)
    return [Received(id=InboxId(number)) for number in ids]


def _announce(number: InboxId, entry: InboxEntry, ledger: Ledger) -> None:
    tokens = sorted({str(one.token) for one in entry.recipients if one.token is not None})
    data: dict[str, Any] = {
        "inbox": str(number),
        "reverse_path": entry.reverse_path,
        "remote": entry.remote,
        "size": entry.size_bytes,
        "recipients": len(entry.recipients),
    }
    if entry.state is InboxState.QUARANTINED:
        data |= _grounds(entry)
    ledger.happened(
        _EVENTS[entry.state],
        entry.received_at,
        message_id=entry.message_id,
        recipient=entry.recipients[0].address,
        data=data | ({"tokens": tokens} if tokens else {}),
    )


def _grounds(entry: InboxEntry) -> dict[str, Any]:
    """Return why a message is kept apart, as its verdict tells."""
    verdict: Mapping[str, Any] = entry.verdict
    against = [one for one in verdict.get("findings", ()) if one.get("score", 0) > 0 or "decides" in one]
    against.sort(key=lambda one: ("decides" not in one, -one.get("score", 0)))
    return {"score": verdict.get("total", 0), "reasons": [one["check"] for one in against]}


def purge(connection: Connection, before: Instant, limit: int) -> int:
    """Delete one page of old messages, oldest first, with all that belongs to them; return how many went.

    What nobody has processed yet, or waits for a mailbox, stays.
    """
    is_waiting = inbox.c.state == INBOX_STATE[InboxState.NEW]
    is_awaited = exists().where(mailbox_job.c.inbox == inbox.c.id, mailbox_job.c.state == MAILBOX_JOB[JobState.WAITING])
    oldest = (
        select(inbox.c.id, inbox.c.size)
        .where(inbox.c.received_at < before, ~is_waiting, ~is_awaited)
        .order_by(inbox.c.received_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone: list[int] = []
    size = 0
    for row in connection.execute(oldest).all():
        size += row.size
        if gone and size > _PURGED_BYTES:
            break
        gone.append(row.id)
    if gone:
        connection.execute(delete(inbox).where(inbox.c.id.in_(gone)))
    return len(gone)


_ENTRY = (
    *("received_at", "remote", "helo", "tls", "reverse_path"),
    *("message_id", "size", "state", "verdict", "session"),
)


def _entry_row(entry: InboxEntry) -> Values:
    """Return the values of `_ENTRY`."""
    return (
        *(entry.received_at, entry.remote, entry.client_name, entry.tls, entry.reverse_path),
        *(entry.message_id, entry.size_bytes, INBOX_STATE[entry.state]),
        *(compact_json(entry.verdict), compact_json(entry.session)),
    )


# -- reading


class StoredInbox:
    """`Inbox` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, message: InboxId) -> InboxMessage | None:
        """Return a message by its id, None if there is none (any more)."""
        found = await self._connections.read(messages_of, select(inbox).where(inbox.c.id == message))
        return found[0] if found else None

    async def messages(
        self,
        *,
        state: InboxState | None = None,
        kind: str | None = None,
        before: InboxId | None = None,
        limit: int = 100,
    ) -> AsyncIterator[InboxMessage]:
        """Yield messages, newest first, a page a read."""
        wanted = select(inbox).order_by(inbox.c.id.desc())
        if state is not None:
            wanted = wanted.where(inbox.c.state == INBOX_STATE[state])
        if kind is not None:
            wanted = wanted.where(inbox.c.kind == kind)
        while limit > 0:
            size = min(limit, _PAGE)
            page = wanted.where(inbox.c.id < before) if before is not None else wanted
            found = await self._connections.read(messages_of, page.limit(size))
            for one in found:
                yield one
            if len(found) < size:
                return
            limit -= size
            before = found[-1].id

    async def release(self, message: InboxId) -> bool:
        """quarantined → new; False if it is not in quarantine."""
        kept_apart = (inbox.c.id == message, inbox.c.state == INBOX_STATE[InboxState.QUARANTINED])
        released = update(inbox).where(*kept_apart).values(state=INBOX_STATE[InboxState.NEW])
        return bool(await self._connections.write(lambda connection: connection.execute(released).rowcount))

    async def parts(self, message: InboxId) -> AsyncIterator[bytes]:
        """Yield the octets of a message in order, a part a read."""
        position = 0
        while (part := await self._connections.read(_part, message, position)) is not None:
            yield part
            position += 1


def messages_of(connection: Connection, wanted: Select[Any]) -> list[InboxMessage]:
    """Return the messages that a query over `inbox` finds, in its order."""
    rows = connection.execute(wanted).all()
    ids = [row.id for row in rows]
    named = select(inbox_recipient).where(inbox_recipient.c.message.in_(ids)).order_by(inbox_recipient.c.position)
    recipients: dict[int, list[InboxRecipient]] = {}
    for one in connection.execute(named) if ids else ():
        token = Purpose(one.token) if one.token is not None else None
        recipient = InboxRecipient(address=one.address, mailbox=one.mailbox, token=token)
        recipients.setdefault(one.message, []).append(recipient)
    return [_message(row, tuple(recipients.get(row.id, ()))) for row in rows]


def _message(row: AnyRow, recipients: tuple[InboxRecipient, ...]) -> InboxMessage:
    entry = InboxEntry(
        received_at=Instant(row.received_at),
        state=INBOX_STATE_OF[row.state],
        remote=row.remote,
        client_name=row.helo,
        tls=row.tls,
        reverse_path=row.reverse_path,
        recipients=recipients,
        message_id=row.message_id,
        size_bytes=row.size,
        verdict=json.loads(row.verdict),
        session=json.loads(row.session),
    )
    return InboxMessage(id=InboxId(row.id), entry=entry, processed=_processed(row))


def _processed(row: AnyRow) -> Processed | None:
    if row.processed_at is None:
        return None
    return Processed(
        at=Instant(row.processed_at),
        kind=row.kind,
        sender=row.sender,
        subject=row.subject,
        reading=json.loads(row.reading),
        delivery=DeliveryId(row.delivery) if row.delivery is not None else None,
        trust=row.trust,
        effects=json.loads(row.effects),
    )


def _part(connection: Connection, message: InboxId, position: int) -> bytes | None:
    wanted = select(inbox_part.c.content).where(inbox_part.c.message == message, inbox_part.c.position == position)
    content = connection.execute(wanted).scalar_one_or_none()
    return bytes(content) if content is not None else None
