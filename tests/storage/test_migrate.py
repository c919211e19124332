"""Migrations: one transaction each, old or new and never between, and nobody upgrades by accident."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, inspect

from tests.support.clock import ManualClock
from tierii_mta.errors import ConfigurationError, NotFound
from tierii_mta.queue.store import StatementFailed
from tierii_mta.storage import Database
from tierii_mta.storage.backend import SQLITE_FILE
from tierii_mta.storage.migrate import bring_up_to_date, version_of
from tierii_mta.storage.migrations import MIGRATIONS, Migration
from tierii_mta.storage.sqlite import SqliteConnections
from tierii_mta.storage.tables import metadata

SECOND = Migration(
    number=len(MIGRATIONS) + 1,
    name="a second step",
    statements=("CREATE TABLE later_on (id {serial})", "ALTER TABLE node ADD COLUMN version TEXT"),
)


@pytest.fixture
async def connections(tmp_path: Path) -> AsyncIterator[SqliteConnections]:
    """An empty file."""
    found = SqliteConnections(tmp_path / SQLITE_FILE)
    await found.open()
    yield found
    await found.close()


def schema_of(connection: Connection) -> dict[str, set[str]]:
    found = inspect(connection)
    return {table: {column["name"] for column in found.get_columns(table)} for table in found.get_table_names()}


async def test_the_schema_is_what_the_queries_expect(connections: SqliteConnections) -> None:
    await bring_up_to_date(connections, ManualClock(), create=True, upgrade=False)
    wanted = {table.name: {column.name for column in table.columns} for table in metadata.tables.values()}
    assert await connections.read(schema_of) == wanted


async def test_columns_agree_on_what_may_be_missing_and_what_is_the_key(connections: SqliteConnections) -> None:
    await bring_up_to_date(connections, ManualClock(), create=True, upgrade=False)

    def work(connection: Connection) -> None:
        for table in metadata.tables.values():
            found = {column["name"]: column for column in inspect(connection).get_columns(table.name)}
            for column in table.columns:
                if not column.primary_key:
                    assert found[column.name]["nullable"] == column.nullable, f"{table.name}.{column.name}"
            key = inspect(connection).get_pk_constraint(table.name)["constrained_columns"]
            assert key == [column.name for column in table.primary_key], table.name

    await connections.read(work)


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


async def test_an_older_database_is_upgraded_only_on_request(connections: SqliteConnections) -> None:
    clock = ManualClock()
    await bring_up_to_date(connections, clock, create=True, upgrade=False)
    steps = (*MIGRATIONS, SECOND)
    with pytest.raises(ConfigurationError, match="db migrate"):
        await bring_up_to_date(connections, clock, create=True, upgrade=False, migrations=steps)
    assert await connections.read(version_of) == len(MIGRATIONS)
    assert await bring_up_to_date(connections, clock, create=False, upgrade=True, migrations=steps) == len(steps)
    assert "later_on" in await connections.read(schema_of)
    assert await bring_up_to_date(connections, clock, create=False, upgrade=False, migrations=steps) == len(steps)


async def test_a_newer_database_is_refused_with_a_remedy(connections: SqliteConnections) -> None:
    clock = ManualClock()
    await bring_up_to_date(connections, clock, create=True, upgrade=True, migrations=(*MIGRATIONS, SECOND))
    with pytest.raises(ConfigurationError, match="newer program") as refusal:
        await bring_up_to_date(connections, clock, create=True, upgrade=True)
    assert refusal.value.exit_code == 78


async def test_a_missing_schema_is_not_made_unasked(connections: SqliteConnections) -> None:
    with pytest.raises(NotFound):
        await bring_up_to_date(connections, ManualClock(), create=False, upgrade=True)
    assert await connections.read(version_of) == 0


@pytest.mark.parametrize("upto", range(len(MIGRATIONS[0].statements) + 2))
async def test_a_migration_that_stops_anywhere_leaves_nothing(tmp_path: Path, upto: int) -> None:
    """Interrupt before the n-th DDL statement: the file has no table of ours, and the next try succeeds."""
    connections = SqliteConnections(tmp_path / SQLITE_FILE)
    await connections.open()
    left = [upto]

    def interrupt(*args: object) -> None:
        if str(args[2]).startswith(("CREATE", "INSERT")):
            if left[0] == 0:
                raise OverflowError("stop here")  # what a driver may raise for any statement
            left[0] -= 1

    event.listen(connections._writing, "before_cursor_execute", interrupt)
    with pytest.raises(StatementFailed):
        await bring_up_to_date(connections, ManualClock(), create=True, upgrade=False)
    event.remove(connections._writing, "before_cursor_execute", interrupt)
    assert await connections.read(schema_of) == {}
    assert await bring_up_to_date(connections, ManualClock(), create=True, upgrade=True) == len(MIGRATIONS)
    await connections.close()


async def test_two_programs_that_open_a_missing_database_make_it_once(tmp_path: Path) -> None:
    clock = ManualClock()
    one = await Database.open("sqlite", data_dir=tmp_path, clock=clock, node="one")
    two = await Database.open("sqlite", data_dir=tmp_path, clock=clock, node="two")
    assert one.schema == two.schema == len(MIGRATIONS)
    await one.close()
    await two.close()
    with closing(sqlite3.connect(tmp_path / SQLITE_FILE)) as file:
        found = file.execute("SELECT number FROM schema_version").fetchall()
    assert found == [(step.number,) for step in MIGRATIONS]
