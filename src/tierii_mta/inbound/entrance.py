"""What a connection shares with all others: what its listener offers, and who counts.

Owns the values and ports the parts of the listener pass to each other; not what they do (inbound.listener accepts,
inbound.connection talks).
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tierii_mta.clock import Clock
from tierii_mta.inbound.arrival import MessageBounds
from tierii_mta.inbound.gate import Gate
from tierii_mta.inbound.patience import Patience
from tierii_mta.inbound.session import Door, Judge, Session
from tierii_mta.smtp.dialogue import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """One kind of listener."""

    door: Door
    rules: Rules
    judge: Callable[[Session], Judge]
    message: MessageBounds
    patience: Patience
    tls: Callable[[], ssl.SSLContext | None]  # asked for each handshake, so that a new certificate is taken up


class Observer(Protocol):
    """Hears what the doors do, to count it. Labels are few and known: a reason is a word or an enhanced code."""

    def opened(self, door: Door) -> None:
        """Somebody was let in."""

    def closed(self, door: Door, octets: int) -> None:
        """A session is over; so many octets came."""

    def accepted(self, door: Door, octets: int) -> None:
        """A message was kept."""

    def refused(self, door: Door, reason: str) -> None:
        """A session, a command or a message was refused."""


@dataclass(slots=True, kw_only=True)
class House:
    """What is behind all the doors."""

    clock: Clock
    gate: Gate
    observer: Observer
    spool: Path  # folder of large messages on their way in
    is_closing: bool = False  # sessions end as soon as they have nothing under way
