"""The sections of campaign.yaml about time: `schedule`, `rate` and `batch`.

Owns their names, shapes and defaults, and how a moment is written; what follows of them is `campaigns.calendar`.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator

from tierii_mta.campaigns.specification.sections import Duration, Section
from tierii_mta.quantities import Rate

_CLOCK_TIME = r"^(?:[01]\d|2[0-3]):[0-5]\d$"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?")

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_moment(text: str) -> datetime:
    """Return a day or a time as written, naive where no offset stands in it; raises ValueError."""
    expected = f"{text!r} is not a time; write for instance 2027-03-01T09:00, or 2027-03-01T09:00+01:00"
    if not _MOMENT.fullmatch(text):
        raise ValueError(expected)
    try:
        return datetime.fromisoformat(text)
    except ValueError as cause:
        raise ValueError(expected) from cause


def _moment(text: str) -> str:
    parse_moment(text)
    return text


def _start(text: str) -> str:
    return text if text == "now" else _moment(text)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as cause:
        raise ValueError(f"{name!r} is not a time zone; write for instance Europe/Berlin or UTC") from cause
    return name


Pace = Annotated[Rate, PlainValidator(Rate.parse), PlainSerializer(str)]
ZoneName = Annotated[str, AfterValidator(_zone)]


class BatchSection(Section):
    size: Annotated[int, Field(ge=1, le=10_000)] = 100
    delay: Duration = timedelta(0)


class WindowSection(Section):
    days: list[Day] = Field(default_factory=list)  # none: every day
    from_time: Annotated[str, Field(alias="from", pattern=_CLOCK_TIME)]
    to: Annotated[str, Field(pattern=_CLOCK_TIME)]  # at or before `from`: on the next day


class ScheduleSection(Section):
    start: Annotated[str, AfterValidator(_start)] = "now"
    timezone: ZoneName = "UTC"
    recipient_local: bool = False  # the window goes by each recipient's clock
    window: WindowSection | None = None
    end: Annotated[str, AfterValidator(_moment)] | None = None
    misfire: Duration | None = timedelta(hours=6)  # null: however late, it starts


class RateSection(Section):
    max: Pace | None = None
    per_provider: dict[str, Pace] = Field(default_factory=dict)
