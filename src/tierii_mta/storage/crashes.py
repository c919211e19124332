"""Crashes of deliveries: counted, judged, and suspects taken to be tried alone.

Owns the rows of `crash`; the rule is queue.crashes.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import BigInteger, Connection, delete, exists, func, literal_column, or_, select, update

from tierii_mta.clock import Instant
from tierii_mta.queue.crashes import SUSPECTED, Crashes
from tierii_mta.queue.delivery import Delivery, Epoch, State
from tierii_mta.storage.backend import CLAIMED, Claimed
from tierii_mta.storage.bulk import insert_rows
from tierii_mta.storage.claim import deliveries_of
from tierii_mta.storage.codes import STATE, StreamState
from tierii_mta.storage.lanes import SHUT_UNTIL_SQL, places
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.tables import IS_CLAIMABLE, AnyRow, crash, delivery, lane, stream

_ADD_UP = "ON CONFLICT (delivery) DO UPDATE SET crashes = crash.crashes + 1, certain = crash.certain + excluded.certain"
_CLAIMED = [delivery.c[name] for name in CLAIMED.split(", ")]


def count_crashes(connection: Connection, ids: Iterable[int], *, certain: Collection[int]) -> None:
    """Count one more crash of each delivery."""
    rows = [(one, 1, int(one in certain)) for one in sorted(ids)]
    insert_rows(connection, crash, ("delivery", "crashes", "certain"), rows, conflict=_ADD_UP)


def crashes_of(connection: Connection, ids: Collection[int]) -> dict[int, Crashes]:
    """Return the numbers of those that crashed."""
    rows = connection.execute(select(crash).where(crash.c.delivery.in_(sorted(ids))))
    return {row.delivery: Crashes(count=row.crashes, certain=row.certain) for row in rows}


def forget(connection: Connection, delivery_id: int) -> None:
    """Drop a delivery's numbers."""
    connection.execute(delete(crash).where(crash.c.delivery == delivery_id))


def forget_ended(connection: Connection) -> None:
    """Drop the numbers of deliveries that have ended or are gone."""
    is_open = exists().where(delivery.c.id == crash.c.delivery, delivery.c.finished_at.is_(None))
    connection.execute(delete(crash).where(~is_open))


def claim_suspect(connection: Connection, *, epoch: Epoch, now: Instant, ledger: Ledger) -> Delivery | None:
    """Do it, in the transaction of `connection`."""
    while (row := _next_suspect(connection, now)) is not None:
        taken = {"state": STATE[State.QUEUED], "origin": row.state, "owner": epoch}
        claimed = update(delivery).where(delivery.c.id == row.id).values(taken).returning(*_CLAIMED)
        rows = [Claimed(*one) for one in connection.execute(claimed)]
        taken_up, _ = deliveries_of(connection, rows, places(connection, {row.lane}), now=now, ledger=ledger)
        if taken_up:
            ledger.write(connection)
            return taken_up[0]
        forget(connection, row.id)  # suppressed or damaged: it has ended
    ledger.write(connection)
    return None


def _next_suspect(connection: Connection, now: Instant) -> AnyRow | None:
    wanted = (
        select(delivery.c.id, delivery.c.state, delivery.c.lane)
        .join(crash, crash.c.delivery == delivery.c.id)
        .join(lane, lane.c.id == delivery.c.lane)
        .join(stream, stream.c.id == lane.c.stream)
        .where(
            crash.c.crashes >= SUSPECTED,
            IS_CLAIMABLE,
            stream.c.state == int(StreamState.OPEN),
            or_(lane.c.suspended_until.is_(None), lane.c.suspended_until <= now),
            func.coalesce(literal_column(SHUT_UNTIL_SQL, BigInteger), 0) <= now,
        )
        .order_by(crash.c.certain, crash.c.crashes, crash.c.delivery)
        .limit(1)
    )
    return connection.execute(wanted.with_for_update(of=delivery, skip_locked=True)).one_or_none()
