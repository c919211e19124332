"""Contacts in a CSV file: RFC 4180, and the dialects spreadsheets really write.

Owns delimiter, header and rows; what the cells mean is `columns`.  Memory is bounded by one row: a line ends after
1 MiB, a field after 128 Ki characters.  Reads the file.
"""

import csv
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

from tierii_mta.campaigns.charset import Charset
from tierii_mta.campaigns.columns import ColumnError, Columns, match_columns
from tierii_mta.campaigns.feeds.feed import MAX_LINE, Row, bounded_lines, in_batches
from tierii_mta.errors import CheckFailed

_DELIMITERS = {"auto": "", "comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}


class CsvFile:
    """A CSV file, its header read."""

    def __init__(self, path: Path, charset: Charset, delimiter: str, mapping: Mapping[str, str]) -> None:
        """`delimiter`: empty to find it. Raises `CheckFailed` for a header that does not make contacts."""
        self.name = str(path)
        self._path, self._charset, self._mapping = path, charset, mapping
        with self._open() as stream:
            self._delimiter, self._has_sep_line = _sniff(stream, delimiter)
        with self._open() as stream:
            header, self.columns, self._columns = self._header(self._reader(stream))
        self.notices = tuple([charset.notice] if charset.notice else []) + tuple(
            f"{path}:{header}: {notice}" for notice in self._columns.notices
        )

    async def batches(self) -> AsyncIterator[Sequence[Row]]:
        for batch in in_batches(self.rows()):
            yield batch

    def rows(self) -> Iterator[Row]:
        """Yield the rows one by one."""
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
        lines = bounded_lines(stream, self.name)
        reader = csv.reader(lines, delimiter=self._delimiter, skipinitialspace=True, strict=True)
        if self._has_sep_line:
            next(reader)
        return reader


class _Reader(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def delimiter_of(wanted: str, *, where: str) -> str:
    """Return the character that a file's author means; empty for `auto`. Raises `CheckFailed`."""
    delimiter = _DELIMITERS.get(wanted, wanted)
    if len(delimiter) > 1 or delimiter in {"\n", "\r", '"'}:
        raise CheckFailed(f"the delimiter {wanted!r} is not one character", where=where, remedy="write auto")
    return delimiter


def _row(line: int, cells: list[str], fields: Sequence[str | None]) -> Row:
    if len(cells) != len(fields):
        return Row(line, {}, cells, f"has {len(cells)} fields, the header has {len(fields)}")
    named: dict[Any, str] = dict(zip(fields, cells))  # noqa: B905 as many, and the argument costs a third more
    named.pop(None, None)  # columns that are left out
    return Row(line, named, cells)


def _sniff(stream: TextIO, delimiter: str) -> tuple[str, bool]:
    """Return the delimiter given or shown by the first line, and whether that line says nothing else (`sep=;`)."""
    first = next((line.strip("\r\n") for line in iter(lambda: stream.readline(MAX_LINE), "") if line.strip()), "")
    if len(first) == 5 and first.lower().startswith("sep="):
        return delimiter or first[4], True
    unquoted = "".join(first.split('"')[0::2])
    return delimiter or max(",;\t|", key=unquoted.count), False
