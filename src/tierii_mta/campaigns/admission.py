"""Which rules a campaign file makes for its audience: who is left out.

Owns the reading of `segment` and `exclude`, and the order of the rules; what they do is `screening`, `segmenting` and
`recency`.  Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from tierii_mta.campaigns.columns import normal_name
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.recency import RecentlyWritten, RecentMail
from tierii_mta.campaigns.screening import ExcludedDomains, Screen, Suppressed
from tierii_mta.campaigns.segmenting import Providers, Segmented, name_problems, segment_of
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.clock import Clock, to_datetime
from tierii_mta.consent.suppression import SuppressionList


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of contacts beside what their feeds say. Where one is None, its rule is not asked."""

    suppression: SuppressionList | None = None
    recent: RecentMail | None = None
    providers: Providers | None = None


def rules_of(
    campaign: Campaign,
    clock: Clock,
    known: Known,
    *,
    columns: Collection[str],
) -> list[Screen]:
    """Return the rules that the campaign file asks for; `columns` are the fields that its contacts have.

    Raises `CampaignInvalid` for a segment with names that these contacts do not know.
    """
    specification = campaign.specification
    rules: list[Screen] = []
    if (segment := segment_of(specification)) is not None:
        declared = [normal_name(name) for name in specification.schema_.types]
        if problems := list(name_problems(segment, campaign.document, columns=columns, declared=declared)):
            raise CampaignInvalid(problems)
        now = to_datetime(clock.now()).astimezone(ZoneInfo(specification.schedule.timezone))
        rules.append(Segmented(segment, now=now, providers=known.providers))
    if specification.exclude.domains:
        rules.append(ExcludedDomains(specification.exclude.domains))
    within = specification.exclude.campaigns_within
    if within and known.recent is not None:
        rules.append(RecentlyWritten(known.recent, clock, within=within, campaign=campaign.id))
    if specification.exclude.suppression and known.suppression is not None:
        rules.append(Suppressed(known.suppression, clock, specification))
    return rules
