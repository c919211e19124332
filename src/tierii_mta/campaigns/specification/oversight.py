"""The sections of campaign.yaml that look after a campaign while it runs: `guards` and `notify`.

Owns their names, shapes and defaults; what a guard does is `campaigns.guards`, who is told `correspondence.notify`.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator

from tierii_mta.campaigns.guards import MEMORY, Guard, Limits
from tierii_mta.campaigns.specification.sections import AddressText, Section, Share
from tierii_mta.quantities import format_duration, parse_duration, parse_share

_SHORTEST = timedelta(minutes=1)


def _canary(value: Any) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    share = parse_share(value) if isinstance(value, (str, float)) else 0
    if share <= 0:
        raise ValueError(f"{value!r} is neither a number of mails nor a share such as 5%")
    return share


def _window(value: Any) -> timedelta:
    window = parse_duration(value)
    if not _SHORTEST <= window <= MEMORY:
        raise ValueError(f"{value!r} is not between 1m and 1d")
    return window


class GuardsSection(Section):
    """They stand over every campaign, asked for or not."""

    bounce: Share | None = 0.05  # null: this one is off
    complaint: Share | None = 0.003
    deferral: Share | None = None
    min_sample: Annotated[int, Field(ge=1)] = 200  # mails; fewer prove nothing
    window: Annotated[timedelta, PlainValidator(_window), PlainSerializer(format_duration)] = timedelta(hours=1)
    action: Literal["pause", "warn"] = "pause"
    canary: Annotated[int | float, PlainValidator(_canary)] | None = None  # goes first: so many, or a share

    @property
    def limits(self) -> Limits:
        """Return what is asked for, as the guards know it."""
        shares = {Guard.BOUNCE: self.bounce, Guard.COMPLAINT: self.complaint, Guard.DEFERRAL: self.deferral}
        return Limits(
            shares={guard: share for guard, share in shares.items() if share is not None},
            min_sample=self.min_sample,
            window=self.window,
            pauses=self.action == "pause",
            first=self.canary,
        )


CampaignNews = Literal["scheduled", "started", "paused", "resumed", "guard", "completed", "cancelled", "failed"]


class NotifySection(Section):
    """Who is told what becomes of this campaign."""

    when: Annotated[list[CampaignNews], Field(min_length=1)]
    to: Annotated[list[AddressText], Field(min_length=1)]
