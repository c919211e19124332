"""`db`: the database itself."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import click

from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.daemon.installation import open_installation
from tierii_mta.errors import CheckFailed, ConfigurationError, Conflict, NotFound, UsageError
from tierii_mta.storage.backend import SQLITE_FILE
from tierii_mta.storage.sqlite import SqliteConnections


@click.group(cls=Group)
def db() -> None:
    """The database."""


@db.command()
@async_body
async def migrate(call: Invocation) -> None:
    """Bring the database to the version this program writes; `serve` does the same at its start."""
    async with open_installation(call.loaded, role="cli", upgrade=True):
        pass
    call.output.summary({"database": call.loaded.settings.database, "migrated": True}, "the database is up to date")


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@async_body
async def backup(call: Invocation, file: Path) -> None:
    """Copy the SQLite database to FILE, whole and consistent, while everything goes on.

    Keep data_dir/secret with it: without it no link or return path of mail already sent can be read.
    """
    source = _sqlite_file(call, "pg_dump")
    size = await asyncio.to_thread(_copy, source, file)
    call.output.note(f"keep {source.with_name('secret')} with it, unless the settings name the secret")
    call.output.summary({"file": str(file), "size_bytes": size}, f"{file}: {size} octets")


@db.command()
@async_body
async def vacuum(call: Invocation) -> None:
    """Give the space of purged rows back to the file system, in short steps that stop nobody."""
    source = _sqlite_file(call, "VACUUM")
    before = left = _free_pages(source)
    connections = SqliteConnections(source)
    try:
        await connections.open()
        while left:
            await connections.give_pages_back()
            last, left = left, _free_pages(source)
            if left >= last:
                break  # a daemon frees pages as fast as we give them back; its own upkeep does the rest
    finally:
        await connections.close()
    call.output.summary({"free_pages_before": before, "free_pages": left}, f"{before - left} pages given back")


def _sqlite_file(call: Invocation, instead: str) -> Path:
    settings = call.loaded.settings
    if settings.database != "sqlite":
        raise UsageError("this verb is for SQLite", remedy=f"PostgreSQL has {instead}")
    file = settings.data_dir / SQLITE_FILE
    if not file.exists():
        raise NotFound("there is no database yet", where=str(file))
    return file


def _copy(source: Path, target: Path) -> int:
    """Copy in one go: page by page, a busy database would make the copy begin anew for ever."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as cause:
        raise Conflict("exists already", where=str(target), remedy="name another file") from cause
    except OSError as cause:
        raise ConfigurationError(f"cannot be written: {cause.strerror}", where=str(target)) from cause
    try:
        with closing(_reader(source)) as reader, closing(sqlite3.connect(target)) as copy:
            reader.backup(copy)
            verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except (sqlite3.Error, OSError) as cause:
        target.unlink(missing_ok=True)
        raise ConfigurationError(f"the copy failed: {cause}", where=str(target), remedy="is the disk full?") from cause
    if verdict != "ok":
        raise CheckFailed(f"the copy is damaged: {verdict}", where=str(target), remedy="check the disk")
    return target.stat().st_size


def _free_pages(file: Path) -> int:
    with closing(_reader(file)) as reader:
        return int(reader.execute("PRAGMA freelist_count").fetchone()[0])


def _reader(file: Path) -> sqlite3.Connection:
    """Return a connection that cannot write, so that its close checkpoints nothing."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
