"""The sink over real sockets, driven by smtplib as a foreign client."""

import asyncio
import contextlib
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.clock import ManualClock
from tierii_mta.clock import SystemClock
from tierii_mta.errors import ConfigurationError
from tierii_mta.rehearsal.certificate import make_certificate
from tierii_mta.rehearsal.exchange import Received, Refused
from tierii_mta.rehearsal.personality import Personality
from tierii_mta.rehearsal.sink import Note, Sink

MESSAGE = b"Subject: hello\r\n\r\n.dots\r\n..stay\r\n"
Value = TypeVar("Value")
Dialogue = Callable[[Callable[[smtplib.SMTP], Value]], Awaitable[Value]]


@asynccontextmanager
async def playing(text: str) -> AsyncIterator[tuple[Sink, list[Note]]]:
    notes: list[Note] = []
    async with Sink(Personality.parse(text), on_note=notes.append) as sink:
        yield sink, notes


async def talk(sink: Sink, dialogue: Callable[[smtplib.SMTP], Value]) -> Value:
    def run() -> Value:
        with smtplib.SMTP(*sink.address, local_hostname="client.example", timeout=60) as client:
            return dialogue(client)

    return await asyncio.to_thread(run)


def send(client: smtplib.SMTP, *recipients: str, sender: str = "a@x.example") -> dict[str, tuple[int, bytes]]:
    return client.sendmail(sender, list(recipients), MESSAGE)


async def test_an_accepted_message_is_kept_as_it_came() -> None:
    async with playing("") as (sink, notes):
        await talk(sink, lambda client: send(client, "b@y.example", "c@y.example"))
        await sink.arrived(1)

        [message] = sink.received
        assert message.data == MESSAGE
        assert message.sender == "a@x.example"
        assert message.recipients == ("b@y.example", "c@y.example")
        assert message.helo == "client.example"
        assert message.tls is None
        assert message.reply.startswith("250 2.0.0")
        assert notes == [message]
        assert dict(sink.stats) == {"connections": 1, "messages": 1, "recipients": 2, "size_bytes": len(MESSAGE)}


async def test_the_null_sender_is_nobody() -> None:
    async with playing("") as (sink, _):
        await talk(sink, lambda client: send(client, "b@y.example", sender=""))

        assert sink.received[0].sender == ""


async def test_a_rejected_person_does_not_stop_the_others() -> None:
    async with playing('rules: [{to: "gone@*", do: reject}]') as (sink, notes):
        refused = await talk(sink, lambda client: send(client, "gone@y.example", "b@y.example"))

        assert refused == {"gone@y.example": (550, b"5.1.1 <gone@y.example>: no such person here")}
        assert sink.received[0].recipients == ("b@y.example",)
        assert isinstance(notes[0], Refused)
        assert (notes[0].recipient, notes[0].behaviour) == ("gone@y.example", "reject")
        assert sink.stats["refused_reject"] == 1


async def test_greylisting_refuses_until_its_time_has_passed() -> None:
    clock = ManualClock()
    personality = Personality.parse("rules: [{do: greylist, wait: 30s}]")
    async with Sink(personality, clock=clock) as sink:

        def rcpt(client: smtplib.SMTP) -> tuple[int, bytes]:
            client.ehlo()
            client.mail("a@x.example")
            return client.rcpt("b@y.example")

        first = await talk(sink, rcpt)
        too_soon = await talk(sink, rcpt)
        clock.advance(timedelta(seconds=30))
        in_time = await talk(sink, rcpt)

        assert first == too_soon == (451, b"4.7.1 Greylisted, please try again later")
        assert in_time[0] == 250


async def test_greylisting_knows_each_sender_and_recipient_apart() -> None:
    async with playing("rules: [{do: greylist, tries: 1}]") as (sink, _):

        def rcpts(client: smtplib.SMTP) -> list[int]:
            client.ehlo()
            client.mail("a@x.example")
            return [client.rcpt(to)[0] for to in ("b@y.example", "c@y.example", "b@y.example")]

        assert await talk(sink, rcpts) == [451, 451, 250]


@pytest.mark.parametrize(
    ("rule", "stage", "code"),
    [
        ("{do: full}", "rcpt", 452),
        ("{do: block}", "rcpt", 550),
        ("{do: reject, at: data}", "data", 550),
        ("{do: reject, at: dot}", "dot", 550),
        ("{do: reject, at: mail, from: '*@x.example', reply: '553 5.1.8 no such sender domain'}", "mail", 553),
    ],
)
async def test_a_refusal_comes_at_the_stage_the_rule_names(rule: str, stage: str, code: int) -> None:
    async with playing(f"rules: [{rule}]") as (sink, _):

        def stages(client: smtplib.SMTP) -> dict[str, int]:
            client.ehlo()
            met = {"mail": client.mail("a@x.example")[0]}
            if met["mail"] == 250:
                met["rcpt"] = client.rcpt("b@y.example")[0]
            if met.get("rcpt") == 250:
                met["data"] = client.docmd("DATA")[0]
            if met.get("data") == 354:
                client.send(MESSAGE + b".\r\n")
                met["dot"] = client.getreply()[0]
            return met

        met = await talk(sink, stages)

        assert list(met)[-1] == stage
        assert met[stage] == code
        assert not sink.received


async def test_a_rule_may_act_a_few_times_only() -> None:
    async with playing("rules: [{do: full, times: 1}]") as (sink, _):

        def rcpts(client: smtplib.SMTP) -> list[int]:
            client.ehlo()
            client.mail("a@x.example")
            return [client.rcpt("b@y.example")[0] for _ in range(2)]

        assert await talk(sink, rcpts) == [452, 250]


async def test_a_reset_forgets_the_rules_of_the_transaction() -> None:
    async with playing('rules: [{to: "b@*", do: reject, at: data}]') as (sink, _):

        def dialogue(client: smtplib.SMTP) -> tuple[int, int]:
            client.ehlo()
            client.mail("a@x.example")
            client.rcpt("b@y.example")
            client.rset()
            return client.docmd("DATA")[0], client.sendmail("a@x.example", ["c@y.example"], MESSAGE) == {}

        assert await talk(sink, dialogue) == (503, True)


async def test_421_instead_of_a_greeting_closes_the_connection() -> None:
    async with playing('greeting: "421 4.3.2 Not now"') as (sink, notes):
        with pytest.raises(smtplib.SMTPConnectError, match="421"):
            await talk(sink, lambda client: client.noop())

        assert [note.behaviour for note in notes if isinstance(note, Refused)] == ["greeting"]


async def test_a_connection_takes_only_so_many_messages() -> None:
    async with playing("limits: {messages_per_connection: 1}") as (sink, _):

        def dialogue(client: smtplib.SMTP) -> tuple[int, bytes]:
            send(client, "b@y.example")
            code, _ = client.mail("a@x.example")
            return code, client.sock.recv(1) if client.sock else b""

        assert await talk(sink, dialogue) == (421, b"")
        assert len(sink.received) == 1


async def test_busy_closes_the_connection_with_421() -> None:
    async with playing("rules: [{do: busy}]") as (sink, _):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as problem:
            await talk(sink, lambda client: send(client, "b@y.example"))

        assert problem.value.recipients["b@y.example"][0] == 421


async def test_a_drop_after_the_dot_keeps_the_message_and_says_nothing() -> None:
    async with playing("rules: [{do: drop, times: 1}]") as (sink, notes):
        with pytest.raises(smtplib.SMTPServerDisconnected):
            await talk(sink, lambda client: send(client, "b@y.example"))
        await talk(sink, lambda client: send(client, "b@y.example"))

        assert [message.reply[:3] for message in sink.received] == ["", "250"]
        assert [type(note) for note in notes] == [Received, Refused, Received]


async def test_a_slow_stage_waits_on_the_clock() -> None:
    clock = ManualClock()
    async with Sink(Personality.parse("rules: [{delay: {dot: 1h}}]"), clock=clock) as sink:
        sending = asyncio.create_task(talk(sink, lambda client: send(client, "b@y.example")))
        while not clock.sleepers:
            await asyncio.sleep(0)
        assert not sink.received
        clock.advance(timedelta(hours=1))
        await sending

        assert len(sink.received) == 1


async def test_starttls_comes_with_a_certificate_made_for_the_run() -> None:
    async with playing("tls: {starttls: required}") as (sink, _):

        def dialogue(client: smtplib.SMTP) -> tuple[int, int]:
            client.ehlo()
            before = client.mail("a@x.example")[0]
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
            send(client, "b@y.example")
            return before, client.has_extn("starttls")

        assert await talk(sink, dialogue) == (530, False)
        assert sink.received[0].tls == "TLSv1.3"


async def test_a_given_certificate_is_the_one_shown(tmp_path: Path) -> None:
    certificate, key = make_certificate(["localhost"], now=SystemClock().now())
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "sink.yaml").write_text("tls: {starttls: offered, certificate: cert.pem, key: key.pem}")
    async with Sink(Personality.load(tmp_path / "sink.yaml")) as sink:

        def run() -> None:
            with smtplib.SMTP("localhost", sink.port, timeout=60) as client:
                client.starttls(context=ssl.create_default_context(cadata=certificate.decode()))
                send(client, "b@y.example")

        await asyncio.to_thread(run)
        assert len(sink.received) == 1


async def test_a_certificate_that_cannot_be_used_is_an_error_of_configuration(tmp_path: Path) -> None:
    (tmp_path / "sink.yaml").write_text("tls: {starttls: offered, certificate: cert.pem, key: key.pem}")
    with pytest.raises(ConfigurationError, match=r"cert\.pem and .*key\.pem: certificate and key cannot be used"):
        await Sink(Personality.load(tmp_path / "sink.yaml")).__aenter__()


async def test_without_starttls_none_is_offered() -> None:
    async with playing("extensions: {pipelining: false, smtputf8: false}") as (sink, _):

        def dialogue(client: smtplib.SMTP) -> set[str]:
            client.ehlo()
            return set(client.esmtp_features)

        assert await talk(sink, dialogue) == {"size", "8bitmime", "enhancedstatuscodes"}


async def test_pipelined_commands_are_answered_in_order() -> None:
    async with playing('rules: [{to: "gone@*", do: reject}]') as (sink, _):

        def dialogue(client: smtplib.SMTP) -> list[int]:
            client.ehlo()
            client.send(b"MAIL FROM:<a@x.example>\r\nRCPT TO:<gone@y.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n")
            codes = [client.getreply()[0] for _ in range(4)]
            client.send(MESSAGE + b".\r\n")
            return [*codes, client.getreply()[0]]

        assert await talk(sink, dialogue) == [250, 550, 250, 354, 250]


async def test_it_listens_on_ipv6_too() -> None:
    async with Sink(listen=("::1", 0)) as sink:
        await talk(sink, lambda client: send(client, "b@y.example"))

        assert sink.received[0].client == "::1"


async def test_memory_is_bounded_and_the_count_is_not() -> None:
    async with playing("limits: {keep: 2}") as (sink, _):
        await talk(sink, lambda client: [send(client, f"b{number}@y.example") for number in range(3)])

        assert [message.recipients for message in sink.received] == [("b1@y.example",), ("b2@y.example",)]
        assert sink.stats["messages"] == 3


async def test_a_maildir_gets_each_message_whole(tmp_path: Path) -> None:
    async with Sink(maildir=tmp_path / "mail") as sink:
        await talk(sink, lambda client: send(client, "b@y.example"))

    [file] = (tmp_path / "mail" / "new").iterdir()
    assert file.read_bytes() == b"Return-Path: <a@x.example>\r\nDelivered-To: b@y.example\r\n" + MESSAGE
    assert not list((tmp_path / "mail" / "tmp").iterdir())


async def test_a_maildir_that_cannot_be_written_is_temporary_for_the_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Sink(maildir=tmp_path / "mail") as sink:
        (tmp_path / "mail" / "tmp").rmdir()
        with pytest.raises(smtplib.SMTPDataError) as problem:
            await talk(sink, lambda client: send(client, "b@y.example"))

        assert problem.value.smtp_code == 451
        assert "the sink failed" in caplog.text
        assert not sink.received


async def test_stopping_ends_open_connections() -> None:
    async with Sink() as sink:
        address = sink.address
        reader, writer = await asyncio.open_connection(*address)
        assert (await reader.readline()).startswith(b"220 ")

    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
