"""Who follows the event log, and how far each has come: `EventReaders`.

Owns the table `event_reader`; the events themselves are read by cursor (`QueueViews.events`).
"""

from sqlalchemy import Connection, func, select

from tierii_mta.clock import Instant
from tierii_mta.storage.bulk import insert_rows
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.received_tables import event_reader
from tierii_mta.storage.tables import event


class StoredEventReaders:
    """`EventReaders` on one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def begin(self, name: str, at: Instant) -> int:
        return await self._connections.write(_begin, name, at)

    async def move(self, name: str, seq: int, at: Instant) -> None:
        await self._connections.write(_move, name, seq, at)


def _begin(connection: Connection, name: str, at: Instant) -> int:
    newest = connection.execute(select(func.coalesce(func.max(event.c.seq), 0))).scalar_one()
    insert_rows(connection, event_reader, _COLUMNS, [(name, newest, at)], conflict="ON CONFLICT (name) DO NOTHING")
    return int(connection.execute(select(event_reader.c.seq).where(event_reader.c.name == name)).scalar_one())


def _move(connection: Connection, name: str, seq: int, at: Instant) -> None:
    insert_rows(connection, event_reader, _COLUMNS, [(name, seq, at)], conflict=_FORWARD)


_COLUMNS = ("name", "seq", "moved_at")
_FORWARD = (
    "ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, moved_at = excluded.moved_at "
    "WHERE event_reader.seq < excluded.seq"
)
