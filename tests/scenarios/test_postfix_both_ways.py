"""Story: Postfix relays through us, we relay to Postfix; what arrives behind both is what was written.

smtplib → Postfix "office" → our submission (TLS, AUTH) → Postfix "far", an MX → sink
smtplib → Postfix "abroad" → our port 25 → Inbox
"""

import asyncio
import smtplib
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.scenarios import front_door
from tests.scenarios.stage import Stage, open_stage
from tests.support.postfix import REASON, Postfix, is_installed, relaying, through_smarthost
from tierii_mta.rehearsal.sink import Sink
from tierii_mta.storage.backend import SQLITE_FILE

HEADER = (
    b"From: The Shop <shop@news.example>\r\n"
    b"To: rcpt@far.example\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
    b"Message-ID: <both-ways@news.example>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n"
    b"X-Folded: one,\r\n\ttwo\r\n"
)
BODY = (
    "Grüße.\r\n\r\n.\r\n..\r\n.one dot\r\nFrom the start of a line\r\n  spaces, and at the end  \r\n\ttab\t\r\n"
    + "x" * 900
    + "\r\n\r\n\r\n"
).encode()
ADDED_BY_OTHERS = (
    b"received:",
    b"authentication-results:",
    b"dkim-signature:",
    b"return-path:",
    b"x-",
    b"delivered-to:",
)


async def hand_in(port: int, recipient: str) -> None:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            message = HEADER.replace(b"rcpt@far.example", recipient.encode()) + b"\r\n" + BODY
            client.sendmail("shop@news.example", [recipient], message, mail_options=["BODY=8BITMIME"])

    await asyncio.to_thread(send)


def assert_as_written(message: bytes, recipient: str) -> None:
    """The body is the same octets; of the header every field is there, in order, below what was added."""
    header, _, body = message.partition(b"\r\n\r\n")
    assert body == BODY
    written = HEADER.replace(b"rcpt@far.example", recipient.encode()).removesuffix(b"\r\n")
    added = header.removesuffix(written)
    assert added != header, f"the header is not as it was written: {header!r}"
    for line in added.split(b"\r\n"):
        assert line[:1] in (b"", b" ", b"\t") or line.lower().startswith(ADDED_BY_OTHERS), line


async def arrived(sink: Sink, postfixes: Sequence[Postfix], stage: Stage) -> bytes:
    for _ in range(300):
        if sink.received:
            return sink.received[0].data
        await asyncio.sleep(0.1)
    raise AssertionError("\n".join([*(one.log() for one in postfixes), stage.daemon_log()]))


async def received(stage: Stage, postfix: Postfix) -> tuple[str, bytes]:
    """Wait for a message in the Inbox; return whom it is for and its octets."""
    for _ in range(300):
        with closing(sqlite3.connect(stage.folder / "data" / SQLITE_FILE)) as database:
            parts = [part for (part,) in database.execute("SELECT content FROM inbox_part ORDER BY position")]
            if parts:
                ((address,),) = database.execute("SELECT address FROM inbox_recipient").fetchall()
                return str(address), b"".join(parts)
        await asyncio.sleep(0.1)
    raise AssertionError(postfix.log() + stage.daemon_log())


@pytest.mark.skipif(not is_installed(), reason=REASON)
async def test_mail_passes_through_postfix_and_us_and_postfix_as_it_was_written(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        door = await front_door.furnish(stage)
        sink = Sink(listen=("127.0.0.6", stage.port))
        await stage.stack.enter_async_context(sink)
        stage.publish("far.example", "127.0.0.5")
        smarthost = through_smarthost("127.0.0.1", door.submission, front_door.USER, door.password)
        office = Postfix([], hostname="office.example", more=smarthost)
        far = Postfix(
            [],
            address=("127.0.0.5", stage.port),
            hostname="mx.far.example",
            tls=(tmp_path / "cert.pem", tmp_path / "key.pem"),
            more=relaying("far.example", "127.0.0.6", stage.port),
        )
        abroad = Postfix(
            [],
            hostname="abroad.example",
            more=relaying(front_door.INBOX_DOMAIN, "127.0.0.1", door.inbound),
        )
        with ExitStack() as postfixes:
            for postfix in (office, far, abroad):
                postfixes.enter_context(postfix)
            await stage.start_daemon(web=False)
            await hand_in(office.port, "rcpt@far.example")
            message = await arrived(sink, (office, far), stage)
            assert_as_written(message, "rcpt@far.example")
            assert stage.verifies(message)
            hops = [line for line in message.split(b"\r\n") if line.lower().startswith(b"received:")]
            assert len(hops) == 3, "office, us, far"
            assert sink.received[0].sender == "shop@news.example"
            assert "ESMTPSA" in message.decode(), "our Received says that the client was logged in, over TLS (RFC 3848)"

            await hand_in(abroad.port, f"sales@{front_door.INBOX_DOMAIN}")
            address, message = await received(stage, abroad)
            assert address == f"sales@{front_door.INBOX_DOMAIN}"
            assert_as_written(message, address)
            assert b"abroad.example" in message.partition(b"\r\nFrom:")[0]
        assert await stage.stop_daemon() == 0
