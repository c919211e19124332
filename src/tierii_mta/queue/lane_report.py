"""The lane directory as operators see it: the oldest lanes, and how long eligible mail has waited.

Owns the counting; it looks at every entry once (half a million take a fifth of a second), so it is asked by people and
scrapes, never by the road.  Pure.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import Lane, Priority
from tierii_mta.queue.lane_table import Place
from tierii_mta.queue.lanes import LaneDirectory


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One (lane, priority) with claimable mail."""

    lane: Lane
    priority: Priority
    due: Instant
    place: str  # ready, waiting, parked, taken; held: its stream is shut for a time


@dataclass(frozen=True, slots=True)
class LaneReport:
    """One look at the directory."""

    oldest: Sequence[LaneRow]  # by due time
    oldest_eligible_s: Mapping[Priority, float]  # age of the oldest due entry whose lane and stream are open; 0: none
    places: Mapping[str, int]  # entries by place


def report_lanes(directory: LaneDirectory, *, now: Instant, limit: int) -> LaneReport:
    """Return the `limit` oldest lanes and the summary of all."""
    table = directory.table
    slots = table.slots()
    places = dict.fromkeys((place.name.lower() for place in Place if place is not Place.FREE), 0)
    eligible: dict[Priority, Instant] = {}
    for slot in slots:
        place = Place(table.place[slot])
        if place is Place.FREE:
            continue
        places[place.name.lower()] += 1
        if place in (Place.READY, Place.TAKEN) and not directory.is_held(table.stream(slot)):
            priority, due = table.priority(slot), Instant(table.due[slot])
            eligible[priority] = min(due, eligible.get(priority, due))
    oldest = heapq.nsmallest(limit, slots, key=lambda slot: table.due[slot])
    return LaneReport(
        oldest=[
            LaneRow(
                table.lane(slot),
                table.priority(slot),
                Instant(table.due[slot]),
                "held" if directory.is_held(table.stream(slot)) else Place(table.place[slot]).name.lower(),
            )
            for slot in oldest
        ],
        oldest_eligible_s={
            priority: max(0.0, (now - eligible[priority]) / 1000) if priority in eligible else 0.0
            for priority in Priority
        },
        places=places,
    )
