"""How much mail waits in which lane: what the directory of lanes learns at start and from changes.

Owns the reads behind `QueueStore.loads`, paged so that no read transaction lasts; not what is claimed (claim).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, select, tuple_

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import Lane, LaneId, Priority, StreamId
from tierii_mta.queue.store import LaneLoad
from tierii_mta.storage.codes import StreamState
from tierii_mta.storage.lanes import FOREVER, SHUT_UNTIL_SQL
from tierii_mta.storage.tables import IS_CLAIMABLE, AnyRow, delivery, lane, stream

PAGE = 2000
_GROUP = (delivery.c.lane, delivery.c.priority)


def page(connection: Connection, stream_id: StreamId | None, cursor: Any) -> tuple[Sequence[LaneLoad], Any]:
    """Return a page of one stream's loads, or of all streams', and where the next page begins (None: that was all)."""
    return all_loads(connection, cursor) if stream_id is None else stream_loads(connection, stream_id, cursor)


def all_loads(connection: Connection, after: tuple[int, int]) -> tuple[Sequence[LaneLoad], tuple[int, int] | None]:
    """Return a page of loads behind `after` (lane, priority), and where the next page begins, if there is one.

    Goes along the partial index, which holds waiting rows only, in its own order.
    """
    groups = (
        select(*_GROUP, func.count().label("size"), func.min(delivery.c.due).label("due"))
        .where(IS_CLAIMABLE, tuple_(*_GROUP) > after)
        .group_by(*_GROUP)
        .order_by(*_GROUP)
        .limit(PAGE)
        .subquery()
    )
    placed = select(groups, *_PLACE, _SHUT_UNTIL, stream.c.state).select_from(
        groups.outerjoin(lane, lane.c.id == groups.c.lane).outerjoin(stream, stream.c.id == lane.c.stream)
    )
    rows = [tuple(row) for row in connection.execute(placed).all()]
    loads = [
        _load(place, priority, size, due, shut)
        for _, priority, size, due, *place, shut, state in rows
        if state == _OPEN and shut != FOREVER
    ]
    return loads, max(row[:2] for row in rows) if len(rows) == PAGE else None


def stream_loads(connection: Connection, stream_id: StreamId, after: str) -> tuple[Sequence[LaneLoad], str | None]:
    """Return a page of one stream's loads, lanes behind domain `after`, and where the next page begins."""
    page = lane.c.stream == stream_id, lane.c.domain > after
    rows = connection.execute(_WITH_LOADS.where(*page).order_by(lane.c.domain).limit(PAGE)).all()
    return _loads_of(rows), rows[-1].domain if len(rows) == PAGE else None


def lane_loads(connection: Connection, lane_id: LaneId) -> Sequence[LaneLoad]:
    """Return one lane's loads."""
    return _loads_of(connection.execute(_WITH_LOADS.where(lane.c.id == lane_id)).all())


def _counted() -> Iterator[ColumnElement[int]]:
    """Ask each (lane, priority) by a seek of its own: a stream has few priorities and a GROUP BY would sort."""
    for priority in Priority:
        here = and_(delivery.c.lane == lane.c.id, delivery.c.priority == int(priority), IS_CLAIMABLE)
        yield select(func.count()).select_from(delivery).where(here).correlate(lane).scalar_subquery()
        yield select(func.min(delivery.c.due)).where(here).correlate(lane).scalar_subquery()


_OPEN = StreamState.OPEN
_PLACE = (lane.c.id, lane.c.stream, lane.c.domain, lane.c.suspended_until)
_SHUT_UNTIL: ColumnElement[int | None] = literal_column(SHUT_UNTIL_SQL).label("shut_until")
_WITH_LOADS = (
    select(*_PLACE, _SHUT_UNTIL, *_counted()).join(stream, stream.c.id == lane.c.stream).where(stream.c.state == _OPEN)
)


def _loads_of(rows: Sequence[AnyRow]) -> Sequence[LaneLoad]:
    loads = []
    for row in rows:
        place, shut, counts = row[:4], row[4], row[5:]
        if shut == FOREVER:
            continue
        for priority, size, due in zip(Priority, counts[0::2], counts[1::2], strict=True):
            if size:
                loads.append(_load(place, priority, size, due, shut))
    return loads


def _load(place: Sequence[Any], priority: int, size: int, due: int, shut_until: int | None) -> LaneLoad:
    number, stream_id, domain, until = place
    return LaneLoad(
        lane=Lane(id=LaneId(number), stream=StreamId(stream_id), domain=domain),
        priority=Priority(priority),
        count=size,
        due=Instant(max(due, shut_until or 0)),
        suspended_until=Instant(until) if until is not None else None,
    )
