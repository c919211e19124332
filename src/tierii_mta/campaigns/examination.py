"""The port through which `enqueue` asks whether a campaign may go out.

Owns what is shown to the examiner: everybody who is written to, then the whole campaign, before anything is accepted.
`campaigns.preflight` implements it.  Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tierii_mta.campaigns.audience import Survey
from tierii_mta.campaigns.compliance import Demand
from tierii_mta.campaigns.expansion import Expansion
from tierii_mta.campaigns.problems import Problem
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.campaigns.summary import ShowProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A campaign whose file, templates and contacts were read."""

    campaign: Campaign
    expansion: Expansion
    snapshot: Snapshot
    survey: Survey
    feeds: Sequence[str]  # their names; `Waiting.feed` counts them
    left_out: Mapping[Demand, int] = field(default_factory=dict)  # whom compliance profiles keep from being written to
    problems: Sequence[Problem] = ()  # what keeps kinds of contacts from getting their mail
    contacts: Iterable[Waiting] = ()  # everybody who is written to, as often as it is asked for
    show: ShowProgress = lambda _: None


class Examiner(Protocol):
    """Looks at one campaign, once."""

    def see(self, contact: Waiting) -> None:
        """Take note of somebody who is written to; called once for each, in no order."""

    async def examine(self, subject: Subject) -> None:
        """Judge the campaign; raises `CampaignInvalid` to refuse it. `subject.problems` are the examiner's to raise."""
