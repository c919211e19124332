"""Story: mail comes in on port 25 and reaches a Maildir, a webhook and another address, and what we send to ourselves
reaches them too. A mailbox that is down gets its mail when it is back, and the operator hears of it.
"""

import asyncio
import base64
import json
import signal
import smtplib
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.correspondence.mailboxes.receiver import Receiver, receiving
from tests.scenarios.front_door import INBOX_DOMAIN
from tests.scenarios.stage import SENDER_DOMAIN, Stage, free_port, open_stage
from tests.support.dovecot import REASON, Dovecot

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
AWAY = "away.example"


def _send(port: int, recipient: str, *, sender: str = "ada@elsewhere.example", subject: str = "Hello") -> None:
    message = f"From: Ada <ada@elsewhere.example>\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nGood day.\r\n"
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail(sender, [recipient], message.encode())


async def _until(is_so: Callable[[], bool], stage: Stage) -> None:
    for _ in range(600):
        if is_so():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"it never came to that\n{stage.daemon_log()}")


async def _logged(stage: Stage, event: str, count: int) -> None:
    """Wait until the daemon's log tells of something so often."""
    await _until(lambda: stage.daemon_log().count(f'"event": "{event}"') >= count, stage)


def _files(stage: Stage, mailbox: str) -> list[Path]:
    folder = stage.folder / "mail" / mailbox / "new"
    return sorted(folder.iterdir()) if folder.exists() else []


def _furnish(stage: Stage, receiver: Receiver) -> None:
    hook = {"url": receiver.url, "secret": SECRET, "timeout": "5s"}
    stage.settings["webhooks"] = {"crm": hook}
    stage.settings["mailboxes"] = {"retry": {"intervals": ["1s"]}}
    stage.settings["notify"] = [
        {"when": ["mailbox"], "to": f"ops@{INBOX_DOMAIN}", "at_least": "high"},
    ]
    stage.settings["domains"][INBOX_DOMAIN] = {
        "mailboxes": {
            "sales": {"maildir": "mail/sales"},
            "ops": {"maildir": "mail/ops"},
            "crm": {"webhook": "crm"},
            "gone": {"forward": f"ann@{AWAY}"},
            "*": {"maildir": "mail/all"},
        }
    }
    stage.save_settings()


async def test_mail_reaches_its_mailboxes_and_one_that_was_down_is_told_of(tmp_path: Path) -> None:
    async with receiving("500 Oops", "500 Oops", "200 OK") as receiver, open_stage(tmp_path) as stage:
        _furnish(stage, receiver)
        away = await stage.sink(AWAY, "127.0.0.3")
        await stage.start_daemon(web=False)
        port = stage.inbound_port
        for recipient in ("sales+spring", "anybody", "postmaster", "crm", "gone"):
            await asyncio.to_thread(_send, port, f"{recipient}@{INBOX_DOMAIN}", subject=recipient)

        await _until(lambda: len(_files(stage, "sales")) == 1 and len(_files(stage, "all")) == 2, stage)
        text = _files(stage, "sales")[0].read_bytes()
        assert text.startswith(b"Delivered-To: sales+spring@inbox.example\nReturn-Path: <ada@elsewhere.example>\n")
        assert text.endswith(b"\n\nGood day.\n")

        await _until(lambda: len(receiver.requests) == 3, stage)  # twice down, then back
        assert receiver.requests[2].document["data"]["recipient"] == f"crm@{INBOX_DOMAIN}"
        await _until(lambda: len(_files(stage, "ops")) == 1, stage)
        told = message_from_bytes(_files(stage, "ops")[0].read_bytes(), policy=policy.default)
        assert told["Subject"] == f"mailbox {INBOX_DOMAIN}/crm takes no mail: crm answered 500 Oops"
        assert told["Auto-Submitted"] == "auto-generated"

        await _until(lambda: len(away.received) == 1, stage)
        forwarded = away.received[0]
        assert forwarded.sender.startswith("SRS0=")
        assert b"Delivered-To: gone@inbox.example\r\n" in forwarded.data

        back = await stage.sink("elsewhere.example", "127.0.0.4")
        await asyncio.to_thread(_send, port, forwarded.sender, sender="", subject="Undelivered")
        await _until(lambda: len(back.received) == 1, stage)
        assert (back.received[0].sender, back.received[0].recipients) == ("", ("ada@elsewhere.example",))
        await _logged(stage, "mailbox.delivered", 7)
        events = await stage.run("events", "--json")
        kinds = [json.loads(line).get("type", "") for line in events.out.splitlines()]
        assert [kind for kind in kinds if kind.startswith("mailbox.")] == ["mailbox.failing", "mailbox.recovered"]
        assert await stage.stop_daemon(signal.SIGTERM) == 0


@pytest.mark.soak
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
async def test_dovecot_takes_our_own_mail_and_waits_for_no_one(tmp_path: Path) -> None:
    lmtp, imap = free_port("127.0.0.1"), free_port("127.0.0.1")
    async with open_stage(tmp_path) as stage:
        stage.settings["domains"][INBOX_DOMAIN] = {"mailboxes": {"*": {"lmtp": f"127.0.0.1:{lmtp}"}}}
        stage.settings["mailboxes"] = {"retry": {"intervals": ["1s"]}}
        stage.save_settings()
        await stage.start_daemon(web=False)
        await asyncio.to_thread(_send, stage.inbound_port, f"ann@{INBOX_DOMAIN}", subject="while it was away")
        await stage.run(
            *("send", "--from", f"shop@{SENDER_DOMAIN}", "--to", f"ann@{INBOX_DOMAIN}"),
            *("--subject", "from ourselves", "--text", stage.write("hi.txt", "Hi\n")),
        )
        await _logged(stage, "mailbox.deferred", 2)
        with Dovecot("ann", lmtp_port=lmtp, imap_port=imap) as dovecot:
            await dovecot.answers()
            await _logged(stage, "mailbox.delivered", 2)
            found = await asyncio.to_thread(dovecot.messages, "ann")
        subjects = {str(message_from_bytes(one, policy=policy.default)["Subject"]) for one in found}
        assert subjects == {"while it was away", "from ourselves"}
        assert await stage.stop_daemon(signal.SIGTERM) == 0


def _send_many(port: int, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        for number in range(count):
            message = f"From: ada@elsewhere.example\r\nSubject: number {number}\r\n\r\nHi\r\n".encode()
            client.sendmail("ada@elsewhere.example", [f"sales@{INBOX_DOMAIN}"], message)


@pytest.mark.soak
async def test_a_kill_while_mail_is_put_away_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    many = 60
    async with open_stage(tmp_path) as stage:
        stage.settings["domains"][INBOX_DOMAIN] = {"mailboxes": {"sales": {"maildir": "mail/sales"}}}
        stage.save_settings()
        await stage.start_daemon(web=False)
        await asyncio.to_thread(_send_many, stage.inbound_port, many)
        await _until(lambda: len(_files(stage, "sales")) > 3, stage)
        await stage.stop_daemon(signal.SIGKILL)
        assert len(_files(stage, "sales")) < many, "the kill came too late to prove anything"
        await stage.start_daemon(web=False)
        await _until(lambda: len(_files(stage, "sales")) == many, stage)
        assert await stage.stop_daemon(signal.SIGTERM) == 0
    subjects = sorted(message_from_bytes(one.read_bytes())["Subject"] for one in _files(stage, "sales"))
    assert subjects == sorted(f"number {number}" for number in range(many))
