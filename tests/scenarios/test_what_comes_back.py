"""Story: a campaign goes out, and what its readers and their servers send back is understood.

us → sink "plain" (one of its people is greylisted first), and → Postfix "far", whose own way inside refuses one person
readers → Postfix "far" → our port 25: a reply, an absence, a complaint, a wish, and a report of Postfix
"""

import asyncio
import json
import signal
import smtplib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.stage import SENDER_DOMAIN, Stage, open_stage
from tests.support.postfix import REASON, Postfix, is_installed
from tierii_mta.rehearsal.personality import Personality
from tierii_mta.rehearsal.sink import Sink
from tierii_mta.storage.backend import SQLITE_FILE

HELLO = f"hello@{SENDER_DOMAIN}"
PEOPLE = ("ann", "away", "angry", "leaving", "quiet", "grey")
GONE = "gone@far.example"
SETTINGS = {"hello": {"maildir": "mail/hello"}, "abuse": {"maildir": "mail/abuse"}}
REPORTS = 12
TOLD = (
    "email.deferred",
    "email.replied",
    "email.auto_replied",
    "email.bounced",
    "email.complained",
    "email.unsubscribed",
)
CAMPAIGN = {
    "reply_to": {"name": "News", "email": HELLO, "track": True},
    "stop_on": ["reply"],
    "unsubscribe": {"mailto": True},
}
REPLY = """\
From: Ann <ann@plain.example>
To: {to}
Subject: Re: {subject}
Message-ID: <reply@plain.example>
In-Reply-To: {original}
References: {original}

Yes, two of them, please.

On Sat, 21 Nov 2026 at 12:00, News wrote:
> Hello Ann, read on
"""
ABSENCE = """\
From: Away <away@plain.example>
To: {to}
Subject: Automatic reply: {subject}
Auto-Submitted: auto-replied
In-Reply-To: {original}
Message-ID: <absence@plain.example>

I am out of the office until 1 December 2026.
"""
WISH = """\
From: leaving@plain.example
To: {to}
Subject: Re: {subject}
Message-ID: <wish@plain.example>
In-Reply-To: {original}

unsubscribe
"""
BUTTON = """\
From: no-reply@provider.example
To: {to}
Subject: unsubscribe
Auto-Submitted: auto-generated

"""
COMPLAINT = """\
From: feedback@isp.example
To: {to}
Subject: complaint about message from 127.0.0.1
MIME-Version: 1.0
Message-ID: <complaint@isp.example>
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

This is an abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Loop/1
Version: 1

--b
Content-Type: message/rfc822

{enclosed}
--b--
"""
DSN = """\
From: MAILER-DAEMON@plain.example
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.plain.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b--
"""


async def send(to: tuple[str, int], sender: str, recipient: str, text: str) -> None:
    """Hand a message to a server, as a foreign client does."""

    def work() -> None:
        with smtplib.SMTP(*to, timeout=30) as client:
            client.sendmail(sender, [recipient], text.replace("\n", "\r\n").encode())

    await asyncio.to_thread(work)


def mail_of(sink: Sink, name: str) -> tuple[str, Message]:
    """Return the return path and the mail that a person got."""
    (one,) = (one for one in sink.received if one.recipients[0].startswith(f"{name}@"))
    return one.sender, message_from_bytes(one.data)


def words(text: str, mail: Message, to: str) -> str:
    return text.format(to=to, subject=mail["Subject"], original=mail["Message-ID"])


async def processed(stage: Stage, count: int) -> dict[str, dict[str, Any]]:
    """Wait until so many messages have come and all were processed; return them by kind."""
    async with asyncio.timeout(60):
        while in_state(stage, 2) < count:
            await asyncio.sleep(0.05)
    done = await stage.run("inbox", "ls", "--json")
    rows = [json.loads(line) for line in done.out.splitlines()[:-1]]
    return {row["kind"]: row for row in rows}


def in_state(stage: Stage, number: int) -> int:
    """Return how many received messages are in a state: 0 new, 2 processed."""
    with closing(sqlite3.connect(stage.folder / "data" / SQLITE_FILE)) as database:
        return int(database.execute("SELECT count(*) FROM inbox WHERE state = ?", (number,)).fetchone()[0])


async def events(stage: Stage, *types: str) -> list[dict[str, Any]]:
    done = await stage.run("events", *(word for kind in types for word in ("--type", kind)), "--json")
    return [one for line in done.out.splitlines() if "type" in (one := json.loads(line))]


async def marks(stage: Stage) -> Mapping[str, int]:
    status = (await stage.run("status", "spring", "--json")).summary
    return {name: number for name, number in status["marks"].items() if number}


def passing_on(stage: Stage) -> str:
    """Postfix takes mail for those inside, whom the sink at its back knows, and for us."""
    ours = " ".join(
        f"{domain}=smtp:[127.0.0.1]:{stage.inbound_port}" for domain in (SENDER_DOMAIN, f"bounce.{SENDER_DOMAIN}")
    )
    return f"""\
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relay_domains = far.example
transport_maps = inline:{{ {ours} }}
relayhost = [127.0.0.6]:{stage.port}
"""


@pytest.mark.skipif(not is_installed(), reason=REASON)
async def test_what_readers_and_their_servers_send_back_is_understood(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        stage.settings["domains"][SENDER_DOMAIN]["mailboxes"] = SETTINGS
        stage.settings["smtp"]["inbound"]["checks"] = {
            "trusted": [],
            "thresholds": {"greylist": None},
        }
        stage.save_settings()
        plain = await stage.sink("plain.example", "127.0.0.2", "rules: [{do: greylist, to: grey@*}]")
        stage.dns.add("plain.example", "TXT", "v=spf1 ip4:127.0.0.1 -all")
        stage.dns.add("_dmarc.plain.example", "TXT", "v=DMARC1; p=none")
        inside = Sink(Personality.parse("rules: [{do: reject}]"), listen=("127.0.0.6", stage.port))
        await stage.stack.enter_async_context(inside)
        stage.publish("far.example", "127.0.0.5")
        far = Postfix([], address=("127.0.0.5", stage.port), hostname="mx.far.example", more=passing_on(stage))
        with far:
            await stage.start_daemon(web=False)
            contacts = [{"email": f"{name}@plain.example", "first_name": name.title()} for name in PEOPLE]
            await stage.run("enqueue", stage.campaign("spring", [*contacts, {"email": GONE}], **CAMPAIGN))
            async with asyncio.timeout(60):
                while len(plain.received) < len(PEOPLE):
                    await asyncio.sleep(0.05)
            counts = await stage.settled("spring", completed=7)
            assert counts["retry"] == 0
            await send_back((far.host, far.port), plain)
            kinds = await processed(stage, 6)
            await check(stage, kinds)
        log = stage.daemon_log()
        assert "Traceback" not in log


async def send_back(postfix: tuple[str, int], plain: Sink) -> None:
    """What four readers and a mailbox provider send; the sixth mail is the report of Postfix about the person whom it
    could not reach.
    """
    _, mail = mail_of(plain, "ann")
    reply_to = parseaddr(str(mail["Reply-To"]))[1]
    assert reply_to.startswith("r+")
    await send(postfix, "ann@plain.example", reply_to, words(REPLY, mail, reply_to))
    verp, mail = mail_of(plain, "away")
    await send(postfix, "", verp, words(ABSENCE, mail, verp))
    _, mail = mail_of(plain, "leaving")
    await send(postfix, "leaving@plain.example", HELLO, words(WISH, mail, HELLO))
    _, mail = mail_of(plain, "quiet")  # who pressed the button of a mail program that knows no one-click
    way_out = "".join(str(mail["List-Unsubscribe"]).split()).partition("<mailto:")[2].partition("?")[0]
    await send(postfix, "no-reply@provider.example", way_out, BUTTON.format(to=way_out))
    _, mail = mail_of(plain, "angry")
    abuse = f"abuse@{SENDER_DOMAIN}"
    await send(postfix, "feedback@isp.example", abuse, COMPLAINT.format(to=abuse, enclosed=mail.as_string()))


async def check(stage: Stage, kinds: Mapping[str, dict[str, Any]]) -> None:
    assert set(kinds) == {"reply", "auto_reply", "unsubscribe", "complaint", "bounce"}
    status = (await stage.run("status", "spring", "--json")).summary
    marked = {name: number for name, number in status["marks"].items() if number}
    assert marked == {"replied": 1, "unsubscribed": 2, "complained": 1, "late_bounce": 1}
    assert status["counts"]["completed"] == 7, "what was completed stays so"
    assert status["metrics"]["bounces"] == 1

    listed = (await stage.run("suppress", "ls", "--json")).out.splitlines()[:-1]
    suppressed = {(one["address"], one["scope"], one["reason"]) for one in map(json.loads, listed)}
    assert suppressed == {
        (GONE, "all", "hard_bounce"),
        ("angry@plain.example", "all", "complaint"),
        ("leaving@plain.example", f"list:list.{SENDER_DOMAIN}", "unsubscribe"),
        ("quiet@plain.example", f"list:list.{SENDER_DOMAIN}", "unsubscribe"),
    }
    happened = await events(stage, *TOLD)
    told = {one["type"]: one for one in happened}
    assert set(told) == set(TOLD)
    assert told["email.deferred"]["recipient"] == "grey@plain.example"
    assert told["email.bounced"]["recipient"] == GONE
    assert told["email.bounced"]["data"]["enhanced"] == "5.1.1"
    assert told["email.auto_replied"]["data"]["returns_on"] == "2026-12-01"
    left = {one["recipient"]: one["data"]["method"] for one in happened if one["type"] == "email.unsubscribed"}
    assert left == {"leaving@plain.example": "word", "quiet@plain.example": "mailto"}
    assert told["email.replied"]["data"]["words"] == "Yes, two of them, please."
    assert told["email.replied"]["data"]["trust"] == "proven"

    shown = (await stage.run("inbox", "show", kinds["reply"]["id"], "--json")).summary
    ours, theirs = shown["conversation"]["messages"]
    assert (ours["is_ours"], theirs["is_ours"], theirs["words"]) == (True, False, "Yes, two of them, please.")
    assert shown["campaign_id"] == "spring"
    why = (await stage.run("why", GONE)).out
    assert "late" in why
    assert "550 5.1.1" in why

    replies = await in_maildir(stage.folder / "mail" / "hello", 1)
    assert b"Yes, two of them, please." in replies[0]
    (complaint,) = await in_maildir(stage.folder / "mail" / "abuse", 1)
    assert b"Feedback-Type: abuse" in complaint


async def in_maildir(folder: Path, count: int) -> list[bytes]:
    """Wait for so many messages."""
    for _ in range(300):
        files = sorted((folder / "new").glob("*"))
        if len(files) >= count:
            return [file.read_bytes() for file in files]
        await asyncio.sleep(0.1)
    raise AssertionError(f"{folder} stays at {files}")


async def test_a_kill_while_reports_are_processed_loses_none_and_acts_on_none_twice(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        plain = await stage.sink("plain.example", "127.0.0.2")
        await stage.start_daemon(web=False)
        contacts = [{"email": f"person{number}@plain.example"} for number in range(REPORTS)]
        await stage.run("enqueue", stage.campaign("spring", contacts))
        async with asyncio.timeout(60):
            while len(plain.received) < REPORTS:
                await asyncio.sleep(0.05)
        await stage.settled("spring", completed=REPORTS)
        reports = [(one.sender, DSN.format(to=one.sender, recipient=one.recipients[0])) for one in plain.received]
        for number, (verp, report) in enumerate(reports):
            await send(("127.0.0.1", stage.inbound_port), "", verp, report)
            if number == REPORTS // 2:
                await stage.stop_daemon(signal.SIGKILL)
                assert in_state(stage, 0), "the kill came while there was work"
                await stage.start_daemon(web=False)
        assert set(await processed(stage, REPORTS)) == {"bounce"}
        told = await events(stage, "email.bounced", "suppression.created")
        people = sorted(2 * [one["email"] for one in contacts])
        assert sorted(one["recipient"] for one in told) == people, "each bounced once, and was suppressed once"
        assert await marks(stage) == {"late_bounce": REPORTS}
