"""The processing of received mail in the database: who has it in hand, and the end of it with all that follows.

Owns the rows behind the operation `Conclude` and the port `correspondence.intray.Intray`.  A message in hand carries
its owner's epoch, as deliveries do; only its owner ends it, and only once.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, select, update

from tierii_mta.clock import Instant
from tierii_mta.correspondence.intray import InHand
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import Epoch, State
from tierii_mta.queue.processed import Conclude, Halt
from tierii_mta.queue.received import InboxId, InboxState
from tierii_mta.storage.backend import is_dead, is_postgres
from tierii_mta.storage.codes import INBOX_STATE, STATE, STATE_OF
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.conversations import say
from tierii_mta.storage.inbox import messages_of
from tierii_mta.storage.lanes import places
from tierii_mta.storage.ledger import Ledger, compact_json
from tierii_mta.storage.mailbox_jobs import put_into_mailboxes
from tierii_mta.storage.received_tables import inbox
from tierii_mta.storage.tables import campaign, delivery

_HALTED = [STATE[state] for state in (State.PENDING, State.RETRY, State.HELD)]
_WAITING = inbox.c.state == INBOX_STATE[InboxState.NEW]


# -- in hand


class StoredIntray:
    """`Intray` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def claim(self, epoch: Epoch, *, limit: int) -> Sequence[InHand]:
        if not await self._connections.read(_is_any_waiting):
            return ()
        return await self._connections.write(_claim, epoch, limit)

    async def release(self, messages: Sequence[InboxId], epoch: Epoch, *, is_tried: bool) -> None:
        given = {"owner": None} if is_tried else {"owner": None, "attempts": inbox.c.attempts - 1}
        ours = update(inbox).where(inbox.c.id.in_(list(messages)), inbox.c.owner == epoch, _WAITING)
        await self._connections.write(lambda connection: connection.execute(ours.values(given)).rowcount)

    async def free_dead(self, epoch: Epoch, now: Instant) -> int:
        if not await self._connections.read(_is_any_held, epoch):
            return 0
        return await self._connections.write(_free_dead, epoch, now)


def _is_any_waiting(connection: Connection) -> bool:
    return connection.execute(select(inbox.c.id).where(_WAITING, inbox.c.owner.is_(None)).limit(1)).first() is not None


def _claim(connection: Connection, epoch: Epoch, limit: int) -> Sequence[InHand]:
    oldest = select(inbox.c.id).where(_WAITING, inbox.c.owner.is_(None)).order_by(inbox.c.id).limit(limit)
    ids = list(connection.execute(oldest.with_for_update(skip_locked=True)).scalars())
    taken = update(inbox).where(inbox.c.id.in_(ids)).values(owner=epoch, attempts=inbox.c.attempts + 1)
    attempts = {row.id: row.attempts for row in connection.execute(taken.returning(inbox.c.id, inbox.c.attempts))}
    found = messages_of(connection, select(inbox).where(inbox.c.id.in_(ids)).order_by(inbox.c.id))
    return [InHand(message=one, attempts=attempts[one.id]) for one in found]


def _is_any_held(connection: Connection, epoch: Epoch) -> bool:
    held = select(inbox.c.id).where(inbox.c.owner.is_not(None), inbox.c.owner != epoch).limit(1)
    return connection.execute(held).first() is not None


def _free_dead(connection: Connection, epoch: Epoch, now: Instant) -> int:
    if is_postgres(connection):
        is_gone: ColumnElement[bool] = is_dead(connection, inbox.c.owner, now) & (inbox.c.owner != epoch)
    else:
        is_gone = inbox.c.owner < epoch
    held = update(inbox).where(inbox.c.owner.is_not(None), is_gone)
    return connection.execute(held.values(owner=None)).rowcount


# -- the end


def conclude(connection: Connection, one: Conclude, ledger: Ledger) -> bool:
    """End the processing of a message that is still in its owner's hand, with all but its events and suppressions."""
    done = one.processed
    values = {
        "state": INBOX_STATE[InboxState.PROCESSED],
        "owner": None,
        "processed_at": done.at,
        "kind": done.kind,
        "sender": done.sender,
        "subject": done.subject,
        "reading": compact_json(done.reading),
        "delivery": done.delivery,
        "trust": done.trust,
        "effects": compact_json(done.effects),
    }
    ours = update(inbox).where(inbox.c.id == one.message, inbox.c.owner == one.epoch, _WAITING)
    if not connection.execute(ours.values(values)).rowcount:
        return False
    if one.halt is not None:
        _halt(connection, one.halt, done.at, ledger)
    if one.said is not None:
        say(connection, one.said, one.message, done.at)
    if one.failed is not None:
        ledger.owe(one.failed, Action.FAILED, done.at)
    put_into_mailboxes(connection, [(one.message, one.mailboxes)], done.at)
    return True


def _halt(connection: Connection, halt: Halt, now: Instant, ledger: Ledger) -> None:
    """Cancel what waits; what is in hand goes on, as it may be on the wire."""
    number = select(campaign.c.number).where(campaign.c.id == halt.campaign).scalar_subquery()
    of_person = (delivery.c.recipient_key == halt.person, delivery.c.campaign == number)
    waiting = select(delivery).where(*of_person, delivery.c.state.in_(_HALTED)).order_by(delivery.c.id)
    rows = connection.execute(waiting.with_for_update()).all()
    at = places(connection, {row.lane for row in rows})
    gone = {"state": STATE[State.CANCELLED], "finished_at": now, "origin": None}
    connection.execute(update(delivery).where(delivery.c.id.in_([row.id for row in rows])).values(gone))
    for row in rows:
        ledger.move(at[row.lane].stream, row.priority, STATE_OF[row.state], State.CANCELLED)
        ledger.happened(
            EventType.CANCELLED,
            now,
            campaign_id=halt.campaign,
            delivery_id=row.id,
            recipient=row.recipient,
            data={"reason": halt.reason},
        )
