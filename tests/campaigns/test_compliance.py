"""What compliance profiles ask to know of each person, from the columns to the counts."""

import csv
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.campaigns.feeds.reading import BASE
from tests.campaigns.workshop import SENDER, Workshop
from tests.support.clock import ManualClock
from tierii_mta.campaigns.compliance import compliance_of
from tierii_mta.campaigns.enqueue import enqueue
from tierii_mta.campaigns.preflight.persons import CONSENT_COLUMNS
from tierii_mta.campaigns.preflight.profiles import all_profiles
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.summary import Options, Summary
from tierii_mta.clock import later, rfc3339
from tierii_mta.errors import CheckFailed
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.delivery import Json
from tierii_mta.storage.database import Database

CONSENT: dict[str, Json] = {"consent_basis": "Express", "consent_source": "shop", "consent_at": "2026-01-02"}
ADULT: dict[str, Json] = {"age_affirmed_at": "2026-01-02T10:00:00Z", "region": "California"}
PEOPLE = (
    "email,consent_basis,consent_source,consent_at,age_affirmed_at,region\n"
    "anna@example.org,express,shop,2026-01-02,2026-01-02,CA\n"
    "bob@example.org,express,shop,2026-01-02,,CA\n"
    "cleo@example.org,,,,2026-01-02,CA\n"
    "dan@example.org,hearsay,shop,2026-01-02,2026-01-02,NV\n"
)

Ask = Callable[..., Awaitable[str | None]]


@pytest.fixture
def ask(workshop: Workshop, codec: TokenCodec, clock: ManualClock) -> Ask:
    """Return why a person with these fields is left out."""

    async def ask(compliance: str, kind: str = "marketing", /, **fields: Json) -> str | None:
        text = BASE.replace("name: Spring sale", f"name: Spring sale, kind: {kind}")
        campaign = workshop.campaign(f"{text}  - {{type: csv, path: a.csv}}\ncompliance: {compliance}\n")
        rule = compliance_of(campaign.specification, now=clock.now())
        person = codec.person_key(Address.parse("a@example.org"))
        (reason,) = await rule.reasons([Waiting(person, 0, "a@example.org", "example.org", fields, 0, 2)])
        assert rule.left_out.total() == (reason is not None)
        return reason

    return ask


@pytest.mark.parametrize(
    ("compliance", "fields", "reason"),
    [
        ("{profiles: [gdpr]}", CONSENT, None),
        ("{profiles: [gdpr]}", {}, "gdpr: consent_basis is blank"),
        (
            "{profiles: [gdpr]}",
            CONSENT | {"consent_basis": "implied"},
            "gdpr: consent_basis is none of consent, express",
        ),
        ("{profiles: [gdpr]}", CONSENT | {"consent_source": ""}, "gdpr: consent_source is blank"),
        ("{profiles: [casl]}", CONSENT | {"consent_at": None}, "casl: consent_at is blank"),
        ("{profiles: [casl]}", CONSENT | {"consent_at": "yes"}, "casl: consent_at is no date (YYYY-MM-DD)"),
        ("{profiles: [casl]}", CONSENT | {"consent_at": 20260102}, "casl: consent_at is no date (YYYY-MM-DD)"),
        ("{profiles: [casl]}", CONSENT | {"consent_at": "2999-01-02"}, "casl: consent_at lies in the future"),
        ("{profiles: [casl]}", CONSENT | {"consent_basis": "implied"}, None),
        ("{profiles: [can-spam]}", {}, None),
        ("{profiles: [gdpr], assume_consent: contract}", {}, None),
        (
            "{profiles: [gdpr], assume_consent: contract}",
            {"consent_basis": "withdrawn"},
            "gdpr: consent_basis is none of consent, express",
        ),
        ("{profiles: [cannabis-us-ca]}", ADULT, None),
        ("{profiles: [cannabis-us-ca]}", {"region": "CA"}, "cannabis-us-ca: age_affirmed_at is blank"),
        (
            "{profiles: [cannabis-us-ca]}",
            ADULT | {"age_affirmed_at": "true"},
            "cannabis-us-ca: age_affirmed_at is no date (YYYY-MM-DD)",
        ),
        (
            "{profiles: [cannabis-us-ca]}",
            ADULT | {"region": "NV"},
            "cannabis-us-ca: region is none of CA, California",
        ),
        ("{profiles: [cannabis-us-ca, gdpr]}", ADULT, "gdpr: consent_basis is blank"),
        ("{}", {}, None),
    ],
)
async def test_who_lacks_what_a_profile_asks_for_is_left_out(
    ask: Ask, compliance: str, fields: dict[str, Json], reason: str | None
) -> None:
    found = await ask(compliance, **fields)
    assert found == reason or (found or "").startswith(f"{reason},")


async def test_a_moment_ago_in_another_zone_is_not_the_future(ask: Ask, clock: ManualClock) -> None:
    soon = rfc3339(later(clock.now(), timedelta(hours=14)))
    assert await ask("{profiles: [gdpr]}", **CONSENT | {"consent_at": soon}) is None


async def test_implied_consent_ends_by_itself(ask: Ask, clock: ManualClock) -> None:
    old = "casl: implied consent is too old, or has no date"
    for days, reason in ((729, None), (731, old)):
        at = rfc3339(later(clock.now(), -timedelta(days=days)))
        assert await ask("{profiles: [casl]}", **CONSENT | {"consent_basis": "Implied", "consent_at": at}) == reason
        assert await ask("{profiles: [casl]}", **CONSENT | {"consent_at": at}) is None, "express consent does not"
    undated = CONSENT | {"consent_basis": "implied", "consent_at": ""}
    assert await ask("{profiles: [casl], assume_consent: express}", **undated) == old


async def test_transactional_mail_is_under_none_of_it(ask: Ask) -> None:
    assert await ask("{profiles: [gdpr, cannabis-us-ca]}", "transactional") is None


def test_every_profile_that_asks_for_consent_asks_on_what_ground_from_where_and_since_when() -> None:
    for profile in all_profiles():
        assert profile.consent_columns in {(), CONSENT_COLUMNS}
        assert bool(profile.consent_columns) == bool(profile.consent_bases)


async def test_those_left_out_are_counted_by_profile_and_written_down(
    workshop: Workshop, database: Database, codec: TokenCodec, clock: ManualClock
) -> None:
    async def run(people: str) -> Summary:
        workshop.write("people.csv", people)
        text = BASE + "  - {type: csv, path: people.csv}\ncompliance: {profiles: [cannabis-us-ca, casl]}\n"
        campaign = workshop.campaign(text, html="<p>{{ region }}</p>")
        return await enqueue(
            campaign, database.campaigns, codec, sender=SENDER, clock=clock, options=Options(dry_run=True)
        )

    summary = await run(PEOPLE)
    assert (summary.rows, summary.accepted, summary.suppressed) == (4, 1, 3)
    report: dict[str, Any] = summary.report()
    versions = {profile.name: profile.version for profile in all_profiles()}
    assert report["compliance"] == {
        "cannabis-us-ca": {"version": versions["cannabis-us-ca"], "left_out": 2},
        "casl": {"version": versions["casl"], "left_out": 1},
    }
    assert "1 contacts may not be written to: casl: consent_basis is blank" in summary.notices
    with (workshop.folder / "spring.left-out.csv").open(newline="") as stream:
        reasons = {row["email"]: (row["stage"], row["reason"]) for row in csv.DictReader(stream)}
    assert reasons == {
        "bob@example.org": ("consent", "cannabis-us-ca: age_affirmed_at is blank"),
        "cleo@example.org": ("consent", "casl: consent_basis is blank"),
        "dan@example.org": ("consent", "cannabis-us-ca: region is none of CA, California"),
    }

    with pytest.raises(CheckFailed, match=r"nobody may be written to: cannabis-us-ca: age_affirmed_at is blank \(1\)"):
        await run("\n".join(PEOPLE.splitlines()[:3:2]))
