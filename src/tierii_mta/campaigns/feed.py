"""Feeds: where contacts come from.

Owns reading rows from CSV files and from the campaign file itself, one at a time, with the place each came from; what
the cells mean is `columns`, whether they make a contact is `cleaning`.  Memory is bounded by one row: a line ends after
1 MiB, a field after 128 Ki characters.  RFC 4180, and the dialects spreadsheets really write.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO

from tierii_mta.campaigns.charset import Charset, find_charset
from tierii_mta.campaigns.columns import ColumnError, Columns, match_columns
from tierii_mta.campaigns.specification import Campaign, CsvFeed, InlineFeed
from tierii_mta.errors import CheckFailed
from tierii_mta.queue.delivery import Json

_MAX_LINE = 1 << 20
_DELIMITERS = {"auto": "", "comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}


class Row(NamedTuple):
    """One row as found. With a `problem` it cannot become a contact."""

    line: int  # where it begins, 1-based
    fields: Mapping[str, Json]  # by our field names; empty with a problem
    original: Sequence[str] = ()  # the cells, for the reject file
    problem: str | None = None


class Feed(Protocol):
    """A source of rows that can be read more than once."""

    @property
    def name(self) -> str:
        """The file, as errors show it."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of the original columns, for the reject file."""

    @property
    def notices(self) -> Sequence[str]:
        """What the operator should know about how the feed is read."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows from the beginning; blank ones are skipped."""


def open_feeds(campaign: Campaign) -> list[Feed]:
    """Return the campaign's feeds in order; raises `CheckFailed` for a file that cannot be read as contacts."""
    feeds: list[Feed] = []
    for number, each in enumerate(campaign.specification.contacts):
        where = campaign.document.where(("contacts", number, "path"))
        if isinstance(each, CsvFeed):
            feeds.append(_csv_file(each, campaign.file(each.path), where))
        elif isinstance(each, InlineFeed):
            lines = [
                campaign.document.lines.get(("contacts", number, "items", item), 0) for item in range(len(each.items))
            ]
            feeds.append(InlineItems(campaign.path, each.items, lines))
    return feeds


class CsvFile:
    """A CSV file."""

    def __init__(self, path: Path, charset: Charset, delimiter: str, mapping: Mapping[str, str]) -> None:
        self.name = str(path)
        self._path, self._charset, self._mapping = path, charset, mapping
        with self._open() as stream:
            self._delimiter, self._has_sep_line = _sniff(stream, delimiter)
        with self._open() as stream:
            header, self.columns, self._columns = self._header(self._reader(stream))
        self.notices = tuple([charset.notice] if charset.notice else []) + tuple(
            f"{path}:{header}: {notice}" for notice in self._columns.notices
        )

    def rows(self) -> Iterator[Row]:
        with self._open() as stream:
            reader = self._reader(stream)
            self._header(reader)
            fields = self._columns.fields
            while True:
                line = reader.line_num + 1
                try:
                    cells = next(reader, None)
                except csv.Error as fault:
                    yield self._malformed(line, fault)
                    continue
                if cells is None:
                    return
                if any(map(str.strip, cells)):
                    yield _row(line, cells, fields)

    def _malformed(self, line: int, fault: csv.Error) -> Row:
        if "unexpected end" in str(fault) or "larger than" in str(fault):
            raise CheckFailed(
                "a quote opened here is not closed (or a field has more than 131,072 characters)",
                where=f"{self.name}:{line}",
                remedy="close the quote, or double it if it belongs to the text",
            ) from fault
        return Row(line, {}, problem=f"is malformed: {fault}")

    def _header(self, reader: "_Reader") -> tuple[int, tuple[str, ...], Columns]:
        """Read up to the header; return its line, its cells and their meaning."""
        try:
            header: list[str] = next((cells for cells in reader if any(cell.strip() for cell in cells)), [])
            if not header:
                raise CheckFailed("holds no rows", where=self.name, remedy="add a header line and contacts")
            return reader.line_num, tuple(header), match_columns(header, self._mapping)
        except ColumnError as problem:
            raise CheckFailed(problem.what, where=f"{self.name}:{reader.line_num}", remedy=problem.remedy) from problem
        except csv.Error as fault:
            raise CheckFailed(f"the header is malformed: {fault}", where=f"{self.name}:1") from fault

    def _open(self) -> TextIO:
        return self._path.open(encoding=self._charset.name, newline="")

    def _reader(self, stream: TextIO) -> "_Reader":
        reader = _Reader(stream, self._delimiter, self.name)
        if self._has_sep_line:
            next(reader)
        return reader


class _Reader:
    """csv.reader with a bounded line."""

    def __init__(self, stream: TextIO, delimiter: str, name: str) -> None:
        self._stream, self._name, self.line_num = stream, name, 0
        self._reader = csv.reader(self._lines(), delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[list[str]]:
        return self._reader

    def __next__(self) -> list[str]:
        return next(self._reader)

    def _lines(self) -> Iterator[str]:
        while line := self._stream.readline(_MAX_LINE):
            self.line_num += 1
            if len(line) == _MAX_LINE and not line.endswith("\n"):
                raise CheckFailed(
                    f"is longer than {_MAX_LINE} characters", where=f"{self._name}:{self.line_num}", remedy="is it CSV?"
                )
            yield line


class InlineItems:
    """Contacts written in the campaign file."""

    def __init__(self, path: Path, items: Sequence[Mapping[str, Json]], lines: Sequence[int]) -> None:
        self.name = str(path)
        self._items, self._lines = items, lines
        self.columns = tuple(dict.fromkeys(str(key) for item in items for key in item))
        self.notices: tuple[str, ...] = ()

    def rows(self) -> Iterator[Row]:
        for item, line in zip(self._items, self._lines, strict=True):
            original = [("" if item.get(name) is None else str(item.get(name))) for name in self.columns]
            header = list(item)
            try:
                columns = match_columns(header, {}, needs_email=False)
            except ColumnError as problem:
                yield Row(line, {}, original, problem.what)
                continue
            fields = zip(columns.fields, item.values(), strict=True)
            yield Row(line, {name: value for name, value in fields if name is not None}, original)


def _csv_file(feed: CsvFeed, path: Path, where: str) -> CsvFile:
    if not path.is_file():
        what = "is not a file" if path.exists() else "there is no such file"
        raise CheckFailed(f"{path}: {what}", where=where, remedy="check the path; it counts from the campaign file")
    delimiter = _DELIMITERS.get(feed.delimiter, feed.delimiter)
    if len(delimiter) > 1 or delimiter in {"\n", "\r", '"'}:
        raise CheckFailed(f"the delimiter {feed.delimiter!r} is not one character", where=where, remedy="write auto")
    return CsvFile(path, find_charset(path, feed.encoding), delimiter, feed.map)


def _row(line: int, cells: list[str], fields: Sequence[str | None]) -> Row:
    if len(cells) != len(fields):
        return Row(line, {}, cells, f"has {len(cells)} fields, the header has {len(fields)}")
    return Row(line, {name: cell for name, cell in zip(fields, cells, strict=True) if name is not None}, cells)


def _sniff(stream: TextIO, delimiter: str) -> tuple[str, bool]:
    """Return the delimiter given or shown by the first line, and whether that line says nothing else (`sep=;`)."""
    first = next((line.strip("\r\n") for line in iter(lambda: stream.readline(_MAX_LINE), "") if line.strip()), "")
    if len(first) == 5 and first.lower().startswith("sep="):
        return delimiter or first[4], True
    unquoted = "".join(first.split('"')[0::2])
    return delimiter or max(",;\t|", key=unquoted.count), False
