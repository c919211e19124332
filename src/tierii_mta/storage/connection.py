"""Connections and transactions: `write(work)` and `read(work)`, the same for SQLite and PostgreSQL.

Owns the contract and that a cancelled caller changes nothing: a transaction that was begun runs to its end.  `work`
is a plain function over a SQLAlchemy connection; it may run twice (a deadlock), so it has no effect outside the
database.  The two ways to a database are `sqlite` and `postgresql`.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
T = TypeVar("T")


class Connections(ABC):
    """The way to one database."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._running: set[asyncio.Task[Any]] = set()

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, ...)` in one transaction that writes, and commit it durably.

        Raises `StatementFailed`, `CommitFailed`, or `Unavailable` if it could not begin; any exception of `work` itself
        rolls back and passes through.
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

    @abstractmethod
    async def give_pages_back(self) -> None:
        """Return some of the space that deletes have freed to the file system."""

    async def close(self) -> None:
        """Wait for what was begun, then close."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._close()

    async def _to_its_end(self, transaction: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(transaction)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    @abstractmethod
    async def _write(self, work: Callable[[Connection], T]) -> T: ...

    @abstractmethod
    async def _read(self, work: Callable[[Connection], T]) -> T: ...

    @abstractmethod
    async def _close(self) -> None: ...
