"""Two ways to SQLite: our database thread, one trip a transaction, and aiosqlite, one trip a statement.

Both run the same group commit (read the rows, update them, insert their events, move the tally) with the pragmas of
the product, first beside an idle event loop, then beside one that is busy most of the time as when mail moves.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from tierii_mta.storage.sqlite import SqliteConnections

_SETUP = (
    "CREATE TABLE IF NOT EXISTS delivery (id INTEGER PRIMARY KEY, state INT, due INT)",
    "CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, delivery INT, data TEXT)",
    "CREATE TABLE IF NOT EXISTS tally (kind INTEGER PRIMARY KEY, n INT)",
    "INSERT OR IGNORE INTO tally VALUES (5, 0)",
)
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", "cache_size=-64000")


def main(arguments: list[str]) -> int:
    """Print a JSON object: milliseconds a commit, median, by driver and load."""
    options = argparse.ArgumentParser(prog="python -m benchmarks drivers")
    options.add_argument("--commits", type=int, default=300)
    options.add_argument("--rows", type=int, default=50, help="rows of one group")
    chosen = options.parse_args(arguments)
    sys.stdout.write(json.dumps(asyncio.run(_measure(chosen.commits, chosen.rows)), indent=1) + "\n")
    return 0


def _group(connection: Connection, rows: int, at: int) -> None:
    """One group commit's statements."""
    ids = [{"id": number, "at": at} for number in range(rows)]
    connection.execute(text("SELECT id, state FROM delivery WHERE id < :n"), {"n": rows}).all()
    connection.execute(text("INSERT INTO delivery VALUES (:id, 3, :at) ON CONFLICT DO UPDATE SET state = 5"), ids)
    connection.execute(text("INSERT INTO event (delivery, data) VALUES (:id, '{}')"), ids)
    connection.execute(text("UPDATE tally SET n = n + :n WHERE kind = 5"), {"n": rows})


async def _measure(commits: int, rows: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="tierii-bench-") as name:
        thread = SqliteConnections(Path(name) / "thread.sqlite3")
        await thread.open()
        await thread.write(lambda connection: [connection.execute(text(each)) for each in _SETUP] and None)
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=f"{name}/aio.sqlite3"), connect_args={"isolation_level": None}
        )

        @event.listens_for(engine.sync_engine, "connect")
        def pragmas(connection: object, _: object) -> None:
            cursor = connection.cursor()  # type: ignore[attr-defined]
            for pragma in _PRAGMAS:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        async with engine.connect() as connection:
            async with connection.begin():
                for each in _SETUP:
                    await connection.execute(text(each))

            async def through_aiosqlite(at: int) -> None:
                async with connection.begin():
                    await connection.run_sync(_group, rows, at)

            ways: dict[str, Callable[[int], Awaitable[None]]] = {
                "database thread": lambda at: thread.write(lambda plain: _group(plain, rows, at)),
                "aiosqlite": through_aiosqlite,
            }
            figures: dict[str, object] = {"commits": commits, "rows": rows}
            for load in ("idle loop", "busy loop"):
                for name_of_way, way in ways.items():
                    figures[f"{name_of_way}, {load}, ms"] = await _time(way, commits, is_busy=load == "busy loop")
        await engine.dispose()
        await thread.close()
    return figures


async def _time(way: Callable[[int], Awaitable[None]], commits: int, *, is_busy: bool) -> float:
    busy = asyncio.create_task(_burn()) if is_busy else None
    taken = []
    for number in range(commits):
        started = time.perf_counter()
        await way(number)
        taken.append((time.perf_counter() - started) * 1000)
    if busy:
        busy.cancel()
    return round(statistics.median(taken), 2)


async def _burn() -> None:
    """Use the loop's thread in slices of a millisecond, like many small tasks."""
    while True:
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)
