"""Many rows in few statements: inserts and updates whose values travel as one table `v`.

Owns the two spellings of that table: lists of VALUES on SQLite, `unnest` of arrays on PostgreSQL.  On SQLite a step
of a statement gives the interpreter lock away and has to win it back, so with a busy event loop 1,000 steps of an
`executemany` took 560 ms where one statement takes 33 ms; and Core's own handling of parameters costs as much as the
insert itself.  There, what is too few for one of a few sizes is filled up with rows of NULLs, which every statement
leaves out: the first column of a row given is never NULL.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from functools import cache
from itertools import chain, repeat
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    CursorResult,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)

from tierii_mta.queue.store import Parts
from tierii_mta.storage.backend import small_cache
from tierii_mta.storage.tables import AnyRow

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)  # a few, so that a few statements are prepared and kept
_PART = ("message", "position", "content")
_PARTS_BYTES = 512 * 1024
_MANY_PARTS = 16  # 4 MB
_MAX_VALUES = 30_000  # SQLite binds at most 32,766
_POSTGRES_TYPES = (
    (BigInteger, "bigint"),
    (SmallInteger, "smallint"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (LargeBinary, "bytea"),
    (Text, "text"),
)

_TABLE = "{v}"  # where the table of values goes

Values = tuple[Any, ...]


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Values], *, conflict: str = ""
) -> int:
    """Insert rows, with an ON CONFLICT clause if given, and return how many were written."""
    statement = f"{_insert_sql(table, columns)} {conflict}"
    return sum(result.rowcount for result in _run(connection, _columns(table, columns), rows, statement))


def insert_returning(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Values]
) -> list[int]:
    """Insert rows into a table with a serial key and return their keys in order.

    Keys are given out in the order of the rows, so that sorting them restores it.
    """
    key = next(iter(table.primary_key.columns)).name
    statement = f"{_insert_sql(table, columns)} RETURNING {key}"
    found: list[int] = []
    for result in _run(connection, _columns(table, columns), rows, statement):
        found += sorted(result.scalars())
    return found


def insert_parts(connection: Connection, table: Table, ids: Sequence[int], messages: Sequence[Parts]) -> None:
    """Insert the parts of messages, half a megabyte a statement, which is all that is held of them."""
    is_large = sum(len(parts) for parts in messages) > _MANY_PARTS
    with small_cache(connection) if is_large else nullcontext():
        page: list[Values] = []
        held = 0
        for message, parts in zip(ids, messages, strict=True):
            for position, part in enumerate(parts):
                page.append((message, position, part))
                held += len(part)
                if held >= _PARTS_BYTES:
                    insert_rows(connection, table, _PART, page)
                    page, held = [], 0
        insert_rows(connection, table, _PART, page)


def update_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Values], statement: str
) -> None:
    """Run an UPDATE ... FROM v over rows of values; `v` has these columns of `table`."""
    for _ in _run(connection, _columns(table, columns), rows, f"{_TABLE} {statement}"):
        pass


def insert_joined(
    connection: Connection, columns: tuple[Column[Any], ...], rows: Sequence[Values], into: str, select: str
) -> int:
    """Run `INSERT INTO {into} SELECT {select}`, which reads `v` and joins it, and return how many were written."""
    typed = tuple((column.name, _postgres_type(column)) for column in columns)
    statement = f"INSERT INTO {into} {_TABLE} SELECT {select}"
    return sum(result.rowcount for result in _run(connection, typed, rows, statement))


def select_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Values]
) -> Iterable[AnyRow]:
    """Yield the rows of `table` whose `columns` are one of `rows`, by one seek each; `rows` holds nothing twice."""
    where = " AND ".join(f"{table.name}.{name} = v.{name}" for name in columns)
    # CROSS JOIN is how SQLite is told to begin with `v`.
    select = f"{table.name}.* FROM v CROSS JOIN {table.name} WHERE {where}"
    return select_joined(connection, table, columns, rows, select)


def select_joined(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Values], select: str
) -> Iterable[AnyRow]:
    """Yield the rows of `SELECT {select}`, which reads `v` and joins it; `v` has these columns of `table`."""
    for result in _run(connection, _columns(table, columns), rows, f"{_TABLE} SELECT {select}"):
        yield from result.all()  # in one go, not a row a call


def of_ids(connection: Connection, statement: str, ids: Collection[int]) -> CursorResult[Any]:
    """Run a statement that says `IN {ids}`. They travel as one value, so that the statement is always the same;
    SQLAlchemy's expanding IN is compiled anew each time, which costs more than the seeks of a group. `{lock}` at its
    end locks the deliveries it reads, where there is such a thing.
    """
    if connection.dialect.name == "postgresql":
        text = statement.replace("{ids}", "(SELECT unnest(CAST($1 AS bigint[])))")
        return connection.exec_driver_sql(text.replace("{lock}", "FOR UPDATE OF delivery"), (list(ids),))
    text = statement.replace("{ids}", "(SELECT value FROM json_each(?))").replace("{lock}", "")
    return connection.exec_driver_sql(text, (f"[{','.join(map(str, ids))}]",))


@cache
def _insert_sql(table: Table, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    # The first word has to be INSERT for the sqlite3 module to count rows, and WHERE lets SQLite tell ON CONFLICT
    # from a join.
    given = f"{columns[0]} IS NOT NULL"
    return f"INSERT INTO {table.name} ({names}) {_TABLE} SELECT {names} FROM v WHERE {given}"  # noqa: S608 our own names


@cache
def _columns(table: Table, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return names and PostgreSQL types."""
    return tuple((name, _postgres_type(table.c[name])) for name in names)


def _postgres_type(column: Column[Any]) -> str:
    return next(name for kind, name in _POSTGRES_TYPES if isinstance(column.type, kind))


def _run(
    connection: Connection, columns: tuple[tuple[str, str], ...], rows: Sequence[Values], statement: str
) -> Iterable[CursorResult[Any]]:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        arrays = tuple(list(column) for column in zip(*rows, strict=True))
        yield connection.exec_driver_sql(statement.replace(_TABLE, _postgres_table(columns)), arrays)
        return
    most = min(_SIZES[-1], _MAX_VALUES // len(columns))
    for start in range(0, len(rows), most):
        page = rows[start : start + most]
        size = next((size for size in _SIZES if len(page) <= size <= most), most)
        nulls = repeat(None, (size - len(page)) * len(columns))
        values = tuple(chain(chain.from_iterable(page), nulls))
        yield connection.exec_driver_sql(statement.replace(_TABLE, _sqlite_table(columns, size)), values)


@cache
def _sqlite_table(columns: tuple[tuple[str, str], ...], size: int) -> str:
    row = "(" + ", ".join("?" for _ in columns) + ")"
    return f"WITH v ({', '.join(name for name, _ in columns)}) AS (VALUES {', '.join([row] * size)})"


@cache
def _postgres_table(columns: tuple[tuple[str, str], ...]) -> str:
    arrays = ", ".join(f"CAST(${n} AS {kind}[])" for n, (_, kind) in enumerate(columns, start=1))
    names = ", ".join(name for name, _ in columns)
    return f"WITH v ({names}) AS (SELECT * FROM unnest({arrays}))"  # noqa: S608 our own names
