"""Bringing a database to the schema this program speaks.

Owns the version rows and the rule who may change a schema; the steps themselves are `migrations`.  Each step is one
transaction together with its version row, so a program killed at any statement leaves the old schema or the new one.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, inspect, select

from tierii_mta.clock import Clock
from tierii_mta.errors import ConfigurationError, NotFound
from tierii_mta.storage.backend import schema_words, take_schema_lock
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.migrations import MIGRATIONS, Migration
from tierii_mta.storage.tables import schema_version

_VERSION_TABLE = (
    "CREATE TABLE schema_version (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"
)


async def bring_up_to_date(
    connections: Connections,
    clock: Clock,
    *,
    create: bool,
    upgrade: bool,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> int:
    """Create a missing schema (`create`), upgrade an older one (`upgrade`), and return its version.

    Raises `NotFound` for a missing one, `ConfigurationError` for one that is older and may not be touched, or newer.
    """
    version = await connections.read(version_of)
    newest = migrations[-1].number
    if version > newest:
        raise ConfigurationError(
            f"the database has schema {version}, this program knows {newest}",
            where=connections.where,
            remedy="run the newer program that upgraded it, or restore a backup from before",
        )
    if version == 0 and not create:
        raise NotFound("there is no database yet", where=connections.where, remedy="run `tierii-mta init` or `serve`")
    if 0 < version < newest and not upgrade:
        raise ConfigurationError(
            f"the database has schema {version}, this program needs {newest}",
            where=connections.where,
            remedy="run `tierii-mta db migrate`, or start `serve`, which upgrades it",
        )
    for step in migrations:
        if step.number > version:
            await connections.write(_apply, step, clock)
    return newest


def version_of(connection: Connection) -> int:
    """Return the number of the last step applied, 0 for a database without our tables."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(select(func.max(schema_version.c.number))).scalar() or 0


def _apply(connection: Connection, step: Migration, clock: Clock) -> None:
    take_schema_lock(connection)
    version = version_of(connection)
    if version >= step.number:
        return  # another process was quicker
    if version == 0:
        connection.exec_driver_sql(_VERSION_TABLE)
    words = schema_words(connection)
    for statement in step.statements:
        connection.exec_driver_sql(statement.format_map(words))
    connection.execute(schema_version.insert(), {"number": step.number, "name": step.name, "applied_at": clock.now()})
