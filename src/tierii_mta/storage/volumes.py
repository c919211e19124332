"""How much mail went to which provider on which day, and how much of it was called spam: `MailHistory`.

Owns the reading, from the end of the event log backwards, a window at a time: no index has the time of events, and none
is worth its writes.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import Connection, func, select

from tierii_mta.campaigns.preflight.history import DayCount
from tierii_mta.clock import Instant
from tierii_mta.events import EventType
from tierii_mta.outbound.shaping import OTHER
from tierii_mta.storage.codes import EVENT
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.tables import event

_WINDOW = 50_000  # events looked at in one read
_MAX_WINDOWS = 400
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)
_TYPES = {EVENT[kind]: kind for kind in (EventType.DELIVERED, EventType.SENT, EventType.COMPLAINED)}

Row = tuple[int, str | None, int, int]  # day since 1970, provider, type, count


class StoredMailHistory:
    """`MailHistory` on one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def days(self, *, since: Instant) -> Sequence[DayCount]:
        """Return a count for each day and provider; of a very long log the newest part."""
        delivered: Counter[tuple[int, str]] = Counter()
        complained: Counter[tuple[int, str]] = Counter()
        last = await self._connections.read(_newest)
        for _ in range(_MAX_WINDOWS):
            if last <= 0:
                break
            rows, is_older = await self._connections.read(_window, last, since)
            for day, provider, kind, count in rows:
                into = complained if _TYPES[kind] is EventType.COMPLAINED else delivered
                into[day, provider or OTHER] += count
            if is_older:
                break
            last -= _WINDOW
        return [
            DayCount(
                day=_EPOCH + timedelta(days=day),
                provider=provider,
                delivered=delivered[day, provider],
                complained=complained[day, provider],
            )
            for day, provider in sorted({*delivered, *complained})
        ]


def _newest(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(event.c.seq), 0))).scalar_one())


def _window(connection: Connection, last: int, since: Instant) -> tuple[list[Row], bool]:
    """Return the counts of a window that ends at `last`, and whether it holds anything before `since`."""
    inside = (event.c.seq > last - _WINDOW, event.c.seq <= last)
    oldest = connection.execute(select(func.min(event.c.at)).where(*inside)).scalar()
    day = (event.c.at - event.c.at % _DAY_MS) / _DAY_MS
    wanted = (
        select(day.label("day"), event.c.provider, event.c.type, func.count())
        .where(*inside, event.c.at >= since, event.c.type.in_(list(_TYPES)))
        .group_by("day", event.c.provider, event.c.type)
    )
    rows: list[Row] = [(round(row[0]), row[1], row[2], row[3]) for row in connection.execute(wanted)]
    return rows, oldest is not None and oldest < since
