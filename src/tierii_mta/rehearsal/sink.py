"""The sink: a receiving MX whose behaviour is a personality, for rehearsals, tests and the demo.

Owns the listening socket, what was received (bounded, in memory; also in a Maildir on request) and the counts; not
the dialogue (rehearsal.exchange).  Meant for loopback and test networks: it is no mail server.
"""

import asyncio
import contextlib
import ssl
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tierii_mta.clock import Clock, SystemClock
from tierii_mta.errors import ConfigurationError
from tierii_mta.rehearsal.certificate import server_context
from tierii_mta.rehearsal.exchange import Exchange, Received, Refused
from tierii_mta.rehearsal.judgement import Judge
from tierii_mta.rehearsal.personality import Personality, Tls

Note = Received | Refused


class Sink:
    """A receiving MX: `async with Sink(personality) as sink: … sink.port … sink.received`."""

    def __init__(
        self,
        personality: Personality | None = None,
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        maildir: Path | None = None,
        on_note: Callable[[Note], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.personality = personality or Personality()
        self.received: deque[Received] = deque(maxlen=self.personality.keep)
        self._listen, self._maildir, self._on_note = listen, maildir, on_note
        self._clock = clock or SystemClock()
        self._judge = Judge(self.personality)
        self._counts = Counter[str]()
        self._arrival = asyncio.Condition()
        self._exchanges: set[Exchange] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port listened on, once entered."""
        return self.address[1]

    @property
    def address(self) -> tuple[str, int]:
        """Address and port listened on, once entered."""
        if self._server is None:
            raise RuntimeError("the sink does not listen yet")
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    @property
    def stats(self) -> Mapping[str, int]:
        """Counts so far: connections, messages, recipients, size_bytes, and `refused_` per behaviour."""
        return dict(self._counts)

    async def arrived(self, count: int) -> None:
        """Wait until `count` messages have been received in all, forgotten ones included."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self._counts["messages"] >= count)

    async def __aenter__(self) -> Self:
        context = self._tls_context()
        if self._maildir:
            for folder in ("tmp", "new", "cur"):
                (self._maildir / folder).mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        host, port = self._listen
        self._server = await loop.create_server(lambda: self._connected(context), host, port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        for exchange in tuple(self._exchanges):
            exchange.abort()
        for exchange in tuple(self._exchanges):
            await exchange.ended()
        if self._server:
            await self._server.wait_closed()

    async def keep(self, message: Received) -> None:
        """Keep a message in memory and, where one is given, in the Maildir."""
        if self._maildir:
            await asyncio.to_thread(self._write, self._maildir, message)
        self.received.append(message)
        self._counts.update(messages=1, recipients=len(message.recipients), size_bytes=len(message.data))
        if self._on_note:
            self._on_note(message)
        async with self._arrival:
            self._arrival.notify_all()

    def refused(self, refusal: Refused) -> None:
        """Count and tell a refusal."""
        self._counts[f"refused_{refusal.behaviour}"] += 1
        if self._on_note:
            self._on_note(refusal)

    def _connected(self, context: ssl.SSLContext | None) -> Exchange:
        self._counts["connections"] += 1
        exchange = Exchange(
            self.personality, self._judge, self, clock=self._clock, tls=context, on_end=self._exchanges.discard
        )
        self._exchanges.add(exchange)
        return exchange

    def _tls_context(self) -> ssl.SSLContext | None:
        if self.personality.tls is Tls.NONE:
            return None
        names = [self.personality.hostname, "localhost", "127.0.0.1", "::1"]
        try:
            return server_context(self.personality.certificate, names=names, now=self._clock.now())
        except OSError as cause:
            files = " and ".join(str(path) for path in self.personality.certificate or ())
            raise ConfigurationError(
                f"certificate and key cannot be used: {cause}",
                where=files,
                remedy="give PEM files that belong together",
            ) from cause

    def _write(self, maildir: Path, message: Received) -> None:
        """Write one file, complete before it shows in new/. Line ends stay CR LF, so that signatures can be checked."""
        name = f"{message.at}.{self._clock.token(8).hex()}.sink"
        head = f"Return-Path: <{message.sender}>\r\n" + "".join(f"Delivered-To: {to}\r\n" for to in message.recipients)
        draft = maildir / "tmp" / name
        try:
            draft.write_bytes(head.encode("utf-8", "surrogateescape") + message.data)
            draft.rename(maildir / "new" / name)
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
