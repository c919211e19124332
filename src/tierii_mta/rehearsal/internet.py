"""A small Internet on loopback: names, and four domains whose MX hosts behave each in its own way.

Owns which domains there are and what they are good for; the DNS server and the sinks do the work.  All MX hosts listen
on one port, each at an address of 127.0.0.0/8 of its own, for a sender dials one port everywhere.
"""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType, TracebackType
from typing import Self

from tierii_mta.clock import Clock
from tierii_mta.errors import Unavailable
from tierii_mta.rehearsal.dns import DnsServer
from tierii_mta.rehearsal.exchange import Received
from tierii_mta.rehearsal.personality import Behaviour, Personality, Rule, Tls
from tierii_mta.rehearsal.sink import Sink

OPEN, PATIENCE, STRICT, SEALED = "open.example", "patience.example", "strict.example", "sealed.example"
GREYLISTED_FOR = timedelta(seconds=2)
_BIND_ATTEMPTS = 20

DOMAINS: Mapping[str, Personality] = MappingProxyType(
    {
        OPEN: Personality(hostname=f"mx.{OPEN}", rules=(Rule(behaviour=Behaviour.ANSWER, to="dmitri@*"),)),
        PATIENCE: Personality(
            hostname=f"mx.{PATIENCE}", rules=(Rule(behaviour=Behaviour.GREYLIST, wait=GREYLISTED_FOR),)
        ),
        STRICT: Personality(hostname=f"mx.{STRICT}", rules=(Rule(behaviour=Behaviour.REJECT, to="gone@*"),)),
        SEALED: Personality(hostname=f"mx.{SEALED}", tls=Tls.REQUIRED),
    }
)


class Internet:
    """`async with Internet(clock) as internet:` serves names and mail until the block ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stack = contextlib.AsyncExitStack()
        self.dns = DnsServer()
        self.sinks: Mapping[str, Sink] = {}
        self.port = 0

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.dns)
            self.sinks = await self._listen(stack)
            self.port = self.sinks[OPEN].port
            self._stack = stack.pop_all()
        for domain, sink in self.sinks.items():
            self.dns.add(domain, "MX", 10, sink.personality.hostname)
            self.dns.add(sink.personality.hostname, "A", sink.address[0])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def messages(self) -> Iterator[Received]:
        """Everything that arrived anywhere."""
        for sink in self.sinks.values():
            yield from sink.received

    def publish(self, domain: str, keys: Mapping[str, str], *, hostname: str, return_path: str) -> None:
        """Publish a sending domain as `doctor` wants it: our name, SPF, MX, DMARC, and a DKIM record per selector."""
        self.dns.add(hostname, "A", "127.0.0.1")
        self.dns.add(domain, "MX", 10, hostname)
        self.dns.add_ptr("127.0.0.1", hostname)
        self.dns.add(return_path, "MX", 10, hostname)
        self.dns.add(return_path, "TXT", "v=spf1 ip4:127.0.0.0/8 -all")
        self.dns.add(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=reject")
        for selector, record in keys.items():
            self.dns.add(f"{selector}._domainkey.{domain}", "TXT", record)

    async def _listen(self, stack: contextlib.AsyncExitStack) -> Mapping[str, Sink]:
        """Open all sinks on one port that is free at each of their addresses."""
        for _ in range(_BIND_ATTEMPTS):
            async with contextlib.AsyncExitStack() as attempt:
                sinks: dict[str, Sink] = {}
                port = 0
                try:
                    for number, (domain, personality) in enumerate(DOMAINS.items(), 1):
                        sink = Sink(personality, listen=(f"127.0.0.{number}", port), clock=self._clock)
                        sinks[domain] = await attempt.enter_async_context(sink)
                        port = sink.port
                except OSError:
                    continue
                stack.push_async_exit(attempt.pop_all())
                return sinks
        raise Unavailable(
            "found no port free at 127.0.0.1 to 127.0.0.4",
            remedy="this machine must have all of 127.0.0.0/8 (Linux does)",
        )
