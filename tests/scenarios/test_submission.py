"""Story: an application sends through us with plain smtplib, as the guide shows; and what it is refused."""

import asyncio
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest
import trustme

from tests.scenarios.stage import SENDER_DOMAIN, Stage, open_stage
from tests.test_house import ROOT
from tierii_mta.rehearsal.sink import Sink

GUIDE = ROOT / "docs" / "operate" / "submission.md"


def example(stage: Stage, password: str, authority: Path) -> str:
    """Return the guide's program with the addresses of the stage."""
    program: str
    (program,) = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)
    for shown, ours in (
        ("orders@example.com", f"orders@{SENDER_DOMAIN}"),
        ("ann@example.org", "ann@open.example"),
        ('"mta.example.com", 587', f'"localhost", {stage.submission_port}'),
        ("ssl.create_default_context()", f"ssl.create_default_context(cafile={str(authority)!r})"),
        ("the password", password),
    ):
        assert shown in program
        program = program.replace(shown, ours)
    return program


class Application:
    """Somebody else's program with a connection of its own."""

    def __init__(self, stage: Stage, password: str, authority: Path) -> None:
        self._stage, self._password, self._authority = stage, password, authority

    @contextmanager
    def session(self, password: str | None = None) -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP("localhost", self._stage.submission_port, timeout=60) as server:
            server.ehlo()
            assert not server.has_extn("auth"), "a password is not even asked for in plaintext"
            server.starttls(context=ssl.create_default_context(cafile=str(self._authority)))
            server.login("shop", password or self._password)
            yield server

    def login(self, password: str | None = None) -> None:
        with self.session(password):
            pass

    def send(self, recipient: str = "ann@open.example", **fields: str) -> None:
        message = EmailMessage()
        message["From"], message["To"] = f"orders@{SENDER_DOMAIN}", recipient
        for name, value in fields.items():
            del message[name.replace("_", "-")]
            message[name.replace("_", "-")] = value
        message.set_content("Hello")
        with self.session() as server:
            server.send_message(message)

    async def refused(self, act: Callable[[], object]) -> str:
        """Return code and text of the refusal."""
        with pytest.raises(smtplib.SMTPException) as refusal:
            await asyncio.to_thread(act)
        return str(refusal.value)


async def arrived(sink: Sink, count: int) -> None:
    for _ in range(300):
        if len(sink.received) >= count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(sink.received)} of {count} messages arrived")


async def test_an_application_sends_through_us_as_the_guide_says(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        authority = tmp_path / "ca.pem"
        ca = trustme.CA()
        ca.cert_pem.write_to_path(authority)
        certificate = ca.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_pem.write_to_path(tmp_path / "tls.key")
        for number, pem in enumerate(certificate.cert_chain_pems):
            pem.write_to_path(tmp_path / "tls.pem", append=number > 0)
        stage.settings["tls"] = {"certificate": "tls.pem", "key": "tls.key"}
        stage.settings["smtp"]["submission"]["plaintext_auth"] = "never"
        stage.save_settings()
        sink = await stage.sink("open.example", "127.0.0.2")
        options = ("--sender", f"@{SENDER_DOMAIN}", "--newcomers-per-day", "2", "--max-priority", "normal")
        made = await stage.run("user", "add", "shop", *options, "--json")
        application = Application(stage, made.summary["password"], authority)
        await stage.run("suppress", "add", "gone@open.example", "--reason", "hard_bounce")
        await stage.start_daemon(web=False)

        await asyncio.to_thread(exec, example(stage, made.summary["password"], authority), {})
        await arrived(sink, 1)
        received = sink.received[0]
        assert received.sender == f"orders@{SENDER_DOMAIN}"
        assert stage.verifies(received.data)
        header = BytesParser(policy=default).parsebytes(received.data)
        assert re.search(r"^from mta\.news\.example\s+by mta\.news\.example with ESMTPSA\s+id ", header["Received"])
        assert "shop" not in header["Received"]
        assert header["Message-ID"].endswith(f"@{SENDER_DOMAIN}>")
        assert header["Date"]

        labels = {"Bcc": "boss@open.example", "X_Tierii_Tag": "order", "Idempotency_Key": "order-7"}
        for _ in range(2):
            await asyncio.to_thread(lambda: application.send("ann@open.example", **labels))
        await arrived(sink, 2)
        shared = sink.received[1]
        assert set(shared.recipients) == {"ann@open.example", "boss@open.example"}, "one destination, one transaction"
        header = BytesParser(policy=default).parsebytes(shared.data)
        assert not {"Bcc", "X-Tierii-Tag", "Idempotency-Key"} & set(header.keys())

        assert "535" in await application.refused(lambda: application.login("wrong password"))
        foreign = await application.refused(lambda: application.send(From="ceo@elsewhere.example"))
        assert f"shop may not send as ceo@elsewhere.example, only as @{SENDER_DOMAIN}" in foreign
        assert "suppression list (hard_bounce)" in await application.refused(
            lambda: application.send("gone@open.example")
        )
        limit = await application.refused(lambda: application.send("stranger@open.example"))
        assert "2 new recipients a day are used up" in limit
        await asyncio.to_thread(application.send)
        await arrived(sink, 3)
        assert len(sink.received) == 3

        listed = (await stage.run("user", "ls", "--json")).out
        assert '"today":{"messages":3,"recipients":4,"newcomers":2}' in listed
        await stage.run("user", "rm", "shop")
        assert "535" in await application.refused(application.login)
        assert await stage.stop_daemon() == 0
