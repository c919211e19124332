"""`queue show`: a delivery, its message and what was said, with the daemon down."""

from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_history import tried

__all__ = ["tried"]


@pytest.fixture
def sent(cli: CommandLine, tmp_path: Path) -> str:
    """One submitted mail waits; its Message-ID."""
    page = tmp_path / "page.html"
    page.write_text("<p>Hello</p>")
    arguments = ["--from", "shop@lantern.example", "--to", "ann@open.example", "--subject", "Receipt 7"]
    return str(cli("send", *arguments, "--html", page, "--json").summary["message_id"])


def test_a_message_is_shown_with_its_header_and_without_its_body(cli: CommandLine, sent: str) -> None:
    shown = cli("queue", "show", sent).out
    assert "  | Subject: Receipt 7\n" in shown
    assert "Hello" not in shown
    record, summary = cli("queue", "show", sent.strip("<>"), "--json").records
    assert summary == {"subject": sent.strip("<>"), "deliveries": 1}
    assert (record["state"], record["owner"], record["transcripts"]) == ("pending", "send", [])
    assert cli("queue", "show", record["delivery_id"], "--json").records[0] == record
    assert cli("queue", "show", f"message:{record['message']['row']}", "--json").records[0] == record


def test_the_raw_message_is_printed_on_request(cli: CommandLine, sent: str) -> None:
    raw = cli("queue", "show", sent, "--raw").out
    assert "Subject: Receipt 7" in raw
    assert "<p>Hello</p>" in raw


def test_campaign_mail_is_shown_by_its_number_and_has_no_raw_message(tried: CommandLine) -> None:
    number = tried("why", "gone@strict.example", "--json").records[0]["delivery_id"]
    assert "gone@strict.example" in tried("queue", "show", number).out
    assert tried("queue", "show", number, "--raw").code == 6


@pytest.mark.parametrize(("subject", "code"), [("999", 6), ("nobody@nowhere.example", 6), ("nonsense", 2)])
def test_what_is_not_there_is_said(cli: CommandLine, subject: str, code: int) -> None:
    assert cli("queue", "show", subject).code == code
