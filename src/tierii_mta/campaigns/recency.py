"""`exclude.campaigns_within`: who had mail of another campaign of late is left out.

Owns the rule and its port, which `storage` implements: what was delivered within the time counts, and what still waits
to be sent; what failed, was cancelled or is loading does not.  Submitted mail is no campaign's.  Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.stages import Stage
from tierii_mta.clock import Clock, Instant, later, rfc3339
from tierii_mta.mail.person import PersonKey


@dataclass(frozen=True, slots=True, kw_only=True)
class LastMail:
    """The mail of a campaign that a person had last, or will have."""

    campaign: str
    delivered_at: Instant | None  # None: it waits


class RecentMail(Protocol):
    """What persons had from campaigns."""

    async def find(self, persons: Sequence[PersonKey], *, since: Instant, but: str) -> Mapping[PersonKey, LastMail]:
        """Return, for those of at most 1,000 persons who had mail since then or have some waiting, the last of it.

        Mail of the campaign `but` does not count.
        """


class RecentlyWritten:
    """The rule, as one of its stage."""

    stage = Stage.EXCLUDE

    def __init__(self, recent: RecentMail, clock: Clock, *, within: timedelta, campaign: str) -> None:
        """`campaign` is the one that is loading: a rerun is not held up by its own mail."""
        self._recent, self._campaign = recent, campaign
        self._since = later(clock.now(), -within)

    async def reasons(self, contacts: Sequence[Waiting]) -> Sequence[str | None]:
        persons = [contact.person for contact in contacts]
        found = await self._recent.find(persons, since=self._since, but=self._campaign)
        return [_reason(found.get(person)) for person in persons]


def _reason(last: LastMail | None) -> str | None:
    if last is None:
        return None
    if last.delivered_at is None:
        return f"mail of the campaign {last.campaign} waits for them"
    return f"had mail of the campaign {last.campaign} at {rfc3339(last.delivered_at)}"
