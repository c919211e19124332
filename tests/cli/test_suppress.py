"""The suppression list on the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine


def test_a_person_is_suppressed_and_allowed_again(cli: CommandLine) -> None:
    assert cli("suppress", "add", "Ann@Open.example", "--note", "asked by phone").code == 0
    shown = cli("why", "ann@open.example").out
    assert "suppressed: all since" in shown
    assert "manual: asked by phone" in shown

    assert cli("suppress", "rm", "ann@open.example", "--json").summary == {"removed": 1}
    assert cli("why", "ann@open.example").code == 6


def test_undoing_says_who_did_it_and_why(cli: CommandLine) -> None:
    cli("suppress", "add", "ann@open.example", "--sender", "Acme.example", "--reason", "complaint", "--note", "by hand")
    cli("suppress", "add", "ann@open.example")

    undone = cli("suppress", "rm", "ann@open.example", "--reason", "complaint", "--note", "it was a slip", "--json")

    assert undone.summary == {"removed": 1}
    (event,) = [
        json.loads(line) for line in cli("events", "--type", "suppression.deleted", "--json").out.splitlines()[:-1]
    ]
    assert event["data"].pop("by").startswith("operator ")
    assert event["data"] == {"scope": "sender:acme.example", "reason": "complaint", "why": "it was a slip"}
    assert cli("suppress", "ls", "ann@open.example", "--json").summary == {"entries": 1}
    assert cli("suppress", "ls", "ann@open.example", "--reason", "complaint", "--json").summary == {"entries": 0}


def test_two_scopes_at_once_are_misuse(cli: CommandLine) -> None:
    assert cli("suppress", "add", "ann@open.example", "--list", "a", "--sender", "b.example").code == 2
    assert "is no domain" in cli("suppress", "add", "ann@open.example", "--sender", "not one").err


def test_an_import_lets_nobody_out(cli: CommandLine, tmp_path: Path) -> None:
    cli("suppress", "add", "ann@open.example", "--note", "for good")
    before = cli("suppress", "ls", "--json").out
    (tmp_path / "list.csv").write_text("email;expires_at;evidence\nann@open.example;2020-01-01T00:00:00Z;old export\n")

    assert cli("suppress", "import", tmp_path / "list.csv", "--json").summary == {"entries": 1, "added": 0}
    assert cli("suppress", "ls", "--json").out == before


def test_a_list_of_thousands_goes_out_and_comes_back(cli: CommandLine, tmp_path: Path) -> None:
    people = [f"person{number}@open.example" for number in range(2_500)]
    (tmp_path / "list.csv").write_text(
        "".join(f"{person},list:news.example\n" for person in ("address", *people)).replace(
            "address,list:news.example", "address,scope"
        )
    )

    assert cli("suppress", "import", tmp_path / "list.csv", "--json").summary == {"entries": 2_500, "added": 2_500}
    assert cli("suppress", "export", tmp_path / "out.csv", "--json").summary["entries"] == 2_500
    assert cli("suppress", "import", tmp_path / "out.csv", "--json").summary == {"entries": 2_500, "added": 0}


def test_allowing_somebody_who_is_not_suppressed_is_exit_6(cli: CommandLine) -> None:
    assert cli("suppress", "rm", "ann@open.example").code == 6


def test_a_list_and_a_time_limit_are_kept(cli: CommandLine) -> None:
    entry = cli("suppress", "add", "ann@open.example", "--list", "news.example", "--for", "90d", "--json").summary[
        "entry"
    ]

    assert entry["scope"] == "list:news.example"
    assert entry["expires_at"] > entry["created_at"]


def test_suppressed_persons_are_not_accepted(cli: CommandLine, campaign_file: Path) -> None:
    cli("suppress", "add", "bo@open.example")

    assert cli("enqueue", campaign_file, "--json").summary["suppressed"] == 1


@pytest.mark.parametrize("email", ["ann", "ann@", "a nn@open.example", "ann@open..example"])
def test_a_malformed_address_is_misuse(cli: CommandLine, email: str) -> None:
    outcome = cli("suppress", "add", email)

    assert outcome.code == 2
    assert email in outcome.err


def test_what_is_exported_can_be_imported(cli: CommandLine, tmp_path: Path) -> None:
    cli("suppress", "add", "ann@open.example", "--note", 'a, "quoted" note')
    cli("suppress", "add", "bo@open.example", "--list", "news.example", "--reason", "unsubscribe", "--for", "30d")
    before = cli("suppress", "ls", "--json").out
    assert cli("suppress", "export", tmp_path / "list.csv").code == 0
    for email in ("ann@open.example", "bo@open.example"):
        cli("suppress", "rm", email)

    outcome = cli("suppress", "import", tmp_path / "list.csv", "--json")

    assert outcome.summary == {"entries": 2, "added": 2}
    assert cli("suppress", "ls", "--json").out == before


def test_export_goes_to_stdout_without_a_file(cli: CommandLine) -> None:
    cli("suppress", "add", "ann@open.example")

    heading, row = cli("suppress", "export").out.splitlines()

    assert heading == "address,key,scope,reason,evidence,created_at,expires_at"
    assert row.startswith("ann@open.example,")


def test_plain_lists_of_addresses_are_imported(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("ann@open.example\n\nbo@open.example\n")

    assert cli("suppress", "import", tmp_path / "list.txt", "--reason", "complaint", "--json").summary["added"] == 2
    assert "complaint: list.txt" in cli("why", "bo@open.example").out


def test_columns_are_found_by_their_heading(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("name,Email\nAnn,ann@open.example\n")

    assert cli("suppress", "import", tmp_path / "list.csv", "--json").summary["added"] == 1


def test_one_wrong_line_and_nothing_is_added(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "address,scope\nann@open.example,all\nbo at open.example,\nc@open.example,nowhere\n"
    )

    outcome = cli("suppress", "import", tmp_path / "list.csv")

    assert outcome.code == 3
    assert "list.csv:3: bo at open.example" in outcome.err
    assert "list.csv:4: 'nowhere' is no scope" in outcome.err
    assert cli("suppress", "ls", "--json").summary == {"entries": 0}


def test_a_missing_file_is_exit_3(cli: CommandLine) -> None:
    assert cli("suppress", "import", "nowhere.csv").code == 3


@pytest.mark.parametrize("verb", [("add", "ann@open.example"), ("rm", "ann@open.example"), ("import", "list.txt")])
@pytest.mark.parametrize("list_id", ["", "two\nlines", "all mail"])
def test_a_list_that_cannot_be_one_is_exit_2(
    cli: CommandLine, tmp_path: Path, verb: tuple[str, str], list_id: str
) -> None:
    (tmp_path / "list.txt").write_text("ann@open.example\n")

    outcome = cli("suppress", *verb, "--list", list_id)

    assert outcome.code == 2
    assert "is no list id" in outcome.err
    assert cli("suppress", "ls", "--json").summary == {"entries": 0}


def test_a_note_of_two_lines_survives_export_and_import(cli: CommandLine, tmp_path: Path) -> None:
    cli("suppress", "add", "ann@open.example", "--note", "asked\nby telephone")
    before = cli("suppress", "ls", "--json").out
    cli("suppress", "export", tmp_path / "list.csv")
    cli("suppress", "rm", "ann@open.example")

    assert cli("suppress", "import", tmp_path / "list.csv", "--json").summary == {"entries": 1, "added": 1}
    assert cli("suppress", "ls", "--json").out == before


def test_an_import_says_in_words_what_each_wrong_cell_should_hold(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "address,key,reason,expires_at\na@open.example,,silly,\nb@open.example,,,yesterday\n,12,,\n,,,\n"
    )

    outcome = cli("suppress", "import", tmp_path / "list.csv")

    assert outcome.code == 3
    assert "3 of its lines cannot be used" in outcome.err
    assert "list.csv:2: 'silly' is no reason; write one of hard_bounce, complaint, unsubscribe, manual" in outcome.err
    assert "list.csv:3: 'yesterday' is no time" in outcome.err
    assert "list.csv:4: '12' is no key" in outcome.err


def test_an_import_that_is_not_utf_8_names_the_line(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"address\nann@open.example\nbj\xf6rk@open.example\n")

    outcome = cli("suppress", "import", tmp_path / "list.csv")

    assert outcome.code == 3
    assert "list.csv:3: is not UTF-8; save the file as UTF-8" in outcome.err


def test_an_export_that_cannot_be_written_is_exit_78(cli: CommandLine, tmp_path: Path) -> None:
    outcome = cli("suppress", "export", tmp_path / "nowhere" / "list.csv")

    assert outcome.code == 78
    assert "cannot be written: No such file or directory" in outcome.err
