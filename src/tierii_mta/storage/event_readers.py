"""Who follows the event log, and how far each has come: `EventReaders`.

Owns the table `event_reader` and the reading by cursor, a window of the log at a time: nearly all of it is of types
that nobody follows.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from tierii_mta.clock import Instant
from tierii_mta.events import Event, EventType
from tierii_mta.storage.bulk import insert_rows
from tierii_mta.storage.codes import EVENT
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.history import EVENTS_PAGE, as_event
from tierii_mta.storage.received_tables import event_reader
from tierii_mta.storage.tables import event

_WINDOW = 20_000  # events looked at in one read


class StoredEventReaders:
    """`EventReaders` on one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def begin(self, name: str, at: Instant) -> int:
        return await self._connections.write(_begin, name, at)

    async def read(self, after: int, types: Sequence[str]) -> tuple[Sequence[Event], int]:
        return await self._connections.read(_read, after, types)

    async def move(self, name: str, seq: int, at: Instant) -> None:
        await self._connections.write(_move, name, seq, at)


def _begin(connection: Connection, name: str, at: Instant) -> int:
    newest = connection.execute(select(func.coalesce(func.max(event.c.seq), 0))).scalar_one()
    insert_rows(connection, event_reader, _COLUMNS, [(name, newest, at)], conflict="ON CONFLICT (name) DO NOTHING")
    return int(connection.execute(select(event_reader.c.seq).where(event_reader.c.name == name)).scalar_one())


def _read(connection: Connection, after: int, types: Sequence[str]) -> tuple[Sequence[Event], int]:
    newest = connection.execute(select(func.coalesce(func.max(event.c.seq), 0))).scalar_one()
    last = min(int(newest), after + _WINDOW)
    wanted = select(event).where(event.c.seq > after, event.c.seq <= last)
    wanted = wanted.where(event.c.type.in_([EVENT[EventType(name)] for name in types]))
    found = [as_event(row) for row in connection.execute(wanted.order_by(event.c.seq).limit(EVENTS_PAGE))]
    return found, (found[-1].seq or last) if len(found) == EVENTS_PAGE else max(last, after)


def _move(connection: Connection, name: str, seq: int, at: Instant) -> None:
    insert_rows(connection, event_reader, _COLUMNS, [(name, seq, at)], conflict=_FORWARD)


_COLUMNS = ("name", "seq", "moved_at")
_FORWARD = (
    "ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, moved_at = excluded.moved_at "
    "WHERE event_reader.seq < excluded.seq"
)
