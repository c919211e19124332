"""Contacts from a SQL query, and the port through which other people's databases are read.

Owns how values of a table become fields; `storage.foreign` implements the port.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from uuid import UUID

from tierii_mta.campaigns.columns import ColumnError, match_columns
from tierii_mta.campaigns.feeds.feed import Row
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.errors import CheckFailed
from tierii_mta.queue.delivery import Json


class Result(Protocol):
    """What a query returns, read once."""

    @property
    def name(self) -> str:
        """The database, without its password."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of the columns."""

    @property
    def notices(self) -> Sequence[str]:
        """What the operator should know about how it is read."""

    def batches(self, size: int) -> AsyncIterator[Sequence[Sequence[object]]]:
        """Yield the rows, `size` at a time, through a cursor of the server where it has them."""


class Databases(Protocol):
    """Other people's databases."""

    def query(self, url: str, query: str, *, folder: Path, batch: int) -> AbstractAsyncContextManager[Result]:
        """Run one query in a transaction that can write nothing and is rolled back.

        `folder`: where the relative path of a file counts from. Raises `CheckFailed` for a URL or a query that cannot
        be, `Unavailable` for a server that cannot be reached.
        """


class TableRows:
    """The rows of a query."""

    def __init__(self, result: Result, mapping: Mapping[str, str], meter: Meter, *, batch: int) -> None:
        """Raises `CheckFailed` for columns that do not make contacts."""
        self.name, self.columns = result.name, tuple(result.columns)
        self._result, self._meter, self._batch = result, meter, batch
        try:
            matched = match_columns(self.columns, mapping)
        except ColumnError as problem:
            raise CheckFailed(problem.what, where=self.name, remedy=problem.remedy) from problem
        self._fields = matched.fields
        self.notices = (*result.notices, *(f"{self.name}: {notice}" for notice in matched.notices))

    async def batches(self) -> AsyncIterator[Sequence[Row]]:
        number = 0
        rows = self._result.batches(self._batch)
        while True:
            with self._meter.timing(Stage.INGEST):
                batch = await anext(rows, None)
            if batch is None:
                return
            yield [self._row(number + place, cells) for place, cells in enumerate(batch, 1)]
            number += len(batch)

    def _row(self, number: int, cells: Sequence[object]) -> Row:
        fields: dict[str, Json] = {}
        for name, column, cell in zip(self._fields, self.columns, cells, strict=True):
            try:
                value = _as_json(cell)
            except TypeError:
                what = f"column {column} holds a {type(cell).__name__}, which is no field"
                return Row(number, {}, [str(each) for each in cells], what)
            if name is not None:
                fields[name] = value
        return Row(number, fields, cells)  # type: ignore[arg-type]  # `RejectFile` writes any cell as text


def _as_json(value: object) -> Json:
    match value:
        case None | str() | bool() | int() | float():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case list() | tuple():
            return [_as_json(each) for each in value]
        case dict():
            return {str(key): _as_json(each) for key, each in value.items()}
        case _:
            raise TypeError
