"""The front door: options, exit codes, and sentences instead of tracebacks."""

import json
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import click
import pytest

from tests.cli.conftest import CommandLine
from tests.support.program import LIMIT_S
from tierii_mta.cli import main
from tierii_mta.cli.invocation import Command

PROGRAM = [sys.executable, "-m", "tierii_mta.cli.main"]


@click.command(cls=Command)
def broken() -> NoReturn:
    """Fail as no command should."""
    raise ZeroDivisionError("who divides by zero?")


def test_every_command_says_what_it_is_for(cli: CommandLine) -> None:
    outcome = cli("--help", config=None)

    assert outcome.code == 0
    for name in main.COMMANDS:
        assert f"\n  {name} " in outcome.out


def test_global_options_stand_before_or_after_the_command(cli: CommandLine) -> None:
    before, after = (
        cli("--json", "--set", "log.level=error", "config", "show"),
        cli("config", "show", "--set", "log.level=error", "--json"),
    )

    assert before.out == after.out
    assert {"key": "log.level", "value": "error", "origin": "--set log.level"} in before.records


def test_later_overrides_win_wherever_they_stand(cli: CommandLine) -> None:
    outcome = cli("--set", "log.level=error", "config", "--set", "log.level=warning", "show", "--json")

    assert "warning" in [record.get("value") for record in outcome.records]


def test_verbose_commands_log_more(cli: CommandLine) -> None:
    assert {"key": "log.level", "value": "debug", "origin": "--set log.level"} in cli(
        "config", "show", "-v", "--json"
    ).records


@pytest.mark.parametrize("arguments", [["nonsense"], ["why"], ["status", "--nonsense"], ["queue", "nonsense"]])
def test_misuse_is_exit_2_with_the_usage(cli: CommandLine, arguments: list[str]) -> None:
    outcome = cli(*arguments)

    assert outcome.code == 2
    assert "Usage: tierii-mta" in outcome.err
    assert not outcome.out


def test_wrong_settings_are_exit_78_and_name_file_line_and_key(cli: CommandLine, settings_file: Path) -> None:
    settings_file.write_text("hostname: a.example\nwebb: {}\n")

    outcome = cli("status")

    assert outcome.code == 78
    assert f"{settings_file}:2" in outcome.err
    assert "webb" in outcome.err
    assert "did you mean web?" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_failing_command_still_ends_with_a_summary_for_scripts(cli: CommandLine) -> None:
    outcome = cli("status", "nobody", "--json")

    assert outcome.code == 6
    assert outcome.summary["exit_code"] == 6
    assert outcome.summary["where"] == "nobody"
    assert outcome.summary["error"] in outcome.err


def test_an_unexpected_error_is_a_sentence(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "COMMANDS", {"broken": f"{__name__}:broken"})

    outcome = cli("broken")

    assert outcome.code == 1
    assert outcome.err == (
        "tierii-mta: unexpected ZeroDivisionError: who divides by zero?; run it again with -v -v for the traceback\n"
    )


def test_who_asks_twice_gets_the_traceback(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "COMMANDS", {"broken": f"{__name__}:broken"})

    outcome = cli("broken", "-v", "-v")

    assert outcome.code == 1
    assert "Traceback" in outcome.err


def test_the_version_is_told(cli: CommandLine) -> None:
    assert cli("--version", config=None).out.startswith("tierii-mta, version ")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen([*PROGRAM, "config", "show"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 128 + signal.SIGPIPE
    assert not err


def test_the_sink_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    personality = tmp_path / "sink.yaml"
    personality.write_text('rules: [{to: "gone@*", do: reject}]')
    process = subprocess.Popen(
        [*PROGRAM, "sink", "--json", "--listen", "127.0.0.1:0", "--personality", str(personality)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    host, _, port = json.loads(process.stdout.readline())["listening"].rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=60) as client:
        client.sendmail("a@x.example", ["gone@y.example", "b@y.example"], "Subject: hello\r\n\r\nhi\r\n")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT_S)

    refused, received, stats = map(json.loads, out.splitlines())
    assert (refused["event"], refused["recipient"], refused["reply"][:9]) == ("refused", "gone@y.example", "550 5.1.1")
    assert (received["event"], received["recipients"], received["subject"]) == ("received", ["b@y.example"], "hello")
    assert stats["stats"]["messages"] == 1
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_sink_whose_address_is_taken_says_so(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = cli("sink", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", config=None)

    assert outcome.code == 75
    assert "cannot listen" in outcome.err


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:x", "127.0.0.1:99999", ":25"])
def test_a_listening_address_is_host_and_port(cli: CommandLine, listen: str) -> None:
    assert cli("sink", "--listen", listen, config=None).code == 2


@pytest.mark.parametrize("arguments", [[], ["queue"]])
def test_without_a_command_the_help_is_shown_once_and_exit_is_2(cli: CommandLine, arguments: list[str]) -> None:
    outcome = cli(*arguments, config=None)

    assert outcome.code == 2
    assert outcome.err.count("Usage: tierii-mta") == 1
    assert outcome.err.endswith("tierii-mta: name a command\n")
    assert not outcome.out


def test_every_command_fits_its_line_of_the_help(cli: CommandLine) -> None:
    assert "..." not in cli("--help", config=None).out.partition("Commands:")[2]
