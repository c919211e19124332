"""Compliance profiles: what the law of a place adds to the rules.

Owns reading `config/profiles/*.yaml`, which travel with the product, each with a version.  A profile raises severities
of rules and asks for things; how they are looked for stands with the rules.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tierii_mta import shipped, yaml12
from tierii_mta.campaigns.preflight.findings import Severity
from tierii_mta.campaigns.specification.vocabulary import PROFILES
from tierii_mta.errors import ConfigurationError
from tierii_mta.quantities import parse_duration
from tierii_mta.yaml12 import Document, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile."""

    name: str
    version: str
    title: str
    law: str
    severities: Mapping[str, Severity] = field(default_factory=dict)  # of rules, while the profile is on
    postal_address: bool = False  # the sender's, in both parts
    contact: bool = False  # a telephone number, address or page beside it
    advertising: tuple[str, ...] = ()  # one of these phrases says what the mail is
    consent_columns: tuple[str, ...] = ()  # filled for every contact: on what ground, from where, since when
    consent_bases: tuple[str, ...] = ()  # what the first of them may say
    consent_expires: Mapping[str, timedelta] = field(default_factory=dict)  # by basis: how long it holds
    privacy: bool = False  # a link to the privacy notice, and the controller's name
    tracking_consent: str | None = None  # the column that allows tracking
    licence: re.Pattern[str] | None = None  # a number that stands in both parts
    age_column: str | None = None  # when every contact said that they are of age
    region_column: str | None = None
    regions: tuple[str, ...] = ()  # what it may say
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by subject: words to look at twice


def load_profiles(names: Iterable[str]) -> tuple[Profile, ...]:
    """Return profiles by name; raises `ConfigurationError` where a file is damaged."""
    folder = shipped.folder("config") / "profiles"
    return tuple(read_profile(yaml12.load(folder / f"{name}.yaml")) for name in dict.fromkeys(names))


def all_profiles() -> tuple[Profile, ...]:
    """Return every profile."""
    return load_profiles(PROFILES)


_KEYS = frozenset(
    {
        "profile", "version", "title", "law", "severities", "postal_address", "contact", "advertising", "consent",
        "privacy", "tracking_consent", "licence", "age", "region", "phrases",
    }
)  # fmt: skip


def read_profile(document: Document) -> Profile:
    """Return the profile of a parsed file; raises `ConfigurationError`."""
    value: dict[str, Any] = document.value
    for key in value:
        if key not in _KEYS:
            meant = nearest(key, _KEYS)
            remedy = f"did you mean {meant}?" if meant else None
            raise ConfigurationError("is not a key of a profile", where=document.where((key,)), remedy=remedy)
    consent, region = value.get("consent", {}), value.get("region", {})
    try:
        return Profile(
            name=value["profile"],
            version=value["version"],
            title=value["title"],
            law=value["law"],
            severities={rule: Severity(word) for rule, word in value.get("severities", {}).items()},
            postal_address=value.get("postal_address", False),
            contact=value.get("contact", False),
            advertising=tuple(value.get("advertising", ())),
            consent_columns=tuple(consent.get("columns", ())),
            consent_bases=tuple(consent.get("bases", ())),
            consent_expires={basis: parse_duration(age) for basis, age in consent.get("expires", {}).items()},
            privacy=value.get("privacy", False),
            tracking_consent=value.get("tracking_consent"),
            licence=re.compile(value["licence"]) if "licence" in value else None,
            age_column=value.get("age", {}).get("column"),
            region_column=region.get("column"),
            regions=tuple(region.get("allow", ())),
            phrases={subject: tuple(words) for subject, words in value.get("phrases", {}).items()},
        )
    except (KeyError, ValueError, TypeError, AttributeError, re.error) as cause:
        raise ConfigurationError(f"is no sound profile: {cause!r}", where=document.file) from cause
