"""One mail from the command line."""

from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

FROM_ANN = ("send", "--from", "Ann <ann@lantern.example>", "--to", "bo@open.example")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "note.txt"
    file.write_text("Dear {{ name }},\nsee you.\n")
    return file


def test_a_mail_is_accepted_and_found_again_by_its_message_id(cli: CommandLine, text: Path) -> None:
    outcome = cli(*FROM_ANN, "--subject", "Hello {{ name }}", "--text", text, "--var", "name=Bo", "--json")

    assert outcome.code == 0
    message_id = outcome.summary["message_id"]
    assert len(outcome.summary["deliveries"]) == 1
    for spelling in (message_id, message_id.strip("<>")):
        [delivery, _] = cli("why", spelling, "--json").records
        assert (delivery["recipient"], delivery["campaign_id"], delivery["priority"]) == (
            "bo@open.example",
            None,
            "high",
        )


def test_the_same_key_sends_once(cli: CommandLine, text: Path) -> None:
    command = (*FROM_ANN, "--text", text, "--var", "name=Bo", "--idempotency-key", "order-7", "--json")
    first, second = cli(*command).summary, cli(*command).summary

    assert not first["is_repeat"]
    assert second["is_repeat"]
    assert first["message_id"] == second["message_id"]
    assert cli("status", "--json").summary["queue"] == {"pending": {"high": 1}}


def test_another_mail_under_the_same_key_is_a_conflict(cli: CommandLine, text: Path) -> None:
    command = (*FROM_ANN, "--text", text, "--idempotency-key", "order-7")
    cli(*command, "--var", "name=Bo")
    refused = cli(*command, "--var", "name=Cy")

    assert refused.code == 7
    assert "order-7" in refused.err
    assert cli("status", "--json").summary["queue"] == {"pending": {"high": 1}}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ["--from", "ann@other.example", "--to", "b@open.example", "--text", "note.txt", "--var", "name=B"],
            5,
            "other",
        ),
        (["--from", "ann@lantern.example", "--to", "nobody", "--text", "note.txt", "--var", "name=B"], 2, "nobody"),
        (["--from", "ann@lantern.example", "--to", "b@open.example", "--text", "note.txt"], 3, "name"),
        (["--from", "ann@lantern.example", "--to", "b@open.example", "--text", "nowhere.txt"], 3, "nowhere.txt"),
        (["--from", "ann@lantern.example", "--to", "b@open.example"], 2, "nothing to send"),
        (
            ["--from", "ann@lantern.example", "--to", "b@open.example", "--text", "note.txt", "--var", "name"],
            2,
            "--var",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_with_a_reason(
    cli: CommandLine, text: Path, arguments: list[str], code: int, sentence: str
) -> None:
    outcome = cli("send", *arguments)

    assert outcome.code == code
    assert sentence in outcome.err
    assert "Traceback" not in outcome.err
