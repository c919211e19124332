"""Sessions over real sockets: foreign servers, TLS, and an MX with every bad manner met in the field.

Each test runs on asyncio's loop and on uvloop (conftest), which is what production uses.
"""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP

from tests.support import hostile_mx
from tests.support.clock import ManualClock
from tests.support.hostile_mx import HostileMx, Peer, Script, after_the_dot, answers_with, says
from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import Envelope
from tierii_mta.outbound.security import TlsContexts, TlsPolicy
from tierii_mta.outbound.session import ConnectFailed, Host, Reuse, Session, Timeouts, Transaction, open_session
from tierii_mta.outbound.sources import Source
from tierii_mta.queue.delivery import Stage

ANNA, BEN = Address.parse("anna@example.net"), Address.parse("ben@example.net")
ENVELOPE = Envelope(reverse_path=Address.parse("news@example.com"), recipients=(ANNA,), size_bytes=0)
MESSAGE = b"Subject: hi\r\n\r\n.dots\r\n" + b"A line of text.\r\n" * 250
LARGE = b"x" * 76 + b"\r\n"
SOON = timedelta(seconds=0.15)  # of the one step a test lets time out
SMTP_SINK = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin")


@pytest.fixture(scope="module")
def contexts() -> TlsContexts:
    return TlsContexts()


async def connect(
    port: int,
    contexts: TlsContexts,
    *,
    address: str = "127.0.0.1",
    name: str = "mx.example",
    tls: TlsPolicy = TlsPolicy.NONE,
    timeouts: Timeouts | None = None,
    source: Source | None = None,
    reuse: Reuse | None = None,
) -> Session:
    return await open_session(
        Host(name, address, port),
        source=source or Source(name="main", ehlo="mta.example.com"),
        tls=tls,
        ehlo="mta.example.com",
        timeouts=timeouts or Timeouts(),
        clock=ManualClock(),
        contexts=contexts,
        reuse=reuse,
    )


async def attempt(
    script: Script, contexts: TlsContexts, *, message: bytes = MESSAGE, timeouts: Timeouts | None = None, **options: Any
) -> tuple[Transaction, HostileMx]:
    """Open a session to a scripted MX, send one message and close."""
    async with HostileMx(script, **options) as mx:
        session = await connect(mx.port, contexts, timeouts=timeouts)
        transaction = await session.transact(ENVELOPE, message)
        await session.close()
    return transaction, mx


async def refusal(
    script: Script, contexts: TlsContexts, *, timeouts: Timeouts | None = None, tls: TlsPolicy = TlsPolicy.NONE
) -> ConnectFailed:
    """Return why no session came about."""
    async with HostileMx(script) as mx:
        with pytest.raises(ConnectFailed) as raised:
            await connect(mx.port, contexts, timeouts=timeouts, tls=tls)
    return raised.value


async def honest(peer: Peer) -> None:
    await peer.greet()
    await peer.serve()


# --- a session's ordinary life


async def test_a_message_arrives_dot_stuffed_in_two_writes(contexts: TlsContexts) -> None:
    transaction, mx = await attempt(honest, contexts)
    assert transaction.is_success
    assert transaction.is_reusable
    assert transaction.dot_written
    assert transaction.decided(ANNA) == (Stage.DOT, transaction.reply)
    assert mx.peers[0].heard == (
        b"EHLO mta.example.com\r\nMAIL FROM:<news@example.com> SIZE=%d\r\n" % len(MESSAGE)
        + b"RCPT TO:<anna@example.net>\r\nDATA\r\n"
        + MESSAGE.replace(b"\r\n.", b"\r\n..")
        + b".\r\nQUIT\r\n"
    )


async def test_one_session_carries_many_messages_without_rset(contexts: TlsContexts) -> None:
    async with HostileMx(honest) as mx:
        session = await connect(mx.port, contexts)
        for _ in range(5):
            assert (await session.transact(ENVELOPE, MESSAGE)).is_success
        assert session.uses == 5
        await session.close()
        await session.close()
    assert b"RSET" not in mx.peers[0].heard


async def test_a_large_message_arrives_whole(contexts: TlsContexts) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet(("PIPELINING",))
        await peer.serve()

    message = LARGE * 10_000
    transaction, mx = await attempt(script, contexts, message=message, receive_buffer=8192)
    assert transaction.is_success
    assert message + b".\r\n" in mx.peers[0].heard


async def test_a_session_over_ipv6(contexts: TlsContexts) -> None:
    async with HostileMx(honest, address="::1") as mx:
        session = await connect(mx.port, contexts, address="::1")
        assert (await session.transact(ENVELOPE, MESSAGE)).is_success
        await session.close()


@pytest.mark.parametrize(("address", "source"), [("127.0.0.1", "127.0.0.9"), ("::1", "::1")])
async def test_a_source_binds_its_address_of_the_hosts_family(contexts: TlsContexts, address: str, source: str) -> None:
    met = []

    async def script(peer: Peer) -> None:
        met.append(peer.address)
        await honest(peer)

    sources = Source(name="main", ehlo="mta.example.com", address="127.0.0.9", address6="::1")
    async with HostileMx(script, address=address) as mx:
        session = await connect(mx.port, contexts, address=address, source=sources)
        await session.close()
    assert met == [source]


async def test_a_source_that_cannot_be_bound_is_our_fault(contexts: TlsContexts) -> None:
    with pytest.raises(ConnectFailed) as raised:
        await connect(25, contexts, source=Source(name="gone", ehlo="mta.example.com", address="192.0.2.1"))
    assert raised.value.is_ours
    assert raised.value.stage is Stage.CONNECT
    assert str(raised.value.reply.enhanced) == "4.3.5"


async def test_a_refused_connection_is_no_answer(contexts: TlsContexts) -> None:
    async with HostileMx(honest) as mx:
        port = mx.port
    with pytest.raises(ConnectFailed) as raised:
        await connect(port, contexts)
    assert (raised.value.stage, raised.value.is_local, raised.value.is_ours) == (Stage.CONNECT, True, False)
    assert str(raised.value.reply) == "451 4.4.1 cannot connect: Connection refused"


async def test_a_second_transaction_at_the_same_time_is_a_mistake(contexts: TlsContexts) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.gone()

    async with HostileMx(script) as mx:
        session = await connect(mx.port, contexts)
        first = asyncio.ensure_future(session.transact(ENVELOPE, MESSAGE))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await session.transact(ENVELOPE, MESSAGE)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_cancelled_transaction_drops_the_connection_and_knows_whether_it_is_in_doubt(
    contexts: TlsContexts,
) -> None:
    for script, in_doubt in ((answers_with(b""), False), (after_the_dot(b""), True)):
        async with HostileMx(script) as mx:
            session = await connect(mx.port, contexts)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await session.transact(ENVELOPE, MESSAGE)
            assert session.dot_written is in_doubt
            assert not session.is_usable(ManualClock())
            await session.close()


async def test_a_cancelled_connect_leaves_no_socket(contexts: TlsContexts) -> None:
    async with HostileMx(hostile_mx.silent) as mx:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connect(mx.port, contexts)


async def test_a_session_is_usable_within_its_messages_and_its_lifetime(contexts: TlsContexts) -> None:
    clock = ManualClock()
    reuse = Reuse(messages=2, lifetime=timedelta(seconds=300))
    async with HostileMx(honest) as mx:
        first = await connect(mx.port, contexts, reuse=reuse)
        await first.transact(ENVELOPE, MESSAGE)
        assert first.is_usable(clock)
        await first.transact(ENVELOPE, MESSAGE)
        assert not first.is_usable(clock)
        second = await connect(mx.port, contexts, reuse=reuse)
        assert second.is_usable(clock)
        clock.advance(timedelta(seconds=300))
        assert not second.is_usable(clock)
        await first.close()
        await second.close()


# --- foreign servers


class Keeper:
    """An aiosmtpd handler that keeps what it gets."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, list[str], bytes]] = []

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address.startswith("ben@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self.kept.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 kept"


async def aiosmtpd_server(keeper: Keeper, **options: Any) -> asyncio.Server:
    def factory() -> SMTP:
        return SMTP(keeper, hostname="mx.example", enable_SMTPUTF8=True, ident="", **options)

    return await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)


async def test_aiosmtpd_takes_what_we_send_and_refuses_whom_it_likes(contexts: TlsContexts) -> None:
    keeper = Keeper()
    server = await aiosmtpd_server(keeper)
    session = await connect(server.sockets[0].getsockname()[1], contexts)
    assert "PIPELINING" not in session.extensions
    envelope = Envelope(reverse_path=None, recipients=(BEN, ANNA), size_bytes=0)
    transaction = await session.transact(envelope, MESSAGE)
    assert transaction.is_success
    assert transaction.decided(BEN)[0] is Stage.RCPT
    assert transaction.decided(BEN)[1].code == 550
    assert transaction.decided(ANNA)[1].text == "kept"
    refused = await session.transact(Envelope(reverse_path=None, recipients=(BEN,), size_bytes=0), MESSAGE)
    assert (refused.stage, refused.reply.code, refused.is_reusable) == (Stage.RCPT, 550, True)
    assert (await session.transact(ENVELOPE, MESSAGE)).is_success
    await session.close()
    server.close()
    assert [kept for *_, kept in keeper.kept] == [MESSAGE, MESSAGE]
    assert keeper.kept[0][1] == ["anna@example.net"]


@pytest.fixture
def sink_port(unused_tcp_port_factory: Callable[[], int]) -> Iterator[int]:
    if SMTP_SINK is None:
        pytest.skip("smtp-sink is not installed (apt-get install postfix)")
    port = unused_tcp_port_factory()
    process = subprocess.Popen([SMTP_SINK, "-u", "nobody", f"127.0.0.1:{port}", "50"])
    yield port
    process.kill()
    process.wait(120)


async def test_smtp_sink_takes_pipelined_messages(sink_port: int, contexts: TlsContexts) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                session = await connect(sink_port, contexts)
                break
            except ConnectFailed:
                await asyncio.sleep(0.05)
    assert "PIPELINING" in session.extensions
    for _ in range(20):
        assert (await session.transact(ENVELOPE, MESSAGE)).is_success
    await session.close()


# --- TLS


class Authority:
    """A certificate authority and the certificates it gives an MX."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(ca_file))
        self.contexts = TlsContexts(ca_file=ca_file)

    def server(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0
        self._authority.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def secured(context: ssl.SSLContext) -> Script:
    async def script(peer: Peer) -> None:
        await peer.greet(("STARTTLS", "PIPELINING"))
        await peer.line()
        try:
            await peer.start_tls(context)
        except (ssl.SSLError, ConnectionError):
            return
        await peer.line()
        await peer.send_ehlo(("PIPELINING", "8BITMIME"))
        await peer.serve()

    return script


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (TlsPolicy.OPPORTUNISTIC, "TLSv1.3 unverified"),
        (TlsPolicy.REQUIRED, "TLSv1.3 unverified"),
        (TlsPolicy.VERIFIED, "TLSv1.3 verified"),
    ],
)
async def test_tls_is_started_and_ehlo_said_again(authority: Authority, policy: TlsPolicy, text: str) -> None:
    async with HostileMx(secured(authority.server("mx.example"))) as mx:
        session = await connect(mx.port, authority.contexts, tls=policy)
        assert session.tls == text
        assert dict(session.extensions) == {"PIPELINING": "", "8BITMIME": ""}
        assert (await session.transact(ENVELOPE, MESSAGE)).is_success
        assert session.is_usable(ManualClock())
        assert (await session.transact(ENVELOPE, LARGE * 20_000)).is_success
        await session.close()
    assert mx.peers[0].heard.endswith(b"\r\n.\r\nQUIT\r\n")


async def test_a_certificate_for_another_name_is_enough_unless_it_is_verified(authority: Authority) -> None:
    server = authority.server("other.example")
    async with HostileMx(secured(server)) as mx:
        session = await connect(mx.port, authority.contexts, tls=TlsPolicy.OPPORTUNISTIC)
        assert session.tls == "TLSv1.3 unverified"
        await session.close()
    error = await refusal(secured(server), authority.contexts, tls=TlsPolicy.VERIFIED)
    assert (error.stage, error.is_tls, error.is_local) == (Stage.STARTTLS, True, True)
    assert str(error.reply.enhanced) == "4.7.5"
    assert "mx.example" in error.reply.text


async def test_a_certificate_nobody_vouches_for_is_refused_when_verified(
    authority: Authority, contexts: TlsContexts
) -> None:
    error = await refusal(secured(authority.server("mx.example")), contexts, tls=TlsPolicy.VERIFIED)
    assert error.is_tls
    assert "certificate" in error.reply.text


async def test_tls_1_1_is_no_tls(authority: Authority) -> None:
    server = authority.server("mx.example")
    server.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    assert (await refusal(secured(server), authority.contexts, tls=TlsPolicy.OPPORTUNISTIC)).is_tls


@pytest.mark.parametrize("policy", [TlsPolicy.REQUIRED, TlsPolicy.VERIFIED])
async def test_a_host_without_starttls_is_of_no_use_where_tls_is_required(
    contexts: TlsContexts, policy: TlsPolicy
) -> None:
    error = await refusal(honest, contexts, tls=policy)
    assert (error.stage, error.is_tls, error.is_local) == (Stage.STARTTLS, True, True)
    assert str(error.reply.enhanced) == "4.7.4"


async def test_a_host_without_starttls_is_spoken_to_in_plaintext_when_opportunistic(contexts: TlsContexts) -> None:
    async with HostileMx(honest) as mx:
        session = await connect(mx.port, contexts, tls=TlsPolicy.OPPORTUNISTIC)
        assert session.tls is None
        assert (await session.transact(ENVELOPE, MESSAGE)).is_success
        await session.close()


async def test_aiosmtpd_speaks_tls_with_us(authority: Authority) -> None:
    keeper = Keeper()
    server = await aiosmtpd_server(keeper, tls_context=authority.server("mx.example"), require_starttls=True)
    session = await connect(server.sockets[0].getsockname()[1], authority.contexts, tls=TlsPolicy.VERIFIED)
    assert (await session.transact(ENVELOPE, MESSAGE)).is_success
    await session.close()
    server.close()
    assert keeper.kept[0][2] == MESSAGE


async def test_a_session_that_ends_inside_tls_is_lost_like_any_other(authority: Authority) -> None:
    context = authority.server("mx.example")

    async def script(peer: Peer) -> None:
        await peer.greet(("STARTTLS",))
        await peer.line()
        await peer.start_tls(context)
        await peer.line()
        await peer.send_ehlo(("PIPELINING",))
        for _ in range(3):
            await peer.line()
        await peer.send(b"250 ok\r\n250 ok\r\n354 go\r\n")
        await peer.message()
        peer.reset()

    async with HostileMx(script) as mx:
        session = await connect(mx.port, authority.contexts, tls=TlsPolicy.REQUIRED)
        transaction = await session.transact(ENVELOPE, MESSAGE)
        await session.close()
    assert (transaction.stage, transaction.is_local, transaction.dot_written) == (Stage.DOT, True, True)


# --- bad manners before the first message


@pytest.mark.parametrize(
    ("script", "stage", "code", "is_local"),
    [
        (says(b"554 5.7.1 go away\r\n"), Stage.GREETING, 554, False),
        (says(b"421 4.3.2 too busy\r\n"), Stage.GREETING, 421, False),
        (hostile_mx.endless_banner, Stage.GREETING, 451, True),
        (says(b"220-a\r\n221 b\r\n"), Stage.GREETING, 451, True),
        (says(b"\0\xff" * 100 + b"\r\n"), Stage.GREETING, 451, True),
        (hostile_mx.ehlo_of_a_megabyte, Stage.EHLO, 451, True),
    ],
    ids=[
        "554 banner",
        "421 banner",
        "endless banner",
        "changing codes",
        "no reply at all",
        "EHLO of 1 MB",
    ],
)
async def test_a_host_that_misbehaves_before_the_first_message(
    contexts: TlsContexts, script: Script, stage: Stage, code: int, is_local: bool
) -> None:
    error = await refusal(script, contexts)
    assert (error.stage, error.reply.code, error.is_local, error.is_tls) == (stage, code, is_local, False)
    assert error.reply.text.isprintable()


@pytest.mark.parametrize(
    ("farewell", "text"),
    [
        (b"", "421 4.4.2 connection lost"),
        (b"421 4.3.2 busy\r\n", "421 4.3.2 busy"),
        (b"250 x\r\n", "451 4.5.0 the peer"),
    ],
    ids=["FIN", "421", "another reply"],
)
async def test_a_session_that_ends_before_its_first_message_is_the_hosts_failure(
    contexts: TlsContexts, farewell: bytes, text: str
) -> None:
    async with HostileMx(hostile_mx.hangs_up_after(0, farewell)) as mx:
        try:
            session = await connect(mx.port, contexts)
            while session.is_worth_keeping(ManualClock()):
                await asyncio.sleep(0)
            transaction = await session.transact(ENVELOPE, MESSAGE)
        except ConnectFailed as error:  # it was known in time
            stage, reply = error.stage, error.reply
        else:
            stage, reply = transaction.stage, transaction.reply
            assert not transaction.is_stale
            await session.close()
    assert stage is Stage.MAIL
    assert str(reply).startswith(text)


async def test_a_host_that_rejects_a_handshake_behind_our_back_has_failed_at_tls(authority: Authority) -> None:
    context = authority.server("mx.example")

    async def script(peer: Peer) -> None:
        await peer.greet(("STARTTLS",))
        await peer.line()
        await peer.start_tls(context)
        peer.reset()

    error = await refusal(script, authority.contexts, tls=TlsPolicy.OPPORTUNISTIC)
    assert error.is_tls


@pytest.mark.parametrize("script", [hostile_mx.silent, hostile_mx.trickling_banner], ids=["silent", "1 byte at a time"])
async def test_a_banner_that_does_not_end_in_time_is_given_up(contexts: TlsContexts, script: Script) -> None:
    error = await refusal(script, contexts, timeouts=Timeouts(greeting=SOON))
    assert (error.stage, error.is_local) == (Stage.GREETING, True)
    assert str(error.reply) == "421 4.4.2 no reply in state greeting within 0.15 s"


async def test_a_host_that_knows_helo_only_gets_the_mail(contexts: TlsContexts) -> None:
    transaction, mx = await attempt(hostile_mx.knows_helo_only, contexts)
    assert transaction.is_success
    assert b"HELO mta.example.com\r\nMAIL FROM:<news@example.com>\r\n" in mx.peers[0].heard


@pytest.mark.parametrize(
    "script",
    [hostile_mx.plaintext_after_starttls, hostile_mx.garbage_for_a_handshake, hostile_mx.handshake_stall],
    ids=["plaintext after 220", "garbage", "stall"],
)
async def test_a_broken_handshake_is_a_tls_failure(contexts: TlsContexts, script: Script) -> None:
    stalls = script is hostile_mx.handshake_stall
    timeouts = Timeouts(starttls=timedelta(seconds=0.5)) if stalls else Timeouts()
    error = await refusal(script, contexts, timeouts=timeouts, tls=TlsPolicy.OPPORTUNISTIC)
    assert (error.stage, error.is_tls, error.is_local) == (Stage.STARTTLS, True, True)
    assert str(error.reply.enhanced) == "4.7.5"


# --- bad manners during a transaction


def replies(text: str) -> Script:
    return answers_with(text.replace("|", "\r\n").encode())


@pytest.mark.parametrize(
    ("script", "stage", "code", "is_local", "dot_written", "is_reusable"),
    [
        (replies("452 4.3.1 full|503 no|503 no|"), Stage.MAIL, 452, False, False, True),
        (replies("552 5.3.4 big|503 no|503 no|"), Stage.MAIL, 552, False, False, True),
        (replies("550 5.7.1 no|503 no|503 no|"), Stage.MAIL, 550, False, False, True),
        (replies("421 4.7.0 bye|"), Stage.MAIL, 421, False, False, False),
        (replies("250 ok|550 5.1.1 who|503 no|"), Stage.RCPT, 550, False, False, True),
        (replies("250 ok|552 5.2.2 full|503 no|"), Stage.RCPT, 552, False, False, True),
        (replies("250 ok|250 ok|250 ok|"), Stage.DATA, 451, True, False, False),
        (replies("250 ok|250 ok|550 5.7.1 no|"), Stage.DATA, 550, False, False, True),
        (hostile_mx.resets_in_the_body, Stage.DOT, 421, True, True, False),
        (replies("250 ok|250 ok|354 go|554 5.7.1 no|"), Stage.BODY, 554, False, False, False),
        (replies("250 ok|250 ok|354 go|250 ok|"), Stage.BODY, 451, True, False, False),
        (after_the_dot(b"", then_close=True), Stage.DOT, 421, True, True, False),
        (after_the_dot(b"", then_reset=True), Stage.DOT, 421, True, True, False),
        (after_the_dot(b"252 2.0.0 perhaps\r\n"), Stage.DOT, 252, False, True, True),
        (after_the_dot(b"200 fine\r\n"), Stage.DOT, 200, False, True, True),
        (after_the_dot(b"25", then_close=True), Stage.DOT, 421, True, True, False),
        (after_the_dot(b"25\r\n"), Stage.DOT, 451, True, True, False),
        (after_the_dot(b"250-ok\r\n550 no\r\n"), Stage.DOT, 451, True, True, False),
        (after_the_dot(b"451 4.7.1 later\r\n"), Stage.DOT, 451, False, True, True),
        (after_the_dot(b"421 4.3.2 bye\r\n"), Stage.DOT, 421, False, True, False),
        (after_the_dot(b"250 " + b"x" * 10_000_000 + b"\r\n"), Stage.DOT, 451, True, True, False),
        (after_the_dot(b"550 \0\xff\xc3\xa9 no\r\n"), Stage.DOT, 550, False, True, True),
        (replies("250 ok|354 go|250 ok|"), Stage.RCPT, 451, True, False, False),
    ],
    ids=[
        "MAIL 452", "MAIL 552", "MAIL 550", "MAIL 421", "RCPT 550", "RCPT 552", "250 for 354", "DATA 550",
        "RST in the body", "reply before the dot", "250 before the dot", "close after the dot", "RST after the dot",
        "252 after the dot", "200 after the dot", "cut reply", "short code", "changing codes", "dot 451", "dot 421",
        "10 MB reply", "NULs and no UTF-8", "out of step",
    ],
)  # fmt: skip
async def test_what_a_host_does_to_a_transaction(
    contexts: TlsContexts,
    script: Script,
    stage: Stage,
    code: int,
    is_local: bool,
    dot_written: bool,
    is_reusable: bool,
) -> None:
    transaction, _ = await attempt(script, contexts)
    assert (transaction.stage, transaction.reply.code, transaction.is_local) == (stage, code, is_local)
    assert (transaction.dot_written, transaction.is_reusable) == (dot_written, is_reusable)
    assert transaction.reply.text.isprintable()
    assert not transaction.is_stale


async def test_too_many_recipients_go_on_with_those_accepted(contexts: TlsContexts) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        for _ in range(5):
            await peer.line()
        await peer.send(b"250 ok\r\n251 ok\r\n452 4.5.3 too many\r\n550 5.1.1 who\r\n354 go\r\n")
        await peer.message()
        await peer.send(b"250 ok\r\n")

    people = tuple(Address.parse(f"{name}@example.net") for name in ("anna", "ben", "carla"))
    async with HostileMx(script) as mx:
        session = await connect(mx.port, contexts)
        transaction = await session.transact(Envelope(reverse_path=None, recipients=people, size_bytes=0), MESSAGE)
        await session.close()
    assert [transaction.decided(person)[1].code for person in people] == [250, 452, 550]


@pytest.mark.parametrize(
    ("script", "timeouts", "stage", "dot_written"),
    [
        (replies(""), Timeouts(mail=SOON), Stage.MAIL, False),
        (replies("250 ok|"), Timeouts(rcpt=SOON), Stage.RCPT, False),
        (replies("250 ok|250 ok|"), Timeouts(data=SOON), Stage.DATA, False),
        (after_the_dot(b""), Timeouts(dot=SOON), Stage.DOT, True),
        (after_the_dot(b"250 o"), Timeouts(dot=SOON), Stage.DOT, True),
    ],
    ids=["MAIL", "RCPT", "late 354", "no reply after the dot", "half a reply after the dot"],
)
async def test_a_reply_that_does_not_come_in_time_is_given_up(
    contexts: TlsContexts, script: Script, timeouts: Timeouts, stage: Stage, dot_written: bool
) -> None:
    transaction, _ = await attempt(script, contexts, timeouts=timeouts)
    assert (transaction.stage, transaction.is_local, transaction.dot_written) == (stage, True, dot_written)
    assert "within 0.15 s" in transaction.reply.text
    assert not transaction.is_reusable


HUGE = LARGE * 200_000  # more than any kernel buffers


async def test_a_host_that_stops_reading_is_given_up_with_the_dot_unwritten(contexts: TlsContexts) -> None:
    transaction, _ = await attempt(
        hostile_mx.stops_reading, contexts, message=HUGE, timeouts=Timeouts(body=SOON), receive_buffer=4096
    )
    assert (transaction.stage, transaction.is_local, transaction.dot_written) == (Stage.BODY, True, False)
    assert transaction.reply.text == "the peer takes no data within 0.15 s"


async def test_a_refusal_in_the_middle_of_the_body_ends_it(contexts: TlsContexts) -> None:
    transaction, _ = await attempt(hostile_mx.refuses_in_the_body, contexts, message=HUGE, receive_buffer=4096)
    assert (transaction.stage, transaction.reply.code, transaction.is_local) == (Stage.BODY, 552, False)
    assert not transaction.dot_written


async def test_a_reset_in_the_middle_of_a_large_body_leaves_the_dot_unwritten(contexts: TlsContexts) -> None:
    transaction, _ = await attempt(hostile_mx.resets_in_the_body, contexts, message=HUGE, receive_buffer=4096)
    assert (transaction.stage, transaction.reply.code, transaction.is_local) == (Stage.BODY, 421, True)
    assert not transaction.dot_written


async def test_a_greylisted_recipient_is_accepted_by_the_next_session(contexts: TlsContexts) -> None:
    async with HostileMx(hostile_mx.greylists) as mx:
        first = await connect(mx.port, contexts)
        transaction = await first.transact(ENVELOPE, MESSAGE)
        assert transaction.decided(ANNA)[1].code == 451
        await first.close()
        second = await connect(mx.port, contexts)
        assert (await second.transact(ENVELOPE, MESSAGE)).is_success
        await second.close()


@pytest.mark.parametrize(
    "script",
    [hostile_mx.hangs_up_after(2), hostile_mx.hangs_up_after(2, b"421 4.7.0 idle\r\n"), hostile_mx.refuses_after(2)],
    ids=["FIN", "421 unasked", "421 to MAIL"],
)
async def test_a_session_the_host_has_ended_judges_no_message(contexts: TlsContexts, script: Script) -> None:
    async with HostileMx(script) as mx:
        session = await connect(mx.port, contexts)
        for _ in range(2):
            assert (await session.transact(ENVELOPE, MESSAGE)).is_success
        transaction = await session.transact(ENVELOPE, MESSAGE)
        await session.close()
    assert transaction.is_stale
    assert not transaction.dot_written
    assert not transaction.is_reusable


async def test_421_to_the_first_message_is_a_judgement(contexts: TlsContexts) -> None:
    transaction, _ = await attempt(hostile_mx.refuses_after(0), contexts)
    assert (transaction.stage, transaction.reply.code, transaction.is_stale) == (Stage.MAIL, 421, False)


async def test_an_accepted_message_stays_accepted_when_the_connection_breaks(contexts: TlsContexts) -> None:
    transaction, _ = await attempt(after_the_dot(b"250 ok\r\n", then_reset=True), contexts)
    assert transaction.is_success
