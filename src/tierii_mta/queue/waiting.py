"""The waiting room of the lane directory: entries that are looked at again at a moment.

Owns the heap of moments over the directory's rows, and how long an entry is put aside that found no room; not what
becomes of it then (queue.lanes).  Pure.
"""

import heapq
from datetime import timedelta

from tierii_mta.clock import Instant, later
from tierii_mta.queue.lane_table import LaneTable, Place

_SLOT_BITS = 32
_MANY = 1_000  # stale rows that are not worth building the heap anew
_RECHECKS_PER_MS = 2  # parked entries looked at again, all together
_SHORTEST_PARK_MS, _LONGEST_PARK_MS = 100, 30_000


class WaitingRoom:
    """Entries WAITING or PARKED, by when they are due."""

    def __init__(self, table: LaneTable) -> None:
        self._table = table
        self._heap: list[int] = []  # due << 32 | slot, stale ones skipped when they come up
        self._inside = 0
        self._parked = 0

    def __len__(self) -> int:
        """Return how many rows the heap has, stale ones included."""
        return len(self._heap)

    def wait(self, slot: int, due: Instant, place: Place = Place.WAITING) -> None:
        """Let an entry wait until `due`, wherever it was."""
        self.leave(slot)
        self._table.place[slot], self._table.due[slot] = place, due
        self._inside += 1
        heapq.heappush(self._heap, due << _SLOT_BITS | slot)
        if len(self._heap) > 2 * self._inside + _MANY:
            self._drop_stale()

    def park(self, slot: int, now: Instant) -> None:
        """Put a due entry aside for a while that grows with how many are aside, so that looking stays cheap."""
        wait = min(max(self._parked // _RECHECKS_PER_MS, _SHORTEST_PARK_MS), _LONGEST_PARK_MS)
        self.wait(slot, later(now, timedelta(milliseconds=wait)), Place.PARKED)
        self._parked += 1

    def leave(self, slot: int) -> None:
        """Take an entry out, if it waits; its place is the caller's to write, and its heap row goes stale."""
        place = self._table.place[slot]
        if place in (Place.WAITING, Place.PARKED):
            self._inside -= 1
            self._parked -= place == Place.PARKED

    def pop_due(self, now: Instant) -> int | None:
        """Return an entry whose moment has come, still in its place; None: nobody's has."""
        due = self.next_due()
        if due is None or due > now:
            return None
        return heapq.heappop(self._heap) & ((1 << _SLOT_BITS) - 1)

    def next_due(self) -> Instant | None:
        """Return the earliest moment."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        return Instant(self._heap[0] >> _SLOT_BITS) if self._heap else None

    def _is_live(self, row: int) -> bool:
        slot = row & ((1 << _SLOT_BITS) - 1)
        place = self._table.place[slot]
        return self._table.due[slot] == row >> _SLOT_BITS and place in (Place.WAITING, Place.PARKED)

    def _drop_stale(self) -> None:
        """Build the heap anew: entries that keep getting earlier due times leave many stale rows."""
        self._heap = [row for row in set(self._heap) if self._is_live(row)]
        heapq.heapify(self._heap)
