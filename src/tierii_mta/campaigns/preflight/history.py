"""The port of what was sent of late, by day and provider; `storage` implements it.

Apart from `case`, so that whoever opens a database need not load the rules.  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from tierii_mta.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """One day's mail to one provider."""

    day: date  # UTC
    provider: str
    delivered: int
    complained: int


class MailHistory(Protocol):
    """What was sent of late."""

    async def days(self, *, since: Instant) -> Sequence[DayCount]:
        """Return a count for each day and provider with mail since then."""
