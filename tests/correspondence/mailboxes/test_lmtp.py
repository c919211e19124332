"""LMTP: LHLO, one recipient a transaction, and what each refusal means."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tests.correspondence.mailboxes.letters import BODY, letter
from tests.correspondence.mailboxes.listening import listening
from tierii_mta.clock import SystemClock
from tierii_mta.correspondence.mailboxes.delivery import Done, Later, Never, Outcome
from tierii_mta.correspondence.mailboxes.lmtp import LmtpDeliverer
from tierii_mta.correspondence.mailboxes.targets import LmtpTarget
from tierii_mta.outbound.security import TlsContexts

ALL_WELL = {
    "greeting": "220 ready",
    "LHLO": "250-here\r\n250-8BITMIME\r\n250 PIPELINING",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    ".": "250 2.0.0 <sales@example.com> saved",
    "QUIT": "221 bye",
}


@asynccontextmanager
async def serving(replies: Mapping[str, str]) -> AsyncIterator[tuple[int, list[str], list[bytes]]]:
    """An LMTP server that answers as told; yields its port, the commands it got, and the messages."""
    commands: list[str] = []
    messages: list[bytes] = []
    says = ALL_WELL | dict(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says["greeting"].encode() + b"\r\n")
        while line := await reader.readline():
            command = line.decode().rstrip()
            commands.append(command)
            verb = command.partition(" ")[0]
            takes_data = all(says[one][0] == "2" for one in ("MAIL", "RCPT")) and says["DATA"][0] == "3"
            if verb == "DATA" and says["DATA"][0] == "3" and not takes_data:
                writer.write(b"503 5.5.1 no recipient\r\n")
                continue
            writer.write(says.get(verb, "500 what").encode() + b"\r\n")
            if verb == "DATA" and takes_data:
                octets = await reader.readuntil(b"\r\n.\r\n")
                messages.append(octets[:-3])
                if not says["."]:
                    break
                writer.write(says["."].encode() + b"\r\n")
            if verb == "QUIT":
                break

    async with listening(serve) as port:
        yield port, commands, messages


def deliverer(port: int, host: str = "127.0.0.1") -> LmtpDeliverer:
    return LmtpDeliverer(
        target=LmtpTarget(host, port), hostname="mta.example.com", clock=SystemClock(), contexts=TlsContexts()
    )


async def answer(**replies: str) -> Outcome:
    async with serving({"." if verb == "dot" else verb: text for verb, text in replies.items()}) as (port, _, _):
        return await deliverer(port).deliver(letter())


async def test_a_letter_is_handed_over_without_our_return_path() -> None:
    async with serving({}) as (port, commands, messages):
        assert await deliverer(port).deliver(letter()) == Done(answer="250 2.0.0 <sales@example.com> saved")
    assert commands[:3] == [
        "LHLO mta.example.com",
        "MAIL FROM:<ada@elsewhere.example>",
        "RCPT TO:<sales@example.com>",
    ]
    assert messages == [b"Received: from a by b; now\r\n" + BODY.replace(b"\r\n.\r\n", b"\r\n..\r\n")]


async def test_a_report_goes_in_from_the_null_sender() -> None:
    async with serving({}) as (port, commands, _):
        await deliverer(port).deliver(letter(reverse_path=""))
    assert "MAIL FROM:<>" in commands


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("RCPT", "550 5.1.1 nobody there"),
        ("MAIL", "552 5.3.4 too large"),
        ("DATA", "554 5.5.1 no"),
        ("dot", "554 5.6.0 that is no mail"),
    ],
)
async def test_a_refusal_for_good_is_kept_in_its_own_words(verb: str, reply: str) -> None:
    outcome = await answer(**{verb: reply})
    assert isinstance(outcome, Never)
    assert reply in outcome.reason


@pytest.mark.parametrize(
    ("verb", "reply", "is_mailbox_down"),
    [
        ("RCPT", "452 4.2.2 over quota", False),
        ("dot", "451 4.2.0 a lock", False),
        ("MAIL", "451 4.3.0 not now", True),
        ("DATA", "451 4.3.0 not now", True),
        ("greeting", "421 4.3.2 closing", True),
        ("greeting", "554 5.3.2 go away", True),
        ("LHLO", "500 5.5.1 this is no LMTP", True),
        ("dot", "", True),
    ],
)
async def test_a_refusal_for_now_tells_a_recipient_from_a_server(verb: str, reply: str, is_mailbox_down: bool) -> None:
    outcome = await answer(**{verb: reply})
    assert isinstance(outcome, Later), outcome
    assert outcome.is_mailbox_down is is_mailbox_down


async def test_a_server_that_is_not_there_delays() -> None:
    async with serving({}) as (port, _, _):
        pass
    outcome = await deliverer(port).deliver(letter())
    assert isinstance(outcome, Later)
    assert outcome.is_mailbox_down
    assert "Connection refused" in outcome.reason


async def test_a_name_that_nobody_knows_delays() -> None:
    outcome = await deliverer(24, "no-such-host.invalid").deliver(letter())
    assert isinstance(outcome, Later)
    assert "no-such-host.invalid" in outcome.reason


async def test_what_the_server_cannot_carry_is_refused_for_good() -> None:
    outcome = await answer(LHLO="250-here\r\n250 SIZE 10")
    assert isinstance(outcome, Never)
