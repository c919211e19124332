"""Reading what happened: a person's deliveries, the event log, the change log, totals.

Owns the reads behind `history`, `events`, `changes`, `totals` and `stored_message`; pages, so that no read transaction
lasts.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, func, or_, select

from tierii_mta.clock import Instant
from tierii_mta.events import Event, EventType
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import OPEN, DeliveryId, LaneId, Priority, State, StreamId
from tierii_mta.queue.store import Change
from tierii_mta.queue.views import History, StoredMessage
from tierii_mta.storage.codes import CHANGE_OF, EVENT, EVENT_OF, NOTIFY, REASON_OF, RETURN_OF, STATE, STATE_OF, Mark
from tierii_mta.storage.lanes import places
from tierii_mta.storage.tables import AnyRow, body_part, change, delivery, event, message, tally

CHANGES_PAGE = 10_000
EVENTS_PAGE = 500
_IN_PAGE = 1000


def history(
    connection: Connection, *, key: PersonKey | None, message_id: str | None, delivery_id: DeliveryId | None
) -> Sequence[History]:
    """Return the deliveries of a person, of a stored message, or one by its id; newest first."""
    if delivery_id is not None:
        wanted = select(delivery).where(delivery.c.id == delivery_id)
    elif key is not None:
        wanted = select(delivery).where(delivery.c.recipient_key == key)
    elif message_id is not None:
        stored = connection.execute(select(message.c.id).where(message.c.message_id == message_id)).scalars()
        wanted = select(delivery).where(delivery.c.message.in_(list(stored)))
    else:
        return []
    rows = sorted(connection.execute(wanted), key=lambda row: row.id, reverse=True)
    return _with_events(connection, rows)


def _with_events(connection: Connection, rows: Sequence[AnyRow]) -> Sequence[History]:
    at = places(connection, {row.lane for row in rows})
    stored = _message_ids(connection, {row.message for row in rows if row.message is not None})
    happened: dict[int, list[Event]] = {}
    for start in range(0, len(rows), _IN_PAGE):
        ids = [row.id for row in rows[start : start + _IN_PAGE]]
        for one in connection.execute(select(event).where(event.c.delivery.in_(ids))):
            happened.setdefault(one.delivery, []).append(as_event(one))
    found = []
    for row in rows:
        events = sorted(happened.get(row.id, ()), key=lambda one: one.seq or 0)
        names = [one.message_id for one in events if one.message_id]
        found.append(_history(row, at[row.lane], events, stored.get(row.message) or (names[-1] if names else None)))
    return found


def _message_ids(connection: Connection, ids: set[int]) -> Mapping[int | None, str]:
    wanted = select(message.c.id, message.c.message_id).where(message.c.id.in_(sorted(ids)))
    return {row.id: row.message_id for row in connection.execute(wanted)} if ids else {}


def _history(row: AnyRow, at: AnyRow, events: Sequence[Event], message_id: str | None) -> History:
    state = STATE_OF[row.state]
    return History(
        id=DeliveryId(row.id),
        campaign=at.campaign,
        step=row.step,
        recipient=row.recipient,
        domain=at.domain,
        state=state,
        reason=REASON_OF[row.reason] if row.reason is not None else None,
        priority=Priority(row.priority),
        attempts=row.attempts,
        accepted_at=Instant(row.accepted_at),
        due=Instant(row.due) if state in OPEN else None,
        expires_at=Instant(row.expires_at),
        is_in_doubt=bool(row.marks & Mark.IN_DOUBT),
        message_id=message_id,
        events=events,
    )


def stored_message(connection: Connection, delivery_id: DeliveryId) -> StoredMessage:
    """Return the message of a delivery and what was asked with it, in one statement: attempts wait for it."""
    rows = connection.execute(_STORED, {"delivery": delivery_id}).all()
    if not rows:
        return StoredMessage(parts=())
    asked = rows[0]
    return StoredMessage(
        parts=[row.content for row in rows if row.content is not None],
        ret=RETURN_OF[asked.ret] if asked.ret is not None else None,
        envid=asked.envid,
        notify=frozenset(one for one, bit in NOTIFY.items() if asked.notify & bit),
        orcpt=asked.orcpt,
        has_wishes=bool(asked.has_wishes),
        is_smtputf8=bool(asked.is_smtputf8),
        return_path=asked.return_path,
    )


_other = delivery.alias("other")
_STORED = (
    select(
        *(body_part.c.content, message.c.ret, message.c.envid, message.c.is_smtputf8, message.c.return_path),
        *(delivery.c.notify, delivery.c.orcpt),
        exists()
        .where(_other.c.message == message.c.id, or_(_other.c.notify != 0, _other.c.orcpt.is_not(None)))
        .label("has_wishes"),
    )
    .select_from(delivery)
    .join(message, message.c.id == delivery.c.message)
    .outerjoin(body_part, body_part.c.message == message.c.id)
    .where(delivery.c.id == bindparam("delivery"))
    .order_by(body_part.c.position)
)


def totals(connection: Connection) -> Mapping[tuple[State, Priority], int]:
    """Return how many deliveries stand in each open state, per priority."""
    rows = connection.execute(
        select(tally.c.kind, tally.c.priority, func.sum(tally.c.count).label("count"))
        .where(tally.c.kind.in_([STATE[state] for state in OPEN]))
        .group_by(tally.c.kind, tally.c.priority)
    )
    return {(STATE_OF[row.kind], Priority(row.priority)): int(row[2]) for row in rows if row[2]}


def events(connection: Connection, *, after: int, limit: int, types: Sequence[str]) -> Sequence[Event]:
    """Return events behind the cursor in `seq` order."""
    wanted: Select[Any] = select(event).where(event.c.seq > after).order_by(event.c.seq).limit(limit)
    if types:
        wanted = wanted.where(event.c.type.in_([EVENT[EventType(name)] for name in types]))
    return [as_event(row) for row in connection.execute(wanted)]


def as_event(row: AnyRow) -> Event:
    """Return a row of the event log as a value."""
    return Event(
        id=row.id,
        type=EVENT_OF[row.type],
        at=Instant(row.at),
        campaign_id=row.campaign,
        delivery_id=row.delivery,
        message_id=row.message_id,
        recipient=row.recipient,
        provider=row.provider,
        data=json.loads(row.data),
        seq=row.seq,
    )


def changes(connection: Connection, after: int) -> Sequence[AnyRow]:
    """Return a page of the change log behind the cursor."""
    return connection.execute(
        select(change).where(change.c.seq > after).order_by(change.c.seq).limit(CHANGES_PAGE)
    ).all()


def as_change(row: AnyRow) -> Change:
    """Return a row of the change log as a value."""
    return Change(
        seq=row.seq,
        kind=CHANGE_OF[row.kind],
        stream=StreamId(row.stream) if row.stream is not None else None,
        lane=LaneId(row.lane) if row.lane is not None else None,
    )
