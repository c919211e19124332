"""Stored lists on the command line."""

import csv
import json
from pathlib import Path

from tests.cli.conftest import CommandLine


def test_a_file_becomes_a_list_and_a_list_a_campaign(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("E-mail;Given;Since\nAnn@Open.example;Ann ;2020\nnobody;Bob;\nann@open.example;Anna;2021\n")

    done = cli("list", "import", "news", file, "--map", "first_name=Given", "--json")
    assert done.summary == {"list": "news", "rows": 3, "added": 1, "updated": 1, "rejected": 1}
    with (tmp_path / "people.csv.rejects.csv").open(newline="") as stream:
        assert [(row["line"], row["stage"]) for row in csv.DictReader(stream)] == [("3", "clean")]

    anna = {"email": "ann@open.example", "first_name": "Anna", "since": "2021"}
    shown = cli("list", "show", "news", "ann@open.example").out
    assert json.loads(shown) == anna
    again = tmp_path / "again.jsonl"
    again.write_text(shown + json.dumps({"email": "bob@open.example"}))
    assert cli("list", "import", "news", again, "--json").summary["added"] == 1
    assert "news  2 contacts" in cli("list", "ls").out

    campaign = tmp_path / "mail.yaml"
    (tmp_path / "mail.html.j2").write_text("<p>Hello {{ first_name }}</p><a href='{{ unsubscribe_url }}'>no more</a>")
    campaign.write_text(
        "campaign: {id: to-news}\nfrom: {email: news@lantern.example}\nsubject: Hello\ntemplate: {html: mail.html.j2}\n"
        "contacts: [{type: list, name: news}]\n"
    )
    assert cli("enqueue", campaign, "--dry-run", "--json").summary["accepted"] == 2


def test_a_contact_or_a_whole_list_is_removed(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\nann@open.example\nbob@open.example\n")
    cli("list", "import", "news", file)
    assert cli("list", "rm", "news", "Ann@open.example", "--json").summary == {"list": "news", "removed": 1}
    assert cli("list", "rm", "news", "ann@open.example").code == 6
    assert cli("list", "show", "news", "ann@open.example").code == 6
    assert cli("list", "rm", "news", "--yes", "--json").summary == {"list": "news", "removed": 1}
    assert cli("list", "show", "news").code == 6
    assert cli("list", "ls", "--json").summary == {"lists": 0}


def test_a_file_without_contacts_and_a_name_that_is_none_are_refused(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\nnobody\n")
    assert cli("list", "import", "news", file).code == 4
    assert cli("list", "import", "News!", file).code == 2
    assert cli("list", "import", "news", file, "--map", "email").code == 2
    assert cli("list", "import", "news", tmp_path / "none.csv").code == 3
