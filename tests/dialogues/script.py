r"""Conversations with an SMTP server as text files, and how they are played.

    # What the story shows.  Comments may stand anywhere.
    rules: has_tls recipients=2            fields of `smtp.dialogue.Rules` that differ; `eol: normalize` likewise
    S: 220 mx.example.test*                a line the server says; `*` at the end: anything may follow
    C: EHLO client.example.test            a line the client says, sent with CR LF; escapes as below
    S: 250-mx.example.test
    S: ...                                 any number of further lines of this reply
    S: 250 *
    C: NOOP                                client lines with nothing between them go out in one packet
    C: QUIT
    --                                     what came before is one packet, what follows another
    C< raw octets \r\n                     sent as they stand: \r \n \t \0 \\ \xHH and \{count text} for a repetition
    TLS                                    the client's handshake
    stored: 1                              how many messages the server holds now
    CLOSED                                 the server closed the connection

Files of one story each lie beside this module.  `play` needs a `Peer`: the engine alone (`engine.EnginePeer`) or a live
listener behind a byte stream (`StreamPeer`).
"""

import asyncio
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

FOLDER = Path(__file__).parent
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|\{(\d+) ([^}]*)\}|(.))")
_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Say:
    """The client sends this in one packet."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Hear:
    """The server says a line."""

    pattern: str

    def fits(self, line: bytes) -> bool:
        """Whether this is the line."""
        text = line.decode("ascii")
        if not self.pattern.endswith("*"):
            return text == self.pattern + "\r\n"
        return text.startswith(self.pattern[:-1]) and text.endswith("\r\n")


@dataclass(frozen=True, slots=True)
class HearRest:
    """The server says any number of lines that are not the last one of a reply."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """The client's handshake."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How many messages the server holds."""

    count: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The server closed the connection, and says nothing more."""


Step = Say | Hear | HearRest | StartTls | Stored | Closed


class Peer(Protocol):
    """A server under test."""

    async def say(self, octets: bytes) -> None:
        """Send to it."""

    async def line(self) -> bytes:
        """Return its next line with its end; b"" once it has closed."""

    async def start_tls(self) -> None:
        """Shake hands."""

    async def stored(self) -> int | None:
        """Return how many messages it holds; None: nobody can tell."""


@dataclass(slots=True)
class Script:
    """One story."""

    name: str
    steps: list[Step] = field(default_factory=list)
    rules: dict[str, int | bool | str] = field(default_factory=dict)
    eol: str = "reject"


def scripts() -> list[Script]:
    """Return every story."""
    return [parse(path.stem, path.read_text()) for path in sorted(FOLDER.glob("*.txt"))]


def parse(name: str, text: str) -> Script:
    """Read a story; ValueError names the line that is none."""
    script, packet = Script(name), b""
    for number, line in enumerate([*text.splitlines(), "--"], 1):
        if line.startswith("C:"):
            packet += _octets(line[2:].removeprefix(" ")) + b"\r\n"
        elif line.startswith("C< "):
            packet += _octets(line[3:])
        elif line.strip() and not line.startswith("#"):
            if packet:
                script.steps.append(Say(packet))
                packet = b""
            if not _take(script, line):
                raise ValueError(f"{name}.txt, line {number}: {line}")
    return script


def _take(script: Script, line: str) -> bool:
    """Take a line that is not the client's; False: nobody knows it."""
    key, _, value = line.partition(":")
    match key, value.strip():
        case "S", "...":
            script.steps.append(HearRest())
        case "S", _:
            script.steps.append(Hear(_octets(value.removeprefix(" ")).decode()))
        case "TLS", "":
            script.steps.append(StartTls())
        case "CLOSED", "":
            script.steps.append(Closed())
        case "stored", count:
            script.steps.append(Stored(int(count)))
        case "rules", words:
            script.rules |= dict(_rules(words))
        case "eol", eol:
            script.eol = eol
        case "--", "":
            pass
        case _:
            return False
    return True


def _rules(words: str) -> Iterator[tuple[str, int | bool | str]]:
    for word in words.split():
        name, equals, value = word.partition("=")
        yield name, (int(value) if value.isdigit() else value) if equals else True


def _octets(text: str) -> bytes:
    parts, start = [], 0
    for found in _ESCAPE.finditer(text):
        parts.append(text[start : found.start()].encode())
        code, count, repeated, plain = found.groups()
        parts.append(bytes.fromhex(code) if code else (repeated * int(count) if count else _PLAIN[plain]).encode())
        start = found.end()
    return b"".join([*parts, text[start:].encode()])


async def play(script: Script, peer: Peer) -> None:
    """Play a story; an AssertionError tells where it went another way."""
    unread: list[bytes] = []
    for number, step in enumerate(script.steps):
        where = f"{script.name}, step {number}: {step}"
        match step:
            case Say(octets):
                assert not unread, f"{where}: the server also said {unread!r}"
                await peer.say(octets)
            case Hear():
                line = unread.pop() if unread else await peer.line()
                assert step.fits(line), f"{where}, and the server said {line!r}"
            case HearRest():
                while (line := await peer.line())[3:4] == b"-":
                    pass
                unread.append(line)
            case StartTls():
                await peer.start_tls()
            case Stored(count):
                assert await peer.stored() in (count, None), where
            case Closed():
                line = await peer.line()
                assert line == b"", f"{where}, and the server said {line!r}"


class StreamPeer:
    """A live listener behind a byte stream; `patience` (seconds) keeps a silent one from hanging."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, patience: float = 30) -> None:
        self._reader, self._writer, self._patience = reader, writer, patience

    async def say(self, octets: bytes) -> None:
        """Send; a server that has closed already is found out by the next line."""
        self._writer.write(octets)
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    async def line(self) -> bytes:
        """Return the next line; b"" at the end, a reset included."""
        async with asyncio.timeout(self._patience):
            try:
                return await self._reader.readline()
            except ConnectionError:
                return b""

    async def start_tls(self) -> None:
        """Shake hands, believing any certificate."""

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await self._writer.start_tls(context)

    async def stored(self) -> int | None:
        """Nobody can tell from outside."""
        return None
