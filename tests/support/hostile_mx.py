"""An MX on loopback that does, byte by byte, whatever a test's script says: the peer no library would be.

A script is a coroutine over a `Peer`, run once for each connection.  The scripts below are the bad manners met in the
field; `EHLO`, `greet` and `until_data` write the polite beginning for those that misbehave later.  Leaving the context
waits until every client has closed its socket, so a leaked connection fails the test that leaked it.
"""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, cast

PIPELINING = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 100000000")


class Peer:
    """One connection as its script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.number = number  # 1 for the first connection
        self._heard = bytearray()
        self.leaving = asyncio.Event()
        self._reader, self._writer = reader, writer
        self.address: str = writer.get_extra_info("peername")[0]

    @property
    def heard(self) -> bytes:
        """Everything read so far."""
        return bytes(self._heard)

    @property
    def has_left(self) -> bool:
        """Whether the client is known to have closed."""
        return self._writer.transport.is_closing() or self._reader.at_eof()

    async def send(self, octets: bytes) -> None:
        """Write, and give the bytes time to travel alone."""
        self._writer.write(octets)
        with suppress(ConnectionError):
            await self._writer.drain()
        await asyncio.sleep(0)  # also when the client is gone: a script that only talks must see it

    def send_now(self, octets: bytes) -> None:
        """Write past the event loop: the bytes are in the kernel when this returns."""
        os.write(self._writer.get_extra_info("socket").fileno(), octets)

    async def line(self) -> bytes:
        """Return the next line without CR LF; empty at the end."""
        line = await self._read(self._reader.readline())
        return line.removesuffix(b"\r\n")

    async def message(self) -> bytes:
        """Return what comes up to and with the final dot."""
        lines = []
        while (line := await self._read(self._reader.readline())) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join([*lines, line])

    async def some(self, size: int) -> bytes:
        """Return exactly so many bytes, or fewer at the end."""
        try:
            return await self._read(self._reader.readexactly(size))
        except asyncio.IncompleteReadError as error:
            return error.partial

    async def gone(self) -> None:
        """Wait until the client has closed, reading what it still says."""
        while await self._read(self._reader.read(65536)):
            pass

    async def ignored(self, *said: bytes) -> None:
        """Say these octets and read nothing until the test leaves the MX: what comes piles up in the kernel."""
        transport = cast("asyncio.Transport", self._writer.transport)
        transport.pause_reading()
        for octets in said:
            if not self.has_left:
                await self.send(octets)
        await self.leaving.wait()
        transport.resume_reading()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """Close with FIN."""
        self._writer.close()

    async def start_tls(self, context: ssl.SSLContext, reply: bytes = b"220 go\r\n") -> None:
        """Agree to STARTTLS and be the server of the handshake, before the ClientHello can be read as text."""
        self._writer.write(reply)
        await self._writer.start_tls(context)

    async def greet(self, extensions: tuple[str, ...] = PIPELINING) -> None:
        """Send a banner and answer EHLO."""
        await self.send(b"220 mx.example ESMTP\r\n")
        await self.line()
        await self.send_ehlo(extensions)

    async def send_ehlo(self, extensions: tuple[str, ...] = PIPELINING) -> None:
        """Answer an EHLO."""
        words = ["mx.example", *extensions]
        lines = [f"250{'-' if number < len(words) - 1 else ' '}{word}\r\n" for number, word in enumerate(words)]
        await self.send("".join(lines).encode())

    async def until_data(self, replies: bytes = b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n") -> None:
        """Greet, take MAIL, one RCPT and DATA, and answer them in one write."""
        await self.greet()
        for _ in range(3):
            await self.line()
        await self.send(replies)

    async def serve(self, *, messages: int = 10**6, final: bytes = b"250 2.0.0 ok\r\n") -> None:
        """Be an honest host after EHLO, for so many messages or until QUIT."""
        while messages and (line := await self.line()):
            verb = line[:4].upper()
            if verb == b"QUIT":
                await self.send(b"221 bye\r\n")
                return
            if verb == b"DATA":
                await self.send(b"354 go\r\n")
                await self.message()
                await self.send(final)
                messages -= 1
            else:
                await self.send(b"250 2.0.0 ok\r\n")

    async def _read(self, reading: Awaitable[bytes]) -> bytes:
        try:
            octets = await reading
        except (ConnectionError, ssl.SSLError):
            return b""
        self._heard += octets
        return octets


Script = Callable[[Peer], Awaitable[None]]


class HostileMx:
    """A listening socket that plays `script` to everybody who connects."""

    def __init__(
        self, script: Script, *, address: str = "127.0.0.1", port: int = 0, receive_buffer: int | None = None
    ) -> None:
        self._script, self.address, self._receive_buffer = script, address, receive_buffer
        self.port = port  # 0: one the kernel chooses
        self.peers: list[Peer] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        sock = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET)
        if self._receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.address, self.port))
        self._server = await asyncio.start_server(self._meet, sock=sock, limit=1 << 16)
        self.port = sock.getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self.peers:
            peer.leaving.set()
        if kind is None:
            async with asyncio.timeout(10):  # a client that never closes leaks
                await asyncio.gather(*self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        peer = Peer(reader, writer, len(self.peers) + 1)
        self.peers.append(peer)
        try:
            await self._script(peer)
            await peer.gone()
        finally:
            writer.transport.abort()


# --- scripts: one for each kind of bad manners


def says(banner: bytes) -> Script:
    """Send a banner and wait."""

    async def script(peer: Peer) -> None:
        await peer.send(banner)
        await peer.gone()

    return script


async def silent(peer: Peer) -> None:
    """Send nothing at all."""
    await peer.gone()


async def trickling_banner(peer: Peer) -> None:
    """Send a banner a byte at a time, too slowly to ever end."""
    for octet in b"220 mx.example " + b"x" * 10_000:
        await peer.send(bytes([octet]))
        await asyncio.sleep(0.01)
        if peer.has_left:
            return


async def endless_banner(peer: Peer) -> None:
    """Never send the last line of the banner."""
    while not peer.has_left:
        await peer.send(b"220-and another thing\r\n" * 20)


async def knows_helo_only(peer: Peer) -> None:
    """Refuse EHLO with 502, accept HELO."""
    await peer.send(b"220 mx.example SMTP\r\n")
    await peer.line()
    await peer.send(b"502 5.5.1 what?\r\n")
    await peer.line()
    await peer.send(b"250 mx.example\r\n")
    await peer.serve()


async def ehlo_of_a_megabyte(peer: Peer) -> None:
    """Answer EHLO with a megabyte of one line."""
    await peer.send(b"220 mx.example ESMTP\r\n")
    await peer.line()
    await peer.send(b"250-" + b"X" * 1_000_000 + b"\r\n250 OK\r\n")


async def plaintext_after_starttls(peer: Peer) -> None:
    """Append a plaintext reply to the reply to STARTTLS."""
    await peer.greet(("STARTTLS",))
    await peer.line()
    await peer.send(b"220 go ahead\r\n250 injected\r\n")


async def handshake_stall(peer: Peer) -> None:
    """Agree to STARTTLS and never answer the ClientHello."""
    await peer.greet(("STARTTLS",))
    await peer.line()
    await peer.send(b"220 go ahead\r\n")
    await peer.gone()


async def garbage_for_a_handshake(peer: Peer) -> None:
    """Agree to STARTTLS and answer the ClientHello with text."""
    await peer.greet(("STARTTLS",))
    await peer.line()
    await peer.send(b"220 go ahead\r\n")
    await peer.some(5)
    await peer.send(b"500 what is this?\r\n" * 10)


def answers_with(replies: bytes) -> Script:
    """Answer MAIL, RCPT and DATA in one write, then do what a host would that said so."""

    async def script(peer: Peer) -> None:
        await peer.until_data(replies)
        await peer.serve()

    return script


def after_the_dot(octets: bytes, *, then_reset: bool = False, then_close: bool = False) -> Script:
    """Take one message, send these bytes, and perhaps hang up."""

    async def script(peer: Peer) -> None:
        await peer.until_data()
        await peer.message()
        if octets:
            await peer.send(octets)
        if then_reset:
            await asyncio.sleep(0.01)
            peer.reset()
        elif then_close:
            peer.close()
        else:
            await peer.serve()

    return script


async def stops_reading(peer: Peer) -> None:
    """Say 354, read a little, then leave the rest in the kernel."""
    await peer.until_data()
    await peer.some(1000)
    await peer.ignored()


async def resets_in_the_body(peer: Peer) -> None:
    """Read a little of the body, then send RST."""
    await peer.until_data()
    await peer.some(1000)
    peer.reset()


async def refuses_in_the_body(peer: Peer) -> None:
    """Read a little of the body, then refuse before the dot and read no more."""
    await peer.until_data()
    await peer.some(1000)
    await peer.ignored(b"552 5.3.4 I have seen enough\r\n")


def hangs_up_after(messages: int, farewell: bytes = b"") -> Script:
    """Be honest for so many messages, then say farewell (if anything) unasked, and close."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.serve(messages=messages)
        if farewell:
            await peer.send(farewell)
        peer.close()

    return script


def refuses_after(messages: int) -> Script:
    """Be honest for so many messages, then answer MAIL with 421 and close."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.serve(messages=messages)
        await peer.line()
        await peer.send(b"421 4.7.0 that was enough for today\r\n")
        peer.close()

    return script


async def greylists(peer: Peer) -> None:
    """Refuse every recipient of the first connection for now, accept those of the next ones."""
    if peer.number == 1:
        await peer.until_data(
            b"250 ok\r\n451 4.7.1 greylisted, try again in 300 s\r\n554 5.5.1 no valid recipients\r\n"
        )
        await peer.serve()
    else:
        await peer.greet()
        await peer.serve()
