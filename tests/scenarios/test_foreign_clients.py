"""Story: clients that others wrote submit through us: swaks, smtplib and aiosmtplib, over 465 and 587."""

import asyncio
import shutil
import smtplib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from tests.scenarios.front_door import HOST, INBOX_DOMAIN, SENDER, USER, FrontDoor, furnish
from tests.scenarios.stage import Stage, open_stage
from tierii_mta.rehearsal.sink import Sink

SWAKS = shutil.which("swaks")
DENIED = {"auth": 28, "recipient": 24}  # swaks' exit codes: it could not log in; no recipient was taken


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Stage, FrontDoor, Sink]]:
    async with open_stage(folder) as stage:
        door = await furnish(stage)
        sink = await stage.sink("plain.example", "127.0.0.2")
        await stage.start_daemon(web=False)
        yield stage, door, sink
        assert "Traceback" not in stage.daemon_log()
        assert await stage.stop_daemon() == 0


async def arrived(sink: Sink, stage: Stage, count: int) -> dict[str, bytes]:
    """Wait for so many messages; return them by recipient, every signature verified."""
    for _ in range(300):
        if len(sink.received) >= count:
            assert all(stage.verifies(one.data) for one in sink.received)
            return {recipient: one.data for one in sink.received for recipient in one.recipients}
        await asyncio.sleep(0.1)
    raise AssertionError(f"{len(sink.received)} of {count} arrived\n{stage.daemon_log()}")


async def swaks(port: int, recipient: str, *options: str) -> tuple[int, str]:
    """Run swaks; return its exit code and the dialogue."""
    assert SWAKS is not None
    process = await asyncio.create_subprocess_exec(
        *(SWAKS, "--server", HOST, "--port", str(port), "--from", SENDER, "--to", recipient, "--timeout", "20"),
        *("--helo", "client.example", "--body", "Hello from swaks.", *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


@pytest.mark.skipif(SWAKS is None, reason="swaks is not installed (apt-get install swaks)")
async def test_swaks_submits_over_both_ports_with_each_mechanism(tmp_path: Path) -> None:
    async with serving(tmp_path) as (stage, door, sink):
        ways = {
            f"{name}-{mechanism.lower()}@plain.example": (port, option, mechanism)
            for name, port, option in (("starttls", door.submission, "--tls"), ("tls", door.submissions, "--tlsc"))
            for mechanism in ("PLAIN", "LOGIN")
        }
        for recipient, (port, option, mechanism) in ways.items():
            login = ("--auth", mechanism, "--auth-user", USER, "--auth-password", door.password)
            code, said = await swaks(port, recipient, option, *login)
            assert code == 0, said
        messages = await arrived(sink, stage, len(ways))
        assert messages.keys() == ways.keys()
        assert all(b"\r\nHello from swaks.\r\n" in message for message in messages.values())

        wrong = ("--auth", "PLAIN", "--auth-user", USER, "--auth-password", "a guess")
        code, said = await swaks(door.submission, "x@plain.example", "--tls", *wrong)
        assert code == DENIED["auth"], said
        assert "535 5.7.8" in said
        code, said = await swaks(door.inbound, "x@plain.example")
        assert code == DENIED["recipient"], said
        code, said = await swaks(door.inbound, f"sales@{INBOX_DOMAIN}", "--tls")
        assert code == 0, said


async def test_python_clients_submit_over_both_ports_and_read_why_they_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (stage, door, sink):
        for name, port in (("starttls", door.submission), ("tls", door.submissions)):
            await asyncio.to_thread(submit_with_smtplib, door, port, f"{name}.smtplib")
            await submit_with_aiosmtplib(door, port, f"{name}.aiosmtplib@plain.example")
        await asyncio.to_thread(be_refused, door)
        people = {
            f"{name}.{one}@plain.example"
            for name in ("starttls", "tls")
            for one in ("smtplib", "smtplib-b", "aiosmtplib")
        }
        messages = await arrived(sink, stage, 6)
        assert len(sink.received) == 6, "smtplib two messages, each to two people at once, aiosmtplib one; twice"
        assert messages.keys() == people
        assert not any(b"bcc:" in message.lower() for message in messages.values())
        assert all(message.endswith(b"\r\n\r\n.dots\r\n..\r\n") for message in messages.values())


def smtplib_client(door: FrontDoor, port: int) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=door.certificate)
    if port == door.submissions:
        return smtplib.SMTP_SSL(HOST, port, timeout=30, context=context)
    client = smtplib.SMTP(HOST, port, timeout=30)
    client.starttls(context=context)
    return client


def submit_with_smtplib(door: FrontDoor, port: int, name: str) -> None:
    """Hand in two messages over one connection, each to somebody in To and somebody in Bcc."""
    message = EmailMessage()
    message["From"], message["To"], message["Bcc"] = SENDER, f"{name}@plain.example", f"{name}-b@plain.example"
    message["Subject"] = "Grüße"
    message.set_content(".dots\n..\n")
    with smtplib_client(door, port) as client:
        client.login(USER, door.password)
        for _ in range(2):
            assert client.send_message(message) == {}


async def submit_with_aiosmtplib(door: FrontDoor, port: int, recipient: str) -> None:
    refused, reply = await aiosmtplib.send(
        f"From: {SENDER}\r\nTo: {recipient}\r\nSubject: x\r\n\r\n.dots\r\n..\r\n".encode(),
        sender=SENDER,
        recipients=[recipient],
        hostname=HOST,
        port=port,
        username=USER,
        password=door.password,
        use_tls=port == door.submissions,
        start_tls=port != door.submissions,
        tls_context=ssl.create_default_context(cafile=door.certificate),
    )
    assert not refused
    assert "2.0.0" in reply


def be_refused(door: FrontDoor) -> None:
    with smtplib.SMTP(HOST, door.submission, timeout=30) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match=r"5\.7\.0"):
            client.sendmail(SENDER, ["x@plain.example"], b"Subject: x\r\n\r\n")
        client.starttls(context=ssl.create_default_context(cafile=door.certificate))
        with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.8"):
            client.login(USER, "a guess")
        client.login(USER, door.password)
        with pytest.raises(smtplib.SMTPSenderRefused, match=r"5\.7\.1"):
            client.sendmail("boss@elsewhere.example", ["x@plain.example"], b"Subject: x\r\n\r\n")
