"""A receiving host that keeps a ledger, and can pull a trap at a point of a transaction it chooses.

Quicker than the product's own sink and synchronous, so that a trap kills the sender exactly between two octets: when
the final dot is in and no reply is out, or when the reply has just gone.  One host may listen on many addresses; how
it treats a recipient depends on the domain.  Owns the sockets; what it saw is in `ledger.Ledger`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self, cast

from tests.faults.ledger import Fate, Ledger


class Moment(StrEnum):
    """Where in a transaction a trap may lie, in order."""

    CONNECTED = "the sender connects"
    MAIL = "MAIL FROM is in"
    BODY = "half of the message is in"
    DOT = "the final dot is in, no reply is out"
    REPLIED = "the reply to the final dot is out"


@dataclass
class Trap:
    """Pulls once, at the `countdown`-th time of its moment."""

    moment: Moment
    countdown: int
    pull: Callable[[], None]


class Mx:
    """`async with Mx(ledger, {"plain.example": Fate.DELIVERED}) as mx: await mx.listen(address, port)`."""

    def __init__(self, ledger: Ledger, fates: dict[str, Fate], *, latency_s: float = 0.01) -> None:
        self.ledger, self.fates, self.latency_s = ledger, fates, latency_s
        self.trap: Trap | None = None
        self.transactions = 0  # taken, in all
        self._refused_once: set[str] = set()
        self._servers: list[asyncio.Server] = []
        self._peers: set[_Exchange] = set()
        self._change = asyncio.Condition()
        self.refusals: Counter[Fate] = Counter()

    async def listen(self, address: str, port: int) -> None:
        """Take connections on one more address."""
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(lambda: _Exchange(self), address, port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        for peer in tuple(self._peers):
            peer.abort()
        for server in self._servers:
            await server.wait_closed()

    async def silent(self) -> None:
        """Wait until nobody is connected: what a dead sender had still written has been read by then."""
        await self.reached(lambda: not self._peers)

    async def reached(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of this host."""
        async with self._change:
            await self._change.wait_for(holds)

    def at(self, moment: Moment) -> None:
        """Pull the trap if it lies here."""
        trap = self.trap
        if trap is not None and trap.moment is moment:
            trap.countdown -= 1
            if trap.countdown <= 0:
                self.trap = None
                trap.pull()

    def judge(self, recipient: str) -> bytes:
        """Return the reply to RCPT."""
        fate = self.fates[recipient.rpartition("@")[2]]
        if fate is Fate.REFUSED:
            self.refusals[fate] += 1
            return b"550 5.1.1 no such person here\r\n"
        if fate is Fate.GREYLISTED and recipient not in self._refused_once:
            self._refused_once.add(recipient)
            self.refusals[fate] += 1
            return b"451 4.7.1 greylisted, try again\r\n"
        return b"250 2.1.5 ok\r\n"

    def joined(self, peer: "_Exchange") -> None:
        self._peers.add(peer)

    def left(self, peer: "_Exchange") -> None:
        self._peers.discard(peer)
        self._tell()

    def took(self, recipient: str, message: bytes) -> None:
        """Enter a message whose final dot is in."""
        self.ledger.enter_received(recipient, message)
        self.transactions += 1
        self._tell()

    def _tell(self) -> None:
        async def notify() -> None:
            async with self._change:
                self._change.notify_all()

        task = asyncio.get_running_loop().create_task(notify())
        self._telling = task  # kept until the next one, so that it is not collected


class _Exchange(asyncio.Protocol):
    """One connection."""

    def __init__(self, mx: Mx) -> None:
        self._mx = mx
        self._buffer = bytearray()
        self._in_data = self._is_busy = self._was_halfway = False
        self._recipients: list[str] = []  # of the transaction under way

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._mx.joined(self)
        self._mx.at(Moment.CONNECTED)
        self._transport.write(b"220 mx.example ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._mx.left(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._is_busy and not self._transport.is_closing():
            if self._in_data:
                if not self._take_message():
                    return
            elif (end := self._buffer.find(b"\r\n")) >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 2]
                self._command(line)
            else:
                return

    def _take_message(self) -> bool:
        """Take a whole message from the buffer; return whether there was one."""
        if self._buffer and not self._was_halfway:
            self._was_halfway = True
            self._mx.at(Moment.BODY)
        end = self._buffer.find(b"\r\n.\r\n")
        if end < 0:
            return False
        message = bytes(self._buffer[: end + 2])
        del self._buffer[: end + 5]
        self._in_data = self._was_halfway = False
        for recipient in self._recipients:
            self._mx.took(recipient, message)
        self._mx.at(Moment.DOT)
        self._is_busy = True
        asyncio.get_running_loop().call_later(self._mx.latency_s, self._accept)
        return True

    def _accept(self) -> None:
        self._is_busy = False
        if not self._transport.is_closing():
            self._transport.write(b"250 2.0.0 kept\r\n")
            for recipient in self._recipients:
                self._mx.ledger.enter_acknowledged(recipient)
            self._mx.at(Moment.REPLIED)
            self._go_on()

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        reply = b"250 2.0.0 ok\r\n"
        if verb == b"EHLO":
            reply = b"250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 25000000\r\n"
        elif verb == b"MAIL":
            self._recipients = []
            self._mx.at(Moment.MAIL)
        elif verb == b"RCPT":
            address = line[line.index(b"<") + 1 : line.index(b">")].decode()
            reply = self._mx.judge(address)
            self._recipients += [address] if reply.startswith(b"250") else []
        elif verb == b"DATA":
            self._in_data = bool(self._recipients)
            reply = b"354 go\r\n" if self._recipients else b"503 5.5.1 no recipient\r\n"
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
            return
        self._transport.write(reply)
