"""The port of feeds: rows with the place each came from, a batch at a time.

Owns the shape of a row, and the bounds every feed keeps.  Foreign feeds (entry points) do not see this port: they
return mappings, and `foreign` makes rows of them.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol, TextIO

from tierii_mta.errors import CheckFailed
from tierii_mta.queue.delivery import Json

BATCH = 500
MAX_LINE = 1 << 20  # characters, of a line or an item


class Row(NamedTuple):
    """One row as found. With a `problem` it cannot become a contact."""

    line: int  # where it begins, from 1: a line of a file, else the number of the item or row
    fields: Mapping[str, Json]  # by our field names; empty with a problem
    original: Sequence[Json] = ()  # the cells, for the reject file
    problem: str | None = None


class Feed(Protocol):
    """A source of rows."""

    @property
    def name(self) -> str:
        """The file, table or page, as errors show it; never a secret."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of the original columns, for the reject file."""

    @property
    def notices(self) -> Sequence[str]:
        """What the operator should know about how the feed is read."""

    def batches(self) -> AsyncIterator[Sequence[Row]]:
        """Yield the rows from the beginning, `BATCH` or fewer at a time; blank ones are skipped. May be asked once.

        Raises `CheckFailed` where the rest cannot be read, `Unavailable` where it may be later.
        """


def in_batches(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    """Yield rows by the batch."""
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        yield batch


def bounded_lines(stream: TextIO, name: str) -> Iterator[str]:
    """Yield lines with their ends; raises `CheckFailed` for one that does not end after `MAX_LINE` characters."""
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE and not line.endswith("\n"):
            raise CheckFailed(
                f"is longer than {MAX_LINE} characters", where=f"{name}:{number}", remedy="is it of this type?"
            )
        yield line
