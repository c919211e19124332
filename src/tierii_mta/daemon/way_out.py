"""The way out, wired: resolver, shaping, sources, content, and the transport above them.

Owns which settings reach which part of `outbound`, also at a reload; mail to ourselves turns back here
(daemon.mailboxes).  Part of the composition root, apart from daemon.assembly because this half changes while mail
moves.
"""

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import structlog

from tierii_mta import shipped, yaml12
from tierii_mta.clock import Clock, elapsed
from tierii_mta.correspondence.local import LocalDelivery
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.mailboxes import local_delivery
from tierii_mta.daemon.names import make_resolver
from tierii_mta.daemon.settings import Settings
from tierii_mta.errors import Unavailable
from tierii_mta.outbound.connection import Timeouts
from tierii_mta.outbound.content import ContentSource, Prepared
from tierii_mta.outbound.pools import Pools
from tierii_mta.outbound.security import TlsContexts
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.sources import Source
from tierii_mta.outbound.transports.direct_mx import DirectMx, DirectMxSettings
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Delivery
from tierii_mta.queue.pacing import Plans
from tierii_mta.queue.store import QueueStore
from tierii_mta.resolver.stub import StubResolver

_DEFAULT_SOURCE = "default"
_SILENT, _RECOUNT_S = timedelta(seconds=60), 15.0
_FIB, _INET6 = Path("/proc/self/net/fib_trie"), Path("/proc/self/net/if_inet6")
_LOCAL_V4 = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL")


@dataclass(frozen=True)
class Contents:
    """Asks whoever knows a delivery's content: campaigns render it, submitted mail is stored."""

    campaigns: ContentSource
    stored: ContentSource

    async def prepare(self, delivery: Delivery) -> Prepared:
        source = self.campaigns if delivery.message is None else self.stored
        return await source.prepare(delivery)


class Share:
    """How much of a campaign's rate to a provider is ours: one divided by the daemons that live."""

    def __init__(self, queue: QueueStore, clock: Clock) -> None:
        self._queue, self._clock, self._daemons = queue, clock, 1

    def __call__(self) -> float:
        return 1 / self._daemons

    async def run(self) -> None:
        """Count the daemons now and then, until cancelled."""
        while True:
            try:
                seen = [elapsed(node.seen_at, self._clock.now()) for node in await self._queue.nodes()]
                self._daemons = max(1, sum(silence < _SILENT for silence in seen))
            except Unavailable as failure:
                structlog.get_logger().warning("way_out.nodes_unknown", error=str(failure))
            await self._clock.sleep(_RECOUNT_S)


class WayOut:
    """The transport in use, and what operators ask of it."""

    def __init__(
        self, deliver: LocalDelivery, direct: DirectMx, resolver: StubResolver, share: Share, plans: Plans
    ) -> None:
        self.deliver = deliver
        self._direct, self._resolver, self._share, self._plans = direct, resolver, share, plans

    @property
    def idle_sessions(self) -> int:
        """Sessions that wait for their next message."""
        return self._direct.idle_sessions

    async def explain(self, domain: str) -> list[dict[str, Any]]:
        """Return the lines of `queue explain`."""
        lines = await self._direct.explain(domain)
        if not self.deliver.receives(domain):
            return lines
        text = f"{domain} is ours: mail to whom port 25 knows goes into the inbox, all other mail as follows"
        return [{"kind": "local", "text": text}, *lines]

    async def tend(self) -> None:
        """Close idle sessions in time, and follow how many daemons there are, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._direct.run())
            group.create_task(self._share.run())

    async def close(self) -> None:
        """Say goodbye to every idle session."""
        await self._direct.close()
        await self._resolver.close()

    def reload(self, settings: Settings) -> None:
        """Take over shaping and sources; raises `ConfigurationError` and leaves all as it was where they are wrong."""
        self._direct.reload(_direct_mx(settings, self._plans), load_shaping(settings))


def build_way_out(installation: Installation, *, content: ContentSource, committer: Committer, plans: Plans) -> WayOut:
    """Wire the transport of the settings; raises `ConfigurationError`."""
    settings = installation.settings
    resolver = make_resolver(settings, installation.clock)
    share = Share(installation.queue, installation.clock)
    direct = DirectMx(
        _direct_mx(settings, plans),
        clock=installation.clock,
        resolver=resolver,
        shaping=load_shaping(settings),
        content=content,
        contexts=TlsContexts(),
        share=share,
    )
    deliver = local_delivery(installation, direct, content=content, committer=committer)
    return WayOut(deliver, direct, resolver, share, plans)


def load_shaping(settings: Settings) -> Shaping:
    """Return the shipped shaping with the operator's merged over it."""
    documents = [yaml12.load(shipped.folder("config") / "shaping.yaml")]
    if settings.outbound.shaping is not None:
        documents.append(yaml12.load(Path(settings.outbound.shaping)))
    shaping = Shaping.load(documents)
    shaping.check_sources(source.name for source in sources_of(settings))
    for warning in shaping.warnings:
        structlog.get_logger().warning("shaping.remark", remark=warning)
    return shaping


def _direct_mx(settings: Settings, plans: Plans) -> DirectMxSettings:
    sources = sources_of(settings)
    configured = {address for each in sources for address in (each.address, each.address6) if address}
    return DirectMxSettings(
        sources=sources,
        own_names=frozenset({settings.hostname, *(source.ehlo for source in sources)}),
        own_addresses=frozenset(configured | machine_addresses()),
        allow_loopback=settings.outbound.allow_loopback,
        port=settings.outbound.port,
        pools=Pools(plans=plans, of_domain={name: domain.pool for name, domain in settings.domains.items()}),
        timeouts=Timeouts(**dict(settings.outbound.timeouts)),
    )


def sources_of(settings: Settings) -> tuple[Source, ...]:
    """Return the sources; without any the kernel chooses the address and the host's name is the EHLO name."""
    if not settings.outbound.sources:
        return (Source(name=_DEFAULT_SOURCE, ehlo=settings.hostname),)
    return tuple(
        Source(
            name=source.name,
            ehlo=source.ehlo or settings.hostname,
            address=source.address,
            address6=source.address6,
            pool=source.pool,
            weight=source.weight,
        )
        for source in settings.outbound.sources
    )


def machine_addresses() -> set[str]:
    """Return the addresses of this machine's interfaces, as the kernel lists them; loopback ones are left out."""
    found = set(_LOCAL_V4.findall(_FIB.read_text())) if _FIB.exists() else set()
    if _INET6.exists():
        found |= {str(IPv6Address(int(line.split()[0], 16))) for line in _INET6.read_text().splitlines() if line}
    return {address for address in found if not address.startswith("127.") and address != "::1"}
