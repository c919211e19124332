"""What is wrong with an operator's campaign: many findings at once, each with file, line, key and remedy.

Owns how findings are gathered and shown; not the rules that find them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tierii_mta.errors import CheckFailed
from tierii_mta.yaml12 import Document, KeyPath

_SHOWN = 30  # a file of another kind has a finding in every line


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: `where: what; remedy`."""

    where: str
    what: str
    remedy: str | None = None
    line: int = 0  # for the order in which they are shown

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.remedy}" if self.remedy else "")


class CampaignInvalid(CheckFailed):
    """The campaign cannot be loaded. `problems` holds every finding; as text, each is a line, up to thirty."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        if len(self.problems) == 1:
            only = self.problems[0]
            super().__init__(only.what, where=only.where, remedy=only.remedy)
        else:
            more = len(self.problems) - _SHOWN
            rest = [f"and {more} more"] if more > 0 else []
            super().__init__("\n".join([*map(str, self.problems[:_SHOWN]), *rest]))


def problem_at(document: Document, path: KeyPath, what: str, remedy: str | None = None) -> Problem:
    """Return a finding about a key of a YAML file."""
    known = path
    while known and known not in document.lines:
        known = known[:-1]
    return Problem(document.where(path), what, remedy, document.lines.get(known, 0))
