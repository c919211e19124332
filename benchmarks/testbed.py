"""What every system in a run shares: the folder, the sink's port, the DNS, the signing key, how much at a time.

Owns the `System` port that the measurements drive: our daemon (benchmarks.ours) and each Postfix (benchmarks.postfix).
"""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from benchmarks.sink import free_port
from tierii_mta.authentication import dkim
from tierii_mta.rehearsal.dns import DnsServer

SENDER_DOMAIN = "bench.example"
SELECTOR = "rsa"
MX = "mx.sink.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Testbed:
    """One run's surroundings."""

    folder: Path
    sink: int  # the port of smtp-sink
    nameserver: str
    connections: int  # to the sink, for each system
    domains: int  # that the recipients are spread over

    @property
    def key(self) -> Path:
        """The RSA-2048 key everybody signs with."""
        return self.folder / "rsa.pem"

    @property
    def dkim_records(self) -> dict[str, bytes]:
        """The published key by name."""
        return {f"{SELECTOR}._domainkey.{SENDER_DOMAIN}": dkim.dns_record(self.key.read_bytes()).encode()}


class System(Protocol):
    """A mail system that is up, with the sink as the only place its mail goes."""

    name: str
    signs: bool

    def take(self, label: str, messages: int) -> None:
        """Hand it so many messages, each to a recipient of its own; return when it has taken them all durably."""

    def settle(self, label: str, messages: int) -> None:
        """Wait until it says itself that all of them are gone; SystemExit if some are not."""

    def cpu_s(self) -> Mapping[str, float]:
        """Return the CPU seconds used so far, by part."""

    def trees(self) -> Sequence[int]:
        """Return the processes whose trees make up its memory."""


@contextmanager
def open_testbed(
    *, connections: int, domains: int, others: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Testbed]:
    """Make the folder (where TMPDIR says), the key and a DNS server that names the sink as every domain's MX.

    `others` are further domains, each with the address of an MX of its own.
    """
    with testbed_folder() as folder, serve_names(lambda server: _publish(server, domains, others)) as address:
        testbed = Testbed(folder=folder, sink=free_port(), nameserver=address, connections=connections, domains=domains)
        testbed.key.write_bytes(dkim.generate_key(dkim.KeyKind.RSA))
        yield testbed


@contextmanager
def testbed_folder() -> Iterator[Path]:
    """Make a folder, where TMPDIR says, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="tierii-bench-") as name:
        yield Path(name)


@contextmanager
def serve_names(publish: Callable[[DnsServer], None]) -> Iterator[str]:
    """Run a DNS server with these names in a thread with a loop of its own; give out its address."""
    loop, server = asyncio.new_event_loop(), DnsServer()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        publish(server)
        yield server.address
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _publish(server: DnsServer, domains: int, others: Mapping[str, str]) -> None:
    for number in range(domains):
        server.add(f"d{number}.example", "MX", 10, MX)
    server.add(MX, "A", "127.0.0.1")
    for domain, address in others.items():
        server.add(domain, "MX", 10, f"mx.{domain}")
        server.add(f"mx.{domain}", "A", address)
