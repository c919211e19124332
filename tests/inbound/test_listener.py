"""What clients of every kind meet at the door."""

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.inbound.porch import ENVELOPE, MESSAGE, OK, Desk, certificate, open_porch
from tests.support.clock import ManualClock
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.arrival import MessageBounds
from tierii_mta.inbound.gate import Bounds
from tierii_mta.inbound.patience import Patience
from tierii_mta.inbound.session import Door
from tierii_mta.mail.reply import Reply, TransientError
from tierii_mta.queue.reserve import NoRoom


async def test_a_message_passes_and_its_session_is_told_in_one_line(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with open_porch(tmp_path) as porch:
            client = await porch.ready()
            await client.open_data()
            assert await client.say(MESSAGE + b".\r\n") == "250 2.0.0 Ok\r\n"
            assert (await client.say(b"QUIT\r\n")).startswith("221 ")
            assert await client.rest() == b""
            await porch.empty()
    assert porch.desk.messages == [MESSAGE]
    assert (porch.desk.abandoned, porch.desk.closed) == (0, 1)
    assert (porch.counts.open, porch.counts.messages) == (0, 1)
    (ended,) = [entry for entry in logs if entry["event"] == "session.ended"]
    assert ended["session"] == porch.desk.sessions[0].id
    assert (ended["client"], ended["messages"], ended["why"]) == ("client.example", 1, "221 2.0.0 Bye")


async def test_pipelined_commands_are_answered_in_one_write(tmp_path: Path) -> None:
    async with open_porch(tmp_path) as porch:
        client = await porch.ready()
        client.send(b"MAIL FROM:<>\r\n" + b"RCPT TO:<b@two.example>\r\n" * 50)
        octets = await client.reader.read(65_536)
        assert octets.count(b"250 2.0.0 Ok\r\n") == 51


async def test_a_message_larger_than_memory_bears_is_spooled_and_leaves_nothing_behind(tmp_path: Path) -> None:
    message = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 60 + b"\r\n"
    message += (b"x" * 900 + b"\r\n") * 1000
    async with open_porch(tmp_path) as porch:
        client = await porch.ready()
        await client.open_data()
        assert (await client.say(message + b".\r\n")).startswith("250 ")
        assert list(tmp_path.iterdir()) == []
    assert porch.desk.messages == [message]


# --- errors of ours


async def test_a_judge_that_raises_is_451_without_its_text_and_one_log_line_with_it(tmp_path: Path) -> None:
    desk = Desk(replies={"mail": RuntimeError("database is locked\r\n250 injected")})
    with capture_logs() as logs:
        async with open_porch(tmp_path, desk=desk) as porch:
            client = await porch.ready()
            assert await client.say(b"MAIL FROM:<>\r\n") == "451 4.3.0 a fault of ours, try again later\r\n"
            assert await client.say(b"NOOP\r\n") == "250 2.0.0 Ok\r\n"
    faults = [entry for entry in logs if entry["event"] == "session.fault"]
    assert len(faults) == 1
    assert "database is locked" in faults[0]["error"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("the database does not take commits now"), "451 4.3.0 "),
        (NoRoom("nothing is accepted"), "452 4.3.1 "),
        (TransientError(Reply.of(450, "not yet", "4.2.0")), "450 4.2.0 "),
    ],
)
async def test_a_store_that_cannot_keep_a_message_makes_its_sender_keep_it(
    tmp_path: Path, error: Exception, code: str
) -> None:
    async with open_porch(tmp_path, desk=Desk(replies={"message": error})) as porch:
        client = await porch.ready()
        await client.open_data()
        reply = await client.say(MESSAGE + b".\r\n")
        assert reply.startswith(code)
        assert str(error) not in reply or isinstance(error, TransientError)
        assert porch.counts.messages == 0


async def test_a_judge_that_cannot_greet_closes_with_421(tmp_path: Path) -> None:
    async with open_porch(tmp_path, desk=Desk(replies={"greet": RuntimeError("no")})) as porch:
        client = await porch.client()
        assert (await client.rest()) == b"421 4.3.0 a fault of ours, try again later\r\n"


# --- clients that go away


async def test_a_reset_in_mid_message_keeps_nothing(tmp_path: Path) -> None:
    async with open_porch(tmp_path) as porch:
        client = await porch.ready()
        await client.open_data()
        client.send(b"Subject: half\r\n\r\n" + b"x" * 100_000)
        await porch.until(lambda: porch.counts.open == 1 and porch.listener.open_sessions == 1)
        client.reset()
        await porch.empty()
    assert (porch.desk.messages, porch.desk.abandoned, porch.desk.closed) == ([], 1, 1)
    assert list(tmp_path.iterdir()) == []


async def test_the_end_of_tls_in_mid_message_keeps_nothing_and_no_octet_behind_it_counts(tmp_path: Path) -> None:
    async with open_porch(tmp_path, tls=certificate()) as porch:
        client = await porch.ready(Door.SUBMISSIONS)
        await client.open_data()
        client.send(b"Subject: half\r\n\r\n" + b"x" * 100_000)
        await client.writer.drain()
        raw = client.writer.get_extra_info("socket")
        client.writer.close()  # close_notify
        with socket.socket(fileno=socket.dup(raw.fileno())) as behind:
            behind.setblocking(False)
            with contextlib.suppress(OSError):  # the server may have closed already
                behind.send(b"\r\n.\r\nQUIT\r\n")
        await porch.empty()
    assert (porch.desk.messages, porch.desk.abandoned, porch.desk.closed) == ([], 1, 1)


@pytest.mark.parametrize(
    ("said", "replies"),
    [
        (b"", [b"220"]),
        (b"EHLO client.example\r\n", [b"220", b"250"]),
        (b"EHLO client.example\r\nMAIL FR", [b"220", b"554"]),
        (b"HELO client.example\r\n", [b"220", b"250"]),
    ],
)
async def test_a_client_that_says_no_more_gets_its_replies(tmp_path: Path, said: bytes, replies: list[bytes]) -> None:
    async with open_porch(tmp_path) as porch:
        client = await porch.client()
        first = await client.reply()
        client.send(said)
        client.writer.write_eof()
        lines = [first.encode(), *(await client.rest()).splitlines(keepends=True)]
        finals = [line[:3] for line in lines if line[3:4] == b" "]
        assert finals == replies
        await porch.empty()


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "half a message"])
async def test_a_client_that_leaves_within_a_transaction_has_it_abandoned(tmp_path: Path, step: str) -> None:
    said = {
        "mail": b"MAIL FROM:<>\r\n",
        "rcpt": b"MAIL FROM:<>\r\nRCPT TO:<b@two.example>\r\n",
        "data": ENVELOPE,
        "half a message": ENVELOPE,
    }
    async with open_porch(tmp_path) as porch:
        client = await porch.ready()
        client.send(said[step])
        for _ in range(said[step].count(b"\r\n")):
            await client.reply()
        if step == "half a message":
            client.send(MESSAGE + b".\r")
        client.writer.write_eof()
        assert await client.rest() == b""
        await porch.empty()
    assert (porch.desk.messages, porch.desk.abandoned) == ([], 1)


async def test_a_half_close_behind_the_dot_undoes_no_commit_and_still_gets_the_reply(tmp_path: Path) -> None:
    desk = Desk(hold=asyncio.Event())
    async with open_porch(tmp_path, desk=desk) as porch:
        client = await porch.ready()
        await client.open_data()
        client.send(MESSAGE + b".\r\nQUIT\r\n")
        client.writer.write_eof()
        await desk.holding.wait()
        assert desk.hold is not None
        desk.hold.set()
        assert (await client.rest()) == b"250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n"
    assert desk.messages == [MESSAGE]


async def test_a_lost_connection_during_the_commit_changes_nothing(tmp_path: Path) -> None:
    desk = Desk(hold=asyncio.Event())
    async with open_porch(tmp_path, desk=desk) as porch:
        client = await porch.ready()
        await client.open_data()
        client.send(MESSAGE + b".\r\n")
        await desk.holding.wait()
        client.reset()
        assert desk.hold is not None
        desk.hold.set()
        await porch.empty()
    assert desk.messages == [MESSAGE]
    assert (desk.abandoned, desk.closed) == (0, 1)


# --- clients that take their time


async def test_a_silent_client_is_told_and_closed_after_the_command_timeout(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_porch(tmp_path, clock=clock) as porch:
        client = await porch.ready()
        await clock.run(timedelta(minutes=4))
        assert await client.say(b"NOOP\r\n") == "250 2.0.0 Ok\r\n"
        await clock.run(timedelta(minutes=4))
        await clock.run(timedelta(seconds=62))
        assert await client.rest() == b"421 4.4.2 timeout\r\n"


async def test_a_command_that_comes_drop_by_drop_is_no_command(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_porch(tmp_path, clock=clock) as porch:
        client = await porch.ready()
        for octet in b"MAIL FROM:<slow@loris.examp":
            client.send(bytes([octet]))
            await clock.run(timedelta(seconds=11))
        await clock.run(timedelta(seconds=11))
        assert await client.rest() == b"421 4.4.2 timeout\r\n"
        assert "mail" not in porch.desk.asked


async def test_places_are_taken_from_silent_clients_sooner_while_they_are_scarce(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_porch(tmp_path, clock=clock, bounds=Bounds(connections=3)) as porch:
        first = await porch.ready()
        await clock.run(timedelta(seconds=30))
        second = await porch.ready()
        await clock.run(timedelta(seconds=2))
        assert await first.rest() == b"421 4.4.2 timeout\r\n"
        await porch.until(lambda: porch.listener.open_sessions == 1)
        await clock.run(timedelta(seconds=30))
        assert await second.say(b"NOOP\r\n") == "250 2.0.0 Ok\r\n"


async def test_a_message_must_bring_its_rate_after_the_grace(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_porch(tmp_path, clock=clock, patience=Patience(data_rate=500)) as porch:
        client = await porch.ready()
        await client.open_data()
        for _ in range(6):
            client.send(b"one octet after the other\r\n")
            await client.writer.drain()
            await clock.run(timedelta(seconds=10))
        await clock.run(timedelta(seconds=2))
        assert await client.rest() == b"421 4.4.2 the message comes too slowly\r\n"
        await client.close()
        await porch.empty()
    assert (porch.desk.messages, porch.desk.abandoned) == ([], 1)


async def test_a_message_that_takes_half_an_hour_is_broken_off_however_fast_it_comes(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_porch(tmp_path, clock=clock) as porch:
        client = await porch.ready()
        await client.open_data()
        octets = porch.counts
        assert octets.messages == 0
        for _ in range(16):
            client.send((b"x" * 998 + b"\r\n") * 65)
            await client.writer.drain()
            await clock.run(timedelta(minutes=2))
        assert await client.rest() == b"421 4.4.2 timeout\r\n"


async def test_a_session_ends_after_its_time(tmp_path: Path) -> None:
    clock = ManualClock()
    patience = Patience(session=timedelta(minutes=10))
    async with open_porch(tmp_path, clock=clock, patience=patience) as porch:
        client = await porch.ready()
        for _ in range(3):
            assert await client.say(b"NOOP\r\n") == "250 2.0.0 Ok\r\n"
            await clock.run(timedelta(minutes=4))
        assert await client.rest() == b"421 4.4.2 timeout\r\n"


async def test_a_client_that_never_reads_is_dropped(tmp_path: Path) -> None:
    clock = ManualClock()
    long = Reply(250, ("x" * 400,) * 50, OK.enhanced)
    desk = Desk(replies={"recipient": long})
    async with open_porch(tmp_path, clock=clock, desk=desk) as porch:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", porch.ports[Door.INBOUND]))
            assert (await asyncio.get_running_loop().sock_recv(deaf, 100)).startswith(b"220 ")
            await asyncio.get_running_loop().sock_sendall(deaf, b"EHLO deaf.example\r\n")
            await porch.until(lambda: desk.sessions[0].client_name)
            said = b"MAIL FROM:<>\r\n" + b"RCPT TO:<b@two.example>\r\n" * 900
            await asyncio.get_running_loop().sock_sendall(deaf, said)
            await porch.until(lambda: desk.asked.count("recipient") == 900)
            await clock.run(timedelta(minutes=5, seconds=10))
            await clock.run(timedelta(seconds=10))
            await porch.empty()


async def test_whoever_errs_often_is_slowed_down_and_then_closed(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_porch(tmp_path, clock=clock, errors=8) as porch:
        client = await porch.ready()
        for _ in range(3):
            assert (await client.say(b"RCPT TO:<b@two.example>\r\n")).startswith("503 ")
        for _ in range(4):
            client.send(b"RCPT TO:<b@two.example>\r\n")
            await porch.until(lambda: clock.sleepers == 2)  # the sweep, and the pause
            await clock.run(timedelta(seconds=1))
            assert (await client.reply()).startswith("503 ")
        assert (await client.say(b"RCPT TO:<b@two.example>\r\n")).startswith("503 ")
        assert await client.rest() == b"421 4.7.0 too many errors\r\n"


# --- too much


async def test_a_line_without_end_costs_no_memory_and_one_error(tmp_path: Path) -> None:
    async with open_porch(tmp_path) as porch:
        client = await porch.ready()
        for _ in range(100):
            client.send(b"x" * 65_536)
            await client.writer.drain()
        assert await client.say(b"\r\n") == "500 5.5.2 the line is too long\r\n"
        assert await client.say(b"NOOP\r\n") == "250 2.0.0 Ok\r\n"


async def test_a_size_that_is_announced_too_large_is_refused_at_once(tmp_path: Path) -> None:
    async with open_porch(tmp_path, message_octets=1000) as porch:
        client = await porch.ready()
        assert (await client.say(b"MAIL FROM:<> SIZE=1001\r\n")).startswith("552 5.3.4 ")
        assert (await client.say(b"MAIL FROM:<> SIZE=1000\r\n")).startswith("250 ")


async def test_a_message_too_large_is_read_to_its_end_and_refused(tmp_path: Path) -> None:
    async with open_porch(tmp_path, message=MessageBounds(size=100_000)) as porch:
        client = await porch.ready()
        await client.open_data()
        reply = await client.say(MESSAGE + (b"x" * 98 + b"\r\n") * 1500 + b".\r\n")
        assert reply == "552 5.3.4 a message has at most 100000 octets\r\n"
        assert await client.say(b"NOOP\r\n") == "250 2.0.0 Ok\r\n"
        assert porch.counts.refusals["5.3.4"] == 1
    assert (porch.desk.messages, porch.desk.abandoned) == ([], 1)


async def test_a_message_far_too_large_is_not_waited_for(tmp_path: Path) -> None:
    async with open_porch(tmp_path, message=MessageBounds(size=100_000)) as porch:
        client = await porch.ready()
        await client.open_data()
        client.send(MESSAGE + (b"x" * 98 + b"\r\n") * 30_000)
        assert await client.rest() == b"421 4.3.4 the message is far too large\r\n"
        await client.close()
        await porch.empty()


async def test_a_bomb_of_line_ends_is_a_message_like_others(tmp_path: Path) -> None:
    bomb = b"\r\n" * 1_000_000
    async with open_porch(tmp_path, message=MessageBounds(size=3_000_000)) as porch:
        client = await porch.ready()
        await client.open_data()
        assert (await client.say(bomb + b".\r\n")).startswith("250 ")
    assert porch.desk.messages == [bomb]


async def test_more_than_a_bound_is_not_read_while_a_judge_thinks(tmp_path: Path) -> None:
    desk = Desk(hold=asyncio.Event())
    async with open_porch(tmp_path, desk=desk) as porch:
        client = await porch.ready()
        await client.open_data()
        client.send(MESSAGE + b".\r\n")
        await desk.holding.wait()
        flood = b"NOOP\r\n" * 2_000_000
        client.send(flood)
        for _ in range(50):
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert client.writer.transport.get_write_buffer_size() > len(flood) // 3
        assert desk.hold is not None
        desk.hold.set()
        assert (await client.reply()).startswith("250 ")
        client.reset()
        await porch.empty()


# --- line ends


@pytest.mark.parametrize("dirt", [b"a\nb", b"a\rb", b"a\0b", b"\n.\n", b"\n.\r\n", b"\r.\r\n"])
async def test_port_25_refuses_what_is_no_clean_line(tmp_path: Path, dirt: bytes) -> None:
    async with open_porch(tmp_path, errors=100) as porch:
        client = await porch.ready()
        await client.open_data()
        assert (await client.say(MESSAGE + dirt + b"\r\n.\r\n")).startswith("550 5.6.11 ")
        assert await client.say(b"NOOP\r\n") == "250 2.0.0 Ok\r\n"
    assert porch.desk.messages == []


async def test_a_message_that_is_not_clean_costs_five_errors(tmp_path: Path) -> None:
    async with open_porch(tmp_path, errors=5) as porch:
        client = await porch.ready()
        await client.open_data()
        client.send(b"Subject: x\r\n\r\na\nb\r\n.\r\n")
        refused, closed = (await client.rest()).splitlines()
        assert refused.startswith(b"550 5.6.11 ")
        assert closed == b"421 4.7.0 too many errors"


async def test_where_line_ends_are_mended_the_message_is_clean_and_the_judge_knows(tmp_path: Path) -> None:
    async with open_porch(tmp_path, message=MessageBounds(mends_line_ends=True)) as porch:
        client = await porch.ready()
        await client.open_data()
        assert (await client.say(b"Subject: x\n\none\rtwo\n.\nthree\r\n.\r\n")).startswith("250 ")
        await client.open_data()
        assert (await client.say(b"Subject: x\r\n\r\na\0b\r\n.\r\n")).startswith("550 5.6.11 ")
    assert porch.desk.messages == [b"Subject: x\r\n\r\none\r\ntwo\r\n.\r\nthree\r\n"]
    assert not porch.desk.faults[0].is_clean


async def test_a_line_or_a_header_beyond_its_bound_is_refused_at_the_end(tmp_path: Path) -> None:
    async with open_porch(tmp_path, message=MessageBounds(line=2000, header=5000)) as porch:
        client = await porch.ready()
        await client.open_data()
        assert (await client.say(MESSAGE + b"x" * 2001 + b"\r\n.\r\n")).startswith("500 5.6.0 ")
        await client.open_data()
        assert (await client.say(MESSAGE + b"x" * 2000 + b"\r\n.\r\n")).startswith("250 ")
        await client.open_data()
        assert (await client.say(b"A: " + b"x" * 500 + b"\r\nB: " * 10 + b"x" * 6000 + b"\r\n.\r\n")).startswith("552 ")


# --- who comes, how often


async def test_too_many_sessions_of_one_address_are_refused_until_one_ends(tmp_path: Path) -> None:
    async with open_porch(tmp_path, bounds=Bounds(connections_per_ip=2)) as porch:
        first, _ = await porch.ready(), await porch.ready()
        third = await porch.client()
        assert (await third.rest()).startswith(b"421 4.7.0 too many sessions from your address")
        other = await porch.client(source="127.0.0.2")
        assert (await other.reply()).startswith("220 ")
        assert (await first.say(b"QUIT\r\n")).startswith("221 ")
        await porch.until(lambda: porch.listener.open_sessions == 2)
        assert (await (await porch.client()).reply()).startswith("220 ")
        assert porch.counts.refusals["address"] == 1


async def test_port_25_takes_so_many_messages_a_minute_from_an_address(tmp_path: Path) -> None:
    async with open_porch(tmp_path, bounds=Bounds(messages_rate=1)) as porch:
        client = await porch.ready()
        assert (await client.say(b"MAIL FROM:<>\r\n")).startswith("250 ")
        assert (await client.say(b"RSET\r\n")).startswith("250 ")
        assert (await client.say(b"MAIL FROM:<>\r\n")).startswith("451 4.7.1 ")
        submitting = await porch.ready(Door.SUBMISSION)
        assert (await submitting.say(b"MAIL FROM:<>\r\n")).startswith("250 ")


async def test_failed_logins_are_answered_later_and_later_end_the_session_and_ban_the_address(tmp_path: Path) -> None:
    clock = ManualClock()
    desk = Desk(replies={"authenticate": Reply.of(535, "the credentials are not valid", "5.7.8")})
    async with open_porch(tmp_path, clock=clock, desk=desk, bounds=Bounds(auth_failures=4)) as porch:
        client = await porch.ready(Door.SUBMISSION)
        for seconds in (1, 2):
            client.send(b"AUTH PLAIN AGEAYg==\r\n")
            await porch.until(lambda: clock.sleepers == 2)
            await clock.run(timedelta(seconds=seconds))
            assert (await client.reply()).startswith("535 5.7.8 ")
        client.send(b"AUTH PLAIN AGEAYg==\r\n")
        assert (await client.rest()).splitlines()[-1] == b"421 4.7.0 too many failed logins"
        again = await porch.ready(Door.SUBMISSION)
        again.send(b"AUTH PLAIN AGEAYg==\r\n")
        assert (await again.rest()).endswith(b"421 4.7.0 too many failed logins\r\n")
        banned = await porch.client()
        assert (await banned.rest()).startswith(b"421 4.7.0 too many failures")
        await clock.run(timedelta(hours=1, seconds=2))
        assert (await (await porch.client()).reply()).startswith("220 ")


async def test_who_talks_before_the_greeting_is_refused(tmp_path: Path) -> None:
    clock = ManualClock()
    patience = Patience(greeting_delay=timedelta(seconds=3))
    async with open_porch(tmp_path, clock=clock, patience=patience) as porch:
        early, polite = await porch.client(), await porch.client()
        await porch.until(lambda: clock.sleepers == 3)
        early.send(b"EHLO early.example\r\n")
        await early.writer.drain()
        await asyncio.sleep(0.05)
        await clock.run(timedelta(seconds=3))
        assert (await early.rest()).startswith(b"554 5.5.0 ")
        assert (await polite.reply()).startswith("220 ")


# --- TLS


async def test_starttls_begins_anew_inside_tls(tmp_path: Path) -> None:
    async with open_porch(tmp_path, tls=certificate()) as porch:
        client = await porch.ready()
        await client.start_tls()
        assert (await client.say(b"MAIL FROM:<>\r\n")).startswith("503 ")
        offers = await client.say(b"EHLO client.example\r\n")
        assert "STARTTLS" not in offers
        assert (await client.say(b"STARTTLS\r\n")).startswith("503 ")
        await client.open_data()
        assert (await client.say(MESSAGE + b".\r\n")).startswith("250 ")
    assert porch.desk.messages == [MESSAGE]
    assert str(porch.desk.sessions[0].tls).startswith("TLSv1.3 TLS_")


@pytest.mark.parametrize("more", [b"NOOP\r\n", b"x", b"EHLO b\r\nMAIL FROM:<>\r\n"])
async def test_plaintext_behind_starttls_ends_the_session(tmp_path: Path, more: bytes) -> None:
    async with open_porch(tmp_path, tls=certificate()) as porch:
        client = await porch.ready()
        assert (await client.say(b"STARTTLS\r\n" + more)).startswith("554 5.5.0 ")
        assert await client.rest() == b""


async def test_a_handshake_that_fails_ends_the_session_alone(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with open_porch(tmp_path, tls=certificate()) as porch:
            client = await porch.ready()
            assert (await client.say(b"STARTTLS\r\n")).startswith("220 ")
            client.send(b"MAIL FROM:<in@plaintext.example>\r\n")
            await client.rest()
            await porch.empty()
            other = await porch.client(Door.SUBMISSIONS, has_tls=False)
            other.send(b"EHLO plaintext.example\r\n")
            await other.rest()
            await porch.empty()
            assert porch.counts.refusals["tls"] == 2
            await porch.ready(Door.SUBMISSIONS)
    assert [entry["why"][:4] for entry in logs if entry["event"] == "session.ended"][:2] == ["TLS:", "TLS:"]
    assert not [entry for entry in logs if entry["log_level"] == "error"]
    assert porch.desk.closed == 3


async def test_the_end_of_tls_behind_the_dot_undoes_no_commit(tmp_path: Path) -> None:
    desk = Desk(hold=asyncio.Event())
    async with open_porch(tmp_path, desk=desk, tls=certificate()) as porch:
        client = await porch.ready(Door.SUBMISSIONS)
        await client.open_data()
        client.send(MESSAGE + b".\r\n")
        await desk.holding.wait()
        client.writer.close()
        assert desk.hold is not None
        desk.hold.set()
        await porch.empty()
    assert desk.messages == [MESSAGE]
    assert (desk.abandoned, desk.closed) == (0, 1)


# --- the end of the service


async def test_a_stop_ends_idle_sessions_and_lets_transactions_finish(tmp_path: Path) -> None:
    desk = Desk(hold=asyncio.Event())
    async with open_porch(tmp_path, desk=desk) as porch:
        idle, busy, writing = await porch.ready(), await porch.ready(), await porch.ready()
        await busy.open_data()
        busy.send(MESSAGE + b".\r\n")
        await desk.holding.wait()
        await writing.open_data()
        draining = asyncio.create_task(porch.listener.drain(10))
        assert await idle.rest() == b"421 4.3.2 the service closes, try again later\r\n"
        with pytest.raises(ConnectionError):
            await porch.client()
        assert desk.hold is not None
        desk.hold.set()
        assert await busy.rest() == b"250 2.0.0 Ok\r\n421 4.3.2 the service closes, try again later\r\n"
        writing.send(MESSAGE + b".\r\n")
        assert await writing.rest() == b"250 2.0.0 Ok\r\n421 4.3.2 the service closes, try again later\r\n"
        await draining
    assert desk.messages == [MESSAGE, MESSAGE]


async def test_a_stop_does_not_wait_for_handshakes(tmp_path: Path) -> None:
    async with open_porch(tmp_path, tls=certificate()) as porch:
        client = await porch.client(Door.SUBMISSIONS, has_tls=False)
        await porch.until(lambda: porch.listener.open_sessions == 1)
        async with asyncio.timeout(20):
            await porch.listener.drain(3600)
        assert await client.rest() == b""
    assert porch.desk.closed == 1


async def test_what_is_not_finished_within_the_drain_is_dropped(tmp_path: Path) -> None:
    async with open_porch(tmp_path) as porch:
        client = await porch.ready()
        await client.open_data()
        await porch.listener.drain(0.05)
        assert await client.rest() == b""
        await porch.empty()
    assert porch.desk.abandoned == 1


# --- files


async def test_when_files_run_out_the_door_stays_and_clients_wait(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with capture_logs() as logs:
        async with open_porch(tmp_path) as porch:
            client = socket.socket()
            client.setblocking(False)
            fillers: list[int] = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 64, hard))
            try:
                with contextlib.suppress(OSError):
                    while True:
                        fillers.append(os.dup(client.fileno()))
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", porch.ports[Door.INBOUND]))
                await porch.until(lambda: porch.counts.refusals["files"])
            finally:
                for filler in fillers:
                    os.close(filler)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert (await asyncio.get_running_loop().sock_recv(client, 100)).startswith(b"220 ")
            client.close()
            await porch.empty()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["accept.failed"]


def test_before_files_run_out_clients_are_refused(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.inbound.crowded", str(tmp_path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        clients = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(500)]
        greetings = Counter(client.recv(4) for client in clients)
        for client in clients:
            client.close()
        assert greetings[b"220 "] > 50
        assert greetings[b"421 "] > 300
        assert set(greetings) == {b"220 ", b"421 "}
        again = b"421 "
        while again == b"421 ":  # until it has noticed that they are gone
            with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                again = client.recv(4)
        server.communicate("stop\n", timeout=30)
    assert server.returncode == 0
