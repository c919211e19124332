"""Sources: the addresses we send from, and which of them a lane uses.

Owns the choice by weighted rendezvous hashing: a lane keeps its source over every retry (greylisting remembers the
address) and, when a source is added, removed or suspended, only the lanes it gains or loses move.  Not when a source is
suspended (outbound.throttle).  Pure.
"""

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from tierii_mta.queue.delivery import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One of our addresses with the name it introduces itself by."""

    name: str
    ehlo: str  # its reverse DNS should say the same
    address: str | None = None  # IPv4; both None: the kernel chooses
    address6: str | None = None
    pool: str = "default"
    weight: int = 1  # share of the lanes within the pool; 0: none

    def can_reach(self, peer: str) -> bool:
        """Whether this source has an address of the peer's family. Never send from an address nobody configured."""
        return self.local_address(peer) is not None or (self.address is None and self.address6 is None)

    def local_address(self, peer: str) -> str | None:
        """Return the address to bind for a peer's IP address; None: the kernel chooses, if `can_reach`."""
        return self.address6 if ":" in peer else self.address


def choose_source(lane: Lane, sources: Iterable[Source], suspended: Container[str] = ()) -> Source | None:
    """Return the lane's source among `sources` (those of its pool), or None if all are suspended, by name, or empty."""
    candidates = [source for source in sources if source.weight > 0 and source.name not in suspended]
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    return max(candidates, key=lambda source: (_score(lane, source), source.name))


def _score(lane: Lane, source: Source) -> float:
    """Weighted rendezvous score: weight / -ln(u), u in (0, 1) from a hash that is the same in every process."""
    digest = blake2b(f"{lane.stream}\0{lane.domain}\0{source.name}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest) + 0.5) / 2**64
    # The largest digests round to 1.0, whose logarithm is 0.
    return source.weight / -math.log(min(uniform, 1 - 2**-53))
