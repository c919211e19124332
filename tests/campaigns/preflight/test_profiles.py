"""Profiles: files that travel with the product, and what is said of a wrong name."""

from pathlib import Path

import pytest

from tests.campaigns.preflight.bench import FILE
from tierii_mta import shipped, yaml12
from tierii_mta.campaigns.preflight.profiles import all_profiles, read_profile
from tierii_mta.campaigns.preflight.rules import RULES
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.specification import parse
from tierii_mta.campaigns.specification.vocabulary import PROFILES
from tierii_mta.errors import ConfigurationError


def test_every_file_is_a_profile_and_every_profile_has_a_file() -> None:
    files = {path.stem for path in (shipped.folder("config") / "profiles").glob("*.yaml")}

    assert files == set(PROFILES)
    assert [profile.name for profile in all_profiles()] == list(PROFILES)


def test_a_profile_raises_rules_that_exist_and_never_lowers_one() -> None:
    rules = {rule.id: rule for rule in RULES}

    for profile in all_profiles():
        assert profile.version
        for rule, severity in profile.severities.items():
            assert severity.weight >= rules[rule].severity.weight, f"{profile.name}: {rule}"


def test_what_a_profile_raises_to_an_error_is_known_without_the_network() -> None:
    rules = {rule.id: rule for rule in RULES}

    for profile in all_profiles():
        assert [rule for rule in profile.severities if not rules[rule].is_enforced] == []


@pytest.mark.parametrize(
    "number", ["C10-0000123-LIC", "C9-0000123-LIC", "A10-1700001-LIC", "CDPH-10001234", "CCL19-0001234", "DCC-10001234"]
)
def test_licence_numbers_of_california_are_known(number: str) -> None:
    licence = all_profiles()[PROFILES.index("cannabis-us-ca")].licence

    assert licence is not None
    assert licence.search(f"Licence {number}.")
    assert not licence.search("Call 510-555-0100, order C10-12")


def test_an_unknown_profile_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(CampaignInvalid) as refused:
        parse(FILE + "compliance: {profiles: [can-spm]}\n", path=Path("c.yaml"))

    assert "c.yaml:9: compliance.profiles[0]: 'can-spm' is not a compliance profile; did you mean can-spam?" in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("profile: x\nversion: a\ntitle: t\nlaw: l\npostal_adress: true\n", "did you mean postal_address?"),
        ("profile: x\nversion: a\ntitle: t\n", "is no sound profile"),
        ("profile: x\nversion: a\ntitle: t\nlaw: l\nlicence: '('\n", "is no sound profile"),
        ("profile: x\nversion: a\ntitle: t\nlaw: l\nseverities: {C1: fatal}\n", "is no sound profile"),
    ],
)
def test_a_damaged_profile_is_an_error_of_the_installation(text: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what.replace("?", r"\?")):
        read_profile(yaml12.parse(text, file="x.yaml"))
