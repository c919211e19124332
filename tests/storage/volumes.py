"""Large queues for the plan tests: rows by the hundred thousand, written straight into the tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, event

from tests.contracts.installation import LIFETIME, Installation
from tierii_mta.clock import Instant, later
from tierii_mta.storage.accept import NEW_DELIVERY, new_delivery
from tierii_mta.storage.bulk import insert_returning, insert_rows
from tierii_mta.storage.sqlite import SqliteConnections
from tierii_mta.storage.tables import delivery, lane, stream

_CHUNK = 10_000


async def fill(store: Installation, *, rows: int, lanes: int) -> None:
    """Add `rows` deferred deliveries in one lane, `rows` of a paused stream, and `lanes` lanes of one row each."""
    now = store.now()
    connections = store.db._connections
    busy, paused, many = await connections.write(_make_lanes, lanes)
    tomorrow = later(now, timedelta(days=1))
    plans = [(busy, tomorrow)] * rows + [(paused, now)] * rows + [(one, now) for one in many]
    for start in range(0, len(plans), _CHUNK):
        await connections.write(_insert, start, plans[start : start + _CHUNK])


def _make_lanes(connection: Connection, count: int) -> tuple[int, int, list[int]]:
    streams = [("deferred", 0, 0), ("paused", 0, 2), ("wide", 0, 0)]
    deferred, paused, wide = insert_returning(connection, stream, ("name", "step", "state"), streams)
    lanes = [(deferred, "busy.example"), (paused, "busy.example"), *((wide, f"d{n}.example") for n in range(count))]
    one, two, *many = insert_returning(connection, lane, ("stream", "domain"), lanes)
    return one, two, many


def _insert(connection: Connection, start: int, plans: list[tuple[int, Instant]]) -> None:
    columns = ("lane", "recipient_key", "recipient", "contact", *NEW_DELIVERY)
    values = [
        (at, number.to_bytes(16, "big"), f"p{number}@x.example", "", *new_delivery(1, due, later(due, LIFETIME)))
        for number, (at, due) in enumerate(plans, start=start)
    ]
    insert_rows(connection, delivery, columns, values)


class Statements:
    """What a call sends to the database, and how SQLite goes about it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def plans(self, connection: Connection) -> list[str]:
        """Return a line per step of each statement's plan."""
        lines: list[str] = []
        for statement, parameters in dict(self.sent).items():
            if statement.split()[0].upper() in {"BEGIN", "PRAGMA", "EXPLAIN"}:
                continue
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            lines += [f"{row.detail}  <- {' '.join(statement.split())[:200]}" for row in rows]
        return lines


@contextmanager
def watched(store: Installation) -> Iterator[Statements]:
    """Record the statements of both engines."""
    connections = store.db._connections
    assert isinstance(connections, SqliteConnections)
    found = Statements()

    def note(*args: Any) -> None:
        _, _, statement, parameters, _, executemany = args
        found.sent.append((statement, parameters[0] if executemany else parameters))

    engines: list[Engine] = [connections._writing, connections._reading]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
