"""`enqueue` through its stages: what each takes out, what is written down, what the report says."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.campaigns.feeds.reading import BASE
from tests.campaigns.workshop import SENDER, Workshop
from tests.support.clock import ManualClock
from tierii_mta.campaigns.audience import Contact
from tierii_mta.campaigns.enqueue import enqueue
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.campaigns.summary import Options, Summary
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.delivery import Json
from tierii_mta.storage.database import Database

PEOPLE = (
    "email,first_name,age,city\n"
    "anna@example.org,,42,Rome\n"
    "nobody,N,1,\n"
    "bob@example.org,Bob,old,\n"
    "dan@competitor.example,Dan,30,Oslo\n"
    "sue@example.org,Sue,30,Oslo\n"
    "kid@example.org,Kid,12,Oslo\n"
    "Anna@Example.ORG,Anna,43,\n"
    "ragged@example.org\n"
)
TEXT = (
    BASE
    + "  - {type: csv, path: people.csv}\n"
    + "schema: {types: {age: int}}\nexclude: {domains: [competitor.example]}\n"
)


class Adults:
    """A segment."""

    stage = Stage.SEGMENT

    async def reasons(self, contacts: Sequence[Waiting]) -> Sequence[str | None]:
        ages = [contact.fields["age"] for contact in contacts]
        return [None if isinstance(age, int) and age >= 21 else "is not of age" for age in ages]


class Shouting:
    """An enrichment."""

    async def enrich(self, contacts: Sequence[Contact]) -> Sequence[Contact]:
        return [contact._replace(fields={**contact.fields, "loud": True}) for contact in contacts]

    async def finish(self) -> Sequence[str]:
        return ["all are loud"]


@pytest.fixture
def codec() -> TokenCodec:
    return TokenCodec(b"a secret of the tests, long enough")


async def run(
    workshop: Workshop, database: Database, codec: TokenCodec, clock: ManualClock, text: str = TEXT, **more: Any
) -> Summary:
    workshop.write("people.csv", PEOPLE)
    suppressed = Suppression(
        key=codec.person_key(Address.parse("sue@example.org")),
        scope=EVERYWHERE,
        reason=SuppressionReason.COMPLAINT,
        address="sue@example.org",
        created_at=clock.now(),
    )
    await database.suppression.add([suppressed])
    options = Options(dry_run=more.pop("dry_run", False), limit=more.pop("limit", None))
    return await enqueue(
        workshop.campaign(text, html="<p>{{ first_name }} {{ city }}</p>"),
        database.campaigns,
        codec,
        sender=replace(SENDER),
        clock=clock,
        suppression=database.suppression,
        options=options,
        **more,
    )


@pytest.mark.parametrize("dry_run", [True, False])
async def test_each_stage_says_what_came_and_what_it_took_out(
    workshop: Workshop, database: Database, codec: TokenCodec, clock: ManualClock, dry_run: bool
) -> None:
    summary = await run(workshop, database, codec, clock, screens=[Adults()], enrichments=[Shouting()], dry_run=dry_run)
    assert summary.waterfall() == [
        ("rows", 8),
        ("invalid", -3),
        ("duplicate", -1),
        ("suppressed", -1),
        ("excluded", -1),
        ("out of segment", -1),
        ("to send", 1),
    ]
    assert "all are loud" in summary.notices
    report = summary.report()
    assert isinstance(report["stages"], list)
    passages: list[Any] = report["stages"]
    assert [(one["stage"], one["rows"], one["left_out"]) for one in passages] == [
        ("ingest", 8, 0),
        ("detect", 8, 0),
        ("parse", 8, 1),
        ("schema", 7, 1),
        ("clean", 6, 1),
        ("enrich", 5, 0),
        ("dedupe", 5, 1),
        ("segment", 4, 1),
        ("exclude", 3, 1),
        ("consent", 2, 1),
        ("enqueue", 0 if dry_run else 1, 0),
    ]
    if not dry_run:
        record = await database.campaigns.find("spring")
        assert record is not None
        assert record.state is CampaignState.RUNNING
        assert record.report == report, "kept with the campaign"


async def test_who_falls_out_is_written_down_with_line_stage_and_reason(
    workshop: Workshop, database: Database, codec: TokenCodec, clock: ManualClock
) -> None:
    await run(workshop, database, codec, clock, screens=[Adults()])
    with (workshop.folder / "spring.rejects.csv").open(newline="") as stream:
        rejects = [(row["line"], row["stage"], row["reason"]) for row in csv.DictReader(stream)]
    assert rejects == [
        ("3", "clean", "email is not of the form local@domain"),
        ("4", "schema", "age: 'old' is no int"),
        ("9", "parse", "has 1 fields, the header has 4"),
    ]
    with (workshop.folder / "spring.left-out.csv").open(newline="") as stream:
        left_out = {row["email"]: (row["line"], row["stage"], row["reason"]) for row in csv.DictReader(stream)}
    path = workshop.folder / "people.csv"
    assert left_out == {
        "Anna@example.org": ("8", "dedupe", f"is the same person as {path}:2"),
        "kid@example.org": ("7", "segment", "is not of age"),
        "dan@competitor.example": ("5", "exclude", "competitor.example is excluded"),
        "sue@example.org": ("6", "consent", "is suppressed: complaint"),
    }


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first", {"first_name": "", "age": 42, "city": "Rome"}),
        ("last", {"first_name": "Anna", "age": 43, "city": ""}),
        ("merge", {"first_name": "Anna", "age": 42, "city": "Rome"}),
    ],
)
@pytest.mark.parametrize("limit", [None, 10])
async def test_the_row_that_stays_is_what_the_mail_is_made_of(
    workshop: Workshop,
    database: Database,
    codec: TokenCodec,
    clock: ManualClock,
    *,
    rule: str,
    expected: dict[str, Json],
    limit: int | None,
) -> None:
    seen: list[Waiting] = []

    class Watching(Adults):
        async def reasons(self, contacts: Sequence[Waiting]) -> Sequence[str | None]:
            seen.extend(contacts)
            return [None] * len(contacts)

    text = TEXT + f"dedupe: {{on_conflict: {rule}}}\n"
    await run(workshop, database, codec, clock, text, screens=[Watching()], limit=limit)
    (anna,) = [contact for contact in seen if contact.recipient.lower().startswith("anna")]
    assert anna.fields == {"email": anna.fields["email"], **expected}


async def test_two_rows_of_a_person_are_an_error_where_the_file_says_so(
    workshop: Workshop, database: Database, codec: TokenCodec, clock: ManualClock
) -> None:
    with pytest.raises(CampaignInvalid, match=r"people.csv:8: Anna@example.org is the same person as .*people.csv:2"):
        await run(workshop, database, codec, clock, TEXT + "dedupe: {on_conflict: error}\n")
    assert await database.campaigns.find("spring") is None


def test_the_time_of_a_stage_does_not_hold_that_of_another() -> None:
    class Ticking(ManualClock):
        def __init__(self) -> None:
            super().__init__()
            self.ticks = 0.0

        def monotonic(self) -> float:
            self.ticks += 1
            return self.ticks

    meter = Meter(Ticking())
    with meter.timing(Stage.PARSE), meter.timing(Stage.INGEST):
        pass
    assert (meter[Stage.PARSE].seconds, meter[Stage.INGEST].seconds) == (2, 1)
