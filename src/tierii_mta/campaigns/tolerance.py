"""How many rejected rows an audience may have (`schema.max_rejects`, `schema.on_invalid`).  Pure."""

from pathlib import PurePath

from tierii_mta.campaigns.audience import Survey
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.errors import CheckFailed, TooManyRejects
from tierii_mta.quantities import parse_share


def check_rejects(survey: Survey, campaign: Campaign, *, file: PurePath) -> None:
    """Raise `TooManyRejects`, naming the file that lists them, or `CheckFailed` where there are no rows at all."""
    where = campaign.document.where(("contacts",))
    if survey.rows == 0:
        raise CheckFailed("the feeds hold no contacts", where=where)
    if survey.rejected > _allowed(survey, campaign):
        remedy = f"see {file}; mend the rows, or raise schema.max_rejects"
        raise TooManyRejects(_sentence(survey), where=where, remedy=remedy)


def _allowed(survey: Survey, campaign: Campaign) -> float:
    schema = campaign.specification.schema_
    if schema.on_invalid == "fail" or survey.sound == 0:
        return 0
    if schema.max_rejects is None:
        return survey.rows
    if isinstance(schema.max_rejects, int):
        return schema.max_rejects
    return parse_share(schema.max_rejects) * survey.rows


def _sentence(survey: Survey) -> str:
    worst = "; ".join(f"{count} × {reason}" for reason, count in survey.reasons.most_common(3))
    return f"{survey.rejected} of {survey.rows} rows were rejected ({worst})"
