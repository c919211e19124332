"""The segment of a campaign, from its file to the counts."""

import csv
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.campaigns.feeds.reading import BASE
from tests.campaigns.workshop import CAMPAIGN, SENDER, Workshop
from tests.support.clock import ManualClock
from tierii_mta.campaigns.enqueue import enqueue
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.specification import parse
from tierii_mta.campaigns.summary import Options, Summary
from tierii_mta.errors import CheckFailed
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.storage.database import Database

PEOPLE = (
    "email,first_name,country,age,since\n"
    "anna@example.org,Anna,US,42,2026-01-05\n"
    "bob@example.org,Bob,US,,2020-01-05\n"
    "cleo@example.org,Cleo,DE,30,\n"
    "dan@example.org,Dan,US,20,2026-01-05\n"
    "ANNA@example.org,Anna,US,20,\n"
)
FILE = BASE + "  - {type: csv, path: people.csv}\nschema: {types: {age: int, since: date}}\n"

Run = Callable[[str], Awaitable[Summary]]


@pytest.fixture
def run(workshop: Workshop, database: Database, codec: TokenCodec, clock: ManualClock) -> Run:
    async def run(segment: str) -> Summary:
        workshop.write("people.csv", PEOPLE)
        campaign = workshop.campaign(f"{FILE}segment: {segment}\n", html="<p>{{ first_name }}</p>")
        return await enqueue(
            campaign, database.campaigns, codec, sender=SENDER, clock=clock, options=Options(dry_run=True)
        )

    return run


def left_out(folder: Path) -> dict[str, str]:
    with (folder / "spring.left-out.csv").open(newline="") as stream:
        return {row["email"]: f"{row['line']}: {row['stage']}: {row['reason']}" for row in csv.DictReader(stream)}


async def test_who_is_out_of_the_segment_is_counted_and_written_down(workshop: Workshop, run: Run) -> None:
    summary = await run("country == 'US' and age >= 21")
    counts = summary.rows, summary.accepted, summary.unsegmented, summary.duplicates
    assert counts == (5, 1, 3, 1)
    assert left_out(workshop.folder) == {
        "bob@example.org": "3: segment: is out of the segment",
        "cleo@example.org": "4: segment: is out of the segment",
        "dan@example.org": "5: segment: is out of the segment",
        "ANNA@example.org": "6: dedupe: is the same person as " + str(workshop.folder / "people.csv:2"),
    }


@pytest.mark.parametrize(
    ("segment", "accepted"),
    [
        ("since >= '2026-01-01'", 2),
        ("domain == 'example.org' and provider is blank", 4),
        ("email startswith 'b' or company is not blank", 1),
        (">\n  country\n  == 'DE'\n", 1),
    ],
)
async def test_the_fields_that_everybody_has_and_those_of_the_address_can_be_asked(
    run: Run, segment: str, accepted: int
) -> None:
    assert (await run(segment)).accepted == accepted


async def test_nobody_in_the_segment_is_an_error(run: Run) -> None:
    with pytest.raises(CheckFailed, match="every contact is excluded or out of the segment"):
        await run("age > 100")


async def test_a_name_that_no_contact_has_is_an_error_before_anything_is_accepted(
    workshop: Workshop, database: Database, run: Run
) -> None:
    with pytest.raises(CampaignInvalid) as caught:
        await run("contry == 'US' or age > 3 or tier != 'free'")
    file = workshop.folder / "campaign.yaml"
    assert [str(problem) for problem in caught.value.problems] == [
        f"{file}:9: segment: character 1, `contry`: no contact has the field contry; did you mean country?",
        (
            f"{file}:9: segment: character 30, `tier`: no contact has the field tier; "
            "declare it in schema.types if tier may be missing"
        ),
    ]
    assert await database.campaigns.find("spring") is None


async def test_a_column_that_is_called_like_a_built_in_stands_in_backquotes(
    workshop: Workshop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.PEOPLE", "email,first_name,provider,age,since\neve@example.org,Eve,Acme Life,,\n")
    with pytest.raises(
        CampaignInvalid, match="`provider`: the contacts have a column provider too; write `provider` in"
    ):
        await run("provider == 'Acme Life'")
    assert (await run("\"`provider` == 'Acme Life'\"")).accepted == 1


def test_what_the_types_forbid_is_told_with_all_that_is_wrong_with_the_file() -> None:
    with pytest.raises(CampaignInvalid) as caught:
        parse(CAMPAIGN + "tracking: {opens: 3}\nsegment: age >= 21 and (since\n", path=Path("c.yaml"))
    assert [str(problem) for problem in caught.value.problems] == [
        "c.yaml:8: tracking.opens: 3 is neither true nor false",
        "c.yaml:9: segment: character 15, `(`: this bracket is never closed; write )",
    ]
    with pytest.raises(CampaignInvalid) as caught:
        parse(CAMPAIGN + "segment: age >= 21\nschema: {types: {Sex: str}}\n", path=Path("c.yaml"))
    assert [str(problem) for problem in caught.value.problems] == [
        (
            "c.yaml:8: segment: character 1, `age >= 21`: age is a text (its type is not declared), 21 is a number: "
            "they cannot be compared; declare it: schema: {types: {age: int}}"
        )
    ]


def test_types_are_found_however_the_column_is_written() -> None:
    text = CAMPAIGN + "segment: order_total >= 21 and `Order Total` < 50\nschema: {types: {Order Total: float}}\n"
    assert parse(text, path=Path("c.yaml")).specification.segment
