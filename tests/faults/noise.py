"""Clients that send nonsense to the whole daemon over real sockets: random commands, bytes, splits and farewells.

Owns what a noisy session says and that each reply it reads is an SMTP reply; what must hold of the daemon afterwards
is the test's.  Seeded, so that a run can be had again.  Grammar and noise are mixed: most sessions get as far as a
transaction, and then something is wrong.
"""

import asyncio
import base64
import random
import re
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.scenarios.front_door import HOST, INBOX_DOMAIN, SENDER, USER, FrontDoor

_REPLY = re.compile(rb"[2-5][0-9]{2}(?:[ -][\x20-\x7e]*)?\r\n")
_STRANGE_PERSONS = ("nobody@elsewhere.example", "", "a@b", '"q\\"q"@x.example')
_SENDERS = (*(SENDER,) * 9, "", "boss@elsewhere.example", "ü@x.example")
_PARAMETERS = (
    *(b"",) * 9,
    b" SIZE=100",
    b" SIZE=99999999999",
    b" BODY=8BITMIME",
    b" SMTPUTF8",
    b" RET=HDRS ENVID=a+2Bb",
)
_RCPT_PARAMETERS = (*(b"",) * 9, b" NOTIFY=NEVER", b" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b", b" NOTIFY=,", b" X=1")
_ENDS = (b"\r\n.\r\n",) * 6 + (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.", b"\r\n\0.\r\n", b".\r\n")
_WIRE_MOST = 200_000


@dataclass
class Noise:
    """One run: `await make(until, sessions)`; then `said` counts what was sent and answered."""

    door: FrontDoor
    chance: random.Random
    said: "Counter[str]" = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    async def make(self, is_over: Callable[[], bool], at_once: int) -> None:
        """Open noisy sessions one after the other, so many at a time."""

        async def keep_on() -> None:
            while not is_over():
                await self._session()

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(keep_on())

    async def _session(self) -> None:
        door = self.chance.choice(("inbound", "inbound", "submission", "submission", "submissions"))
        address = f"127.0.{self.chance.randint(1, 50)}.{self.chance.randint(1, 250)}"
        context = _trusting_anybody() if door == "submissions" and self.chance.random() < 0.9 else None
        self.said["sessions"] += 1
        try:
            reader, writer = await asyncio.open_connection(
                HOST,
                getattr(self.door, door),
                local_addr=(address, 0),
                ssl=context,
                ssl_handshake_timeout=10 if context else None,
            )
        except (OSError, ssl.SSLError):
            self.said["no connection"] += 1
            return
        answered = asyncio.Event()
        is_plain = context is not None or door != "submissions"
        listening = asyncio.create_task(self._listen(reader, answered, is_plain=is_plain))
        try:
            await self._talk(writer, answered, door)
            await self._farewell(writer)
        except (OSError, ssl.SSLError):
            self.said["dropped by the daemon"] += 1
        finally:
            writer.transport.abort()
            await listening

    async def _talk(self, writer: asyncio.StreamWriter, answered: asyncio.Event, door: str) -> None:
        """Say a script, waiting for most answers in one session of two, and for none in the other."""
        script, is_patient = self._script(door), self.chance.random() < 0.5
        if is_patient:
            await self._hear(answered)
        while script:
            piece, script = self._split(script, where_lines_end=is_patient or self.chance.random() < 0.3)
            answered.clear()
            writer.write(piece)
            self.said["octets"] += len(piece)
            await asyncio.wait_for(writer.drain(), 10)
            if is_patient and self.chance.random() < 0.95:
                await self._hear(answered)
            else:
                await asyncio.sleep(self.chance.choice((0, 0, 0.001, 0.01)))

    async def _hear(self, answered: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(answered.wait(), 1)

    def _split(self, script: bytes, *, where_lines_end: bool) -> tuple[bytes, bytes]:
        """Cut the next piece off: a command, a message up to its end, or any octets."""
        if where_lines_end and script.startswith((b"From: ", b"hello", b"line")):
            end = script.find(b"\r\n.\r\n") + 5
            return (script[:end], script[end:]) if end > 4 else (script, b"")
        if where_lines_end:
            end = script.find(b"\r\n") + 2
            return (script[:end], script[end:]) if end > 1 else (script, b"")
        end = self.chance.choice((1, 7, 100, 5000, len(script)))
        return script[:end], script[end:]

    async def _farewell(self, writer: asyncio.StreamWriter) -> None:
        way = self.chance.randrange(5)
        if way == 0:
            await asyncio.sleep(self.chance.uniform(0, 0.3))
        elif way == 1 and writer.can_write_eof():
            writer.write_eof()
            await asyncio.sleep(self.chance.uniform(0, 0.3))
        elif way == 2:  # a reset instead of a close
            raw = writer.get_extra_info("socket")
            if raw is not None:  # else the daemon was first
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif way == 3:
            writer.write(b"QUIT\r\n")
            await asyncio.sleep(0.05)

    async def _listen(self, reader: asyncio.StreamReader, answered: asyncio.Event, *, is_plain: bool) -> None:
        """Read what is answered; each line must be one of an SMTP reply."""
        while True:
            try:
                line = await reader.readline()
            except (OSError, ssl.SSLError):
                return
            except ValueError:
                self.complaints.append("a reply line without end")
                return
            if not line.endswith(b"\n"):
                return
            if line[3:4] == b" ":
                answered.set()
            self.said["replies"] += 1
            self.said[f"{line[:1].decode(errors='replace')}yz"] += 1
            if is_plain and not _REPLY.fullmatch(line):
                self.complaints.append(repr(line[:200]))
            if re.search(rb"traceback|exception|error:|\.py\b|sqlite|object at 0x", line, re.IGNORECASE):
                self.complaints.append(f"it shows itself: {line!r}")

    # -- what is said

    def _script(self, door: str) -> bytes:
        """Make up a session: a sound one, with some of it replaced, doubled, moved, cut or spoilt."""
        chance = self.chance
        steps = self._sound_session(door)
        for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
            place = chance.randrange(len(steps))
            match chance.randrange(6):
                case 0:
                    steps[place] = self._anything()
                case 1:
                    steps.insert(place, self._anything())
                case 2:
                    steps.insert(place, chance.choice(steps))
                case 3:
                    del steps[place:]
                    steps.append(self._anything())
                case 4:
                    steps[place] = self._spoilt(steps[place])
                case _:
                    chance.shuffle(steps)
        self.said["inputs"] += len(steps)
        return b"".join(steps)[:_WIRE_MOST]

    def _sound_session(self, door: str) -> list[bytes]:
        chance = self.chance
        steps = [b"EHLO noise.example\r\n"]
        if chance.random() < 0.05:
            steps.append(b"STARTTLS\r\n")
        if (door != "inbound") is (chance.random() < 0.95):
            login = base64.b64encode(f"\0{USER}\0{self.door.password}".encode())
            steps.append(b"AUTH PLAIN " + login + b"\r\n")
        for _ in range(chance.choice((1, 1, 2, 5))):
            steps.append(b"MAIL FROM:<%s>%s\r\n" % (chance.choice(_SENDERS).encode(), chance.choice(_PARAMETERS)))
            for _ in range(chance.choice((1, 1, 2, 20))):
                sound = f"sales@{INBOX_DOMAIN}" if door == "inbound" else "someone@plain.example"
                person = chance.choice((*(sound,) * 9, *_STRANGE_PERSONS))
                steps.append(b"RCPT TO:<%s>%s\r\n" % (person.encode(), chance.choice(_RCPT_PARAMETERS)))
            steps += [b"DATA\r\n", self._message()]
        return [*steps, b"QUIT\r\n"]

    def _message(self) -> bytes:
        chance = self.chance
        header = b"From: <%s>\r\nTo: <x@plain.example>\r\nSubject: noise\r\n\r\n" % SENDER.encode()
        body = chance.choice((b"", b"hello\r\n", b".\r\n..\r\n", b"x" * 3000, b"\r\n" * 500, b"line\r\n" * 8000))
        noise = self._noise() if chance.random() < 0.2 else b""
        return (header if chance.random() < 0.9 else b"") + body + noise + chance.choice(_ENDS)

    def _anything(self) -> bytes:
        chance = self.chance
        return chance.choice(
            (
                b"RSET\r\n",
                b"NOOP " + self._noise(60) + b"\r\n",
                b"VRFY root\r\n",
                b"HELO x\r\n",
                b"EHLO [127.0.0.1]\r\n",
                b"STARTTLS\r\n" + self._noise(),
                b"AUTH LOGIN\r\n" + base64.b64encode(self._noise(30)) + b"\r\n*\r\n",
                b"AUTH PLAIN " + base64.b64encode(self._noise(100)) + b"\r\n",
                b"AUTH PLAIN =\r\n",
                b"BDAT 10 LAST\r\n0123456789",
                b"DATA\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                b"MAIL FROM:<" + b"a" * chance.choice((65, 300, 5000)) + b"@x.example>\r\n",
                b"X" * chance.choice((513, 3000, 70_000)),
                b"\r\n" * chance.choice((1, 50)),
                self._noise(chance.choice((1, 10, 1000, 20_000))),
            )
        )

    def _spoilt(self, step: bytes) -> bytes:
        """Change, drop or add an octet."""
        chance = self.chance
        if not step:
            return self._noise(3)
        place = chance.randrange(len(step))
        octet = bytes([chance.choice((0, 0x0A, 0x0D, 0x20, 0x3C, 0x3E, 0x80, 0xFF, chance.randrange(256)))])
        return step[:place] + chance.choice((octet, b"", octet + step[place : place + 1])) + step[place + 1 :]

    def _noise(self, most: int = 200) -> bytes:
        return self.chance.randbytes(self.chance.randrange(most + 1))


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
