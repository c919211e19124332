"""What a command says: data on stdout, progress and problems on stderr.

Owns the two shapes of data (lines for people, NDJSON with one summary object at the end), when colour is used, and that
words of strangers give a terminal no orders; not what is said.  Touches: stdout and stderr.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console

from tierii_mta.errors import ExitCode, TieriiError

_COLOURS = {
    "completed": "green", "running": "green", "ok": "green", "failed": "red", "error": "red", "cancelled": "yellow",
    "paused": "yellow", "retry": "yellow", "held": "yellow", "suppressed": "yellow", "warning": "yellow",
}  # fmt: skip
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # tab and line feed stay
_MOST_OF_A_LINE = 120


def printable(text: str) -> str:
    """Return a text of a stranger's that no terminal takes for orders."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str, most: int = _MOST_OF_A_LINE) -> str:
    """Return the beginning of such a text, on one line."""
    line = printable(" ".join(text[: 4 * most].split()))
    return line if len(line) <= most else line[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


class Output:
    """Where one command writes."""

    def __init__(self, *, is_json: bool = False, is_quiet: bool = False, has_colour: bool = True) -> None:
        self.is_json, self.is_quiet = is_json, is_quiet
        self.console = Console(stderr=True, no_color=None if has_colour else True, highlight=False)
        self._has_colour = has_colour and not self.console.no_color and sys.stdout.isatty()

    @property
    def is_live(self) -> bool:
        """Whether a progress bar makes sense: somebody watches a terminal."""
        return self.console.is_terminal and not self.is_quiet

    def record(self, record: Mapping[str, Any], text: str | None = None) -> None:
        """Write one piece of data: the record with --json, the text otherwise (None: nothing)."""
        if self.is_json:
            click.echo(json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str))
        elif text is not None:
            click.echo(text)

    def summary(self, record: Mapping[str, Any], text: str | None = None) -> None:
        """Write the last piece of data. With --json it is the one summary object that scripts read."""
        self.record(record, text)

    def columns(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write aligned columns for people; nothing with --json."""
        if self.is_json:
            return
        table = [list(headings), *([str(cell) for cell in row] for row in rows)]
        widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
        for row in table:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def paint(self, word: object) -> str:
        """Return a state in its colour, if stdout shows colours."""
        colour = _COLOURS.get(str(word))
        return click.style(str(word), fg=colour) if colour and self._has_colour else str(word)

    def note(self, text: str) -> None:
        """Say something to the person who runs the command; not with --quiet."""
        if not self.is_quiet:
            self.console.print(text, markup=False, soft_wrap=True)

    def problem(self, error: BaseException, *, exit_code: int = ExitCode.UNEXPECTED) -> None:
        """Say why the command fails: a line on stderr (a line each, where several things are wrong), and with --json
        the summary a script waits for."""
        sentence = str(error).strip() or type(error).__name__
        click.echo(f"tierii-mta: {sentence}", err=True)
        if self.is_json:
            parts = {}
            if isinstance(error, TieriiError):
                parts = {"what": error.what, "where": error.where, "remedy": error.remedy}
            self.summary({"error": sentence, **parts, "exit_code": int(exit_code)})
