"""The reject file: rows that did not become contacts, with line, stage and reason, for the operator to mend.

Owns `ID.rejects.csv` beside the campaign file, and `ID.left-out.csv` for sound rows that are not written to: each is
written aside and put in place whole, removed when a run has nothing to tell.  Cells that a spreadsheet would take for a
formula are defused with an apostrophe.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from tierii_mta.campaigns.stages import Stage
from tierii_mta.errors import CheckFailed
from tierii_mta.queue.delivery import Json

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class RejectFile:
    """Context manager; the file appears when the block ends well."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self._columns = path, columns
        self.count = 0
        self._aside = path.with_name(path.name + ".new")
        self._stream: TextIO | None = None
        self._writer: Any = None  # csv's writer has no public type

    def __enter__(self) -> Self:
        return self

    def add(
        self, where: tuple[str, int], stage: Stage, reason: str, columns: Sequence[str], cells: Sequence[Json]
    ) -> None:
        """Write the row at a file and line. `columns` are its own feed's; cells beyond them follow at the end."""
        self.count += 1
        if self._writer is None:
            self._open()
        by_name = dict(zip(columns, cells, strict=False))
        beyond = cells[len(columns) :]
        row = [*where, str(stage), reason, *(by_name.get(name, "") for name in self._columns), *beyond]
        self._writer.writerow([_defused(_text(cell)) for cell in row])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()
            if kind is None:
                self._aside.replace(self.path)
            else:
                self._aside.unlink(missing_ok=True)
        elif kind is None:
            self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        try:
            self._stream = self._aside.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        except OSError as cause:
            raise CheckFailed(
                f"the reject file cannot be written: {cause.strerror}",
                where=str(self.path),
                remedy="make the campaign's folder writable",
            ) from cause
        self._writer = csv.writer(self._stream)
        self._writer.writerow(["file", "line", "stage", "reason", *map(_defused, self._columns)])


def _text(cell: object) -> str:
    if isinstance(cell, str):
        return cell
    return "" if cell is None else json.dumps(cell, ensure_ascii=False, default=str)


def _defused(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
