"""`inbox ls` and `inbox show`: what was received, listed and printed."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.support.program import LIMIT_S
from tierii_mta.clock import Instant
from tierii_mta.daemon.installation import open_installation
from tierii_mta.daemon.settings import load_settings
from tierii_mta.events import Event, EventType
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import Purpose
from tierii_mta.queue.processed import Conclude, Processed, Said
from tierii_mta.queue.received import InboxEntry, InboxRecipient, InboxState, NewMailboxJob
from tierii_mta.queue.store import Receive, Record

RAW = b"Return-Path: <>\r\nSubject: hello \x1b[31m\xff\r\n\r\nbody \x1b[2J\x00\r\n"


def _entry(**fields: Any) -> InboxEntry:
    values: dict[str, Any] = {
        "received_at": Instant(1_790_000_000_000),
        "state": InboxState.NEW,
        "remote": "192.0.2.7",
        "client_name": "mx.elsewhere.example",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
        "reverse_path": "ada@elsewhere.example",
        "recipients": (
            InboxRecipient(address="sales@lantern.example", mailbox="lantern.example/sales"),
            InboxRecipient(address="b+abc@bounce.lantern.example", token=Purpose.BOUNCE),
        ),
        "message_id": "<1@elsewhere.example>",
        "size_bytes": len(RAW),
        "verdict": {"decision": "accept", "findings": [{"check": "spf", "detail": "pass"}]},
    }
    return InboxEntry(**values | fields)


@pytest.fixture
def received(cli: CommandLine, settings_file: Path) -> CommandLine:
    """An inbox with two messages: one, and a quarantined one of the null sender."""
    cli("db", "migrate")

    async def fill() -> None:
        async with open_installation(load_settings(settings_file), role="daemon") as installation:
            apart = _entry(state=InboxState.QUARANTINED, reverse_path="", tls=None, message_id=None)
            await installation.queue.apply(
                [Receive(entry=_entry(), parts=[RAW[:20], RAW[20:]]), Receive(entry=apart, parts=[b"\r\n"])]
            )

    asyncio.run(fill())
    return cli


def test_the_newest_message_is_listed_first(received: CommandLine) -> None:
    lines = received("inbox", "ls").out.splitlines()
    assert lines[0].split() == ["ID", "RECEIVED", "STATE", "KIND", "SIZE", "FROM", "TO", "SUBJECT"]
    assert lines[1].startswith("2   2026-09-21T14:13:20.000Z  quarantined")
    assert lines[1].endswith("<>                     sales@lantern.example and 1 more")
    facts = ["1", "2026-09-21T14:13:20.000Z", "new", "-", str(len(RAW)), "ada@elsewhere.example"]
    assert lines[2].split()[:6] == facts


def test_a_list_can_be_narrowed(received: CommandLine) -> None:
    assert [one.get("id") for one in received("inbox", "ls", "--state", "new", "--json").records] == ["1", None]
    assert [one.get("id") for one in received("inbox", "ls", "--before", "2", "--json").records] == ["1", None]
    assert received("inbox", "ls", "--limit", "1", "--json").summary == {"messages": 1}


def test_a_message_is_shown_with_all_that_is_known_and_no_orders_for_the_terminal(received: CommandLine) -> None:
    out = received("inbox", "show", "1").out
    assert "client    mx.elsewhere.example [192.0.2.7], TLSv1.3 TLS_AES_256_GCM_SHA384" in out
    assert "to        <sales@lantern.example>  (mailbox lantern.example/sales)" in out
    assert "to        <b+abc@bounce.lantern.example>  (signed address: bounce)" in out
    assert "finding   spf: pass" in out
    assert "Subject: hello" in out
    assert "body" not in out
    assert "\x1b" not in out


def test_json_has_the_same(received: CommandLine) -> None:
    shown = received("inbox", "show", "1", "--json").summary
    assert shown["recipients"][1] == {"address": "b+abc@bounce.lantern.example", "mailbox": None, "token": "bounce"}
    assert (shown["id"], shown["size"], shown["reverse_path"]) == ("1", len(RAW), "ada@elsewhere.example")
    assert shown["header"].startswith("Return-Path: <>\nSubject: hello ")


def test_raw_writes_the_octets_and_nothing_else(received: CommandLine, settings_file: Path) -> None:
    command = [sys.executable, "-m", "tierii_mta.cli.main", "--config", str(settings_file), "inbox", "show", "1"]
    done = subprocess.run([*command, "--raw"], capture_output=True, check=True, timeout=LIMIT_S)
    assert done.stdout == RAW
    assert received("inbox", "show", "1", "--raw", "--json").code == 2


def test_an_unknown_message_is_not_found(received: CommandLine) -> None:
    outcome = received("inbox", "show", "99")
    assert outcome.code == 6
    assert "message 99: is not in the inbox" in outcome.err


@pytest.fixture
def processed(received: CommandLine, settings_file: Path) -> CommandLine:
    """The first message was a reply, and waits for its mailbox."""

    async def process() -> None:
        async with open_installation(load_settings(settings_file), role="daemon") as installation:
            at = Instant(1_790_000_001_000)
            epoch = await installation.queue.register(name="x", role="daemon", pid=1, now=at)
            (one,) = await installation.intray.claim(epoch, limit=5)
            done = Processed(
                at=at,
                kind="reply",
                sender="ada@elsewhere.example",
                subject="Re: hello \x1b[31m",
                reading={
                    "kind": "reply",
                    "sender_name": "Ada",
                    "evidence": [{"rule": "references", "where": "header In-Reply-To", "detail": "<ours@x>"}],
                },
                trust="guess",
                effects={"route": "subject", "notes": ["reply, by a guess"]},
            )
            said = Said(
                conversation=None,
                delivery=None,
                person=PersonKey(b"a" * 16),
                address="ada@elsewhere.example",
                campaign=None,
                subject="hello",
                answered_id=None,
                answered_at=at,
                answered_from="",
                message_id="<1@elsewhere.example>",
                sender="ada@elsewhere.example",
                words="Yes, please.\nAda \x1b[2J",
            )
            job = NewMailboxJob(mailbox="lantern.example/sales", recipient="sales@lantern.example")
            await installation.queue.apply(
                [Conclude(message=one.message.id, epoch=epoch, processed=done, said=said, mailboxes=[job])]
            )

    asyncio.run(process())
    return received


def test_what_a_message_turned_out_to_be_is_listed(processed: CommandLine) -> None:
    lines = processed("inbox", "ls", "--kind", "reply").out.splitlines()
    assert lines[1].split()[2:4] == ["processed", "reply"]
    assert lines[1].endswith("Re: hello \N{REPLACEMENT CHARACTER}[31m")
    assert processed("inbox", "ls", "--kind", "bounce", "--json").summary == {"messages": 0}
    (first, _) = processed("inbox", "ls", "--state", "processed", "--json").records
    assert (first["kind"], first["from"], first["trust"]) == ("reply", "ada@elsewhere.example", "guess")


def test_a_processed_message_is_shown_with_evidence_match_mailboxes_and_thread(processed: CommandLine) -> None:
    out = processed("inbox", "show", "1").out
    assert "kind      reply, of Ada <ada@elsewhere.example>: Re: hello" in out
    assert "evidence  references, header In-Reply-To: <ours@x>" in out
    assert "about     an earlier message, guess by subject" in out
    assert "followed  reply, by a guess" in out
    assert "mailbox   lantern.example/sales waits until 2026-09-21T14:13:21.000Z" in out
    assert "thread    1 with ada@elsewhere.example: hello" in out
    assert "      | Yes, please." in out
    assert "\x1b" not in out
    shown = processed("inbox", "show", "1", "--json").summary
    assert shown["conversation"]["messages"][0]["words"].startswith("Yes, please.")
    assert [job["state"] for job in shown["mailboxes"]] == ["waiting"]
    assert shown["effects"] == {"route": "subject", "notes": ["reply, by a guess"]}


def test_the_log_of_events_shows_words_of_strangers_on_one_line_and_as_no_orders(
    processed: CommandLine, settings_file: Path
) -> None:
    data = {"from": "ada@elsewhere.example", "words": "Yes,\nplease \x1b[2J" + "x" * 500}
    event = Event(id="evt_x", type=EventType.REPLIED, at=Instant(1_790_000_002_000), data=data)

    async def record() -> None:
        async with open_installation(load_settings(settings_file), role="daemon") as installation:
            await installation.queue.apply([Record(events=[event])])

    asyncio.run(record())
    (line,) = processed("events", "--type", "email.replied").out.splitlines()
    assert "words=Yes, please \N{REPLACEMENT CHARACTER}[2Jxxx" in line
    assert len(line) < 300


def test_a_message_is_released_from_quarantine_once(received: CommandLine) -> None:
    assert received("inbox", "release", "2", "--json").summary == {"message": "2", "state": "new"}
    assert received("inbox", "show", "2", "--json").summary["state"] == "new"
    assert received("inbox", "release", "2").code == 7
    assert received("inbox", "release", "99").code == 6
