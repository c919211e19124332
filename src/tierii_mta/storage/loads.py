"""How much mail waits in which lane: what the directory of lanes learns at start and from changes.

Owns the reads behind `QueueStore.loads`, paged so that no read transaction lasts; not what is claimed (claim).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, select, tuple_

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import Lane, LaneId, Priority, StreamId
from tierii_mta.queue.store import LaneLoad
from tierii_mta.storage.codes import StreamState
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
    groups = connection.execute(
        select(*_GROUP, func.count().label("size"), func.min(delivery.c.due).label("due"))
        .where(IS_CLAIMABLE, tuple_(*_GROUP) > after)
        .group_by(*_GROUP)
        .order_by(*_GROUP)
        .limit(PAGE)
    ).all()
    places = _open_lanes(connection, sorted({group.lane for group in groups}))
    loads = [_load(places[group.lane], group) for group in groups if group.lane in places]
    return loads, (groups[-1].lane, groups[-1].priority) if len(groups) == PAGE else None


def stream_loads(connection: Connection, stream_id: StreamId, after: str) -> tuple[Sequence[LaneLoad], str | None]:
    """Return a page of one stream's loads, lanes behind domain `after`, and where the next page begins."""
    lanes = connection.execute(
        select(lane)
        .join(stream, stream.c.id == lane.c.stream)
        .where(lane.c.stream == stream_id, stream.c.state == StreamState.OPEN, lane.c.domain > after)
        .order_by(lane.c.domain)
        .limit(PAGE)
    ).all()
    return _loads_of(connection, lanes), lanes[-1].domain if len(lanes) == PAGE else None


def lane_loads(connection: Connection, lane_id: LaneId) -> Sequence[LaneLoad]:
    """Return one lane's loads."""
    return _loads_of(connection, list(_open_lanes(connection, [lane_id]).values()))


def _open_lanes(connection: Connection, ids: Sequence[int]) -> dict[int, AnyRow]:
    rows = connection.execute(
        select(lane)
        .join(stream, stream.c.id == lane.c.stream)
        .where(lane.c.id.in_(ids), stream.c.state == StreamState.OPEN)
    )
    return {row.id: row for row in rows}


def _loads_of(connection: Connection, lanes: Sequence[AnyRow]) -> Sequence[LaneLoad]:
    """Ask each (lane, priority) by a seek of its own: a stream has few priorities and a GROUP BY would sort."""
    places = {row.id: row for row in lanes}
    loads = []
    for priority in Priority:
        here = and_(delivery.c.lane == lane.c.id, delivery.c.priority == int(priority), IS_CLAIMABLE)
        count = select(func.count()).select_from(delivery).where(here).correlate(lane).scalar_subquery()
        due = select(func.min(delivery.c.due)).where(here).correlate(lane).scalar_subquery()
        ids = sorted(places)
        for start in range(0, len(ids), 1000):
            page = lane.c.id.in_(ids[start : start + 1000])
            for row in connection.execute(
                select(lane.c.id.label("lane"), count.label("size"), due.label("due")).where(page)
            ):
                if row.size:
                    loads.append(_load(places[row.lane], row, priority))
    return loads


def _load(place: AnyRow, group: AnyRow, priority: Priority | None = None) -> LaneLoad:
    until = place.suspended_until
    return LaneLoad(
        lane=Lane(id=LaneId(place.id), stream=StreamId(place.stream), domain=place.domain),
        priority=Priority(group.priority) if priority is None else priority,
        count=group.size,
        due=Instant(group.due),
        suspended_until=Instant(until) if until is not None else None,
    )
