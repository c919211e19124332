"""The section `compliance` of campaign.yaml: which laws the mail is under, and what they want to be told.

Owns its keys; what a profile asks for is `campaigns.preflight`.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from tierii_mta.campaigns.specification.sections import Literally, Section
from tierii_mta.campaigns.specification.vocabulary import PROFILES
from tierii_mta.yaml12 import nearest


def _profile(name: str) -> str:
    if name not in PROFILES:
        meant = nearest(name, PROFILES)
        hint = f"did you mean {meant}? " if meant else ""
        raise ValueError(f"{name!r} is not a compliance profile; {hint}there are {', '.join(PROFILES)}")
    return name


class ComplianceSection(Section):
    profiles: list[Annotated[str, AfterValidator(_profile)]] = Field(default_factory=list)
    postal_address: Literally | None = None
    contact: Literally | None = None  # a telephone number, an address or a page, as the templates show it
    controller: Literally | None = None  # who answers for the data
    privacy_url: Literally | None = None
    assume_consent: Literally | None = None  # the basis on which all contacts are written to
