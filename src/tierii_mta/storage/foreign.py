"""Other people's databases, read by one query: the port `Databases` of the contact feeds.

Owns connecting to any URL SQLAlchemy has a driver for, transactions that write nothing, cursors that do not hold the
whole answer in memory, and what a foreign database's errors are called.  Asynchronous drivers are awaited, the others
run in a thread of their own.  Touches the network, or the file named.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, TextClause, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tierii_mta.campaigns.feeds.table import Result
from tierii_mta.errors import CheckFailed, TieriiError, Unavailable

T = TypeVar("T")

_READ_ONLY = {
    "mysql": "SET TRANSACTION READ ONLY",
    "mariadb": "SET TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}


class ForeignDatabases:
    """`Databases`, over SQLAlchemy."""

    def query(self, url: str, query: str, *, folder: Path, batch: int) -> AbstractAsyncContextManager[Result]:
        where = _parse(url, folder)
        return _awaited(where, query, batch) if _is_async(where) else _in_thread(where, query, batch)


@dataclass(frozen=True, slots=True)
class _Streamed:
    """`Result`."""

    name: str
    columns: Sequence[str]
    notices: Sequence[str]
    parts: AsyncIterator[Sequence[Sequence[object]]]

    async def batches(self, size: int) -> AsyncIterator[Sequence[Sequence[object]]]:
        """The size was given when the query began."""
        try:
            async for part in self.parts:
                yield part
        except Exception as cause:  # the driver's own errors among them
            raise _interrupted(self.name, cause) from cause


@asynccontextmanager
async def _awaited(url: URL, query: str, batch: int) -> AsyncIterator[Result]:
    name = _name(url)
    try:
        connection = await create_async_engine(url, poolclass=NullPool).connect()
    except Exception as cause:  # drivers raise errors of their own before SQLAlchemy sees them
        raise _unreachable(url, cause) from cause
    async with aclosing(connection):  # which rolls back at the end
        try:
            await connection.execution_options(**_options(url, batch))
            await connection.run_sync(_forbid_writing)
            result = await connection.stream(_statement(query))
        except Exception as cause:  # the driver's own errors among them
            raise _refused(name, cause) from cause
        yield _Streamed(name, _columns(name, list(result.keys())), _notices(url), result.partitions(batch))


@asynccontextmanager
async def _in_thread(url: URL, query: str, batch: int) -> AsyncIterator[Result]:
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix="feed")

    async def run(work: Callable[[], T]) -> T:
        return await loop.run_in_executor(thread, work)

    session = _Session(url, query, batch)
    try:
        columns = await run(session.open)

        async def parts() -> AsyncIterator[Sequence[Sequence[object]]]:
            while part := await run(session.next):
                yield part

        yield _Streamed(_name(url), columns, _notices(url), parts())
    finally:
        await run(session.close)
        thread.shutdown()


class _Session:
    """A query and its connection; every method is called in one thread."""

    def __init__(self, url: URL, query: str, batch: int) -> None:
        self._url, self._query, self._batch = url, query, batch
        self._connection: Connection | None = None

    def open(self) -> Sequence[str]:
        """Connect, begin, ask; return the columns."""
        name = _name(self._url)
        try:
            connection = create_engine(self._url, poolclass=NullPool).connect()
        except Exception as cause:  # drivers raise errors of their own before SQLAlchemy sees them
            raise _unreachable(self._url, cause) from cause
        self._connection = connection = connection.execution_options(**_options(self._url, self._batch))
        try:
            _forbid_writing(connection)
            result = connection.execute(_statement(self._query))
        except Exception as cause:  # the driver's own errors among them
            raise _refused(name, cause) from cause
        columns = _columns(name, list(result.keys()) if result.returns_rows else [])
        self._parts = result.partitions(self._batch)
        return columns

    def next(self) -> Sequence[Sequence[object]]:
        return next(self._parts, [])

    def close(self) -> None:
        """Roll back and disconnect."""
        if self._connection is not None:
            self._connection.close()


def _parse(text_of_url: str, folder: Path) -> URL:
    """Return the URL with the driver we use; a SQLite file is opened for reading, its path counts from `folder`."""
    try:
        url = make_url(text_of_url)
    except ArgumentError as cause:
        raise CheckFailed(
            "the url of an sql feed is none", remedy="write dialect://user:password@host/database"
        ) from cause
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+asyncpg")
    if url.get_backend_name() == "sqlite" and url.database and not url.database.startswith("file:"):
        file = quote(str((folder / url.database).absolute()))
        url = url.set(drivername="sqlite", database=f"file:{file}", query={"mode": "ro", "uri": "true"})
    return url


def _is_async(url: URL) -> bool:
    try:
        return bool(url.get_dialect().is_async)
    except NoSuchModuleError as cause:
        raise CheckFailed(
            f"no driver is installed for {url.drivername}",
            where=_name(url),
            remedy="install the driver of that database beside this program",
        ) from cause


def _options(url: URL, batch: int) -> dict[str, object]:
    options: dict[str, object] = {"stream_results": True, "yield_per": batch}
    if url.get_backend_name() == "postgresql":
        options["postgresql_readonly"] = True
    return options


def _forbid_writing(connection: Connection) -> None:
    if statement := _READ_ONLY.get(connection.dialect.name):
        connection.exec_driver_sql(statement).close()


def _statement(query: str) -> TextClause:
    """Return the query as it stands: a colon in it names no parameter of ours."""
    return text(query.replace(":", r"\:"))


def _columns(name: str, columns: Sequence[str]) -> Sequence[str]:
    if not columns:
        raise CheckFailed("the query returns no columns", where=name, remedy="write a SELECT")
    return columns


def _notices(url: URL) -> Sequence[str]:
    backend = url.get_backend_name()
    if backend in _READ_ONLY or backend == "postgresql":
        return ()
    return (f"{_name(url)}: {backend} has no transaction that only reads; the query is rolled back instead",)


def _name(url: URL) -> str:
    """Return the database as errors show it: without its password, and without our own doing."""
    if url.get_backend_name() == "sqlite":
        return (url.database or ":memory:").removeprefix("file:")
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)


def _reason(cause: BaseException) -> str:
    said = str(getattr(cause, "orig", None) or cause).strip()
    return said.splitlines()[0] if said else type(cause).__name__


def _unreachable(url: URL, cause: BaseException) -> TieriiError:
    if isinstance(cause, ModuleNotFoundError):
        what = f"the driver for {url.drivername} is not installed ({cause.name})"
        return CheckFailed(what, where=_name(url), remedy="install it beside this program")
    if url.get_backend_name() == "sqlite":
        return CheckFailed(f"cannot be opened: {_reason(cause)}", where=_name(url), remedy="check the path")
    return Unavailable(
        f"the database cannot be reached: {_reason(cause)}",
        where=_name(url),
        remedy="check the url; the same command goes on later",
    )


def _refused(name: str, cause: BaseException) -> TieriiError:
    if isinstance(cause, OSError) or (isinstance(cause, DBAPIError) and cause.connection_invalidated):
        return _interrupted(name, cause)
    return CheckFailed(f"the query is refused: {_reason(cause)}", where=name, remedy="check the query")


def _interrupted(name: str, cause: BaseException) -> TieriiError:
    return Unavailable(f"the database broke off: {_reason(cause)}", where=name, remedy="the same command goes on later")
