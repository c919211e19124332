"""`queue suspend`, `unsuspend` and `ls` with the daemon down: all is written to the database."""

from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine


@pytest.fixture
def loaded(cli: CommandLine, campaign_file: Path) -> CommandLine:
    """The welcome campaign waits; no daemon runs."""
    cli("enqueue", campaign_file)
    return cli


def why(cli: CommandLine, domain: str = "open.example") -> str:
    (lane, _) = cli("queue", "ls", "--domain", domain, "--json").records
    return str(lane["why"])


def test_lanes_are_listed_with_names_counts_and_why_they_wait(loaded: CommandLine) -> None:
    *lanes, summary = loaded("queue", "ls", "--json").records
    assert summary == {"lanes": len(lanes), "deliveries": 10}
    assert {lane["owner"] for lane in lanes} == {"welcome"}
    (lane,) = [one for one in lanes if one["domain"] == "open.example"]
    assert lane["why"] == "due, takes its turn"
    assert lane["oldest"] == lane["next_due"]
    table = loaded("queue", "ls").out.splitlines()
    assert table[0].split("  ")[0] == "whose"
    assert len(table) == len(lanes) + 1


def test_a_paused_campaign_is_why(loaded: CommandLine) -> None:
    loaded("pause", "welcome")
    assert why(loaded) == "its campaign is paused, or has not begun"


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (["open.example"], "domain open.example"),
        (["--campaign", "welcome"], "campaign welcome"),
        (["--all"], "all mail"),
    ],
    ids=["domain", "campaign", "all"],
)
def test_a_suspension_is_why_with_its_reason_and_end_until_it_is_lifted(
    loaded: CommandLine, what: list[str], told: str
) -> None:
    suspended = loaded("queue", "suspend", *what, "--for", "2h", "--reason", "they asked us to", "--json").summary
    assert why(loaded) == f"{told} suspended until {suspended['until']}: they asked us to"
    status = loaded("status", "--json").summary
    assert status["suspended"] == [suspended]
    assert f"suspended: {told} until {suspended['until']}: they asked us to" in loaded("status").out
    assert f"{told} until {suspended['until']}" in loaded("queue", "explain", "open.example").out
    assert loaded("queue", "unsuspend", *what).code == 0
    assert why(loaded) == "due, takes its turn"
    assert loaded("queue", "unsuspend", *what).code == 6


def test_without_an_end_it_lasts_until_it_is_lifted(loaded: CommandLine) -> None:
    assert loaded("queue", "suspend", "OPEN.example").out == "domain open.example: suspended until it is lifted\n"
    assert why(loaded) == "domain open.example suspended until it is lifted: suspended by the operator"
    assert why(loaded, "strict.example") == "due, takes its turn"


def test_a_user_may_be_suspended_before_anything_was_submitted(cli: CommandLine) -> None:
    assert cli("queue", "suspend", "--user", "shop", "--json").summary["user"] == "shop"


@pytest.mark.parametrize("what", [[], ["open.example", "--all"], ["--user", "a", "--campaign", "b"]], ids=str)
def test_exactly_one_thing_is_suspended(cli: CommandLine, what: list[str]) -> None:
    assert cli("queue", "suspend", *what).code == 2


def test_an_unknown_campaign_is_not_suspended(cli: CommandLine) -> None:
    assert cli("queue", "suspend", "--campaign", "nonesuch").code == 6
