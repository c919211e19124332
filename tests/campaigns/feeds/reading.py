"""Feeds read as `enqueue` reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.campaigns.workshop import CAMPAIGN
from tests.support.clock import ManualClock
from tierii_mta.campaigns.feeds import Row, Sources, open_feeds
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.stages import Meter
from tierii_mta.clock import Clock

BASE = CAMPAIGN[: CAMPAIGN.index("  - {type: inline")]
"""A campaign file up to its feeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What there was to read in the first feed."""

    name: str
    columns: Sequence[str]
    notices: Sequence[str]
    rows: list[Row]


async def read(campaign: Campaign, sources: Sources | None = None, clock: Clock | None = None) -> Read:
    """Open the campaign's feeds and read the first."""
    clock = clock or ManualClock()
    async with open_feeds(campaign, sources or Sources(), clock=clock, meter=Meter(clock)) as feeds:
        feed = feeds[0]
        rows = [row async for batch in feed.batches() for row in batch]
        return Read(name=feed.name, columns=feed.columns, notices=feed.notices, rows=rows)
