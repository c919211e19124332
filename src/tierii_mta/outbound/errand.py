"""Errands: what is to be attempted, and the equipment that every attempt of a process shares.

Owns their shape; how an attempt goes is outbound.attempt.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tierii_mta.clock import Clock
from tierii_mta.outbound.content import ContentSource
from tierii_mta.outbound.gate import Gate
from tierii_mta.outbound.party import Parties
from tierii_mta.outbound.path import Path
from tierii_mta.outbound.pool import Pool
from tierii_mta.outbound.route import Route
from tierii_mta.outbound.security import BrokenTls, TlsContexts
from tierii_mta.outbound.session import Timeouts
from tierii_mta.outbound.sources import Source
from tierii_mta.queue.delivery import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every attempt of a process shares."""

    clock: Clock
    gate: Gate
    pool: Pool
    content: ContentSource
    contexts: TlsContexts
    broken_tls: BrokenTls
    parties: Parties
    port: int = 25
    timeouts: Timeouts = field(default_factory=Timeouts)
    hasty: timedelta = timedelta(seconds=10)  # to connect, while other addresses remain
    deadline: timedelta = timedelta(minutes=20)  # of an attempt, whatever the peer does; the dot alone may take 10
    idle: timedelta = timedelta(seconds=15)  # a session waits so long for its next message


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What is to be attempted."""

    delivery: Delivery
    route: Route
    path: Path
    source: Source
    activate: Callable[[], Awaitable[bool]]
    started: float  # Clock.monotonic
