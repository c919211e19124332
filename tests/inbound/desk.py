"""The desk of port 25 on a real database, at the level of its judge and behind a real socket."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.support.clock import ManualClock
from tierii_mta.clock import Clock, SystemClock
from tierii_mta.events import Event
from tierii_mta.inbound.arrival import MessageBounds
from tierii_mta.inbound.checks import AcceptAll, Checks
from tierii_mta.inbound.entrance import Entrance, House
from tierii_mta.inbound.gate import Bounds, Gate
from tierii_mta.inbound.inbox import InboxMessage
from tierii_mta.inbound.listener import Listener
from tierii_mta.inbound.mailboxes import Mailboxes, MailDomain
from tierii_mta.inbound.patience import Patience
from tierii_mta.inbound.reception import ReceptionDesk, ReceptionJudge
from tierii_mta.inbound.session import Door, Message, Session
from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import PermanentError, Reply
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.reserve import Reserve
from tierii_mta.smtp.data_reader import Faults
from tierii_mta.smtp.dialogue import Rules
from tierii_mta.smtp.requests import Mail, parse_recipient
from tierii_mta.storage.database import Database

CODEC = TokenCodec(b"a secret of the installation")
FORGER = TokenCodec(b"the secret of somebody else!")
HOSTNAME = "mta.example.com"
DOMAINS = (
    MailDomain(
        name="example.com",
        return_path="bounce.example.com",
        reply_domain="reply.example.com",
        mailboxes=frozenset({"sales"}),
    ),
    MailDomain(
        name="catch.example", return_path="catch.example", reply_domain="catch.example", mailboxes=frozenset({"*"})
    ),
)
HEAD = b"From: Ada <ada@elsewhere.example>\r\nMessage-ID: <1@elsewhere.example>\r\nSubject: hello\r\n\r\n"
TLS = "TLSv1.3 TLS_AES_256_GCM_SHA384"


@dataclass(frozen=True)
class Office:
    """A desk with all it needs, and short ways to talk to it."""

    desk: ReceptionDesk
    database: Database
    gate: Gate
    clock: Any

    def judge(self, **facts: Any) -> ReceptionJudge:
        values: dict[str, Any] = {
            "id": "ses_1",
            "door": Door.INBOUND,
            "remote": ip_address("192.0.2.7"),
            "remote_port": 4711,
            "local": "192.0.2.1:25",
            "started_at": self.clock.now(),
            "client_name": "mx.elsewhere.example",
            "is_extended": True,
        }
        return self.desk.judge(Session(**values | facts))

    async def send(
        self, *recipients: str, judge: ReceptionJudge | None = None, sender: str = "ada@elsewhere.example", **facts: Any
    ) -> Reply:
        """Send a message and return the last reply; every recipient has to be taken."""
        judge = judge or self.judge()
        assert (await judge.mail(mail(sender))).code == 250
        for recipient in recipients:
            reply = await rcpt(judge, recipient)
            assert reply.code == 250, reply
        assert (await judge.data()).code == 354
        return await judge.message(message(**facts))

    async def kept(self) -> list[InboxMessage]:
        """Return what is in the inbox, oldest first."""
        return [one async for one in self.database.inbox.messages(limit=1000)][::-1]

    async def content(self, one: InboxMessage) -> bytes:
        return b"".join([part async for part in self.database.inbox.parts(one.id)])

    async def events(self) -> Sequence[Event]:
        return [event async for event in self.database.queue.events()]


def mail(sender: str = "ada@elsewhere.example", **fields: Any) -> Mail:
    return Mail(reverse_path=Address.parse(sender) if sender else None, **fields)


async def rcpt(judge: ReceptionJudge, path: str) -> Reply:
    """Say RCPT as the engine would: what is no address never reaches the judge."""
    try:
        recipient = parse_recipient(f"TO:<{path}>", has_dsn=False, is_smtputf8=True, local_domain=HOSTNAME)
    except PermanentError as error:
        return error.reply
    return await judge.recipient(recipient)


def message(head: bytes = HEAD, body: bytes = b"Hello.\r\n", **fields: Any) -> Message:
    values: dict[str, Any] = {"is_8bit": False, "faults": Faults()}
    return Message(head=head, body=lambda: iter([body]), size_bytes=len(head) + len(body), **values | fields)


@asynccontextmanager
async def open_office(
    folder: Path,
    *,
    checks: Checks | None = None,
    bounds: Bounds | None = None,
    clock: Clock | None = None,
    reserve_bytes: int = 0,
    check_timeout: timedelta = timedelta(seconds=30),
) -> AsyncIterator[Office]:
    """Open a database, run a committer, and seat a desk."""
    clock = clock or ManualClock()
    database = await Database.open("sqlite", data_dir=folder, clock=clock, node="one")
    committer = Committer(database.queue, clock, gather_s=0)  # a clock that stands still gathers for ever
    gate = Gate(bounds or Bounds(), clock)
    desk = ReceptionDesk(
        mailboxes=Mailboxes(DOMAINS, hostname=HOSTNAME, codec=CODEC),
        committer=committer,
        checks=checks or AcceptAll(),
        gate=gate,
        reserve=Reserve(folder=folder, size_bytes=reserve_bytes),
        clock=clock,
        hostname=HOSTNAME,
        check_timeout=check_timeout,
    )
    running = asyncio.create_task(committer.run())
    try:
        yield Office(desk, database, gate, clock)
    finally:
        committer.close()
        await running
        await database.close()


class _Silence:
    """Nobody counts."""

    def opened(self, door: Door) -> None: ...

    def closed(self, door: Door, octets: int) -> None: ...

    def accepted(self, door: Door, octets: int) -> None: ...

    def refused(self, door: Door, reason: str) -> None: ...


@asynccontextmanager
async def open_port(
    folder: Path, *, context: ssl.SSLContext | None = None, bounds: Bounds | None = None, errors: int = 10_000
) -> AsyncIterator[tuple[Office, int]]:
    """Open a desk behind a listener on 127.0.0.1, and return its port."""
    clock = SystemClock()
    (folder / "spool").mkdir()
    async with open_office(folder, clock=clock, bounds=bounds) as office:
        house = House(clock=clock, gate=office.gate, observer=_Silence(), spool=folder / "spool")
        listener = Listener(house)
        entrance = Entrance(
            door=Door.INBOUND,
            rules=Rules(name=HOSTNAME, errors=errors, idle_commands=errors, has_tls=context is not None),
            judge=office.desk.judge,
            message=MessageBounds(),
            patience=Patience(),
            tls=lambda: context,
        )
        listening = socket.create_server(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        listener.listen(listening, entrance)
        try:
            yield office, port
        finally:
            await listener.drain(0.2)


class Client:
    """A client that says what it is told, line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        await client.reply()
        return client

    async def say(self, line: str) -> str:
        """Say a line and return the reply."""
        self._writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def reply(self) -> str:
        """Return the next reply, its lines joined; "" where the server hung up."""
        lines = []
        while line := (await self._reader.readline()).decode():
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                break
        return "\n".join(lines)

    async def start_tls(self) -> None:
        assert (await self.say("STARTTLS")).startswith("220 ")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await self._writer.start_tls(context)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
