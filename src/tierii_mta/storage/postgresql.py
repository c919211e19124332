"""PostgreSQL: a pool of connections through asyncpg, READ COMMITTED, deadlocks tried again.

Owns what a lost server becomes.  Touches the server's socket.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from tierii_mta.storage.connection import Connections
from tierii_mta.storage.failures import (
    VALUE_ERRORS,
    commit_failure,
    may_be_retried,
    read_failure,
    statement_failure,
)

T = TypeVar("T")

_TRIES = 3


class PostgresConnections(Connections):
    """One server."""

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
        tries = _TRIES
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
            await connection.invalidate()
            raise commit_failure(cause, self.where) from cause
        return result

    async def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            async with self._engine.connect() as connection:
                return await connection.run_sync(work)
        except (SQLAlchemyError, OSError) as cause:
            raise read_failure(cause, self.where) from cause

    def touch(self) -> None:
        """Nothing to do: `has_changed` always says yes."""

    async def give_pages_back(self) -> None:
        """Nothing to do: the server vacuums by itself."""

    async def _close(self) -> None:
        await self._engine.dispose()
