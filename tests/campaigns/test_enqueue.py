"""`enqueue` against a real database: what is accepted, what is said, and that nothing is ever half done."""

import csv
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.workshop import CAMPAIGN, CONTACTS, SENDER, Workshop
from tests.support.clock import ManualClock
from tierii_mta.campaigns.cleaning import Cleaner, RowRejected
from tierii_mta.campaigns.enqueue import enqueue
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.campaigns.summary import Options, Progress, Step, Summary
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason, list_scope
from tierii_mta.errors import (
    CheckFailed,
    ConfigurationError,
    Conflict,
    ExitCode,
    NotFound,
    Refused,
    TieriiError,
    TooManyRejects,
    UsageError,
)
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.delivery import Json, State
from tierii_mta.storage.database import Database
from tierii_mta.storage.ledger import compact_json

BASE = CAMPAIGN[: CAMPAIGN.index("  - {type: inline")]
Enqueue = Callable[..., Awaitable[Summary]]


def from_csv(name: str) -> str:
    return BASE + f"  - {{type: csv, path: {name}}}\n"


@pytest.fixture
def run(database: Database, codec: TokenCodec, clock: ManualClock) -> Enqueue:
    async def call(
        campaign: Campaign, sender: Sender = SENDER, progress: Callable[[Progress], None] | None = None, **options: Any
    ) -> Summary:
        return await enqueue(
            campaign,
            database.campaigns,
            codec,
            sender=sender,
            clock=clock,
            suppression=database.suppression,
            options=Options(**options),
            progress=progress,
        )

    return call


async def pending(database: Database, campaign: str = "spring") -> int:
    return (await database.campaigns.counts(campaign))[State.PENDING]


async def test_a_campaign_is_accepted_started_and_summed_up(
    workshop: Workshop, database: Database, run: Enqueue
) -> None:
    summary = await run(workshop.campaign())
    assert summary.as_json() == {
        "campaign": "spring",
        "rows": 2,
        "accepted": 2,
        "rejected": 0,
        "duplicates": 0,
        "suppressed": 0,
        "excluded": 0,
        "unsegmented": 0,
        "elapsed_s": 0.0,
    }
    record = await database.campaigns.find("spring")
    assert record is not None
    assert record.state is CampaignState.RUNNING
    assert record.report["accepted"] == 2
    assert await pending(database) == 2


async def test_a_rerun_adds_only_who_is_missing(workshop: Workshop, database: Database, run: Enqueue) -> None:
    await run(workshop.campaign())
    text = CAMPAIGN.replace("{email: bob@example.org}", "{email: BOB@example.org}, {email: cleo@example.org}")
    summary = await run(workshop.campaign(text))
    assert (summary.rows, summary.accepted, summary.duplicates) == (3, 1, 2)
    assert await pending(database) == 3


@pytest.mark.parametrize("change", ["subject", "template", "attachment"])
async def test_the_same_id_with_other_content_is_a_conflict(workshop: Workshop, run: Enqueue, change: str) -> None:
    text = CAMPAIGN + "attachments: [{path: a.txt}]\n"
    workshop.write("a.txt", "one")
    await run(workshop.campaign(text))
    match change:
        case "subject":
            changed = workshop.campaign(text.replace("Hello", "Hi"))
        case "template":
            changed = workshop.campaign(text, html="<p>other</p>")
        case _:
            workshop.write("a.txt", "two")
            changed = workshop.campaign(text)
    with pytest.raises(Conflict, match="spring exists with other content") as caught:
        await run(changed)
    assert caught.value.exit_code == ExitCode.CONFLICT


async def test_defaults_written_out_and_another_day_are_no_other_content(
    workshop: Workshop, run: Enqueue, clock: ManualClock
) -> None:
    await run(workshop.campaign())
    clock.step(SENDER.lifetime)
    text = CAMPAIGN + "batch_size: 100\ntracking: {opens: false}\nsegment: null\n"
    assert (await run(workshop.campaign(text))).duplicates == 2


async def test_duplicates_across_and_within_feeds_are_counted_and_the_first_stays(
    workshop: Workshop, database: Database, run: Enqueue
) -> None:
    workshop.write("more.csv", "email,first_name\nANNA@example.org,Second\ncleo@example.org,C\nCleo@Example.ORG,D\n")
    summary = await run(workshop.campaign(CAMPAIGN + "  - {type: csv, path: more.csv}\n"))
    assert (summary.rows, summary.accepted, summary.duplicates) == (5, 3, 2)
    dry = await run(
        workshop.campaign(CAMPAIGN.replace("spring", "other") + "  - {type: csv, path: more.csv}\n"), dry_run=True
    )
    assert (dry.rows, dry.accepted, dry.duplicates) == (5, 3, 2)


async def test_suppressed_and_excluded_persons_are_left_out_and_counted(
    workshop: Workshop, database: Database, run: Enqueue, codec: TokenCodec, clock: ManualClock
) -> None:
    def entry(address: str, scope: str, reason: SuppressionReason) -> Suppression:
        key = codec.person_key(Address.parse(address))
        return Suppression(key=key, scope=scope, reason=reason, created_at=clock.now())

    await database.suppression.add(
        [
            entry("anna@example.org", EVERYWHERE, SuppressionReason.HARD_BOUNCE),
            entry("bob@example.org", list_scope("other.example.com"), SuppressionReason.UNSUBSCRIBE),
        ]
    )
    items = "{email: anna@example.org}, {email: bob@example.org}, {email: x@rival.example}, {email: y@a.rival.example}"
    text = BASE + f"  - {{type: inline, items: [{items}]}}\nexclude: {{domains: [rival.example]}}\n"
    for dry_run in (True, False):
        summary = await run(workshop.campaign(text), dry_run=dry_run)
        assert (summary.rows, summary.accepted, summary.suppressed, summary.excluded) == (4, 1, 1, 2)


async def test_a_dry_run_writes_nothing(workshop: Workshop, database: Database, run: Enqueue) -> None:
    summary = await run(workshop.campaign(), dry_run=True)
    assert summary.accepted == 2
    assert await database.campaigns.find("spring") is None


async def test_limit_adds_so_many_and_the_next_run_the_next_ones(
    workshop: Workshop, database: Database, run: Enqueue
) -> None:
    workshop.write("people.csv", "email\n" + "".join(f"p{n}@example.org\n" for n in range(25)))
    campaign = workshop.campaign(from_csv("people.csv"), html="<p>Hi</p>")
    assert (await run(campaign, limit=10)).accepted == 10
    assert (await run(campaign, limit=10)).accepted == 10
    last = await run(campaign, limit=10)
    assert (last.accepted, last.duplicates, last.rows) == (5, 20, 25)
    assert await pending(database) == 25


async def test_a_limit_takes_the_first_of_the_file(workshop: Workshop, database: Database, run: Enqueue) -> None:
    workshop.write("people.csv", "email\nnobody\n" + "".join(f"p{n}@d{n}.example\n" for n in range(25)))
    campaign = workshop.campaign(from_csv("people.csv"), html="<p>Hi</p>")
    summary = await run(campaign, limit=10)
    assert (summary.accepted, summary.rejected) == (10, 1)
    taken = {load.lane.domain async for load in database.queue.loads()}
    assert taken == {f"d{n}.example" for n in range(10)}


async def test_only_takes_one_person(workshop: Workshop, database: Database, run: Enqueue) -> None:
    summary = await run(workshop.campaign(), only="BOB@example.org")
    assert (summary.rows, summary.accepted) == (1, 1)
    with pytest.raises(NotFound, match=r"nobody@example.org is not among the contacts"):
        await run(workshop.campaign(CAMPAIGN.replace("spring", "other")), only="nobody@example.org")
    assert await database.campaigns.find("other") is None
    with pytest.raises(UsageError, match="--only"):
        await run(workshop.campaign(), only="nobody")


async def test_rejected_rows_are_listed_with_file_line_and_reason(workshop: Workshop, run: Enqueue) -> None:
    shutil.copy(CONTACTS / "dirty.csv", workshop.folder)
    text = from_csv("dirty.csv") + "schema: {types: {age: int, since: date}}\n"
    summary = await run(workshop.campaign(text))
    assert (summary.rows, summary.accepted, summary.duplicates, summary.rejected) == (12, 2, 1, 9)
    assert summary.rejects_file == str(workshop.folder / "spring.rejects.csv")
    with Path(summary.rejects_file).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["line"], row["reason"]) for row in rows] == [
        ("3", "email is not of the form local@domain"),
        ("4", "email has a malformed local part: a@b"),
        ("5", "email has a domain without a dot: localhost"),
        ("6", "email names an IP address instead of a domain"),
        ("7", "email holds a line break and is used in a header"),
        ("9", "first_name holds a line break and is used in a header"),
        ("11", "age: 'forty' is no int"),
        ("12", "since: '2024-02-30' is no date"),
        ("14", "since: 'x' is no date"),
    ]
    assert rows[-1]["email"] == "'=cmd@example.com"
    assert rows[-1]["first_name"] == "'=1+2"


class _Mischief:
    """A codec with a fault that some addresses bring out."""

    def __init__(self, codec: TokenCodec) -> None:
        self._codec = codec

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def person_key(self, address: Address) -> PersonKey:
        if address.local.startswith("crash"):
            raise IndexError("a fault of ours")
        return self._codec.person_key(address)


@pytest.mark.parametrize("max_rejects", [2, 1])
async def test_a_row_that_brings_out_a_fault_of_ours_is_a_reject_like_others(
    workshop: Workshop, database: Database, codec: TokenCodec, clock: ManualClock, caplog: Any, max_rejects: int
) -> None:
    people = [f"{name}@example.org,{name}" for name in ("anna", "crash1", "bob", "crash2")]
    workshop.write("people.csv", "\n".join(["email,first_name", *people]))
    campaign = workshop.campaign(from_csv("people.csv") + f"schema: {{max_rejects: {max_rejects}}}\n")
    running = enqueue(campaign, database.campaigns, cast("TokenCodec", _Mischief(codec)), sender=SENDER, clock=clock)
    if max_rejects < 2:
        with pytest.raises(TooManyRejects, match="2 × internal error"):
            await running
        return
    summary = await running
    assert (summary.accepted, summary.rejected) == (2, 2)
    with Path(str(summary.rejects_file)).open(newline="") as stream:
        assert [(row["line"], row["reason"], row["email"]) for row in csv.DictReader(stream)] == [
            ("3", "internal error", "crash1@example.org"),
            ("5", "internal error", "crash2@example.org"),
        ]
    assert [bool(record.exc_info) for record in caplog.records] == [True], "a kind is told once"
    assert "people.csv:3" in caplog.text


async def test_a_fault_of_ours_while_a_contact_is_tried_is_told_with_its_line(
    workshop: Workshop, run: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: Any) -> None:
        raise IndexError("a fault of ours")

    monkeypatch.setattr("tierii_mta.campaigns.inquiry.Plate.print", fault)
    with pytest.raises(CheckFailed, match="internal error while the mail of this contact was rendered: IndexError"):
        await run(workshop.campaign())


async def test_what_no_encoding_holds_is_rejected_and_listed(workshop: Workshop, run: Enqueue) -> None:
    items = (
        '{email: a@example.org, x: "\\ud800"}, {email: b@example.org, x: {"\\ud800": 1}}, {email: c@example.org, x: 1}'
    )
    summary = await run(workshop.campaign(BASE + f"  - {{type: inline, items: [{items}]}}\n", html="<p>{{ x }}</p>"))
    assert (summary.accepted, summary.rejected) == (1, 2)
    text = Path(str(summary.rejects_file)).read_text()
    assert text.count("x holds the control character U+D800") == 2
    assert "\\ud800" in text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
DOMAINS = [
    "example.org",
    "xn--a",
    "xn--ls8h.la",
    "ß.de",
    f"{'a' * 64}.org",
    "a..b",
    "[1.2.3.4]",
    "\u200d.org",
    "१२३.org",
]
EMAILS = ANYTHING | st.builds(
    lambda local, domain: f"{local}@{domain}", st.text(), st.sampled_from(DOMAINS) | st.text()
)
KINDS = st.sampled_from(["str", "int", "float", "bool", "date"])


@given(
    EMAILS,
    st.dictionaries(st.sampled_from("abc"), ANYTHING | st.text("0123456789.-eE_T ٣")),
    st.dictionaries(st.sampled_from("abc"), KINDS),
)
def test_no_row_brings_out_a_fault(email: Json, fields: dict[str, Json], types: dict[str, str]) -> None:
    cleaner = Cleaner(required=("a",), types=types, header_fields={"b"})
    try:
        person = cleaner.clean({**fields, "email": email})
    except RowRejected:
        return
    assert TokenCodec(b"a secret of the tests, long enough").person_key(person.address)
    assert json.loads(compact_json(person.fields).encode()) == person.fields


async def test_a_run_without_rejects_removes_the_old_reject_file(workshop: Workshop, run: Enqueue) -> None:
    old = workshop.write("spring.rejects.csv", "file,line,reason\n")
    await run(workshop.campaign())
    assert not old.exists()


@pytest.mark.parametrize("schema", ["{max_rejects: 2%}", "{max_rejects: 1}", "{on_invalid: fail}", "{max_rejects: 0}"])
async def test_too_many_rejects_end_a_loading_as_failed_and_a_mended_file_is_accepted(
    workshop: Workshop, database: Database, run: Enqueue, schema: str
) -> None:
    workshop.write("people.csv", "email\na@example.org\nnobody\nnothing\n")
    text = from_csv("people.csv") + f"schema: {schema}\n"
    with pytest.raises(TooManyRejects, match=r"2 of 3 rows were rejected \(2 × email is not of the form"):
        await run(workshop.campaign(text, html="<p>Hi</p>"))
    record = await database.campaigns.find("spring")
    assert record is not None
    assert record.state is CampaignState.FAILED
    assert await pending(database) == 0
    assert (workshop.folder / "spring.rejects.csv").exists()
    workshop.write("people.csv", "email\na@example.org\nb@example.org\n")
    assert (await run(workshop.campaign(text, html="<p>Hi</p>"))).accepted == 2


async def test_too_many_rejects_leave_a_running_campaign_alone(
    workshop: Workshop, database: Database, run: Enqueue
) -> None:
    workshop.write("people.csv", "email\na@example.org\n")
    text = from_csv("people.csv") + "schema: {max_rejects: 0}\n"
    await run(workshop.campaign(text, html="<p>Hi</p>"))
    workshop.write("people.csv", "email\na@example.org\nnobody\n")
    with pytest.raises(TooManyRejects):
        await run(workshop.campaign(text, html="<p>Hi</p>"))
    record = await database.campaigns.find("spring")
    assert record is not None
    assert record.state is CampaignState.RUNNING


async def test_an_audience_of_rejects_alone_is_too_many_whatever_the_limit(workshop: Workshop, run: Enqueue) -> None:
    workshop.write("people.csv", "email\nnobody\n")
    with pytest.raises(TooManyRejects):
        await run(workshop.campaign(from_csv("people.csv"), html="<p>Hi</p>"))
    workshop.write("people.csv", "email\n")
    with pytest.raises(CheckFailed, match="the feeds hold no contacts"):
        await run(workshop.campaign(from_csv("people.csv"), html="<p>Hi</p>"))


async def test_missing_names_are_reported_with_place_and_rows_before_anything_is_written(
    workshop: Workshop, database: Database, run: Enqueue
) -> None:
    workshop.write("a.csv", "email,city\na@example.org,Rome\nb@example.org,\n")
    workshop.write("b.csv", "email,plan\nc@example.org,gold\n")
    text = from_csv("a.csv") + "  - {type: csv, path: b.csv}\n"
    html = "{{ first_name }}\n{{ city }}{% if plan is defined %}{{ plan }}{% endif %}\n{{ contact.citty }}{{ nope }}"
    with pytest.raises(CampaignInvalid) as caught:
        await run(workshop.campaign(text, html=html))
    path = workshop.folder / "mail.html.j2"
    found = sorted(map(str, caught.value.problems))
    assert found[0].startswith(f"{path}:2: city is missing for 1 of 3 contacts; ")
    assert found[1].startswith(f"{path}:3: contact.citty is missing for 3 of 3 contacts; did you mean city?")
    assert found[2].startswith(f"{path}:3: nope is missing for 3 of 3 contacts; ")
    assert len(found) == 3
    assert caught.value.exit_code == ExitCode.CHECK_FAILED
    assert await database.campaigns.find("spring") is None


async def test_a_default_makes_a_missing_name_no_error(workshop: Workshop, run: Enqueue) -> None:
    html = "{{ city | default('your city') }}{% if plan is defined %}{{ plan }}{% endif %}{{ company }}"
    assert (await run(workshop.campaign(html=html))).accepted == 2


async def test_an_error_that_only_a_value_causes_does_not_stop_the_campaign(workshop: Workshop, run: Enqueue) -> None:
    workshop.write("people.csv", "email,n\na@example.org,0\nb@example.org,5\n")
    text = from_csv("people.csv") + "schema: {types: {n: int}}\n"
    assert (await run(workshop.campaign(text, html="{{ 100 / n }}"))).accepted == 2
    workshop.write("people.csv", "email,n\na@example.org,0\nb@example.org,0\n")
    with pytest.raises(
        CampaignInvalid, match=r"does not render: mail.html.j2:1: division by zero \(tried with .*csv:2\)"
    ):
        await run(workshop.campaign(text.replace("spring", "other"), html="{{ 100 / n }}"))


@pytest.mark.parametrize(
    ("text", "html", "expected"),
    [
        (CAMPAIGN, "{% if %}", r"mail.html.j2:1: .*; mend the template"),
        (CAMPAIGN, "\n{{ x | nofilter }}", r"mail.html.j2:2: No filter named 'nofilter'"),
        (CAMPAIGN, "{% include 'gone.j2' %}", r"the template gone.j2 was not found"),
        (
            CAMPAIGN,
            "\n<img src='cid:logo'>",
            r"mail.html.j2:2: cid:logo names no attachment; add one with inline: logo",
        ),
        (CAMPAIGN, "{% include '../gone.j2' %}", r"lies outside the campaign's folder"),
        (CAMPAIGN, "{% include first_name %}", r"whose name is computed"),
        (
            CAMPAIGN.replace("mail.html.j2", "gone.html"),
            "x",
            r"campaign.yaml:5: template.html: .*gone.html: No such file",
        ),
        (CAMPAIGN.replace("Hello {{", "Hello {{ {{"), "x", r"campaign.yaml:4: subject: is not a sound template"),
        (
            CAMPAIGN.replace("mail.html.j2}", "mail.html.j2, inline_css: true}"),
            "<p>\n<link href='a.css' rel='Stylesheet'>",
            r"mail.html.j2:2: a linked style sheet cannot be inlined",
        ),
        (
            CAMPAIGN + "attachments: [{path: gone.pdf}]\n",
            "x",
            r"campaign.yaml:8: attachments\[0\].path: .*No such file",
        ),
    ],
)
async def test_what_is_wrong_with_the_files_is_told_before_anything_is_written(
    workshop: Workshop, database: Database, run: Enqueue, text: str, html: str, expected: str
) -> None:
    with pytest.raises(CampaignInvalid, match=expected):
        await run(workshop.campaign(text, html=html))
    assert await database.campaigns.find("spring") is None


async def test_a_variable_with_the_name_of_a_column_is_refused(workshop: Workshop, run: Enqueue) -> None:
    text = CAMPAIGN.replace("first_name: Anna}", "first_name: Anna, city: Rome}") + "variables: {city: x}\n"
    with pytest.raises(CampaignInvalid, match=r"yaml:8: variables.city: a column of the contacts is also called city"):
        await run(workshop.campaign(text))


async def test_a_from_domain_that_is_not_ours_is_refused(workshop: Workshop, database: Database, run: Enqueue) -> None:
    campaign = workshop.campaign(CAMPAIGN.replace("news@example.com", "news@elsewhere.example"))
    with pytest.raises(
        Refused, match=r"campaign.yaml:3: from.email: elsewhere.example is not a domain we send as"
    ) as caught:
        await run(campaign)
    assert caught.value.exit_code == ExitCode.REFUSED
    assert await database.campaigns.find("spring") is None


async def test_marketing_mail_needs_an_address_for_its_unsubscribe_links(workshop: Workshop, run: Enqueue) -> None:
    homeless = replace(SENDER, public_url=None)
    with pytest.raises(ConfigurationError, match=r"web.public_url: is not set"):
        await run(workshop.campaign(), homeless)
    transactional = workshop.campaign(CAMPAIGN.replace("name: Spring sale", "kind: transactional"))
    assert (await run(transactional, homeless)).accepted == 2
    summary = await run(
        workshop.campaign(CAMPAIGN.replace("spring", "b")), replace(SENDER, public_url="http://[::1]:80")
    )
    assert "is not https" in summary.notices[0]


async def test_a_mail_above_the_size_limit_is_refused(workshop: Workshop, run: Enqueue) -> None:
    (workshop.folder / "big.bin").write_bytes(bytes(200_000))
    campaign = workshop.campaign(CAMPAIGN + "attachments: [{path: big.bin}]\n")
    with pytest.raises(CampaignInvalid, match=r"a mail has \d+ octets, more than 100000; send a link instead"):
        await run(campaign, replace(SENDER, max_message_bytes=100_000))


async def test_a_final_campaign_takes_new_recipients_only_when_reopened(
    workshop: Workshop, database: Database, run: Enqueue, clock: ManualClock
) -> None:
    await run(workshop.campaign())
    await database.campaigns.move("spring", CampaignState.DRAINING, reason=None, now=clock.now())
    while not await database.queue.finish_streams(clock.now()):
        pass
    text = CAMPAIGN.replace("{email: bob@example.org}", "{email: cleo@example.org}")
    with pytest.raises(Conflict, match="is cancelled; run it again for new recipients with --reopen"):
        await run(workshop.campaign(text))
    assert (await run(workshop.campaign(text), reopen=True)).accepted == 1
    record = await database.campaigns.find("spring")
    assert record is not None
    assert record.state is CampaignState.RUNNING


async def test_a_loading_that_was_cut_short_leaves_a_draft_and_the_rerun_finishes_it(
    workshop: Workshop, database: Database, run: Enqueue
) -> None:
    workshop.write("people.csv", "email\n" + "".join(f"p{n}@example.org\n" for n in range(2500)))
    campaign = workshop.campaign(from_csv("people.csv"), html="<p>Hi</p>")

    def stop(progress: Progress) -> None:
        if progress.step is Step.LOADING and progress.accepted >= 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await run(campaign, progress=stop)
    record = await database.campaigns.find("spring")
    assert record is not None
    assert record.state is CampaignState.DRAFT
    summary = await run(campaign)
    assert (summary.accepted, summary.duplicates) == (1500, 1000)
    assert await pending(database) == 2500


async def test_progress_tells_each_pass(workshop: Workshop, run: Enqueue) -> None:
    workshop.write("people.csv", "email\n" + "".join(f"p{n}@example.org\n" for n in range(1200)))
    seen: list[Progress] = []
    await run(workshop.campaign(from_csv("people.csv"), html="<p>Hi</p>"), progress=seen.append)
    assert [(one.step, one.rows) for one in seen] == [
        (Step.CHECKING, 500),
        (Step.CHECKING, 1000),
        (Step.CHECKING, 1200),
        (Step.SCREENING, 1200),
        (Step.LOADING, 1000),
        (Step.LOADING, 1200),
    ]
    assert seen[-1].total == 1200


async def test_no_failure_shows_more_than_a_sentence(workshop: Workshop, run: Enqueue) -> None:
    """Whatever is broken, the operator gets one of our errors, never a library's."""
    for text in ("contacts: [", CAMPAIGN.replace("{html: mail.html.j2}", "5"), from_csv("nobody.csv")):
        with pytest.raises(TieriiError):
            await run(workshop.campaign(text))


# -- the calendar ------------------------------------------------------------------------------------------


async def test_a_campaign_with_a_start_is_scheduled_and_a_rerun_leaves_it_so(
    workshop: Workshop, run: Enqueue, database: Database
) -> None:
    later_on = CAMPAIGN + 'schedule: {start: "2099-01-01"}\n'
    await run(workshop.campaign(later_on))
    record = await database.campaigns.find("spring")
    assert record is not None
    assert record.state is CampaignState.SCHEDULED
    await run(workshop.campaign(later_on))
    assert await database.campaigns.find("spring") == replace(record, report=ANY)


async def test_at_overrides_the_start_until_it_has_started(
    workshop: Workshop, run: Enqueue, database: Database
) -> None:
    campaign = workshop.campaign(CAMPAIGN)
    await run(campaign, at="2099-01-01")
    first = await database.campaigns.find("spring")
    assert first is not None
    assert first.state is CampaignState.SCHEDULED
    await run(campaign)  # adds who is missing, and moves nothing
    assert (await database.campaigns.find("spring") or first).state is CampaignState.SCHEDULED
    await run(campaign, at="now")
    assert (await database.campaigns.find("spring") or first).state is CampaignState.RUNNING
    with pytest.raises(Conflict, match="its start cannot be moved"):
        await run(campaign, at="2099-01-01")


@pytest.mark.parametrize(("canary", "options", "size"), [("10%", {}, 10), ("7", {}, 7), ("25%", {"limit": 40}, 10)])
async def test_a_canary_is_so_many_of_those_who_are_written_to(
    workshop: Workshop, database: Database, run: Enqueue, canary: str, options: dict[str, int], size: int
) -> None:
    rows = "".join(f"p{number:03}@d{number % 4}.example\n" for number in range(100))
    workshop.write("people.csv", "email\n" + rows)
    campaign = workshop.campaign(from_csv("people.csv") + f"guards: {{canary: {canary}}}\n", html="<p>Hi</p>")

    await run(campaign, **options)

    record = await database.campaigns.find("spring")
    assert record is not None
    assert record.canary == size
    assert sum([load.count async for load in database.queue.loads()]) == size
    assert await pending(database) == options.get("limit", 100)
    await run(campaign)
    assert sum([load.count async for load in database.queue.loads()]) == size, "a rerun adds to those who wait"
    assert await pending(database) == 100
