"""A direct MX with real DNS on loopback, for tests that script the hosts behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tests.support.hostile_mx import HostileMx, Script
from tierii_mta import yaml12
from tierii_mta.clock import later
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.outbound.content import Prepared
from tierii_mta.outbound.security import TlsContexts
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.sources import Source
from tierii_mta.outbound.transports.direct_mx import DirectMx, DirectMxSettings
from tierii_mta.queue.delivery import Delivery, DeliveryId, Lane, LaneId, Outcome, Priority, StreamId
from tierii_mta.rehearsal.personality import Personality
from tierii_mta.rehearsal.sink import Sink
from tierii_mta.resolver.stub import StubResolver

MESSAGE = b"Subject: hi\r\n\r\nHello.\r\n"
MAIN = Source(name="main", ehlo="mta.example.org")
CONTEXTS = TlsContexts()


class Letters:
    """A content source with one letter for everybody, which may fail or take its time."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.data = MESSAGE
        self.is_shared = False
        self.prepared = 0

    async def prepare(self, delivery: Delivery) -> Prepared:
        self.prepared += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        recipient = Address.parse(delivery.recipient)
        return Prepared(
            reverse_path=Address.parse("news@example.org"),
            recipient=recipient,
            data=self.data,
            message_id=f"<{delivery.id}@example.org>",
            body_hash="00" * 32,
            is_8bit=False,
            needs_smtputf8=recipient.needs_smtputf8,
            is_shared=self.is_shared,
        )


class Rig:
    """`async with Rig(port=mx.port) as rig: … await rig.deliver()`. Leaving closes every session."""

    def __init__(self, *, port: int, shaping: str = "", sources: tuple[Source, ...] = (MAIN,), **settings: Any) -> None:
        self.clock = ManualClock()
        self.dns = DnsServer()
        self.letters = Letters()
        self.activations = 0
        self.is_ours: bool | Exception = True
        self.on_activate: list[Any] = []
        self._settings = DirectMxSettings(sources=sources, port=port, allow_loopback=True, **settings)
        self._shaping = Shaping.load([yaml12.parse(shaping, file="shaping.yaml")])
        self._number = 0
        self.mx: DirectMx

    async def __aenter__(self) -> Self:
        await self.dns.start()
        self.mx = DirectMx(
            self._settings,
            clock=self.clock,
            resolver=StubResolver(self.clock, nameservers=[self.dns.address]),
            shaping=self._shaping,
            content=self.letters,
            contexts=CONTEXTS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.mx.close()
        await self.dns.stop()

    def reload(self, shaping: str) -> None:
        self.mx.reload(self._settings, Shaping.load([yaml12.parse(shaping, file="new.yaml")]))

    def host(self, preference: int, address: str = "127.0.0.1", *, domain: str = "example.com") -> None:
        """Add an MX host of its own name with one address."""
        name = f"mx{preference}.{domain}"
        self.dns.add(domain, "MX", preference, name)
        self.dns.add(name, "AAAA" if ":" in address else "A", address)

    def delivery(self, recipient: str = "ann@example.com", **values: Any) -> Delivery:
        self._number += 1
        address = Address.parse(recipient)
        return Delivery(
            id=DeliveryId(self._number),
            lane=self.lane(address.domain),
            recipient=recipient,
            recipient_key=PersonKey(b"k" * 16),
            priority=values.pop("priority", Priority.NORMAL),
            attempts=values.pop("attempts", 0),
            accepted_at=self.clock.now(),
            expires_at=later(self.clock.now(), timedelta(days=5)),
            campaign=values.pop("campaign", "c"),
            **values,
        )

    def lane(self, domain: str = "example.com") -> Lane:
        return Lane(id=LaneId(1), stream=StreamId(1), domain=domain)

    def room(self, domain: str = "example.com", priority: Priority = Priority.NORMAL) -> int:
        return self.mx.room(self.lane(domain), priority, 100)

    async def deliver(self, recipient: str = "ann@example.com", **values: Any) -> Outcome:
        return await self.mx.deliver(self.delivery(recipient, **values), self.activate)

    async def activate(self) -> bool:
        self.activations += 1
        for hook in self.on_activate:
            hook()
        await asyncio.sleep(0)
        if isinstance(self.is_ours, Exception):
            raise self.is_ours
        return self.is_ours


@asynccontextmanager
async def two_hosts(script: Script, personality: Personality | None = None) -> AsyncIterator[tuple[HostileMx, Sink]]:
    """A scripted host on 127.0.0.1 and a sink on 127.0.0.2, on the same port, as hosts of one domain are."""
    for _ in range(20):
        first = HostileMx(script)
        async with first:
            sink = Sink(personality or Personality(), listen=("127.0.0.2", first.port))
            try:
                await sink.__aenter__()
            except OSError:
                continue  # somebody has the port there: choose another
            try:
                yield first, sink
            finally:
                await sink.__aexit__(None, None, None)
            return
    raise RuntimeError("no port was free on both addresses")
