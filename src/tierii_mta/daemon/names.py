"""The resolver of the settings.

Owns which name servers are asked and how long; each part of the daemon, and each run of a command, has a resolver and a
cache of its own.  Apart from the installation, because commands that look nothing up need not load the DNS.
"""

from tierii_mta.clock import Clock
from tierii_mta.daemon.settings import Settings
from tierii_mta.resolver.stub import StubResolver


def make_resolver(settings: Settings, clock: Clock) -> StubResolver:
    """Return a resolver; who makes it closes it."""
    return StubResolver(clock, nameservers=settings.dns.nameservers, timeout=settings.dns.timeout)
