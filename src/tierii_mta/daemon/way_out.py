"""The way out, wired: resolver, shaping, sources, content, and the transport above them.

Owns which settings reach which part of `outbound`, also at a reload; mail to ourselves turns back here
(daemon.mailboxes).  Part of the composition root, apart from daemon.assembly because this half changes while mail
moves.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import structlog

from tierii_mta import shipped, yaml12
from tierii_mta.correspondence.local import LocalDelivery
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.mailboxes import local_delivery
from tierii_mta.daemon.settings import Settings
from tierii_mta.outbound.connection import Timeouts
from tierii_mta.outbound.content import ContentSource, Prepared
from tierii_mta.outbound.security import TlsContexts
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.outbound.sources import Source
from tierii_mta.outbound.transports.direct_mx import DirectMx, DirectMxSettings
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Delivery
from tierii_mta.resolver.stub import StubResolver

_DEFAULT_SOURCE = "default"
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


class WayOut:
    """The transport in use, and what operators ask of it."""

    def __init__(self, deliver: LocalDelivery, direct: DirectMx, resolver: StubResolver) -> None:
        self.deliver = deliver
        self._direct, self._resolver = direct, resolver

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
        """Close idle sessions in time, until cancelled."""
        await self._direct.run()

    async def close(self) -> None:
        """Say goodbye to every idle session."""
        await self._direct.close()
        await self._resolver.close()

    def reload(self, settings: Settings) -> None:
        """Take over shaping and sources; raises `ConfigurationError` and leaves all as it was where they are wrong."""
        self._direct.reload(_direct_mx(settings), load_shaping(settings))


def build_way_out(installation: Installation, *, content: ContentSource, committer: Committer) -> WayOut:
    """Wire the transport of the settings; raises `ConfigurationError`."""
    settings = installation.settings
    resolver = StubResolver(installation.clock, nameservers=settings.dns.nameservers, timeout=settings.dns.timeout)
    direct = DirectMx(
        _direct_mx(settings),
        clock=installation.clock,
        resolver=resolver,
        shaping=load_shaping(settings),
        content=content,
        contexts=TlsContexts(),
    )
    deliver = local_delivery(installation, direct, content=content, committer=committer)
    return WayOut(deliver, direct, resolver)


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


def _direct_mx(settings: Settings) -> DirectMxSettings:
    sources = sources_of(settings)
    configured = {address for each in sources for address in (each.address, each.address6) if address}
    return DirectMxSettings(
        sources=sources,
        own_names=frozenset({settings.hostname, *(source.ehlo for source in sources)}),
        own_addresses=frozenset(configured | machine_addresses()),
        allow_loopback=settings.outbound.allow_loopback,
        port=settings.outbound.port,
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
