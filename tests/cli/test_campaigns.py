"""A campaign on the command line, from check to cancel; no daemon runs."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.support.program import LIMIT_S
from tierii_mta.queue.delivery import State

PROGRAM = [sys.executable, "-m", "tierii_mta.cli.main"]
STATES = [str(state) for state in State]


def test_check_names_file_line_and_key(cli: CommandLine, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text().replace("subject:", "subjet:"))

    outcome = cli("check", campaign_file)

    assert outcome.code == 3
    assert f"{campaign_file}:" in outcome.err
    assert "subjet" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_missing_file_is_exit_3(cli: CommandLine) -> None:
    outcome = cli("check", "nowhere.yaml")

    assert outcome.code == 3
    assert "nowhere.yaml: cannot be read" in outcome.err


def test_preview_prints_what_a_contact_would_read(cli: CommandLine, campaign_file: Path) -> None:
    text = cli("preview", campaign_file, "--contact", "bo@open.example").out

    assert "Subject: Bo, welcome to Lantern Books" in text
    assert "leaves our shelves this week for Åre" in text


def test_preview_prints_the_raw_message(cli: CommandLine, campaign_file: Path) -> None:
    raw = cli("preview", campaign_file, "--raw").out

    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw
    assert "To: Ann Abel <ann@open.example>" in raw


def test_preview_of_a_stranger_is_exit_6(cli: CommandLine, campaign_file: Path) -> None:
    assert cli("preview", campaign_file, "--contact", "stranger@open.example").code == 6


def test_enqueue_sums_up_every_row(cli: CommandLine, campaign_file: Path) -> None:
    summary = cli("enqueue", campaign_file, "--json").summary

    elapsed = summary.pop("elapsed_s")
    assert elapsed >= 0
    stages = {each["stage"]: each for each in summary.pop("stages")}
    assert (stages["clean"]["rows"], stages["dedupe"]["left_out"], stages["enqueue"]["rows"]) == (11, 1, 10)
    assert summary == {
        "campaign": "welcome",
        "rows": 11,
        "accepted": 10,
        "rejected": 0,
        "duplicates": 1,
        "suppressed": 0,
        "excluded": 0,
        "unsegmented": 0,
    }


def test_enqueue_again_adds_nobody_nor_does_a_campaign_that_spares_who_awaits_mail(
    cli: CommandLine, campaign_file: Path
) -> None:
    cli("enqueue", campaign_file)

    again = cli("enqueue", campaign_file, "--json")

    assert again.code == 0
    assert (again.summary["accepted"], again.summary["duplicates"]) == (0, 11)

    text = campaign_file.read_text().replace("id: welcome", "id: second")
    text = text.replace("exclude: {", "exclude: {campaigns_within: 3d, ")
    campaign_file.write_text(text + "segment: email is not blank\n")
    second = cli("enqueue", campaign_file)
    assert second.code == 3
    assert "every contact is excluded or out of the segment" in second.err
    left_out = (campaign_file.parent / "second.left-out.csv").read_text()
    assert left_out.count("mail of the campaign welcome waits for them") == 10


def test_enqueue_of_other_content_is_a_conflict(cli: CommandLine, campaign_file: Path) -> None:
    cli("enqueue", campaign_file)
    campaign_file.write_text(campaign_file.read_text().replace("discount: 15", "discount: 20"))

    assert cli("enqueue", campaign_file).code == 7


def test_enqueue_of_a_part_goes_on_with_the_rest(cli: CommandLine, campaign_file: Path) -> None:
    assert cli("enqueue", campaign_file, "--limit", "3", "--json").summary["accepted"] == 3
    assert cli("enqueue", campaign_file, "--only", "hana@strict.example", "--json").summary["accepted"] == 1
    assert cli("enqueue", campaign_file, "--json").summary["accepted"] == 6


def test_a_dry_run_accepts_nothing(cli: CommandLine, campaign_file: Path) -> None:
    outcome = cli("enqueue", campaign_file, "--dry-run")

    assert outcome.code == 0
    assert "10 would be accepted" in outcome.out
    assert cli("status", "welcome").code == 6


def test_a_sender_that_is_not_ours_is_refused(cli: CommandLine, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text().replace("hello@lantern.example", "hello@other.example"))

    outcome = cli("enqueue", campaign_file)

    assert outcome.code == 5
    assert "other.example" in outcome.err


def test_a_campaign_with_a_start_is_scheduled(cli: CommandLine, campaign_file: Path) -> None:
    assert cli("enqueue", campaign_file, "--at", "tomorrow").code == 2
    assert cli("enqueue", campaign_file, "--at", "2099-01-01T09:00").code == 0

    outcome = cli("status", "welcome", "--json")

    assert outcome.summary["state"] == "scheduled"
    assert outcome.summary["calendar"] == {
        "starts_at": "2099-01-01T09:00:00.000Z",
        "is_open": False,
        "next_opening": "2099-01-01T09:00:00.000Z",
        "finishes_at": "2099-01-01T09:00:00.000Z",
        "because": "nothing holds it up",
    }


def test_rejected_rows_are_told_and_kept_in_a_file(cli: CommandLine, campaign_file: Path) -> None:
    with (campaign_file.parent / "people.csv").open("a") as people:
        people.write("not an address,No,One,Nowhere\n")

    outcome = cli("enqueue", campaign_file, "--json")

    assert outcome.summary["rejected"] == 1
    assert str(campaign_file.parent / "welcome.rejects.csv") in outcome.err


def test_status_has_exactly_the_names_of_the_contract(cli: CommandLine, campaign_file: Path) -> None:
    cli("enqueue", campaign_file)

    summary = cli("status", "welcome", "--json").summary

    assert list(summary) == ["campaign", "state", "counts", "marks", "metrics", "calendar"]
    assert summary["calendar"]["is_open"] is True
    assert list(summary["counts"]) == STATES
    assert sum(summary["counts"].values()) == 10
    assert set(summary["marks"]) == {
        "in_doubt", "late_bounce", "opened", "clicked", "replied", "unsubscribed", "complained",
    }  # fmt: skip
    assert {
        "total_emails", "successful_sends", "failed_sends", "opens", "clicks", "bounces", "delivery_rate", "open_rate",
        "click_rate", "bounce_rate", "average_send_time", "campaign_duration",
    } <= set(summary["metrics"])  # fmt: skip
    assert summary["metrics"]["total_emails"] == 10


def test_status_of_everything_works_without_a_daemon(cli: CommandLine, campaign_file: Path) -> None:
    cli("enqueue", campaign_file)

    outcome = cli("status", "--json")

    assert outcome.code == 0
    assert outcome.summary["daemon"] == "down"
    assert outcome.summary["queue"] == {"pending": {"normal": 10}}
    assert outcome.summary["campaigns"] == [{"campaign": "welcome", "state": "running"}]


def test_a_campaign_pauses_goes_on_and_is_cancelled(cli: CommandLine, campaign_file: Path) -> None:
    cli("enqueue", campaign_file)

    assert cli("pause", "welcome", "--reason", "wrong picture").out == "welcome: paused\n"
    assert "  because       wrong picture\n" in cli("status", "welcome").out
    assert cli("pause", "welcome").code == 7
    assert cli("resume", "welcome", "--json").summary["state"] == "running"
    assert cli("retry", "welcome", "--json").summary == {"campaign": "welcome", "retried": 0, "suppressed": 0}
    assert cli("cancel", "welcome").code == 2  # nobody is there to answer
    assert cli("cancel", "welcome", "--yes", "--json").summary["state"] == "draining"


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "status", "watch"])
def test_an_unknown_campaign_is_exit_6(cli: CommandLine, verb: str) -> None:
    outcome = cli(verb, "unheard-of")

    assert outcome.code == 6
    assert "unheard-of: there is no such campaign" in outcome.err


def test_why_tells_of_mail_that_waits(cli: CommandLine, campaign_file: Path) -> None:
    cli("enqueue", campaign_file)

    outcome = cli("why", "eve@patience.example", "--json")

    delivery, summary = outcome.records
    assert (delivery["campaign_id"], delivery["state"], delivery["attempts"]) == ("welcome", "pending", 0)
    assert summary == {"subject": "eve@patience.example", "deliveries": 1, "suppressions": []}


def test_events_tell_of_the_campaign_in_order(cli: CommandLine, campaign_file: Path) -> None:
    cli("enqueue", campaign_file)
    cli("pause", "welcome")

    outcome = cli("events", "--json")

    types = [record["type"] for record in outcome.records[:-1]]
    assert types == ["campaign.created", "campaign.started", "campaign.paused"]
    assert outcome.summary == {"events": 3, "last_seq": outcome.records[-2]["seq"]}


def test_events_of_one_type(cli: CommandLine, campaign_file: Path) -> None:
    cli("enqueue", campaign_file)

    assert cli("events", "--type", "campaign.started", "--json").summary["events"] == 1
    misspelt = cli("events", "--type", "campain.started")
    assert misspelt.code == 2
    assert "did you mean campaign.started?" in misspelt.err


def test_events_behind_a_cursor_and_of_late(cli: CommandLine, campaign_file: Path) -> None:
    cli("enqueue", campaign_file)
    first = json.loads(cli("events", "--json").out.splitlines()[0])

    assert cli("events", "--after", str(first["seq"]), "--json").summary["events"] == 1
    assert cli("events", "--since", "1h", "--json").summary["events"] == 2
    assert cli("events", "--since", "yesterday").code == 2


def test_following_the_log_shows_what_happens_until_it_is_interrupted(
    cli: CommandLine, campaign_file: Path, settings_file: Path
) -> None:
    cli("enqueue", campaign_file)
    following = subprocess.Popen(
        [*PROGRAM, "events", "--follow", "--after", "0", "--json", "--config", str(settings_file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    old = [json.loads(following.stdout.readline())["type"] for _ in range(2)]
    cli("pause", "welcome")
    new = json.loads(following.stdout.readline())
    following.send_signal(signal.SIGINT)
    rest, err = following.communicate(timeout=LIMIT_S)

    assert old == ["campaign.created", "campaign.started"]
    assert new["type"] == "campaign.paused"
    assert json.loads(rest) == {"events": 3, "last_seq": new["seq"]}
    assert following.returncode == 130
    assert "Traceback" not in err


def test_preview_of_a_template_that_does_not_render_is_exit_3_with_file_and_line(
    cli: CommandLine, campaign_file: Path
) -> None:
    (campaign_file.parent / "welcome.html.j2").write_text("<p>\n{{ 1 / (city|length - 3) }}</p>")

    outcome = cli("preview", campaign_file, "--contact", "bo@open.example", "--json")

    assert outcome.code == 3
    assert "does not render: " in outcome.summary["what"]
    assert "welcome.html.j2:2: division by zero" in outcome.summary["what"]
    assert "people.csv:3" in outcome.summary["remedy"]
    assert "unexpected" not in outcome.err


def test_preview_says_that_a_foreign_domain_will_be_refused(cli: CommandLine, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text().replace("hello@lantern.example", "hello@other.example"))

    outcome = cli("preview", campaign_file)

    assert outcome.code == 0
    assert "note: enqueue will refuse it: other.example is not a domain we send as" in outcome.err


def test_marketing_mail_without_an_address_for_its_links_is_exit_78(
    cli: CommandLine, campaign_file: Path, settings_file: Path
) -> None:
    settings_file.write_text(settings_file.read_text().replace(', public_url: "https://mail.lantern.example"', ""))

    outcome = cli("check", campaign_file)

    assert outcome.code == 78
    assert "web.public_url: is not set, so no unsubscribe link can be made" in outcome.err


def test_a_file_of_another_kind_is_refused_in_a_screenful(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("".join(f"key-{number}: 1\n" for number in range(100)))

    outcome = cli("check", tmp_path / "other.yaml")

    assert outcome.code == 3
    assert len(outcome.err.splitlines()) == 31
    assert outcome.err.endswith("and 75 more\n")
    assert max(map(len, outcome.err.splitlines())) < 300


def test_broken_yaml_is_answered_with_place_and_remedy(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("campaign:\n\tid: x\n")

    outcome = cli("check", tmp_path / "broken.yaml")

    assert outcome.code == 3
    assert "broken.yaml:2:1: is not valid YAML" in outcome.err
    assert "indent with spaces" in outcome.err


def test_one_is_not_called_many(cli: CommandLine, campaign_file: Path) -> None:
    assert cli("enqueue", campaign_file, "--only", "bo@open.example").out.startswith("welcome: 1 row: 1 accepted;")
    assert "11 rows: 9 accepted, 2 duplicates;" in cli("enqueue", campaign_file).out
