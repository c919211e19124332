"""Accounts on the command line."""

import io
from typing import Any

import click
import pytest
from argon2 import PasswordHasher

from tests.cli.conftest import CommandLine

PASSWORD = "correct horse battery"


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\nmore\n"))


def listed(cli: CommandLine, name: str) -> dict[str, Any]:
    return next(one for one in cli("user", "ls", "--json").records if one.get("user") == name)


def test_an_account_is_made_with_a_password_that_is_shown_once(cli: CommandLine) -> None:
    outcome = cli("user", "add", "shop", "--sender", "@lantern.example")
    assert outcome.code == 0
    password = outcome.out.strip().rpartition(" ")[2]
    assert len(password) == 20
    assert listed(cli, "shop") == {
        "user": "shop",
        "role": "submit",
        "is_enabled": True,
        "senders": ["@lantern.example"],
        "max_priority": "high",
        "return_path": "keep",
        "messages_per_day": 1000,
        "recipients_per_day": None,
        "newcomers_per_day": 200,
        "created_at": listed(cli, "shop")["created_at"],
        "changed_at": listed(cli, "shop")["created_at"],
        "today": {"messages": 0, "recipients": 0, "newcomers": 0},
    }
    assert password not in cli("user", "ls").out


@pytest.mark.usefixtures("stdin")
def test_a_password_from_stdin_is_the_first_line_and_shown_nowhere(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    original = PasswordHasher.hash

    def noting(self: PasswordHasher, text: str) -> str:
        hashed.append(text)
        return original(self, text)

    monkeypatch.setattr(PasswordHasher, "hash", noting)
    outcome = cli("user", "add", "shop", "--sender", "@lantern.example", "--password-stdin", "--json")
    assert outcome.code == 0
    assert hashed == [PASSWORD]
    assert "password" not in outcome.summary
    assert PASSWORD not in outcome.out + outcome.err


def test_on_a_terminal_the_password_is_asked_for_twice_without_echo(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def prompt(text: str, **how: Any) -> str:
        asked.append({"text": text, **how})
        return PASSWORD

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", prompt)
    outcome = cli("user", "add", "shop", "--sender", "@lantern.example")
    assert outcome.code == 0
    assert PASSWORD not in outcome.out + outcome.err
    assert asked == [{"text": "Password", "hide_input": True, "confirmation_prompt": True, "err": True}]


@pytest.mark.parametrize("password", ["", "short", "a\tb\tc\td\te", "x" * 1025])
def test_a_password_that_is_too_short_too_long_or_unprintable_is_misuse(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    outcome = cli("user", "add", "shop", "--sender", "@lantern.example", "--password-stdin")
    assert outcome.code == 2
    assert cli("user", "ls", "--json").summary == {"users": 0}


def test_without_a_sender_the_command_says_what_to_write(cli: CommandLine) -> None:
    outcome = cli("user", "add", "shop")
    assert outcome.code == 2
    assert "for everything: --sender @lantern.example" in outcome.err


def test_an_admin_needs_no_sender(cli: CommandLine) -> None:
    assert cli("user", "add", "root", "--role", "admin").code == 0
    assert listed(cli, "root")["role"] == "admin"


def test_a_sender_of_a_domain_that_is_not_ours_is_refused(cli: CommandLine) -> None:
    outcome = cli("user", "add", "shop", "--sender", "ann@elsewhere.example")
    assert outcome.code == 5
    assert "elsewhere.example is not a domain we send as" in outcome.err


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(("Shop", ()), ("a b", ()), ("", ()), ("shop", ("--sender", "lantern.example"))),
        ("shop", ("--messages-per-day", "-1")),
        ("shop", ("--newcomers-per-day", "many")),
        ("shop", ("--max-priority", "urgent")),
    ],
)
def test_malformed_names_and_options_are_misuse(cli: CommandLine, name: str, options: tuple[str, ...]) -> None:
    assert cli("user", "add", "--sender", "@lantern.example", *options, "--", name).code == 2


def test_the_same_name_twice_is_a_conflict(cli: CommandLine) -> None:
    assert cli("user", "add", "shop", "--sender", "@lantern.example").code == 0
    assert cli("user", "add", "shop", "--sender", "@lantern.example").code == 7


def test_rights_are_changed_one_by_one(cli: CommandLine) -> None:
    cli("user", "add", "shop", "--sender", "@lantern.example", "--messages-per-day", "5", "--max-priority", "normal")
    before = listed(cli, "shop")
    options = ("--messages-per-day", "none", "--recipients-per-day", "7", "--return-path", "verp", "--disable")
    assert cli("user", "set", "shop", *options).code == 0
    after = listed(cli, "shop")
    changed = {key for key in before if before[key] != after[key]} - {"changed_at"}
    assert changed == {"messages_per_day", "recipients_per_day", "return_path", "is_enabled"}
    assert (after["messages_per_day"], after["recipients_per_day"]) == (None, 7)
    assert "disabled" in cli("user", "ls").out
    assert cli("user", "set", "shop", "--enable", "--sender", "ann@lantern.example").code == 0
    assert (listed(cli, "shop")["is_enabled"], listed(cli, "shop")["senders"]) == (True, ["ann@lantern.example"])


@pytest.mark.usefixtures("stdin")
def test_a_password_is_changed(cli: CommandLine) -> None:
    first = cli("user", "add", "shop", "--sender", "@lantern.example", "--json").summary["password"]
    second = cli("user", "passwd", "shop", "--json").summary["password"]
    assert first != second
    assert cli("user", "passwd", "shop", "--password-stdin").code == 0


def test_an_account_is_removed(cli: CommandLine) -> None:
    cli("user", "add", "shop", "--sender", "@lantern.example")
    assert cli("user", "rm", "shop").code == 0
    assert "no accounts yet" in cli("user", "ls").out
    for verb in ("rm", "passwd", "set"):
        assert cli("user", verb, "shop").code == 6
