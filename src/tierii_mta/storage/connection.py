"""Connections and transactions: `write(work)` and `read(work)`, the same for SQLite and PostgreSQL.

Owns who may write when, what a failure becomes, and that a cancelled caller changes nothing: a transaction that was
begun runs to its end.  `work` is a plain function over a SQLAlchemy connection; it may run twice (a deadlock), so it
has no effect outside the database.  Touches the database file, its WAL and the write lock, or the server's socket.
"""

import asyncio
import logging
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from tierii_mta.storage.failures import (
    VALUE_ERRORS,
    commit_failure,
    may_be_retried,
    read_failure,
    statement_failure,
)
from tierii_mta.storage.locks import WriteLock

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)

READERS = 4
WAL_LIMIT_BYTES = 64 * 2**20
_WAL_STEP_BYTES = 8 * 2**20
_BUSY_TIMEOUT_SECONDS = 10
_POSTGRES_TRIES = 3


class Connections(ABC):
    """The way to one database."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._running: set[asyncio.Task[Any]] = set()

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, ...)` in one transaction that writes, and commit it durably.

        Raises `StatementFailed` or `CommitFailed`; any exception of `work` itself rolls back and passes through.
        """
        return await self._to_its_end(self._write(lambda connection: work(connection, *args, **kwargs)))

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, ...)` on one snapshot that does not write; keep it short, readers hold the WAL back."""
        return await self._to_its_end(self._read(lambda connection: work(connection, *args, **kwargs)))

    async def has_changed(self) -> bool:
        """Return whether anybody may have committed since the last call; True where only reading a table can tell."""
        return True

    @abstractmethod
    def touch(self) -> None:
        """Make the next `has_changed` say yes: we ourselves wrote what is otherwise others' news."""

    async def close(self) -> None:
        """Wait for what was begun, then close."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._close()

    async def _to_its_end(self, transaction: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(transaction)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _transact(self, connection: AsyncConnection, work: Callable[[Connection], T]) -> T:
        try:
            transaction = await connection.begin()
            try:
                result = await connection.run_sync(work)
            except BaseException:
                await transaction.rollback()
                raise
        except (SQLAlchemyError, *VALUE_ERRORS) as cause:
            raise statement_failure(cause, self.where) from cause
        try:
            await transaction.commit()
        except SQLAlchemyError as cause:
            await self._abandon(connection)
            raise commit_failure(cause, self.where) from cause
        return result

    async def _abandon(self, connection: AsyncConnection) -> None:
        """Make a connection usable again after its COMMIT failed."""
        try:
            await connection.rollback()
        except SQLAlchemyError:  # the failed COMMIT is what the caller learns; this connection is of no more use
            await connection.invalidate()

    @abstractmethod
    async def _write(self, work: Callable[[Connection], T]) -> T: ...

    @abstractmethod
    async def _read(self, work: Callable[[Connection], T]) -> T: ...

    @abstractmethod
    async def _close(self) -> None: ...


async def _read_with(engine: AsyncEngine, work: Callable[[Connection], T], where: str) -> T:
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    except SQLAlchemyError as cause:
        raise read_failure(cause, where) from cause


class SqliteConnections(Connections):
    """One writer connection and a few readers on one file."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._wal = path.with_name(path.name + "-wal")
        self._lock = WriteLock(path.with_name(path.name + "-write.lock"))
        self._turn = asyncio.Lock()  # flock knows processes (descriptors), this one knows tasks; and it is fair
        self._checkpoint_at = WAL_LIMIT_BYTES
        self._writing = _sqlite_engine(path, is_writer=True)
        self._reading = _sqlite_engine(path, is_writer=False)
        self._writer: AsyncConnection | None = None
        self._version = -1
        self._is_dirty = True

    async def open(self) -> None:
        """Connect the writer; SQLite recovers a crashed WAL here."""
        async with self._turn:
            await self._lock.acquire()
            try:
                self._writer = await self._writing.connect()
            except SQLAlchemyError as cause:
                raise read_failure(cause, self.where) from cause
            finally:
                self._lock.release()

    async def has_changed(self) -> bool:
        return await self._to_its_end(self._has_changed())

    def touch(self) -> None:
        self._is_dirty = True

    async def _has_changed(self) -> bool:
        async with self._turn:
            version = await self._pragma("data_version")
        changed = self._is_dirty or version != self._version
        self._version, self._is_dirty = version, False
        return changed

    def _connection(self) -> AsyncConnection:
        if self._writer is None:
            raise RuntimeError("the database is not open")
        return self._writer

    async def _write(self, work: Callable[[Connection], T]) -> T:
        async with self._turn:
            connection = self._connection()
            await self._lock.acquire()
            try:
                result = await self._transact(connection, work)
                await self._checkpoint_when_long()
                return result
            finally:
                self._lock.release()

    async def _checkpoint_when_long(self) -> None:
        """Move a long WAL into the file. PASSIVE waits for nobody; what a reader still needs stays for the next time.

        `journal_size_limit` cuts the file when it starts anew, so its size tells how much is in it.
        """
        size = self._wal.stat().st_size if self._wal.exists() else 0
        if size <= self._checkpoint_at:
            if size <= WAL_LIMIT_BYTES:
                self._checkpoint_at = WAL_LIMIT_BYTES
            return
        self._checkpoint_at = size + _WAL_STEP_BYTES
        try:
            await self._pragma("wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:  # what was committed is safe in the WAL; the next writer tries again
            _log.warning("the WAL of %s could not be checkpointed: %s", self.where, error)

    async def _pragma(self, pragma: str) -> int:
        """Return the first value of a pragma, run outside any transaction."""
        raw = await self._connection().get_raw_connection()
        if raw.driver_connection is None:
            raise RuntimeError("the writer connection was lost")
        rows = await raw.driver_connection.execute_fetchall(f"PRAGMA {pragma}")
        return int(next(iter(rows))[0])

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await _read_with(self._reading, work, self.where)

    async def _close(self) -> None:
        async with self._turn:
            await self._lock.acquire()  # the last connection to close checkpoints
            try:
                await self._reading.dispose()
                if self._writer is not None:
                    await self._writer.close()
                    self._writer = None
                await self._writing.dispose()
            finally:
                self._lock.release()
                self._lock.close()


def _sqlite_engine(path: Path, *, is_writer: bool) -> AsyncEngine:
    pool: dict[str, Any] = {"poolclass": NullPool} if is_writer else {"pool_size": READERS, "max_overflow": 0}
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"isolation_level": None, "timeout": _BUSY_TIMEOUT_SECONDS, "cached_statements": 256},
        **pool,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in _pragmas(is_writer=is_writer):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver's own BEGIN comes too late (before the first DML) and is deferred.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine


def _pragmas(*, is_writer: bool) -> tuple[str, ...]:
    return (
        "auto_vacuum=INCREMENTAL",  # counts only before the first table exists
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        f"journal_size_limit={WAL_LIMIT_BYTES}",
        "mmap_size=0",
        "foreign_keys=ON",
        "cache_size=-64000" if is_writer else "cache_size=-16000",
        f"query_only={'OFF' if is_writer else 'ON'}",
    )


class PostgresConnections(Connections):
    """A pool of connections to one server."""

    def __init__(self, url: URL) -> None:
        super().__init__(url.render_as_string(hide_password=True))
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            isolation_level="READ COMMITTED",
            pool_size=8,
            max_overflow=4,
            pool_pre_ping=True,
            connect_args={"server_settings": {"application_name": "tierii-mta", "synchronous_commit": "on"}},
        )

    async def _write(self, work: Callable[[Connection], T]) -> T:
        tries = _POSTGRES_TRIES
        while True:
            tries -= 1
            try:
                connection = await self._engine.connect()
            except (SQLAlchemyError, OSError) as cause:
                raise commit_failure(cause, self.where) from cause
            try:
                return await self._transact(connection, work)
            except Exception as error:
                if not tries or error.__cause__ is None or not may_be_retried(error.__cause__):
                    raise
            finally:
                await connection.close()

    def touch(self) -> None:
        """Nothing to do: `has_changed` always says yes."""

    async def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            return await _read_with(self._engine, work, self.where)
        except OSError as cause:  # the server is not there
            raise read_failure(cause, self.where) from cause

    async def _close(self) -> None:
        await self._engine.dispose()
