"""Notices: those whom a campaign names in `notify` are told what becomes of it.

Owns whom an event of a campaign is told, a mail each; not when (correspondence.notify follows the event log) nor its
words (correspondence.news).  Every daemon on a database may tell: a mail is made once for each event and address,
whoever makes it.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, cast

from tierii_mta.correspondence.news import Digest, News, Severity, Topic
from tierii_mta.correspondence.notify import Rule, Way
from tierii_mta.events import EventType
from tierii_mta.mail.address import Address
from tierii_mta.queue.delivery import Json

WORDS: Mapping[EventType, str] = {
    EventType.CAMPAIGN_SCHEDULED: "scheduled",
    EventType.CAMPAIGN_STARTED: "started",
    EventType.CAMPAIGN_PAUSED: "paused",
    EventType.CAMPAIGN_RESUMED: "resumed",
    EventType.CAMPAIGN_GUARD_TRIPPED: "guard",
    EventType.CAMPAIGN_COMPLETED: "completed",
    EventType.CAMPAIGN_CANCELLED: "cancelled",
    EventType.CAMPAIGN_FAILED: "failed",
}
"""What `notify.when` calls an event."""

Kept = Callable[[str], Awaitable[Mapping[str, Json]]]
"""Returns the specification of a campaign (as in `Snapshot`)."""


class CampaignWay:
    """The way to those whom campaigns name."""

    def __init__(self, kept: Kept, mail_to: Callable[[Address], Way]) -> None:
        self._kept, self._mail_to = kept, mail_to

    async def tell(self, digest: Digest, key: str) -> None:
        """Send a mail for each event and address; raises `TieriiError` where that fails, and is then called again."""
        for one in digest.news:
            for address in await self._asked(one):
                way = self._mail_to(Address.parse(address))
                await way.tell(Digest.of([one]), f"{one.event.id} {address}")

    async def _asked(self, news: News) -> list[str]:
        campaign, word = news.event.campaign_id, WORDS.get(news.event.type)
        if campaign is None or word is None:
            return []
        made = cast("Mapping[str, Any]", await self._kept(campaign)).get("campaign", {})
        asked = made.get("notify") or {}
        return sorted(set(asked.get("to", ()))) if word in asked.get("when", ()) else []


def campaign_rule(kept: Kept, mail_to: Callable[[Address], Way]) -> Rule:
    """Return the rule by which the notifier tells them."""
    return Rule(
        name="campaigns",
        topics=frozenset({Topic.CAMPAIGN, Topic.GUARD}),
        at_least=Severity.LOW,
        every=timedelta(0),
        way=CampaignWay(kept, mail_to),
    )
