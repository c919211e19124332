"""A listener on loopback, with a judge that does as it is told, and clients that say exactly what a test wants."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from tests.support.clock import ManualClock
from tierii_mta.clock import Clock, SystemClock
from tierii_mta.inbound.arrival import MessageBounds
from tierii_mta.inbound.entrance import Entrance, House
from tierii_mta.inbound.gate import Bounds, Gate
from tierii_mta.inbound.listener import Listener
from tierii_mta.inbound.patience import Patience
from tierii_mta.inbound.session import Door, Message, Session
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.dialogue import Credentials, Rules
from tierii_mta.smtp.requests import Mail, Recipient

OK = Reply.of(250, "Ok", "2.0.0")
GO = Reply.of(354, "go ahead")
ENVELOPE = b"MAIL FROM:<a@one.example>\r\nRCPT TO:<b@two.example>\r\nDATA\r\n"
MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"


@dataclass
class Desk:
    """What judges say, and what they were asked; `hold` keeps them from answering a message."""

    replies: dict[str, Any] = field(default_factory=dict)  # a Reply, or an error to raise
    asked: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    faults: list[Any] = field(default_factory=list)
    abandoned: int = 0
    closed: int = 0
    hold: asyncio.Event | None = None
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: list[Session] = field(default_factory=list)

    def judge(self, session: Session) -> "_Judge":
        self.sessions.append(session)
        return _Judge(self)

    def say(self, verb: str, default: Any) -> Any:
        self.asked.append(verb)
        reply = self.replies.get(verb, default)
        if isinstance(reply, Exception):
            raise reply
        return reply


@dataclass
class _Judge:
    desk: Desk

    async def greet(self) -> Reply | None:
        reply: Reply | None = self.desk.say("greet", None)
        return reply

    async def authenticate(self, credentials: Credentials) -> Reply:
        reply: Reply = self.desk.say("authenticate", Reply.of(235, "welcome", "2.7.0"))
        return reply

    async def mail(self, mail: Mail) -> Reply:
        reply: Reply = self.desk.say("mail", OK)
        return reply

    async def recipient(self, recipient: Recipient) -> Reply:
        reply: Reply = self.desk.say("recipient", OK)
        return reply

    async def data(self) -> Reply:
        reply: Reply = self.desk.say("data", GO)
        return reply

    async def message(self, message: Message) -> Reply:
        if self.desk.hold is not None:
            self.desk.holding.set()
            await self.desk.hold.wait()
        reply: Reply = self.desk.say("message", OK)
        self.desk.messages.append(message.head + b"".join(message.body()))
        self.desk.faults.append(message.faults)
        return reply

    def abandoned(self) -> None:
        self.desk.abandoned += 1

    def closed(self) -> None:
        self.desk.closed += 1


class Counts:
    """The observer: what happened how often."""

    def __init__(self) -> None:
        self.open = 0
        self.refusals: Counter[str] = Counter()
        self.messages = 0
        self.octets = 0

    def opened(self, door: Door) -> None:
        self.open += 1

    def closed(self, door: Door, octets: int) -> None:
        self.open -= 1
        self.octets += octets

    def accepted(self, door: Door, octets: int) -> None:
        self.messages += 1

    def refused(self, door: Door, reason: str) -> None:
        self.refusals[reason] += 1


class Client:
    """One connection, in octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        """Return the next whole reply; "" at the end of the connection."""
        lines = []
        while line := (await self.reader.readline()).decode():
            lines.append(line)
            if line[3:4] == " ":
                break
        return "".join(lines)

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def say(self, octets: bytes) -> str:
        self.send(octets)
        return await self.reply()

    async def begin(self) -> None:
        """Take the greeting and say EHLO."""
        assert (await self.reply()).startswith("220 ")
        assert (await self.say(b"EHLO client.example\r\n")).startswith("250")

    async def open_data(self) -> None:
        """Send an envelope, up to the 354."""
        self.send(ENVELOPE)
        assert [(await self.reply())[:3] for _ in range(3)] == ["250", "250", "354"]

    async def start_tls(self) -> None:
        assert (await self.say(b"STARTTLS\r\n")).startswith("220 ")
        await self.writer.start_tls(_trusting())

    async def rest(self) -> bytes:
        """Return all that comes until the connection ends, however it ends."""
        try:
            return await self.reader.read(-1)
        except ConnectionError:
            return b""

    def reset(self) -> None:
        """Break the connection off with an RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return


@dataclass
class Porch:
    """The listener and all around it."""

    desk: Desk
    counts: Counts
    gate: Gate
    listener: Listener
    clock: Clock
    ports: dict[Door, int]
    spool: Path
    stack: AsyncExitStack

    async def client(
        self, door: Door = Door.INBOUND, *, source: str = "127.0.0.1", has_tls: bool | None = None
    ) -> Client:
        """Connect, without a word."""
        is_tls = door is Door.SUBMISSIONS if has_tls is None else has_tls
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.ports[door], ssl=_trusting() if is_tls else None, local_addr=(source, 0)
        )
        client = Client(reader, writer)
        self.stack.push_async_callback(client.close)
        return client

    async def ready(self, door: Door = Door.INBOUND, **how: Any) -> Client:
        """Connect and say EHLO."""
        client = await self.client(door, **how)
        await client.begin()
        return client

    async def until(self, condition: Any) -> None:
        """Wait for a condition of the server's side."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    async def empty(self) -> None:
        """Wait for the end of all sessions."""
        await self.until(lambda: not self.listener.open_sessions)


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def certificate() -> ssl.SSLContext:
    """Return a server's context with a certificate made for the occasion."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("mta.example").configure_cert(context)
    return context


@asynccontextmanager
async def open_porch(
    folder: Path,
    *,
    clock: Clock | None = None,
    desk: Desk | None = None,
    bounds: Bounds | None = None,
    message: MessageBounds | None = None,
    patience: Patience | None = None,
    tls: ssl.SSLContext | None = None,
    **rules: Any,
) -> AsyncIterator[Porch]:
    """Listen at every door; submission lets a password pass in plaintext."""
    clock, desk, counts = clock or SystemClock(), desk or Desk(), Counts()
    gate = Gate(bounds or Bounds(), clock)
    listener = Listener(House(clock=clock, gate=gate, observer=counts, spool=folder))
    ports = {}
    for door in Door:
        if door is Door.SUBMISSIONS and tls is None:
            continue
        is_inbound = door is Door.INBOUND
        offers = Rules(
            **{
                "name": "mta.example",
                "has_tls": tls is not None and door is not Door.SUBMISSIONS,
                "has_auth": not is_inbound,
                "auth_needs_tls": False,
                **rules,
            }
        )
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        ports[door] = listening.getsockname()[1]
        listener.listen(
            listening,
            Entrance(
                door=door,
                rules=offers,
                judge=desk.judge,
                message=message or MessageBounds(),
                patience=patience or Patience(),
                tls=lambda: tls,
            ),
        )
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        sweeping = group.create_task(listener.run())
        porch = Porch(desk, counts, gate, listener, clock, ports, folder, stack)
        try:
            yield porch
        finally:
            await stack.aclose()
            sweeping.cancel()
            drain_s = 0.0 if isinstance(clock, ManualClock) else 5.0
            await listener.drain(drain_s)
            async with asyncio.timeout(10):
                while listener.open_sessions:
                    await asyncio.sleep(0.005)
