"""The directory's rows: claimable mail per (lane, priority), in parallel arrays.

Owns how half a million lanes fit in memory: integers in arrays, domains in one run of octets, and an index of slots
instead of a dict of objects (about 60 octets an entry where a dict of dataclasses takes 300). Not which lane goes
next (queue.lanes). Pure.
"""

from array import array
from enum import IntEnum

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import Lane, LaneId, Priority, StreamId

_FIBONACCI = 0x9E37_79B9_7F4A_7C15  # 2^64 / golden ratio: spreads runs of ids over the index
_WORD = (1 << 64) - 1
_MAX_COUNT = (1 << 31) - 1


class Place(IntEnum):
    """Where an entry is."""

    FREE = 0  # the slot holds nothing
    READY = 1  # in its stream's ring
    WAITING = 2  # for its due time
    PARKED = 3  # due, but the way out had no room; looked at again at `due`
    TAKEN = 4  # part of the claim that runs now


class LaneTable:
    """Entries by slot; a slot is stable until it is freed, then used again."""

    def __init__(self) -> None:
        self.due = array("q")
        self.count = array("i")
        self.place = array("b")
        self._key = array("q")
        self._stream = array("q")
        self._domain_at = array("q")
        self._domain_size = array("B")
        self._domains = bytearray()
        self._dead_octets = 0
        self._free = array("i")
        self._index = _empty_index(8)
        self._bits = 3

    def __len__(self) -> int:
        return len(self._key) - len(self._free)

    def find(self, lane: LaneId, priority: Priority) -> int | None:
        """Return the entry's slot."""
        key = lane << 2 | priority
        index, keys, mask = self._index, self._key, len(self._index) - 1
        position = self._home(key)
        while (slot := index[position]) >= 0:
            if keys[slot] == key:
                return slot
            position = (position + 1) & mask
        return None

    def insert(self, lane: Lane, priority: Priority, *, due: Instant, count: int) -> int:
        """Add an entry that is not there and return its slot; its place is FREE until the caller gives it one."""
        if (len(self) + 1) * 3 > len(self._index) * 2:
            self._grow()
        slot = self._new_slot()
        key = lane.id << 2 | priority
        domain = lane.domain.encode("ascii")
        self._key[slot], self._stream[slot] = key, lane.stream
        self.due[slot], self.count[slot] = due, min(count, _MAX_COUNT)
        self._domain_at[slot], self._domain_size[slot] = len(self._domains), len(domain)
        self._domains += domain
        self._link(key, slot)
        return slot

    def remove(self, slot: int) -> None:
        """Free the slot."""
        self._unlink(self._key[slot])
        self._key[slot] = -1
        self.place[slot] = Place.FREE
        self._dead_octets += self._domain_size[slot]
        self._free.append(slot)
        if self._dead_octets > 65_536 and self._dead_octets * 2 > len(self._domains):
            self._compact()

    def lane(self, slot: int) -> Lane:
        """Return the lane as a value."""
        start = self._domain_at[slot]
        domain = self._domains[start : start + self._domain_size[slot]].decode("ascii")
        return Lane(id=self.lane_id(slot), stream=self.stream(slot), domain=domain)

    def lane_id(self, slot: int) -> LaneId:
        return LaneId(self._key[slot] >> 2)

    def priority(self, slot: int) -> Priority:
        return Priority(self._key[slot] & 3)

    def stream(self, slot: int) -> StreamId:
        return StreamId(self._stream[slot])

    def slots(self, stream: StreamId | None = None) -> list[int]:
        """Return the slots in use, of one stream or of all. Looks at every slot."""
        if stream is None:
            return [slot for slot, key in enumerate(self._key) if key >= 0]
        return [slot for slot, owner in enumerate(self._stream) if owner == stream and self._key[slot] >= 0]

    def _new_slot(self) -> int:
        if self._free:
            return self._free.pop()
        for column in (self.due, self.count, self.place, self._key, self._stream, self._domain_at, self._domain_size):
            column.append(0)
        return len(self._key) - 1

    def _compact(self) -> None:
        """Write the domains anew, without those of freed slots."""
        domains = bytearray()
        for slot in self.slots():
            start = self._domain_at[slot]
            self._domain_at[slot] = len(domains)
            domains += self._domains[start : start + self._domain_size[slot]]
        self._domains, self._dead_octets = domains, 0

    # -- the index: open addressing with linear probing; a cell holds a slot, -1 is empty ---------------------

    def _home(self, key: int) -> int:
        return (key * _FIBONACCI & _WORD) >> (64 - self._bits)

    def _link(self, key: int, slot: int) -> None:
        index, mask = self._index, len(self._index) - 1
        position = self._home(key)
        while index[position] >= 0:
            position = (position + 1) & mask
        index[position] = slot

    def _unlink(self, key: int) -> None:
        """Empty the key's cell and move up what was pushed behind it, so that no search stops too early."""
        index, mask = self._index, len(self._index) - 1
        hole = self._home(key)
        while self._key[index[hole]] != key:
            hole = (hole + 1) & mask
        index[hole] = -1
        position = (hole + 1) & mask
        while (slot := index[position]) >= 0:
            home = self._home(self._key[slot])
            if (position - home) & mask >= (position - hole) & mask:
                index[hole], index[position] = slot, -1
                hole = position
            position = (position + 1) & mask

    def _grow(self) -> None:
        self._bits += 1
        self._index = _empty_index(1 << self._bits)
        for slot in self.slots():
            self._link(self._key[slot], slot)


def _empty_index(size: int) -> "array[int]":
    return array("i", [-1]) * size
