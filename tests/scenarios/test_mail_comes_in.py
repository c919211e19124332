"""Story: port 25 of a daemon whose campaign went out. A report comes back to the VERP address, strangers guess and try
to relay, and what got its 250 right before a kill is there afterwards.
"""

import asyncio
import json
import signal
import smtplib
from pathlib import Path
from typing import Any

from tests.scenarios.stage import SENDER_DOMAIN, Stage, open_stage

CLIENT, GUESSER = "127.0.0.11", "127.0.0.12"  # addresses of ours that others come from
REPORT = b"Subject: Undelivered Mail\r\nMessage-ID: <report@plain.example>\r\n\r\nNobody there.\r\n"


def _send(port: int, sender: str, *recipients: str, source: str = CLIENT) -> dict[str, tuple[int, bytes]]:
    """Send the report with a foreign client and return who was refused; raises where all were."""
    with smtplib.SMTP(
        "127.0.0.1", port, local_hostname="mx.plain.example", source_address=(source, 0), timeout=60
    ) as client:
        return client.sendmail(sender, recipients, REPORT)


def _replies(port: int, *recipients: str, source: str) -> list[int]:
    """Ask for recipients one by one, until the server hangs up."""
    codes = []
    with smtplib.SMTP(
        "127.0.0.1", port, local_hostname="mx.plain.example", source_address=(source, 0), timeout=60
    ) as client:
        client.ehlo()
        client.mail("ada@plain.example")
        for recipient in recipients:
            codes.append(client.rcpt(recipient)[0])
            if codes[-1] == 421:
                break
    return codes


def _greeting(port: int, source: str) -> int:
    try:
        with smtplib.SMTP("127.0.0.1", port, source_address=(source, 0), timeout=60):
            return 220
    except smtplib.SMTPConnectError as refusal:
        return refusal.smtp_code


async def _inbox(stage: Stage) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await stage.run("inbox", "ls", "--json")).out.splitlines()[:-1]]


async def test_mail_comes_in_for_those_we_know_and_for_nobody_else(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        port = stage.inbound_port
        stage.settings["smtp"]["inbound"]["unknown_recipients"] = 3
        stage.settings["smtp"]["limits"] = {"exempt": []}
        stage.settings["domains"][SENDER_DOMAIN]["mailboxes"] = {"sales": {"maildir": "mail"}}
        stage.save_settings()
        sink = await stage.sink("plain.example", "127.0.0.2")
        await stage.start_daemon(web=False)
        await stage.run("enqueue", stage.campaign("spring", [{"email": "ann@plain.example"}]))
        async with asyncio.timeout(60):
            while not sink.received:
                await asyncio.sleep(0.05)
        verp = sink.received[0].sender
        assert verp.endswith(f"@bounce.{SENDER_DOMAIN}")
        forged = verp.replace("b+", "b+aa")

        refused = await asyncio.to_thread(_send, port, "ada@plain.example", f"sales@{SENDER_DOMAIN}", verp, forged)
        assert {address: code for address, (code, _) in refused.items()} == {forged: 550}
        assert await asyncio.to_thread(_send, port, "", verp) == {}
        others = (f"nobody@{SENDER_DOMAIN}", "victim@other.example", f"victim%other.example@{SENDER_DOMAIN}")
        assert await asyncio.to_thread(_replies, port, *others, source=CLIENT) == [550, 550, 550]
        report, mail = await _inbox(stage)
        assert report["reverse_path"] == ""
        assert [one["token"] for one in report["recipients"]] == ["bounce"]
        assert [(one["mailbox"], one["token"]) for one in mail["recipients"]] == [
            (f"{SENDER_DOMAIN}/sales", None),
            (None, "bounce"),
        ]

        guesses = [f"guess{number}@{SENDER_DOMAIN}" for number in range(9)]
        assert await asyncio.to_thread(_replies, port, *guesses, source=GUESSER) == [550, 550, 421]
        assert await asyncio.to_thread(_greeting, port, GUESSER) == 421
        assert await asyncio.to_thread(_greeting, port, CLIENT) == 220

        assert await asyncio.to_thread(_send, port, "", verp) == {}
        await stage.stop_daemon(signal.SIGKILL)
        await stage.start_daemon(web=False)
        assert len(await _inbox(stage)) == 3, "the 250 was true"
