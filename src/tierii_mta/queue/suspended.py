"""Lanes that are closed for a while because they refuse us.

Owns until when each is closed, and how often it has refused us since it last took mail; not how long a suspension is
(queue.settlement).  Pure.
"""

import heapq

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import Lane, LaneId


class SuspendedLanes:
    """Suspensions and strikes by lane."""

    def __init__(self) -> None:
        self._until: dict[LaneId, tuple[Instant, Lane]] = {}
        self._ends: list[tuple[Instant, LaneId]] = []
        self._strikes: dict[LaneId, int] = {}

    def __contains__(self, lane: LaneId) -> bool:
        return lane in self._until

    def until(self, lane: LaneId) -> Instant:
        """Return the end of a suspension there is."""
        return self._until[lane][0]

    def add(self, lane: Lane, until: Instant) -> None:
        self._until[lane.id] = (until, lane)
        heapq.heappush(self._ends, (until, lane.id))

    def remove(self, lane: LaneId) -> bool:
        """End a suspension early; return whether there was one."""
        return self._until.pop(lane, None) is not None

    def pop_ended(self, now: Instant) -> list[Lane]:
        """Return the lanes whose suspension has run out; they are suspended no more."""
        lanes = []
        while self._ends and self._ends[0][0] <= now:
            _, lane_id = heapq.heappop(self._ends)
            until, lane = self._until.get(lane_id, (None, None))
            if lane is not None and until is not None and until <= now:
                del self._until[lane_id]
                lanes.append(lane)
        return lanes

    def next_end(self) -> Instant | None:
        """Return when to look again."""
        return self._ends[0][0] if self._ends else None

    def strike(self, lane: LaneId) -> int:
        """Count a refusal of us; return how many came before it since the lane last took mail."""
        strikes = self._strikes.get(lane, 0)
        self._strikes[lane] = strikes + 1
        return strikes

    def clear_strikes(self, lane: LaneId) -> None:
        """The lane took mail."""
        if self._strikes:
            self._strikes.pop(lane, None)
