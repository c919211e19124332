"""A source of mail of our own, which logs in where it is asked to: smtp-source cannot.

Owns the client's side of plain SMTP sessions on loopback that each hand in 4 KB messages one after the other: MAIL,
RCPT and DATA go out together (RFC 2920), the message follows the 354, the next one the 250.  The same for every
system.  All sessions are greeted and logged in before the first message goes.  Any reply but the expected one ends it.
"""

import asyncio
import base64
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

from benchmarks.testbed import SENDER_DOMAIN

_LINE = b"La de da de da %d. The quick brown fox jumps over the lazy dog, and is seen to do so.\r\n"
_BODY_BYTES = 4096
SENDER = f"news@{SENDER_DOMAIN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """User and password for AUTH PLAIN."""

    user: str
    password: str

    @property
    def command(self) -> bytes:
        return b"AUTH PLAIN " + base64.b64encode(f"\0{self.user}\0{self.password}".encode()) + b"\r\n"


def hand_in(port: int, recipients: Sequence[str], *, sessions: int, login: Login | None = None) -> float:
    """Hand in a message for every recipient; return the seconds from the first MAIL to the last 250."""
    try:
        return uvloop.run(_hand_in(port, iter(recipients), sessions, login))
    except ConnectionError as error:
        raise SystemExit(f"handing in failed: {error}") from error


async def _hand_in(port: int, recipients: Iterator[str], sessions: int, login: Login | None) -> float:
    loop = asyncio.get_running_loop()
    body = _body()
    peers = [_Session(recipients, body, login, loop.create_future(), loop.create_future()) for _ in range(sessions)]
    for peer in peers:
        await loop.create_connection(lambda peer=peer: peer, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(peer.ready for peer in peers))
    started = time.monotonic()
    for peer in peers:
        peer.next_message()
    await asyncio.gather(*(peer.over for peer in peers))
    return time.monotonic() - started


def _body() -> bytes:
    lines = b"".join(_LINE % number for number in range(_BODY_BYTES // 60))
    return lines[: lines.rindex(b"\r\n", 0, _BODY_BYTES) + 2]


class _Session(asyncio.Protocol):
    """One connection: `ready` once it may hand in, `over` once it has quit."""

    def __init__(
        self,
        recipients: Iterator[str],
        body: bytes,
        login: Login | None,
        ready: "asyncio.Future[None]",
        over: "asyncio.Future[None]",
    ) -> None:
        self._recipients, self._body, self._login = recipients, body, login
        self.ready, self.over = ready, over
        self._buffer = b""
        self._expected = [b"220"]
        self._then = self._greeted
        self._message = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self.ready, self.over):
            if not future.done():
                future.set_exception(ConnectionError(f"a session was dropped: {exc or 'closed'}"))

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self._replied(line)

    def _replied(self, line: bytes) -> None:
        wanted = self._expected.pop(0) if self._expected else b"no reply"
        if not line.startswith(wanted):
            self._fail(f"{wanted.decode()} was awaited, not {line.decode(errors='replace')}")
        elif not self._expected:
            self._then()

    def _fail(self, text: str) -> None:
        for future in (self.ready, self.over):
            if not future.done():
                future.set_exception(ConnectionError(text))
        self._transport.abort()

    def _say(self, octets: bytes, *expected: bytes) -> None:
        self._expected = list(expected)
        self._transport.write(octets)

    def _greeted(self) -> None:
        self._then = self._introduced
        self._say(b"EHLO source.bench.example\r\n", b"250")

    def _introduced(self) -> None:
        if self._login is None:
            self.ready.set_result(None)
            return
        self._then = lambda: self.ready.set_result(None)
        self._say(self._login.command, b"235")

    def next_message(self) -> None:
        """Begin the next transaction; quit when all recipients have been served."""
        recipient = next(self._recipients, None)
        if recipient is None:
            self._then = lambda: self.over.set_result(None)
            self._say(b"QUIT\r\n", b"221")
            return
        self._message = (
            (
                f"From: <{SENDER}>\r\nTo: <{recipient}>\r\nSubject: spring is here\r\n"
                f"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{recipient}>\r\n\r\n"
            ).encode()
            + self._body
            + b".\r\n"
        )
        self._then = self._go_ahead
        envelope = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
        self._say(envelope, b"250", b"250", b"354")

    def _go_ahead(self) -> None:
        self._then = self.next_message
        self._say(self._message, b"250")
