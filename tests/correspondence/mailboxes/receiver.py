"""A receiver of webhooks: a small HTTP server that notes what it got and answers as told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.correspondence.mailboxes.listening import listening


@dataclass
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What came in, and what is answered: the status line and further header lines, one answer after the other."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)  # the last one repeats; "": no answer at all
    has_one: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def next_answer(self) -> str:
        return self.answers.pop(0) if len(self.answers) > 1 else (self.answers or ["204 No Content"])[0]


@asynccontextmanager
async def receiving(*answers: str) -> AsyncIterator[Receiver]:
    """Listen on loopback for as long as the block runs."""
    receiver = Receiver(answers=list(answers))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            receiver.requests.append(Request(head[0].split(" ")[1], headers, body))
            receiver.has_one.set()
            if (answer := receiver.next_answer()) == "":
                await reader.read()
                return
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

    async with listening(serve) as receiver.port:
        yield receiver
