"""`queue hold`, `release`, `flush` and `bounce` with the daemon down."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CommandLine


@pytest.fixture
def loaded(cli: CommandLine, campaign_file: Path) -> CommandLine:
    """The welcome campaign waits: ten deliveries, two of them to strict.example."""
    cli("enqueue", campaign_file)
    return cli


def counts(cli: CommandLine) -> dict[str, int]:
    found = cli("status", "welcome", "--json").summary["counts"]
    return {state: count for state, count in found.items() if count}


def why(cli: CommandLine, person: str) -> dict[str, Any]:
    return cli("why", person, "--json").records[0]


def test_held_mail_stays_until_it_is_released(loaded: CommandLine) -> None:
    held = loaded("queue", "hold", "--domain", "strict.example", "--reason", "look first", "--json").summary
    assert held == {"verb": "hold", "count": 2, "in_hand": 0, "waits": {}}
    assert counts(loaded) == {"pending": 8, "held": 2}
    (lane, _) = loaded("queue", "ls", "--state", "held", "--json").records
    assert (lane["domain"], lane["counts"], lane["why"]) == ("strict.example", {"held": 2}, "held by the operator")
    assert loaded("queue", "release", "--all").out == "2 deliveries released\n"
    assert counts(loaded) == {"pending": 10}


def test_a_dry_run_only_counts(loaded: CommandLine) -> None:
    assert loaded("queue", "bounce", "--campaign", "welcome", "--dry-run").out == "10 deliveries to bounce\n"
    assert loaded("queue", "hold", "--all", "--dry-run", "--json").summary["count"] == 10
    assert counts(loaded) == {"pending": 10}


@pytest.mark.parametrize("verb", ["bounce", "hold"])
def test_what_is_grave_needs_a_yes(loaded: CommandLine, verb: str) -> None:
    refused = loaded("queue", verb, "--all")
    assert refused.code == 2
    assert f"nobody is there to answer: {verb.capitalize()} 10 deliveries?" in refused.err
    assert counts(loaded) == {"pending": 10}
    assert loaded("queue", verb, "--all", "--yes", "--json").summary["count"] == 10


def test_bounced_mail_has_failed_with_the_words_of_the_operator(loaded: CommandLine) -> None:
    known = why(loaded, "gone@strict.example")
    done = loaded("queue", "bounce", known["delivery_id"], "--reason", "sent by mistake", "--yes")
    assert done.out == "1 delivery bounced\n"
    ended = why(loaded, "gone@strict.example")
    assert (ended["state"], ended["reason"]) == ("failed", "rejected")
    assert ended["events"][-1]["data"]["reply"] == "sent by mistake"
    assert loaded("retry", "welcome", "--json").summary["retried"] == 1, "and may be tried again"


def test_flushing_tells_what_still_holds_the_mail(loaded: CommandLine) -> None:
    assert loaded("queue", "flush", "--all").out == "0 deliveries due now\n", "they are due"


@pytest.mark.parametrize("what", [[], ["--all", "--domain", "a.example"], ["nonsense"], ["--domain", "not a domain"]])
def test_a_selection_says_something_that_can_be_meant(cli: CommandLine, what: list[str]) -> None:
    assert cli("queue", "hold", *what).code == 2


def test_the_answer_is_one_object(loaded: CommandLine) -> None:
    assert json.loads(loaded("queue", "release", "--all", "--json").out)["count"] == 0
