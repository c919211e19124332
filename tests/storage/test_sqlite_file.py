"""The SQLite file: its mode, its pragmas, its WAL, its locks, and what a full or closed disk becomes."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.contracts.installation import Installation, key_of
from tests.support.clock import ManualClock
from tierii_mta.errors import ConfigurationError, NotFound, Unavailable
from tierii_mta.queue.delivery import State
from tierii_mta.queue.store import Activate, CommitFailed
from tierii_mta.storage import DaemonLock, Database, sqlite
from tierii_mta.storage.backend import SQLITE_FILE
from tierii_mta.storage.sqlite import SqliteConnections

WRITER = Path(__file__).with_name("writer.py")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Installation]:
    installation = Installation("sqlite", tmp_path, ManualClock())
    await installation.open()
    yield installation
    await installation.close()


def connections_of(store: Installation) -> SqliteConnections:
    connections = store.db._connections
    assert isinstance(connections, SqliteConnections)
    return connections


async def pragma(store: Installation, text: str) -> Any:
    """Run a pragma on the writer connection, as the library itself does."""
    connections = connections_of(store)

    def work() -> Any:
        row = connections._driver().execute(f"PRAGMA {text}").fetchone()
        return row[0] if row else None

    return await connections._in(connections._writer_thread, work)


async def test_the_files_belong_to_their_owner_alone(store: Installation) -> None:
    await store.accept("a@one.example")
    files = list(store.folder.iterdir())
    assert {file.name for file in files} >= {SQLITE_FILE, f"{SQLITE_FILE}-wal"}
    assert {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in files} == {
        file.name: "0o600" for file in files
    }


async def test_who_only_reads_writes_nothing_so_it_may_do_without_the_lock_and_on_a_full_disk(
    store: Installation,
) -> None:
    await store.accept("a@one.example")
    connections = connections_of(store)
    wal = store.folder / f"{SQLITE_FILE}-wal"
    await connections.has_changed()
    octets = wal.read_bytes()
    other = await store.another()
    assert len(await other.loads()) == 1
    assert await connections.has_changed() is False
    assert wal.read_bytes() == octets


@pytest.mark.parametrize(
    ("name", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("mmap_size", 0), ("wal_autocheckpoint", 0)],
)
async def test_every_connection_is_durable_and_none_checkpoints_by_itself(
    store: Installation, name: str, value: object
) -> None:
    def work(connection: Connection) -> object:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

    assert await pragma(store, name) == value
    assert await store.db._connections.read(work) == value


async def test_a_writer_has_its_cache_and_the_file_gives_pages_back(store: Installation) -> None:
    assert await pragma(store, "cache_size") == -64000
    assert await pragma(store, "auto_vacuum") == 2


async def test_a_reader_cannot_write(store: Installation) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        await store.db._connections.read(lambda connection: connection.exec_driver_sql("DELETE FROM node").rowcount)


async def test_purged_space_goes_back_to_the_file_system(store: Installation) -> None:
    epoch = await store.register()
    await store.accept("a@one.example", parts=[os.urandom(262_144) for _ in range(8)])
    (one,) = await store.claim(epoch)
    await store.queue.apply([store.settle(one, epoch, State.FAILED, from_state=State.QUEUED)])
    limit = store.now()
    store.clock.advance(timedelta(days=1))
    before = await pragma(store, "page_count")
    assert await store.queue.purge(deliveries_before=store.now(), events_before=limit) == 1
    assert before - await pragma(store, "page_count") > 400


async def test_a_long_wal_is_checkpointed_by_whoever_writes(
    store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 1_000_000
    monkeypatch.setattr(sqlite, "WAL_LIMIT_BYTES", limit)
    connections_of(store)._checkpoint_at = limit
    await pragma(store, f"journal_size_limit={limit}")
    wal = store.folder / f"{SQLITE_FILE}-wal"
    for _ in range(12):
        await store.accept("a@one.example", parts=[os.urandom(262_144)])
    assert wal.stat().st_size < 3 * limit
    with closing(sqlite3.connect(f"file:{store.folder / SQLITE_FILE}?mode=ro&immutable=1", uri=True)) as file:
        assert file.execute("SELECT count(*) FROM delivery").fetchone()[0] > 6  # in the file, WAL aside


async def test_a_full_database_keeps_nobody_and_recovers(store: Installation) -> None:
    await store.accept("a@one.example")
    pages = await pragma(store, "page_count")
    await pragma(store, f"max_page_count={pages}")
    with pytest.raises(CommitFailed, match="full") as refusal:
        await store.accept("b@one.example", parts=[b"x" * 262_144])
    assert "free some space" in str(refusal.value)
    with pytest.raises(CommitFailed, match="full"):
        await store.queue.probe()
    assert await store.queue.history(key=key_of("b@one.example")) == []
    await pragma(store, "max_page_count=1000000")
    await store.queue.probe()
    await store.accept("b@one.example", parts=[b"x" * 262_144])
    await store.check_tally()


async def test_a_database_that_cannot_be_written_keeps_nobody_and_is_read(store: Installation) -> None:
    epoch = await store.register()
    accepted = await store.accept("a@one.example")
    await pragma(store, "query_only=ON")
    for call in (
        store.accept("b@one.example"),
        store.queue.probe(),
        store.queue.apply([Activate(delivery=accepted.deliveries[0], epoch=epoch)]),
        store.suppression.add([store.suppressed("a")]),
    ):
        with pytest.raises(CommitFailed, match="cannot be written"):
            await call
    assert len(await store.queue.history(key=key_of("a@one.example"))) == 1
    await pragma(store, "query_only=OFF")
    await store.accept("b@one.example")


async def test_a_commit_that_fails_is_rolled_back(store: Installation) -> None:
    """A deferred foreign key fails at COMMIT, after every statement went well."""

    def orphan(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON").close()
        connection.exec_driver_sql("INSERT INTO lane (stream, domain) VALUES (999, 'nowhere.example')").close()

    with pytest.raises(CommitFailed):
        await store.db._connections.write(orphan)
    await store.accept("a@one.example")
    assert len(await store.loads()) == 1


async def test_the_pages_are_there_again_after_a_crash(tmp_path: Path) -> None:
    """Copy database and WAL while they are in use: what was committed is in the copy."""
    store = Installation("sqlite", tmp_path / "live", ManualClock())
    store.folder.mkdir()
    await store.open()
    await store.accept("a@one.example")
    copy = tmp_path / "copy"
    copy.mkdir()
    for suffix in ("", "-wal"):
        name = f"{SQLITE_FILE}{suffix}"
        (copy / name).write_bytes((store.folder / name).read_bytes())
    await store.close()
    found = Installation("sqlite", copy, ManualClock())
    await found.open()
    assert len(await found.queue.history(key=key_of("a@one.example"))) == 1
    await found.check_tally()
    await found.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / SQLITE_FILE).write_bytes(b"this is a text file, and long enough to look at\n" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        await Database.open("sqlite", data_dir=tmp_path, clock=ManualClock(), node="one")


async def test_a_missing_data_dir_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="data_dir"):
        await Database.open("sqlite", data_dir=tmp_path / "nowhere", clock=ManualClock(), node="one")


async def test_a_missing_database_is_made_only_if_wanted(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await Database.open("sqlite", data_dir=tmp_path, clock=ManualClock(), node="one", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("database", ["mysql://x/y", "nonsense", "sqlite:///x"])
async def test_another_kind_of_database_is_refused(tmp_path: Path, database: str) -> None:
    with pytest.raises(ConfigurationError, match="write `sqlite` or postgresql"):
        await Database.open(database, data_dir=tmp_path, clock=ManualClock(), node="one")


async def test_no_server_is_unavailable_and_shows_no_password(tmp_path: Path) -> None:
    url = f"postgresql://user:hunter2@/nowhere?host={tmp_path}"
    with pytest.raises(Unavailable, match=r"PostgreSQL|does not answer") as refusal:
        await Database.open(url, data_dir=tmp_path, clock=ManualClock(), node="one")
    assert "hunter2" not in str(refusal.value)


async def test_processes_write_one_at_a_time_and_lose_nothing(store: Installation) -> None:
    """Two processes and this one write under the same lock; SQLite never has to say it is busy."""
    count = 40
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(WRITER), str(store.folder), name, str(count), stdout=asyncio.subprocess.DEVNULL
        )
        for name in ("one", "two")
    ]
    for number in range(count):
        await store.accept(f"main{number}@d{number % 5}.example")
    assert [await child.wait() for child in children] == [0, 0]
    assert sum(load.count for load in await store.loads()) == 3 * count
    await store.check_tally()
    assert await pragma(store, "integrity_check") == "ok"


async def test_a_killed_writer_has_kept_all_it_said_and_frees_the_lock(store: Installation) -> None:
    kept = 0
    for turn in range(3):
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(WRITER), str(store.folder), f"turn{turn}-", "1000000", stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(20 + 7 * turn):
            assert await child.stdout.readline()
        child.kill()
        said = 20 + 7 * turn + len((await child.stdout.read()).split())
        await child.wait()
        found = sum(load.count for load in await store.loads()) - kept
        assert said <= found <= said + 1  # at most the one it had no time to speak of
        kept += found
    await store.accept("main@d0.example")
    await store.check_tally()
    assert await pragma(store, "integrity_check") == "ok"


def test_a_second_daemon_is_refused_and_learns_the_pid(tmp_path: Path) -> None:
    first = DaemonLock.take(tmp_path)
    with pytest.raises(Unavailable, match=rf"pid {os.getpid()}\b") as refusal:
        DaemonLock.take(tmp_path)
    assert refusal.value.exit_code == 75
    first.release()
    DaemonLock.take(tmp_path).release()


def test_the_daemon_lock_goes_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tierii_mta.storage.locks import DaemonLock; "
        "DaemonLock.take(Path(sys.argv[1])); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=120).returncode == 9
    DaemonLock.take(tmp_path).release()
