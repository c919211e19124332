"""Suspensions by the operator: remembered, obeyed by lanes made later, over by themselves at their time.

Owns the rows of `suspension` and who is told of them; that a claim takes nothing from what they close is
`lanes.SHUT_UNTIL_SQL`.  No lane is touched, however many there are.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from tierii_mta.clock import Instant, rfc3339
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import OPEN, LaneId, StreamId
from tierii_mta.queue.operator import Scope, StandingSuspension
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage.bulk import insert_rows
from tierii_mta.storage.codes import SCOPE, SCOPE_OF
from tierii_mta.storage.lanes import busy_streams
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.tables import AnyRow, campaign, lane, stream, suspension


def suspend(connection: Connection, one: StandingSuspension, ledger: Ledger) -> None:
    """Write it over an earlier one of the same scope and value, and tell the daemon, which recalls what it can."""
    values = (SCOPE[one.scope], one.value, one.until, one.reason, one.created_at)
    insert_rows(connection, suspension, ("kind", "value", "until", "reason", "created_at"), [values], conflict=_AGAIN)
    until = {"until": rfc3339(one.until)} if one.until is not None else {}
    _happened(EventType.LANE_SUSPENDED, one.scope, one.value, one.created_at, ledger, **until, reason=one.reason)
    _announce(connection, one.scope, one.value, ledger)
    ledger.write(connection)


_AGAIN = (
    "ON CONFLICT (kind, value) DO UPDATE SET until = excluded.until, reason = excluded.reason, "
    "created_at = excluded.created_at"
)


def unsuspend(connection: Connection, scope: Scope, value: str, now: Instant, ledger: Ledger) -> int:
    """Lift it; of a domain, also open the lanes that a refusal of us had closed. Return how many both were."""
    here = suspension.c.kind == SCOPE[scope], suspension.c.value == value
    lifted = connection.execute(delete(suspension).where(*here)).rowcount
    opened = _open_lanes(connection, value, now) if scope is Scope.DOMAIN else []
    if lifted or opened:
        _happened(EventType.LANE_RESUMED, scope, value, now, ledger)
        _announce(connection, scope, value, ledger)
        for lane_id in opened:
            ledger.announce(ChangeKind.LANE, lane=LaneId(lane_id))
    ledger.write(connection)
    return lifted + len(opened)


def standing(connection: Connection, now: Instant) -> Sequence[StandingSuspension]:
    """Return those in force."""
    in_force = or_(suspension.c.until.is_(None), suspension.c.until > now)
    rows = connection.execute(select(suspension).where(in_force).order_by(suspension.c.kind, suspension.c.value))
    return [_suspension(row) for row in rows]


def end_suspensions(connection: Connection, now: Instant, ledger: Ledger) -> Sequence[StandingSuspension]:
    """Drop those whose time is over; their lanes opened by themselves at that time."""
    rows = connection.execute(delete(suspension).where(suspension.c.until <= now).returning(suspension)).all()
    ended = [_suspension(row) for row in rows]
    for one in ended:
        _happened(EventType.LANE_RESUMED, one.scope, one.value, now, ledger)
    ledger.write(connection)
    return ended


def _suspension(row: AnyRow) -> StandingSuspension:
    return StandingSuspension(
        scope=SCOPE_OF[row.kind],
        value=row.value,
        until=Instant(row.until) if row.until is not None else None,
        reason=row.reason,
        created_at=Instant(row.created_at),
    )


def _open_lanes(connection: Connection, domain: str, now: Instant) -> Sequence[int]:
    """Open the lanes to a domain that are suspended, whatever for."""
    lanes = list(_lanes_to(connection, domain))
    closed = lane.c.id.in_(lanes), lane.c.suspended_until > now
    opened = update(lane).where(*closed).values(suspended_until=None, reason=None).returning(lane.c.id)
    return list(connection.execute(opened).scalars()) if lanes else []


def _lanes_to(connection: Connection, domain: str) -> Iterator[int]:
    for stream_id in busy_streams(connection, OPEN):
        here = lane.c.stream == stream_id, lane.c.domain == domain
        yield from connection.execute(select(lane.c.id).where(*here)).scalars()


def _announce(connection: Connection, scope: Scope, value: str, ledger: Ledger) -> None:
    """Let a running daemon look anew at what it concerns: lanes of a domain, whole streams otherwise."""
    if scope is Scope.DOMAIN:
        for lane_id in _lanes_to(connection, value):
            ledger.announce(ChangeKind.LANE, lane=LaneId(lane_id))
        return
    for stream_id in _streams_of(connection, scope, value):
        ledger.announce(ChangeKind.STREAM, stream=StreamId(stream_id))


def _streams_of(connection: Connection, scope: Scope, value: str) -> Sequence[int]:
    if scope is Scope.ALL:
        return busy_streams(connection, OPEN)
    found = select(stream.c.id).where(stream.c.name == f"user:{value}")
    if scope is Scope.CAMPAIGN:
        found = select(stream.c.id).join(campaign, campaign.c.number == stream.c.campaign).where(campaign.c.id == value)
    return connection.execute(found).scalars().all()


def _happened(kind: EventType, scope: Scope, value: str, at: Instant, ledger: Ledger, **more: Any) -> None:
    data = {"scope": str(scope)} | ({str(scope): value} if scope in (Scope.DOMAIN, Scope.USER) else {}) | more
    ledger.happened(kind, at, campaign_id=value if scope is Scope.CAMPAIGN else None, data=data)
