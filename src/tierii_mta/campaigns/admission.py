"""Which rules a campaign file makes for its audience: who is left out, and how many rows may be wrong.

Owns the reading of `segment`, `exclude`, `schema.on_invalid` and `max_rejects`; the rules themselves are `screening`
and its neighbours.  Pure.
"""

from collections.abc import Collection
from zoneinfo import ZoneInfo

from tierii_mta.campaigns.audience import Survey
from tierii_mta.campaigns.columns import normal_name
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.screening import ExcludedDomains, Screen, Suppressed
from tierii_mta.campaigns.segmenting import Providers, Segmented, name_problems, segment_of
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.specification.sections import SchemaSection
from tierii_mta.clock import Clock, to_datetime
from tierii_mta.consent.suppression import SuppressionList
from tierii_mta.quantities import parse_share


def rules_of(
    campaign: Campaign,
    clock: Clock,
    *,
    columns: Collection[str],
    suppression: SuppressionList | None = None,
    providers: Providers | None = None,
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
        rules.append(Segmented(segment, now=now, providers=providers))
    if specification.exclude.domains:
        rules.append(ExcludedDomains(specification.exclude.domains))
    if specification.exclude.suppression and suppression is not None:
        rules.append(Suppressed(suppression, clock, specification))
    return rules


def rejects_allowed(schema: SchemaSection, survey: Survey) -> float:
    """Return how many rows may be rejected; none, if not one is sound."""
    if schema.on_invalid == "fail" or survey.sound == 0:
        return 0
    if schema.max_rejects is None:
        return survey.rows
    if isinstance(schema.max_rejects, int):
        return schema.max_rejects
    return parse_share(schema.max_rejects) * survey.rows


def reject_sentence(survey: Survey) -> str:
    """Return how many rows were rejected, and mostly why."""
    worst = "; ".join(f"{count} × {reason}" for reason, count in survey.reasons.most_common(3))
    return f"{survey.rejected} of {survey.rows} rows were rejected ({worst})"
