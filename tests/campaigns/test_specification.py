"""What the author of a campaign file is told."""

import re
from pathlib import Path

import pytest

from tests.campaigns.workshop import CAMPAIGN, Workshop
from tierii_mta.campaigns.guards import Guard
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.specification import load, parse, read
from tierii_mta.campaigns.specification.references import resolve
from tierii_mta.errors import CheckFailed, ExitCode
from tierii_mta.queue.delivery import Priority
from tierii_mta.yaml12 import load as load_yaml

REPOSITORY = Path(__file__).parents[2]


def problems(text: str) -> list[str]:
    with pytest.raises(CampaignInvalid) as caught:
        parse(text, path=Path("c.yaml"))
    return [str(problem) for problem in caught.value.problems]


def with_line(line: str) -> str:
    return CAMPAIGN + line + "\n"


def test_the_five_required_keys_are_enough(workshop: Workshop) -> None:
    campaign = workshop.campaign()
    specification = campaign.specification
    assert campaign.id == "spring"
    assert specification.is_marketing
    assert specification.priority is Priority.NORMAL
    assert not specification.tracking.opens
    assert specification.unsubscribe.one_click


def test_every_missing_key_is_named_at_once() -> None:
    assert problems("version: 1") == [
        "c.yaml:1: campaign: is missing; add the key campaign",
        "c.yaml:1: from: is missing; add the key from",
        "c.yaml:1: subject: is missing; add the key subject",
        "c.yaml:1: template: is missing; add the key template",
        "c.yaml:1: contacts: is missing; add the key contacts",
    ]


def test_an_unknown_key_is_answered_with_line_and_the_nearest_known_one() -> None:
    found = problems(CAMPAIGN.replace("subject:", "subjekt:").replace("name: Acme,", "nmae: Acme,"))
    assert "c.yaml:3: from.nmae: is no key here; did you mean name?" in found
    assert "c.yaml:4: subjekt: is no key here; did you mean subject?" in found
    assert any("subject: is missing" in line for line in found)


def test_findings_of_all_kinds_come_together_in_the_order_of_the_file() -> None:
    found = problems(
        "campaign: {id: Spring!, kind: marketingg}\n"
        "from: {email: nobody}\n"
        "subject: 5\n"
        "template: {html: a.html, inline_cs: true}\n"
        "variables: {email: x}\n"
        "headers: {Subject: x}\n"
        "contacts: [{type: csv, pth: a}, {type: jsn}]\n"
        "tracking: {opens: yes}\n"
        "segment: age > 3\n"
    )
    assert [line.split(": ")[1] for line in found] == [
        "campaign.id",
        "campaign.kind",
        "from.email",
        "subject",
        "template.inline_cs",
        "variables.email",
        "headers.Subject",
        "contacts[1].type",
        "contacts[0].path",
        "contacts[0].pth",
        "tracking.opens",
        "segment",
    ]
    assert "did you mean marketing?" in found[1]
    assert "did you mean path?" in found[9]
    assert "did you mean json?" in found[7]


@pytest.mark.parametrize(
    "line",
    [
        "tracking: {opens: true}",
        "tracking: {clicks: true}",
        "transport: {use: smarthost}",
        "transport: {fallback: [smarthost]}",
        "follow_ups: [{id: nudge, after: 3d}]",
        "ab_test: {variants: [{id: a}, {id: b}], sample: 20%, winner: {metric: click, after: 4h, otherwise: a}}",
    ],
)
def test_what_is_not_built_yet_is_refused_and_never_ignored(line: str) -> None:
    found = problems(with_line(line))
    assert len(found) == 1
    assert "is not available in this version; remove it" in found[0]
    assert found[0].startswith("c.yaml:8: ")


@pytest.mark.parametrize(
    "line",
    [
        "schedule: {start: now, timezone: America/Los_Angeles}",
        "tracking: {opens: false, clicks: false}",
        "batch: {size: 50, delay: 0s}",
        "batch_size: 50",
        "unsubscribe: {one_click: true, mailto: false, footer: none}",
        "transport: {use: direct-mx, fallback: []}",
        "segment: null",
        "dedupe: {key: email, on_conflict: first}",
    ],
)
def test_the_value_that_means_off_is_always_allowed(line: str) -> None:
    assert parse(with_line(line), path=Path("c.yaml")).id == "spring"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("variables: {first_name: x}", "'first_name' is taken"),
        ("variables: {range: x}", "'range' is taken"),
        ("variables: {two words: x}", "cannot be used in a template"),
        ("headers: {X-A: 5}", "5 is not a text; put it in quotes"),
        ('headers: {X-A: "a\\r\\nBcc: b@example.com"}', "control character U+000D"),
        ("headers: {Bcc: x}", "only X-*, Feedback-ID and Precedence are"),
        ("schema: {max_rejects: many}", "neither a number of rows nor a share"),
        ("schema: {types: {age: itn}}", "did you mean int?"),
        ("schedule: {timezone: Mars/Base}", "is not a time zone"),
        ("schedule: {start: tomorrow}", "write for instance 2027-03-01T09:00"),
        ('schedule: {end: "2027-02-30"}', "'2027-02-30' is not a time"),
        ('schedule: {window: {from: "9:00", to: "17:00"}}', "does not match"),
        ("compliance: {postal_address: '{{ x }}'}", "is not a template"),
        ("list: {id: Not A List}", "is not a list id"),
        ("version: 2", "less than or equal to 1"),
        ("batch: {size: 5}\nbatch_size: 5", "say again what another key says"),
        ("variables: {token: '${env:TOKEN}'}", "may only stand in path, url, auth and query of a feed"),
        ("attachments: [{path: a, inline: 'two words'}]", "does not match"),
    ],
)
def test_a_wrong_value_is_answered_with_what_to_write(line: str, expected: str) -> None:
    assert any(expected in found for found in problems(with_line(line)))


def test_a_name_that_would_break_out_of_the_from_field_is_refused() -> None:
    found = problems(CAMPAIGN.replace("name: Acme", r'name: "Acme\nBcc: x@example.com"'))
    assert "U+000A" in found[0]


def test_transactional_mail_has_high_priority_unless_said_otherwise() -> None:
    text = CAMPAIGN.replace("name: Spring sale", "kind: transactional")
    assert parse(text, path=Path("c.yaml")).specification.priority is Priority.HIGH
    text = CAMPAIGN.replace("name: Spring sale", "kind: transactional, priority: low")
    assert parse(text, path=Path("c.yaml")).specification.priority is Priority.LOW


def test_what_stops_a_campaign_is_one_of_four_words() -> None:
    line = "stop_on: [reply, unsubscribe, complaint, hard_bounce]"
    assert parse(with_line(line), path=Path("c.yaml")).specification.stop_on == line[10:-1].split(", ")
    assert problems(with_line("stop_on: [open]"))


def test_the_canonical_form_knows_no_defaults_no_aliases_and_no_contacts() -> None:
    plain = parse(with_line("batch: {size: 50}"), path=Path("c.yaml")).specification.canonical()
    alias = parse(with_line("batch_size: 50\ntracking: {opens: false}"), path=Path("c.yaml")).specification.canonical()
    assert plain == alias
    assert "anna@example.org" not in str(plain)
    assert plain["batch"] == {"size": 50}
    assert "schedule" not in plain


def test_the_canonical_form_reads_back_as_the_same_campaign() -> None:
    line = (
        "list: {id: news.example.com}\nheaders: {X-A: a}\nattachments: [{path: a.png, inline: a}]\nvariables: {n: 1.5}"
    )
    first = parse(with_line(line), path=Path("c.yaml")).specification
    again = read(first.canonical())
    assert again.canonical() == first.canonical()
    assert again.list_id == "news.example.com"


def test_references_stay_unresolved_in_the_canonical_form_and_resolve_when_read(tmp_path: Path) -> None:
    text = CAMPAIGN + '  - {type: csv, path: "${env:PEOPLE}.csv"}\n'
    campaign = parse(text, path=Path("c.yaml"), environ={"PEOPLE": "secret-place"})
    assert "secret-place" not in str(campaign.specification.canonical())
    assert campaign.file("${env:PEOPLE}.csv") == Path("secret-place.csv")
    (tmp_path / "place").write_text("people\n")
    assert resolve("${file:place}.csv", environ={}, folder=tmp_path, where="c.yaml") == "people.csv"
    with pytest.raises(CheckFailed, match=r"c.yaml: \$\{file:gone\} cannot be read"):
        resolve("${file:gone}", environ={}, folder=tmp_path, where="c.yaml")
    with pytest.raises(CheckFailed, match="environment variable OTHER is not set"):
        campaign.resolve("${env:OTHER}")


@pytest.mark.parametrize("text", ["a: [", "- a\n- b", "a: 1\na: 2", "5"])
def test_broken_yaml_is_a_failed_check(text: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        parse(text, path=Path("c.yaml"))
    assert caught.value.exit_code == ExitCode.CHECK_FAILED
    assert "c.yaml" in str(caught.value)


def test_a_missing_file_is_a_failed_check(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="No such file"):
        load(tmp_path / "no.yaml")


def test_every_shipped_campaign_is_sound() -> None:
    files = [path for path in (REPOSITORY / "templates").rglob("*.yaml") if "campaign" in load_yaml(path).value]
    for file in files:
        assert load(file).id


def test_the_reference_page_shows_files_that_load() -> None:
    page = (REPOSITORY / "docs" / "reference" / "campaign-yaml.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert parse(block, path=Path("c.yaml")).id == "spring-2026"


def test_guards_stand_over_a_campaign_that_asks_for_none() -> None:
    limits = parse(CAMPAIGN, path=Path("c.yaml")).specification.guards.limits
    assert limits.shares == {Guard.BOUNCE: 0.05, Guard.COMPLAINT: 0.003}
    assert (limits.min_sample, limits.pauses, limits.first) == (200, True, None)


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("guards: {bounce: 500%}", "guards.bounce"),
        ("guards: {window: 5s}", "guards.window"),
        ("guards: {window: 2d}", "guards.window"),
        ("guards: {canary: 0}", "guards.canary"),
        ("guards: {canary: 0%}", "guards.canary"),
        ("guards: {canary: yes}", "guards.canary"),
        ("guards: {action: cancel}", "guards.action"),
        ("notify: {when: [finished], to: [ops@example.com]}", "notify.when"),
        ("notify: {when: [completed], to: [nobody]}", "notify.to"),
        ("notify: {when: [completed], to: []}", "notify.to"),
    ],
)
def test_guards_and_notices_are_checked(line: str, finding: str) -> None:
    (found,) = problems(with_line(line))
    assert finding in found


@pytest.mark.parametrize("canary", ["5%", "0.05", "500"])
def test_a_canary_is_read_back_as_it_was_written(canary: str) -> None:
    first = parse(
        with_line(f"guards: {{canary: {canary}, complaint: null, deferral: 50%, window: 2h}}"), path=Path("c.yaml")
    ).specification
    again = read(first.canonical())
    assert again.guards == first.guards
    assert again.guards.limits.first == (500 if canary == "500" else 0.05)
