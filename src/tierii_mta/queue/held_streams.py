"""Streams that are shut for a while: what of theirs is due stands aside until they open.

Owns their rings meanwhile, and when each opens.  A stream of a million costs what an empty one costs: nothing of it is
looked at while it is shut.  Not why it is shut (queue.pacing).  Pure.
"""

import heapq
from collections import deque
from collections.abc import Mapping

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import Priority, StreamId
from tierii_mta.queue.pacing import NEVER

Ring = deque[int]
Rings = dict[Priority, Ring]


class HeldStreams:
    """Held streams by the moment at which they open."""

    def __init__(self) -> None:
        self._held: dict[StreamId, tuple[Instant, Rings]] = {}
        self._openings: list[tuple[Instant, StreamId]] = []

    def __contains__(self, stream: StreamId) -> bool:
        return stream in self._held

    def hold(self, stream: StreamId, until: Instant, rings: Mapping[Priority, Ring]) -> None:
        """Hold a stream, or hold it until another moment; `rings` are added to what stands aside."""
        _, aside = self._held.get(stream, (until, {}))
        for priority, ring in rings.items():
            aside.setdefault(priority, deque()).extend(ring)
        self._held[stream] = until, aside
        if until < NEVER:
            heapq.heappush(self._openings, (until, stream))

    def keep(self, stream: StreamId, priority: Priority, slot: int) -> bool:
        """Put an entry that became ready aside; return whether its stream is held."""
        if not self._held or stream not in self._held:
            return False
        self._held[stream][1].setdefault(priority, deque()).append(slot)
        return True

    def release(self, stream: StreamId) -> Rings:
        """Hold a stream no more, and return what stood aside."""
        _, rings = self._held.pop(stream, (None, {}))
        return rings

    def pop_due(self, now: Instant) -> list[tuple[StreamId, Rings]]:
        """Return the streams that open by now, with what stood aside."""
        opened = []
        while self._openings and self._openings[0][0] <= now:
            until, stream = heapq.heappop(self._openings)
            if stream in self._held and self._held[stream][0] == until:
                opened.append((stream, self.release(stream)))
        return opened

    def next_opening(self) -> Instant | None:
        """Return when the next one opens."""
        while self._openings and self._held.get(self._openings[0][1], (None,))[0] != self._openings[0][0]:
            heapq.heappop(self._openings)
        return self._openings[0][0] if self._openings else None
