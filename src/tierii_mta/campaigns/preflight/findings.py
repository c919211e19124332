"""What a rule says: faults, and the findings they become.

Owns severities and their order.  Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tierii_mta.campaigns.problems import Problem
from tierii_mta.queue.delivery import Json


class Severity(StrEnum):
    """What a finding does."""

    ERROR = "error"  # blocks
    WARNING = "warning"  # blocks where --strict is asked for
    INFO = "info"

    @property
    def weight(self) -> int:
        """2 for an error, 0 for an information."""
        return (Severity.INFO, Severity.WARNING, Severity.ERROR).index(self)


def severest(severities: Iterable[Severity]) -> Severity:
    """Return the one that weighs most."""
    return max(severities, key=lambda each: each.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a check met. Without a severity or a remedy of its own it has the rule's."""

    what: str
    where: str
    severity: Severity | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report."""

    rule: str
    group: str
    severity: Severity
    what: str
    where: str
    remedy: str

    def as_json(self) -> dict[str, Json]:
        """Return the record of `check --json`."""
        return {
            "rule": self.rule,
            "group": self.group,
            "severity": str(self.severity),
            "what": self.what,
            "where": self.where,
            "remedy": self.remedy,
        }

    def as_problem(self) -> Problem:
        """Return it as `enqueue` reports what is wrong with a campaign."""
        return Problem(self.where, f"{self.rule}: {self.what}", self.remedy)
