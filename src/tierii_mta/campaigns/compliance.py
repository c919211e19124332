"""The second half of the stage `consent`: what compliance profiles ask to know of each person.

Owns the rule and its counts: under a profile for which a missing record of consent is an error (L1), a person without
one is left out; so is a person whose age was not affirmed, or whose region a profile does not serve (L5).  None of it
holds for transactional mail.  What profiles ask of the campaign itself is `preflight`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tierii_mta.campaigns.preflight.findings import Severity
from tierii_mta.campaigns.preflight.profiles import Profile, load_profiles
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.stages import Stage
from tierii_mta.clock import Instant, to_datetime
from tierii_mta.queue.delivery import Json

_TOLERANCE = timedelta(days=1)  # clocks and zones
_SHOWN = 3


class Demand(NamedTuple):
    """Something a profile asks of a person and does not find."""

    profile: str
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.profile}: {self.what}"


Fields = Mapping[str, Json]
Check = Callable[[Fields], str | None]
"""Says in words what is missing."""


class Compliance:
    """The profiles of one campaign, as a rule of their stage."""

    stage = Stage.CONSENT

    def __init__(self, profiles: Sequence[Profile], *, assumed: str | None, now: Instant) -> None:
        """`assumed`: the basis on which everybody is written to whose row names none (`compliance.assume_consent`)."""
        self._latest = to_datetime(now) + _TOLERANCE
        self._versions = {profile.name: profile.version for profile in profiles}
        self._checks = [check for profile in profiles for check in self._checks_of(profile, assumed)]
        self.left_out: Counter[Demand] = Counter()

    async def reasons(self, contacts: Sequence[Waiting]) -> Sequence[str | None]:
        if not self._checks:
            return [None] * len(contacts)
        return [self._reason(contact.fields) for contact in contacts]

    def report(self) -> dict[str, Json]:
        """Return, by profile, its version and how many it left out, for the load report."""
        counts: Counter[str] = Counter()
        for demand, count in self.left_out.items():
            counts[demand.profile] += count
        return {name: {"version": version, "left_out": counts[name]} for name, version in self._versions.items()}

    def worst(self) -> str:
        """Return in words why most were left out."""
        return "; ".join(f"{demand} ({count})" for demand, count in self.left_out.most_common(_SHOWN))

    def _reason(self, fields: Fields) -> str | None:
        for profile, rule, check in self._checks:
            what = check(fields)
            if what is not None:
                demand = Demand(profile, rule, what)
                self.left_out[demand] += 1
                return str(demand)
        return None

    def _checks_of(self, profile: Profile, assumed: str | None) -> Iterable[tuple[str, str, Check]]:
        if profile.consent_columns and profile.severities.get("L1") is Severity.ERROR:
            basis, source, at = profile.consent_columns
            yield profile.name, "L1", _one_of(basis, profile.consent_bases, blank=assumed)
            if assumed is None:
                yield profile.name, "L1", _filled(source)
                yield profile.name, "L1", self._moment(at)
            for expiring, holds in profile.consent_expires.items():
                yield profile.name, "L1", self._expiry(basis, expiring, at, holds)
        if profile.age_column:
            yield profile.name, "L5", self._moment(profile.age_column)
        if profile.region_column:
            yield profile.name, "L5", _one_of(profile.region_column, profile.regions)

    def _moment(self, column: str) -> Check:
        latest = self._latest

        def check(fields: Fields) -> str | None:
            value = fields.get(column)
            if not value:
                return f"{column} is blank"
            moment = _parsed(value)
            if moment is None:
                return f"{column} is no date (YYYY-MM-DD)"
            return f"{column} lies in the future" if moment > latest else None

        return check

    def _expiry(self, column: str, basis: str, at: str, holds: timedelta) -> Check:
        earliest = self._latest - _TOLERANCE - holds

        def check(fields: Fields) -> str | None:
            if str(fields.get(column) or "").lower() != basis:
                return None
            moment = _parsed(fields.get(at))
            return None if moment is not None and moment >= earliest else f"{basis} consent is too old, or has no date"

        return check


def compliance_of(specification: Specification, *, now: Instant) -> Compliance:
    """Return the rule of a campaign; without profiles, or for transactional mail, it lets everybody pass.

    Raises `ConfigurationError` where a profile's file is damaged.
    """
    names = specification.compliance.profiles if specification.is_marketing else ()
    return Compliance(load_profiles(names), assumed=specification.compliance.assume_consent, now=now)


def _filled(column: str) -> Check:
    return lambda fields: None if fields.get(column) else f"{column} is blank"


def _one_of(column: str, allowed: Sequence[str], *, blank: str | None = None) -> Check:
    """`blank` is what a row without the field is taken to say."""
    known = frozenset(each.lower() for each in allowed)
    foreign = f"{column} is none of {', '.join(allowed)}"

    def check(fields: Fields) -> str | None:
        value = fields.get(column)
        if value is None or value == "":
            return f"{column} is blank" if blank is None else None
        return None if str(value).lower() in known else foreign

    return check


def _parsed(value: Json) -> datetime | None:
    """Return when something was, in ISO 8601; a date alone is its beginning."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
