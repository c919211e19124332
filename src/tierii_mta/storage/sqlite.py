"""SQLite: one writer thread with its connection, a few reader threads, and the rules that keep a WAL whole.

Owns pragmas, the order of locks, and checkpoints.  A whole transaction is one trip to the database thread, file lock
included: through an async driver it is a trip per call, twenty for a group commit, each waiting for its turn in the
loop while other processes wait for the lock.  Touches the database file, its WAL and the write lock.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from tierii_mta.errors import Unavailable
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.failures import VALUE_ERRORS, commit_failure, read_failure, statement_failure
from tierii_mta.storage.locks import WriteLock

T = TypeVar("T")

READERS = 4
WRITER_CACHE = "cache_size=-64000"  # KiB
WAL_LIMIT_BYTES = 64 * 2**20
_WAL_STEP_BYTES = 8 * 2**20
_BUSY_TIMEOUT_SECONDS = 10
_VACUUM_PAGES = 500
_log = logging.getLogger(__name__)


class SqliteConnections(Connections):
    """One file."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._wal = path.with_name(path.name + "-wal")
        self._lock = WriteLock(path.with_name(path.name + "-write.lock"))
        self._checkpoint_at = WAL_LIMIT_BYTES
        self._writing = _engine(path, is_writer=True)
        self._reading = _engine(path, is_writer=False)
        self._writer_thread = ThreadPoolExecutor(1, "database-writer")
        self._reader_threads = ThreadPoolExecutor(READERS, "database-reader")
        self._writer: Connection | None = None
        self._version = -1
        self._is_dirty = True

    async def open(self) -> None:
        """Connect the writer; SQLite recovers a crashed WAL here."""
        await self._in(self._writer_thread, self._open)

    def _open(self) -> None:
        with self._lock.held():
            try:
                self._writer = self._writing.connect()
            except SQLAlchemyError as cause:
                raise read_failure(cause, self.where) from cause

    @staticmethod
    async def _in(threads: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *args)

    def _connection(self) -> Connection:
        if self._writer is None:
            raise RuntimeError("the database is not open")
        return self._writer

    # -- transactions

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._in(self._writer_thread, self._transact, work)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        connection = self._connection()
        with self._lock.held():
            try:
                transaction = connection.begin()
                try:
                    result = work(connection)
                except BaseException:
                    transaction.rollback()
                    raise
            except (SQLAlchemyError, *VALUE_ERRORS) as cause:
                raise statement_failure(cause, self.where) from cause
            try:
                transaction.commit()
            except SQLAlchemyError as cause:
                _abandon(connection)
                self._bury()
                raise commit_failure(cause, self.where) from cause
            self._checkpoint_when_long()
        return result

    def _bury(self) -> None:
        """Overwrite what a failed COMMIT left in the WAL, so that nobody finds it there who was told it failed.

        If the fsync was what failed, its frames lie there complete, and the recovery after a crash would take them for
        committed. This writes page 1 over the first of them, as it is; their checksums build on one another, so that
        none of the others counts any more. Whether this one's own fsync succeeds does not matter for that.
        """
        try:
            (version,) = self._driver().execute("PRAGMA user_version").fetchone()
            self._driver().execute(f"PRAGMA user_version={version}")
        except sqlite3.Error as error:
            _log.warning("after a failed COMMIT the WAL of %s was overwritten or could not be: %s", self.where, error)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._in(self._reader_threads, self._read_whole, work)

    def _read_whole(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return work(connection)
        except SQLAlchemyError as cause:
            raise read_failure(cause, self.where) from cause

    # -- news

    async def has_changed(self) -> bool:
        """Ask the writer connection's `data_version`, which moves when another connection has committed."""
        version = await self._to_its_end(self._in(self._writer_thread, self._data_version))
        changed = self._is_dirty or version != self._version
        self._version, self._is_dirty = version, False
        return changed

    def _data_version(self) -> int:
        try:
            return int(self._driver().execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as cause:
            raise read_failure(cause, self.where) from cause

    def touch(self) -> None:
        self._is_dirty = True

    # -- the file

    def _driver(self) -> sqlite3.Connection:
        """Return the driver's own connection, for pragmas that must stand outside a transaction."""
        driver = self._connection().connection.driver_connection
        if not isinstance(driver, sqlite3.Connection):
            raise RuntimeError("the writer connection was lost")  # noqa: TRY004 a state, not a type
        return driver

    def _checkpoint_when_long(self) -> None:
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
            self._driver().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:  # what was committed is safe in the WAL; a later writer tries again
            _log.warning("the WAL of %s could not be checkpointed: %s", self.where, error)

    async def give_pages_back(self) -> None:
        await self._to_its_end(self._in(self._writer_thread, self._vacuum))

    def _vacuum(self) -> None:
        with self._lock.held():
            try:  # a script is stepped to its end; a single statement would free one page
                self._driver().executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
            except sqlite3.Error as cause:
                raise commit_failure(cause, self.where) from cause

    async def _close(self) -> None:
        await self._in(self._writer_thread, self._close_all)
        self._reader_threads.shutdown()
        self._writer_thread.shutdown()

    def _close_all(self) -> None:
        try:
            with self._lock.held():  # the last connection to close checkpoints
                self._reading.dispose()
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
                self._writing.dispose()
        except Unavailable as failure:  # the end of the process closes what is left, without a checkpoint
            _log.warning("the database is left open: %s", failure)
        self._lock.close()


def _abandon(connection: Connection) -> None:
    """Make the connection usable again after its COMMIT failed."""
    try:
        connection.connection.rollback()  # the driver's: SQLAlchemy takes the transaction for ended, SQLite may not
        connection.rollback()
    except (SQLAlchemyError, sqlite3.Error) as error:  # the caller learns of the COMMIT; the next BEGIN tells more
        _log.warning("after a failed COMMIT the rollback failed too: %s", error)


def _engine(path: Path, *, is_writer: bool) -> Engine:
    pool: dict[str, Any] = {"poolclass": QueuePool, "pool_size": READERS, "max_overflow": 0}
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={
            "isolation_level": None,
            "timeout": _BUSY_TIMEOUT_SECONDS,
            "cached_statements": 256,
            "check_same_thread": False,  # a reader's connection goes from thread to thread, one at a time
        },
        **({"poolclass": NullPool} if is_writer else pool),
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        if is_writer and not cursor.execute("PRAGMA auto_vacuum").fetchone()[0]:
            # Counts only before the first table exists, and is a write each time: a reader would write beside the lock.
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in _pragmas(is_writer=is_writer):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver's own BEGIN comes too late (before the first DML) and is deferred.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine


def _pragmas(*, is_writer: bool) -> tuple[str, ...]:
    return (
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        f"journal_size_limit={WAL_LIMIT_BYTES}",
        "mmap_size=0",
        "foreign_keys=ON",
        WRITER_CACHE if is_writer else "cache_size=-16000",
        f"query_only={'OFF' if is_writer else 'ON'}",
    )
