"""Port 25: what is taken, what is refused with which code, and that what got a 250 is kept."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.inbound.desk import (
    CODEC,
    FORGER,
    HEAD,
    TLS,
    Client,
    mail,
    message,
    open_office,
    open_port,
    rcpt,
)
from tests.inbound.relaying import FOREIGN, MALFORMED
from tierii_mta.clock import SystemClock
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.checks import Decision, Finding, Incoming, Verdict
from tierii_mta.inbound.gate import Bounds
from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import Reply
from tierii_mta.mail.tokens import Purpose, return_path
from tierii_mta.queue.received import InboxState
from tierii_mta.queue.reserve import NoRoom
from tierii_mta.rehearsal.certificate import make_certificate
from tierii_mta.smtp.dialogue import Credentials

ANN = Address.parse("ann@elsewhere.example")
VERP = str(return_path(CODEC, 7, ANN, "bounce.example.com"))


class Says:
    """Checks with one verdict, which remember what they were shown."""

    def __init__(self, verdict: Verdict | Exception | None) -> None:
        self._verdict = verdict
        self.shown: list[Incoming] = []

    async def check(self, incoming: Incoming) -> Verdict:
        self.shown.append(incoming)
        if self._verdict is None:
            await asyncio.Event().wait()
        if isinstance(self._verdict, Exception):
            raise self._verdict
        assert self._verdict is not None
        return self._verdict


# -- accepted


async def test_an_accepted_message_is_kept_under_return_path_and_received(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        reply = await office.send("Sales+x@example.com", judge=office.judge(tls=TLS))
        (kept,) = await office.kept()
        assert str(reply) == f"250 2.0.0 Ok: kept as {kept.id}"
        content = await office.content(kept)
        assert content.endswith(HEAD + b"Hello.\r\n")
        assert content.startswith(b"Return-Path: <ada@elsewhere.example>\r\nReceived: from mx.elsewhere.example")
        trace = message_from_bytes(content)["Received"]
        assert "by mta.example.com with ESMTPS" in trace
        assert "for <Sales+x@example.com>" in trace
        assert "tls TLS_AES_256_GCM_SHA384" in trace
        assert kept.entry.size_bytes == len(content)


async def test_envelope_and_facts_of_the_session_are_kept_beside_it(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        await office.send("sales@example.com", VERP, "SALES@example.com", judge=office.judge(tls=TLS), is_8bit=True)
        (kept,) = await office.kept()
        entry = kept.entry
        assert (entry.remote, entry.client_name, entry.tls) == ("192.0.2.7", "mx.elsewhere.example", TLS)
        assert (entry.reverse_path, entry.message_id) == ("ada@elsewhere.example", "<1@elsewhere.example>")
        assert [(one.mailbox, one.token) for one in entry.recipients] == [
            ("example.com/sales", None),
            (None, Purpose.BOUNCE),
        ]
        assert entry.session["is_8bit"] is True
        assert entry.verdict == {"decision": "accept", "total": 0, "findings": []}
        assert b" for <" not in await office.content(kept)
        (event,) = await office.events()
        assert event.data["tokens"] == ["bounce"]


async def test_a_report_to_a_return_path_of_ours_is_taken_from_the_null_sender(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        assert (await office.send(VERP, sender="")).code == 250
        (kept,) = await office.kept()
        assert kept.entry.reverse_path == ""
        assert (await office.content(kept)).startswith(b"Return-Path: <>\r\n")


async def test_the_postmaster_of_this_host_needs_no_domain(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        assert (await office.send("Postmaster")).code == 250
        (kept,) = await office.kept()
        assert kept.entry.recipients[0].mailbox == "mta.example.com/postmaster"


async def test_the_second_message_of_a_session_knows_nothing_of_the_first(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        judge = office.judge()
        await office.send("sales@example.com", "any@catch.example", judge=judge)
        await office.send("abuse@example.com", judge=judge, sender="bob@elsewhere.example")
        first, second = await office.kept()
        assert [one.address for one in second.entry.recipients] == ["abuse@example.com"]
        assert second.entry.reverse_path == "bob@elsewhere.example"
        assert first.entry.session["trace"] != second.entry.session["trace"]


async def test_a_message_that_begins_with_a_folded_line_does_not_go_on_with_our_fields(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        await office.send("sales@example.com", head=b" by nobody at all\r\n\r\n")
        (kept,) = await office.kept()
        content = await office.content(kept)
        assert "nobody" not in message_from_bytes(content)["Received"]
        assert content.endswith(b"\r\n\r\n by nobody at all\r\n\r\nHello.\r\n")
        assert kept.entry.size_bytes == len(content)


# -- refused


async def test_who_is_unknown_gets_550_and_is_the_only_one_refused(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        judge = office.judge()
        await judge.mail(mail())
        assert str(await rcpt(judge, "nobody@example.com")).startswith("550 5.1.1 ")
        assert (await rcpt(judge, "sales@example.com")).code == 250
        assert (await judge.message(message())).code == 250
        (kept,) = await office.kept()
        assert [one.address for one in kept.entry.recipients] == ["sales@example.com"]


async def test_a_forged_return_path_is_like_an_unknown_recipient(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        judge = office.judge()
        await judge.mail(mail(""))
        forged = str(return_path(FORGER, 7, ANN, "bounce.example.com"))
        assert await rcpt(judge, forged) == await rcpt(judge, "nobody@example.com")


@pytest.mark.parametrize("sender", ["", "ada@elsewhere.example", "sales@example.com", "postmaster@example.com"])
async def test_nothing_is_relayed_whoever_asks(tmp_path: Path, sender: str) -> None:
    async with open_office(tmp_path) as office:
        judge = office.judge(tls=TLS, remote=ip_address("127.0.0.1"))
        await judge.mail(mail(sender, is_smtputf8=True))
        for path in FOREIGN:
            assert str(await rcpt(judge, path)) == "550 5.7.1 relaying denied", path
        for path in MALFORMED:
            assert (await rcpt(judge, path)).is_permanent, path


async def test_nobody_authenticates_on_port_25(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        judge = office.judge(tls=TLS)
        assert (await judge.authenticate(Credentials(mechanism="PLAIN", name="a", password="b"))).code == 502


async def test_the_null_sender_has_one_recipient_a_message(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        judge = office.judge()
        await judge.mail(mail(""))
        assert (await rcpt(judge, "sales@example.com")).code == 250
        assert (await rcpt(judge, "SALES@example.com")).code == 250
        assert str(await rcpt(judge, "abuse@example.com")).startswith("452 4.5.3 ")
        assert (await judge.message(message())).code == 250
        assert (await office.send("abuse@example.com", sender="", judge=judge)).code == 250


@pytest.mark.parametrize(("count", "code"), [(50, 250), (51, 554)])
async def test_a_message_that_passed_more_than_fifty_hosts_loops(tmp_path: Path, count: int, code: int) -> None:
    async with open_office(tmp_path) as office:
        reply = await office.send("sales@example.com", head=b"Received: from a by b\r\n" * count + HEAD)
        assert reply.code == code
        assert len(await office.kept()) == (code == 250)
        if code != 250:
            assert str(reply.enhanced) == "5.4.6"


async def test_who_asks_for_too_many_unknown_recipients_is_out(tmp_path: Path) -> None:
    async with open_office(tmp_path, bounds=Bounds(unknown_recipients=3)) as office:
        judge, remote = office.judge(), ip_address("192.0.2.7")
        await judge.mail(mail())
        replies = [(await rcpt(judge, f"guess{n}@example.com")).code for n in range(3)]
        assert replies == [550, 550, 421]
        refusal = office.gate.enter(remote)
        assert refusal is not None
        assert refusal.reply.code == 421
        assert office.gate.enter(ip_address("192.0.2.8")) is None
        office.clock.advance(timedelta(hours=1))
        assert office.gate.enter(remote) is None


async def test_unknown_recipients_are_counted_over_sessions_and_forgotten_after_an_hour(tmp_path: Path) -> None:
    async with open_office(tmp_path, bounds=Bounds(unknown_recipients=3)) as office:

        async def guess() -> int:
            judge = office.judge()
            await judge.mail(mail())
            return (await rcpt(judge, "guess@example.com")).code

        assert [await guess(), await guess()] == [550, 550]
        office.clock.advance(timedelta(minutes=61))
        assert [await guess(), await guess(), await guess()] == [550, 550, 421]


async def test_asking_to_relay_is_no_harvesting(tmp_path: Path) -> None:
    async with open_office(tmp_path, bounds=Bounds(unknown_recipients=1)) as office:
        judge = office.judge()
        await judge.mail(mail())
        assert [(await rcpt(judge, "victim@other.example")).code for _ in range(5)] == [550] * 5


async def test_without_room_nothing_begins_and_nothing_is_kept(tmp_path: Path) -> None:
    async with open_office(tmp_path, reserve_bytes=1 << 62) as office:
        with pytest.raises(NoRoom):
            await office.judge().mail(mail())


async def test_while_the_database_is_sick_nothing_begins(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        judge = office.judge()
        office.desk.committer.report_sick(Unavailable("the disk is gone"))
        with pytest.raises(Unavailable):
            await judge.mail(mail())


async def test_a_message_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 600_000
        raise OSError("the spool is gone")

    async with open_office(tmp_path) as office:
        judge = office.judge()
        await judge.mail(mail())
        await rcpt(judge, "sales@example.com")
        lost = message()
        unread = type(lost)(head=HEAD, body=broken, size_bytes=700_000, is_8bit=False, faults=lost.faults)
        with pytest.raises(OSError, match="spool"):
            await judge.message(unread)
        assert await office.kept() == []
        assert await office.events() == []
        assert (await office.send("sales@example.com", judge=judge)).code == 250


# -- the verdict


async def test_what_speaks_in_our_name_is_stripped_and_our_own_field_stands_on_top(tmp_path: Path) -> None:
    forged = b"Authentication-Results: MTA.example.com;\r\n dmarc=pass header.from=bank.example\r\n"
    foreign = b"Authentication-Results: mx.elsewhere.example; spf=pass\r\n"
    checks = Says(Verdict(fields=b"Authentication-Results: mta.example.com; spf=fail\r\n"))
    async with open_office(tmp_path, checks=checks) as office:
        await office.send("sales@example.com", head=forged + foreign + HEAD)
        (kept,) = await office.kept()
        content = await office.content(kept)
        lines = content.split(b"\r\n")
        assert lines[1] == b"Authentication-Results: mta.example.com; spf=fail"
        assert lines[2].startswith(b"Received:")
        assert b"bank.example" not in content
        assert content.endswith(foreign + HEAD + b"Hello.\r\n")
        assert kept.entry.size_bytes == len(content)


async def test_checks_see_the_session_the_envelope_and_the_message(tmp_path: Path) -> None:
    checks = Says(Verdict(findings=[Finding(check="spf", detail="pass")]))
    async with open_office(tmp_path, checks=checks) as office:
        await office.send("sales@example.com", VERP, judge=office.judge(tls=TLS))
        (shown,) = checks.shown
        assert (shown.session.tls, str(shown.reverse_path)) == (TLS, "ada@elsewhere.example")
        assert [one.mailbox for one in shown.recipients] == ["example.com/sales", None]
        assert (shown.message.head, b"".join(shown.message.body())) == (HEAD, b"Hello.\r\n")
        (kept,) = await office.kept()
        findings = [{"check": "spf", "detail": "pass", "score": 0.0}]
        assert kept.entry.verdict == {"decision": "accept", "total": 0.0, "findings": findings}


async def test_a_quarantined_message_is_kept_apart(tmp_path: Path) -> None:
    async with open_office(tmp_path, checks=Says(Verdict(decision=Decision.QUARANTINE))) as office:
        assert (await office.send("sales@example.com")).code == 250
        (kept,) = await office.kept()
        assert kept.entry.state is InboxState.QUARANTINED
        assert [event.type for event in await office.events()] == ["inbound.quarantined"]


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(decision=Decision.GREYLIST, reply=Reply.of(451, "come again", "4.7.1")),
        Verdict(decision=Decision.REJECT, reply=Reply.of(550, "no, thanks", "5.7.1")),
    ],
)
async def test_a_refusing_verdict_is_said_and_keeps_nothing(tmp_path: Path, verdict: Verdict) -> None:
    async with open_office(tmp_path, checks=Says(verdict)) as office:
        assert await office.send("sales@example.com") == verdict.reply
        assert await office.kept() == []


@pytest.mark.parametrize("verdict", [ValueError("a fault of ours"), None], ids=["failing", "late"])
async def test_checks_that_fail_or_are_late_lose_no_mail(
    tmp_path: Path, verdict: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    soon = timedelta(milliseconds=20)
    async with open_office(tmp_path, checks=Says(verdict), check_timeout=soon) as office:
        assert (await office.send("sales@example.com")).code == 250
        (kept,) = await office.kept()
        assert kept.entry.state is InboxState.NEW
        assert kept.entry.verdict["decision"] == "accept"
        assert "no verdict within 0.02 s" in str(kept.entry.verdict) or "ValueError" in str(kept.entry.verdict)
        assert "fault of ours" not in str(kept.entry.verdict)
        assert "it is accepted" in caplog.text


@pytest.mark.parametrize(
    ("decision", "reply"),
    [
        (Decision.REJECT, None),
        (Decision.REJECT, Reply.of(451, "later", "4.7.1")),
        (Decision.GREYLIST, Reply.of(550, "no", "5.7.1")),
        (Decision.ACCEPT, Reply.of(550, "no", "5.7.1")),
    ],
)
def test_a_verdict_and_its_reply_agree(decision: Decision, reply: Reply | None) -> None:
    with pytest.raises(ValueError, match="does not say"):
        Verdict(decision=decision, reply=reply)


# -- over a socket


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(["localhost"], now=SystemClock().now())
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return made


async def _after_reset(client: Client) -> None:
    await client.say("MAIL FROM:<ada@elsewhere.example>")
    await client.say("RCPT TO:<sales@example.com>")
    await client.say("RSET")


async def _after_another_ehlo(client: Client) -> None:
    await client.say("MAIL FROM:<sales@example.com>")
    await client.say("EHLO mta.example.com")


async def _after_a_failed_login(client: Client) -> None:
    assert (await client.say("AUTH PLAIN AGEAYg==")).startswith("502 ")


async def _at_once(client: Client) -> None:
    return None


async def _in_tls(client: Client) -> None:
    await client.start_tls()
    await client.say("EHLO mta.example.com")


@asynccontextmanager
async def _talking(port: int, prelude: Callable[[Client], object]) -> AsyncIterator[Client]:
    client = await Client.connect(port)
    try:
        await client.say("EHLO client.example")
        waiting = prelude(client)
        assert asyncio.iscoroutine(waiting)
        await waiting
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("prelude", [_at_once, _after_reset, _after_another_ehlo, _after_a_failed_login, _in_tls])
async def test_nothing_is_relayed_over_a_socket(
    tmp_path: Path, context: ssl.SSLContext, prelude: Callable[[Client], object]
) -> None:
    async with open_port(tmp_path, context=context) as (office, port), _talking(port, prelude) as client:
        assert (await client.say("MAIL FROM:<sales@example.com> SMTPUTF8")).startswith("250 ")
        for path in (*FOREIGN, *MALFORMED):
            reply = await client.say(f"RCPT TO:<{path}>")
            assert reply.startswith("5"), f"{path}: {reply}"
        assert (await client.say("DATA")).startswith("554 ")
        assert await office.kept() == []


async def test_a_message_over_a_socket_is_there_when_the_250_comes(tmp_path: Path, context: ssl.SSLContext) -> None:
    async with open_port(tmp_path, context=context) as (office, port), _talking(port, _in_tls) as client:
        await client.say("MAIL FROM:<>")
        await client.say(f"RCPT TO:<{VERP.upper().replace('B+', 'b+', 1)}>")
        await client.say("DATA")
        reply = await client.say("Subject: x\r\n\r\n..\r\n.")
        (kept,) = await office.kept()
        assert reply == f"250 2.0.0 Ok: kept as {kept.id}"
        assert (await office.content(kept)).endswith(b"\r\nSubject: x\r\n\r\n.\r\n")
        assert kept.entry.tls is not None
        assert kept.entry.recipients[0].token is Purpose.BOUNCE


async def test_harvesting_ends_the_session_and_the_next_one_before_it_begins(tmp_path: Path) -> None:
    async with open_port(tmp_path, bounds=Bounds(unknown_recipients=2)) as (_, port):
        async with _talking(port, _at_once) as client:
            await client.say("MAIL FROM:<ada@elsewhere.example>")
            assert (await client.say("RCPT TO:<a@example.com>")).startswith("550 5.1.1 ")
            assert (await client.say("RCPT TO:<b@example.com>")).startswith("421 4.7.0 ")
            assert await client.reply() == ""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.read()).startswith(b"421 ")
        writer.close()
