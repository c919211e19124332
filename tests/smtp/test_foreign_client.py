"""aiosmtplib as a foreign peer: what it writes for a message is what our writer writes, and our sink takes it."""

import asyncio

import aiosmtplib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.hostile_mx import HostileMx, Peer
from tierii_mta.rehearsal.sink import Sink
from tierii_mta.smtp.data import whole_message

LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"text", b"x" * 900, b". ", b"\xc3\xa9"]), max_size=12)


async def _written_by_aiosmtplib(message: bytes) -> bytes:
    """Return the octets a foreign client sends between 354 and the end."""
    heard: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.greet(())
        for reply in (b"250 2.1.0 ok\r\n", b"250 2.1.5 ok\r\n", b"354 go\r\n"):
            await peer.line()
            await peer.send(reply)
        before = len(peer.heard)
        await peer.message()
        heard.append(peer.heard[before:])
        await peer.send(b"250 2.0.0 ok\r\n")

    async with HostileMx(script) as mx:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=mx.port, start_tls=False, local_hostname="client.example")
        await client.connect()
        await client.mail("a@example.com")
        await client.rcpt("b@example.net")
        await client.data(message)
        client.close()
    return heard[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES)
async def test_both_clients_write_the_same_octets_for_a_message(lines: list[bytes]) -> None:
    message = b"Subject: x\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
    assert await _written_by_aiosmtplib(message) == whole_message(message)


@pytest.mark.parametrize("count", [1, 3])
async def test_our_sink_takes_mail_from_it(count: int) -> None:
    async with Sink() as sink:
        for number in range(count):
            refused, reply = await aiosmtplib.send(
                b"Subject: x\r\n\r\n.dots\r\n",
                sender="a@example.com",
                recipients=[f"b{number}@example.net"],
                hostname="127.0.0.1",
                port=sink.port,
                start_tls=False,
            )
            assert not refused
            assert reply.startswith("2.0.0")
        await asyncio.wait_for(sink.arrived(count), 5)
    assert [message.data for message in sink.received] == [b"Subject: x\r\n\r\n.dots\r\n"] * count
