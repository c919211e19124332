"""Contacts in a JSON file: an array, an array somewhere inside an object, or JSON Lines.

Owns which of the three a file is.  A broken line of JSON Lines is one reject; what stands behind the first error of a
JSON document cannot be known, so there the whole file is refused.  Reads the file.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from tierii_mta.campaigns.charset import Charset
from tierii_mta.campaigns.feeds.feed import Row, bounded_lines, in_batches
from tierii_mta.campaigns.feeds.items import ITEM_COLUMNS, ItemReader
from tierii_mta.campaigns.feeds.json_stream import DECODER, JsonStream
from tierii_mta.errors import CheckFailed


class JsonFile:
    """A JSON file."""

    columns = ITEM_COLUMNS

    def __init__(self, path: Path, charset: Charset, items: str | None, mapping: Mapping[str, str]) -> None:
        """`items`: keys that lead to the array, joined by dots. Raises `CheckFailed` for what is neither form."""
        self.name = str(path)
        self.notices = tuple([charset.notice] if charset.notice else [])
        self._path, self._charset, self._reader = path, charset, ItemReader(mapping)
        self._keys = items.split(".") if items else []
        with self._open() as stream:
            first = JsonStream(stream, self.name).first()
        if first not in {"[", "{"}:
            what = "begins with neither [ nor {" if first else "holds no rows"
            raise CheckFailed(what, where=self.name, remedy="write an array of objects, or an object a line")
        self._has_lines = first == "{" and not self._keys

    async def batches(self) -> AsyncIterator[Sequence[Row]]:
        for batch in in_batches(self._rows()):
            yield batch

    def _rows(self) -> Iterator[Row]:
        with self._open() as stream:
            if self._has_lines:
                yield from self._by_line(stream)
                return
            for line, item in JsonStream(stream, self.name).items(self._keys):
                yield self._reader.row(line, item)

    def _by_line(self, stream: TextIO) -> Iterator[Row]:
        for number, text in enumerate(bounded_lines(stream, self.name), 1):
            line = text.strip()
            if not line:
                continue
            try:
                item = DECODER.decode(line)
            except json.JSONDecodeError as fault:
                yield Row(number, {}, (line,), f"is malformed: {fault.msg}")
            except (ValueError, RecursionError) as fault:
                yield Row(number, {}, (line,), f"is malformed: {str(fault) or 'it is nested too deeply'}")
            else:
                yield self._reader.row(number, item)

    def _open(self) -> TextIO:
        return self._path.open(encoding=self._charset.name, newline="")
