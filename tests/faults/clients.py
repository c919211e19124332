"""Clients that hand in mail without pause and without mercy for themselves: what they were answered is on record.

Owns the sockets; what was offered and answered is in `offers.Offers`.  A client whose connection breaks comes again
with another message.  Sizes run from one line to more than two body parts, one to three recipients each.  A client may
pull a trap at a step of a transaction that it chooses.
"""

import asyncio
import base64
import hashlib
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

from tests.faults.offers import Answer, Door, Offer, Offers
from tests.scenarios.front_door import HOST, INBOX_DOMAIN, SENDER, USER, FrontDoor

_GONE = (OSError, EOFError)
_FILLER = b"The quick brown fox jumps over the lazy dog.\r\n"


class Step(StrEnum):
    """Where in a transaction a trap may lie, in order."""

    ENVELOPE = "the recipients are taken"
    HALF = "half of the message is out"
    DOT = "the final dot is out"
    ANSWERED = "the 250 is in"


@dataclass
class Clients:
    """All of them: `start`, then `stop`; between kills `gone` waits until nobody is connected."""

    offers: Offers
    door: FrontDoor
    chance: random.Random
    domains: tuple[str, ...]  # of the recipients of submitted mail
    trap: tuple[Step, Callable[[], None]] | None = None
    connected: int = 0
    kept: int = 0  # messages that got their 250
    _numbers: "count[int]" = field(default_factory=count)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _paused: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, per_door: int) -> None:
        """Run so many clients at each door."""
        self._paused.set()
        self._tasks = [asyncio.create_task(self._hand_in(door)) for door in Door for _ in range(per_door)]

    async def stop(self) -> None:
        """Let every client go, in the middle of what it does."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def pause(self) -> None:
        """Let nobody connect anew."""
        self._paused.clear()

    def go_on(self) -> None:
        self._paused.set()

    async def gone(self) -> None:
        """Wait until nobody is connected: what a dead daemon had still answered has been read by then."""
        while self.connected:
            await asyncio.sleep(0.005)

    async def accepted(self, more: int) -> None:
        """Wait until so many more messages got their 250."""
        wanted = self.kept + more
        while self.kept < wanted:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.005)

    def at(self, step: Step) -> None:
        """Pull the trap if it lies here."""
        if self.trap is not None and self.trap[0] is step:
            pull, self.trap = self.trap[1], None
            pull()

    async def _hand_in(self, door: Door) -> None:
        while True:
            await self._paused.wait()
            try:
                reader, writer = await asyncio.open_connection(HOST, self._port(door))
            except OSError:
                await asyncio.sleep(0.05)
                continue
            self.connected += 1
            try:
                await _Session(self, door, reader, writer).run()
            except _GONE:
                await asyncio.sleep(0.02)
            finally:
                writer.transport.abort()
                self.connected -= 1

    def _port(self, door: Door) -> int:
        return self.door.submission if door is Door.SUBMISSION else self.door.inbound

    def next_offer(self, door: Door) -> tuple[Offer, bytes]:
        """Make up a message, and return it with its octets as they go over the wire up to the final dot."""
        number = next(self._numbers)
        domains = (INBOX_DOMAIN,) if door is Door.INBOUND else self.domains
        recipients = tuple(
            f"o{number}.{place}@{self.chance.choice(domains)}" for place in range(self.chance.choice((1, 1, 1, 2, 3)))
        )
        size = self.chance.choice((0, *(self.chance.randint(1, 6_000),) * 56, 60_000, 300_000, 600_000))
        body = b"This is %d.\r\n.\r\n..\r\n" % number + _FILLER * (size // len(_FILLER))
        offer = Offer(door, recipients, hashlib.sha256(body).digest())
        self.offers.enter(offer)
        head = (
            f"From: {SENDER}\r\nTo: {', '.join(recipients)}\r\nSubject: {number}\r\n"
            f"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{number}@client.example>\r\n\r\n"
        )
        return offer, head.encode() + body.replace(b"\r\n.", b"\r\n..")


class _Session:
    """One connection."""

    def __init__(
        self, clients: Clients, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._clients, self._door, self._reader, self._writer = clients, door, reader, writer

    async def run(self) -> None:
        """Hand in message after message until the connection breaks or a refusal ends it."""
        await self._reply()
        await self._ask(b"EHLO client.example")
        if self._door is Door.SUBMISSION:
            token = base64.b64encode(f"\0{USER}\0{self._clients.door.password}".encode())
            if not (await self._ask(b"AUTH PLAIN " + token)).startswith("235"):
                return
        for _ in range(self._clients.chance.randint(1, 30)):
            if not await self._transact():
                return
        await self._ask(b"QUIT")

    async def _transact(self) -> bool:
        """Hand in one message; return whether it was taken."""
        offer, content = self._clients.next_offer(self._door)
        commands = [b"MAIL FROM:<%s>" % SENDER.encode()]
        commands += [b"RCPT TO:<%s>" % recipient.encode() for recipient in offer.recipients]
        for command in (*commands, b"DATA"):
            reply = await self._ask(command)
            if reply[0] not in "23":
                return self._refused(offer, reply)
        self._clients.at(Step.ENVELOPE)
        half = len(content) // 2
        await self._write(content[:half])
        self._clients.at(Step.HALF)
        offer.answer = Answer.OPEN
        await self._write(content[half:] + b".\r\n")
        self._clients.at(Step.DOT)
        reply = await self._reply()
        if not reply.startswith("250"):
            return self._refused(offer, reply)
        offer.answer = Answer.KEPT
        self._clients.kept += 1
        self._clients.at(Step.ANSWERED)
        return True

    def _refused(self, offer: Offer, reply: str) -> bool:
        offer.answer, offer.reply = Answer.REFUSED, reply
        return False

    async def _ask(self, command: bytes) -> str:
        await self._write(command + b"\r\n")
        return await self._reply()

    async def _write(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def _reply(self) -> str:
        while line := await self._reader.readline():
            if line[3:4] == b" " and line.endswith(b"\n"):
                return line.decode().rstrip()
        raise EOFError("the daemon is gone")
