"""Reports owed to the senders of submitted mail: `ReportStore`, and the rows that other transactions owe and fulfil.

Owns the table `report` and the rule who is owed one: the sender of a stored message that is not from the null sender,
if NOTIFY asks for it, or says nothing and the news is bad (RFC 3461 §4.1).  Campaign mail has no stored message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, update

from tierii_mta.clock import Instant
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import DeliveryId, FailureReason, ReportKey
from tierii_mta.queue.reports import Owed, OwedRecipient
from tierii_mta.smtp.requests import Notify
from tierii_mta.storage.bulk import Values, insert_joined
from tierii_mta.storage.codes import ACTION, ACTION_OF, EVENT, NOTIFY, REASON_OF, RETURN_OF
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.history import as_event
from tierii_mta.storage.tables import AnyRow, body_part, delivery, event, message, report

_ASKED = {
    Action.FAILED: Notify.FAILURE,
    Action.DELAYED: Notify.DELAY,
    Action.RELAYED: Notify.SUCCESS,
    Action.DELIVERED: Notify.SUCCESS,
}
_BAD_NEWS = ", ".join(str(ACTION[one]) for one in (Action.FAILED, Action.DELAYED))  # told unless NOTIFY says otherwise
_TELLING = (
    EventType.DEFERRED,
    EventType.BOUNCED,
    EventType.FAILED,
    EventType.EXPIRED,
    EventType.DELIVERED,
    EventType.IN_DOUBT,
    EventType.SUPPRESSED,
)


def owe(connection: Connection, reports: Sequence[tuple[int, Action, Instant]]) -> None:
    """Owe a report on each delivery, from a time on, where its sender wants one; none twice."""
    rows: list[Values] = [(one, ACTION[action], at, NOTIFY[_ASKED[action]]) for one, action, at in sorted(reports)]
    insert_joined(connection, _GIVEN, rows, "report (delivery, kind, owed_at)", _WANTED)


_GIVEN = (report.c.delivery, report.c.kind, report.c.owed_at, delivery.c.notify)
_WANTED = (
    "delivery.id, v.kind, v.owed_at "
    "FROM v CROSS JOIN delivery JOIN message ON message.id = delivery.message "
    "WHERE delivery.id = v.delivery AND message.reverse_path <> '' AND "
    f"(delivery.notify & v.notify <> 0 OR delivery.notify = 0 AND v.kind IN ({_BAD_NEWS})) "
    "ON CONFLICT DO NOTHING"
)


def fulfil(connection: Connection, reports: Sequence[ReportKey], at: Instant) -> bool:
    """Mark the reports as made, if all of them are owed; else change nothing and return False."""
    keys = _are(reports)
    is_owed = keys & report.c.done_at.is_(None)
    owed = connection.execute(select(report.c.delivery).where(is_owed).with_for_update()).all()
    if len(owed) != len(set(reports)):
        return False
    connection.execute(update(report).where(keys).values(done_at=at))
    return True


def forget(connection: Connection, deliveries: Sequence[int]) -> None:
    """Drop the reports of deliveries that are deleted."""
    connection.execute(delete(report).where(report.c.delivery.in_(deliveries)))


def _are(reports: Sequence[ReportKey]) -> ColumnElement[bool]:
    by_action: dict[Action, list[int]] = {}
    for number, action in reports:
        by_action.setdefault(action, []).append(number)
    each = [
        and_(report.c.kind == ACTION[action], report.c.delivery.in_(sorted(ids))) for action, ids in by_action.items()
    ]
    return or_(*each)


class StoredReports:
    """`ReportStore` on one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def owed(self, *, before: Instant, now: Instant, limit: int) -> Owed | None:
        if not await self._connections.read(_is_any_owed, before):
            return None
        return await self._connections.write(lambda connection: _owed(connection, before, now, limit))

    async def put_off(self, reports: Sequence[ReportKey], until: Instant) -> None:
        later = update(report).where(_are(reports), report.c.done_at.is_(None)).values(owed_at=until)
        await self._connections.write(lambda connection: connection.execute(later).rowcount)


def _is_any_owed(connection: Connection, before: Instant) -> bool:
    due = select(report.c.delivery).where(report.c.done_at.is_(None), report.c.owed_at <= before).limit(1)
    return connection.execute(due).first() is not None


def _owed(connection: Connection, before: Instant, now: Instant, limit: int) -> Owed | None:
    due = (report.c.done_at.is_(None), report.c.owed_at <= before)
    is_open = exists().where(delivery.c.id == report.c.delivery, delivery.c.finished_at.is_(None))
    connection.execute(delete(report).where(*due, report.c.kind == ACTION[Action.DELAYED], ~is_open))
    oldest = connection.execute(
        select(report.c.kind, delivery.c.message)
        .join(delivery, delivery.c.id == report.c.delivery)
        .where(*due)
        .order_by(report.c.owed_at)
        .limit(1)
    ).first()
    if oldest is None:
        return None
    rows = connection.execute(
        select(*_FACTS)
        .join(report, report.c.delivery == delivery.c.id)
        .where(
            delivery.c.message == oldest.message,
            report.c.kind == oldest.kind,
            report.c.done_at.is_(None),
            report.c.owed_at <= now,
        )
        .order_by(delivery.c.id)
        .limit(limit)
    ).all()
    return _notification(connection, ACTION_OF[oldest.kind], oldest.message, rows)


_FACTS = (
    delivery.c.id,
    delivery.c.recipient,
    delivery.c.orcpt,
    delivery.c.reason,
    delivery.c.last_reply,
    delivery.c.expires_at,
)


def _notification(connection: Connection, action: Action, number: int, rows: Sequence[AnyRow]) -> Owed:
    about = connection.execute(select(message).where(message.c.id == number)).one()
    parts = body_part.c.message == number
    beginning = select(body_part.c.content).where(parts, body_part.c.position == 0)
    size = select(func.coalesce(func.sum(func.length(body_part.c.content)), 0)).where(parts)
    fates = _fates(connection, [row.id for row in rows])
    return Owed(
        action=action,
        recipients=[_recipient(row, fates.get(row.id, _Fate())) for row in rows],
        reverse_path=about.reverse_path,
        message_id=about.message_id,
        accepted_at=Instant(about.accepted_at),
        expires_at=Instant(max(row.expires_at for row in rows)),
        ret=RETURN_OF[about.ret] if about.ret is not None else None,
        envid=about.envid,
        is_smtputf8=bool(about.is_smtputf8),
        content=connection.execute(beginning).scalar() or b"",
        size_bytes=int(connection.execute(size).scalar_one()),
    )


@dataclass(frozen=True, slots=True)
class _Fate:
    """What the events of a delivery tell of its last reply."""

    attempted_at: Instant | None = None
    mx: str | None = None
    is_ours: bool = True  # no peer gave it
    late: str | None = None  # what a report said that came back after the delivery


def _fates(connection: Connection, deliveries: Sequence[int]) -> dict[int, _Fate]:
    wanted = select(event).where(event.c.delivery.in_(deliveries), event.c.type.in_([EVENT[one] for one in _TELLING]))
    found: dict[int, _Fate] = {}
    for row in connection.execute(wanted.order_by(event.c.seq)):
        one = as_event(row)
        if one.data.get("is_late"):
            found[row.delivery] = _Fate(one.at, mx=one.data.get("mx"), is_ours=False, late=_late(one.data))
        elif "stage" in one.data:
            found[row.delivery] = _Fate(one.at, mx=one.data.get("mx"), is_ours="is_local" in one.data)
        elif one.type is EventType.SUPPRESSED or one.data.get("reason") in _GIVEN_UP:  # without an attempt
            found[row.delivery] = _Fate(found.get(row.delivery, _Fate()).attempted_at)
    return found


def _late(data: Mapping[str, Any]) -> str:
    told = (data.get("code", 550), data.get("enhanced"), data.get("reply") or "a report says that it failed")
    return " ".join(str(one) for one in told if one is not None)


_GIVEN_UP = frozenset({str(one) for one in FailureReason} - {str(FailureReason.BLOCKED)})


def _recipient(row: AnyRow, fate: _Fate) -> OwedRecipient:
    return OwedRecipient(
        delivery=DeliveryId(row.id),
        recipient=row.recipient,
        orcpt=row.orcpt,
        reason=REASON_OF[row.reason] if row.reason is not None else None,
        last_reply=fate.late or row.last_reply,
        is_local=fate.is_ours,
        mx=fate.mx,
        attempted_at=fate.attempted_at,
    )
