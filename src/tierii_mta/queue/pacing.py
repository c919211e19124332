"""How fast a stream may send: its plan, and where it stands in it.

Owns the plan of a stream (hours, rates, batches, pool), which is kept with its campaign, and the arithmetic of `Pace`:
one rate by the generic cell rate algorithm with a burst of one second, at least one, and batches with a pause between
them.  The pace is kept in the database and moves in the transaction of each claim, so that it outlives a restart and
several daemons share it.  Not when a stream is asked (queue.lanes).  Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tierii_mta.clock import Instant, later
from tierii_mta.quantities import Rate
from tierii_mta.queue.delivery import Json, StreamId
from tierii_mta.queue.timetable import Timetable, Window

NEVER = Instant(1 << 62)
"""Later than any moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What a campaign asks for about time; by default nothing: as soon and as fast as destinations take it."""

    timetable: Timetable = field(default_factory=Timetable)
    misfire: timedelta | None = None  # a start or opening missed by more does not count
    rate: Rate | None = None
    per_provider: Mapping[str, Rate] = field(default_factory=dict)
    batch_size: int | None = None  # None: no batches
    batch_delay: timedelta = timedelta(0)
    pool: str = "default"

    @property
    def is_paced(self) -> bool:
        """Whether claims have to be counted."""
        return self.rate is not None or self.batch_size is not None

    @property
    def most(self) -> int | None:
        """How many it is worth to ask for at once; None: as many as there are."""
        limits = [self.batch_size] if self.batch_size is not None else []
        limits += [max(1, int(self.rate.per_second))] if self.rate is not None else []
        return min(limits, default=None)

    def as_json(self) -> dict[str, Json]:
        """Return the plan as it is kept; what it does not ask for is left out."""
        table, window = self.timetable, self.timetable.window
        made: dict[str, Json] = {
            "start": table.start,
            "end": table.end,
            "zone": table.zone if table.zone != "UTC" else None,
            "window": [sorted(window.days), window.opens, window.shuts] if window else None,  # type: ignore[list-item]
            "is_local": table.is_local or None,
            "misfire_s": self.misfire.total_seconds() if self.misfire is not None else None,
            "rate": str(self.rate) if self.rate else None,
            "per_provider": {name: str(rate) for name, rate in self.per_provider.items()} or None,
            "batch": [self.batch_size, self.batch_delay.total_seconds()] if self.batch_size is not None else None,
            "pool": self.pool if self.pool != "default" else None,
        }
        return {key: value for key, value in made.items() if value is not None}


def read_plan(kept: Mapping[str, Any]) -> StreamPlan:
    """Return a plan from its kept form; raises ValueError, LookupError or TypeError where it is damaged."""
    window = kept.get("window")
    size, delay = kept.get("batch", (None, 0))
    return StreamPlan(
        timetable=Timetable(
            start=Instant(kept["start"]) if "start" in kept else None,
            end=Instant(kept["end"]) if "end" in kept else None,
            zone=kept.get("zone", "UTC"),
            window=Window(days=frozenset(window[0]), opens=window[1], shuts=window[2]) if window else None,
            is_local=kept.get("is_local", False),
        ),
        misfire=timedelta(seconds=kept["misfire_s"]) if "misfire_s" in kept else None,
        rate=Rate.parse(kept["rate"]) if "rate" in kept else None,
        per_provider={name: Rate.parse(rate) for name, rate in kept.get("per_provider", {}).items()},
        batch_size=size,
        batch_delay=timedelta(seconds=delay),
        pool=kept.get("pool", "default"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """One stream's part of a claim: its plan, and what earlier claims took and did not use."""

    plan: StreamPlan
    unused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Where a stream stands: when the next one would come at exactly its rate, and how full its batch is."""

    arrival_us: int = 0  # microseconds since 1970
    released: int = 0  # of the present batch
    resumes_at: Instant | None = None  # the batch is full, and the next one begins then

    def room(self, plan: StreamPlan, now: Instant, *, most: int) -> int:
        """Return how many may be claimed now, at most `most`."""
        room = most
        if plan.batch_size is not None:
            if self.resumes_at is not None:
                room = min(room, plan.batch_size if now >= self.resumes_at else 0)
            else:
                room = min(room, max(0, plan.batch_size - self.released))
        if plan.rate is not None:
            interval, tolerance = _interval(plan.rate)
            ahead = now * 1000 + tolerance - max(self.arrival_us, now * 1000)
            room = min(room, ahead // interval + 1 if ahead >= 0 else 0)
        return room

    def opens_at(self, plan: StreamPlan, now: Instant) -> Instant:
        """Return when there is room for one again, `now` if there is."""
        times = [now]
        if plan.batch_size is not None and self.resumes_at is not None:
            times.append(self.resumes_at)
        if plan.rate is not None:
            _, tolerance = _interval(plan.rate)
            times.append(Instant(-(-(self.arrival_us - tolerance) // 1000)))
        return max(times)

    def moved(self, plan: StreamPlan, taken: int, now: Instant) -> "Pace":
        """Return the pace after `taken` were claimed; a negative number gives back what was not used."""
        arrival = self.arrival_us
        if plan.rate is not None:
            interval, _ = _interval(plan.rate)
            arrival = (max(arrival, now * 1000) if taken > 0 else arrival) + taken * interval
        if plan.batch_size is None:
            return Pace(arrival_us=arrival)
        released, resumes_at = self.released, self.resumes_at
        if resumes_at is not None and now >= resumes_at:
            released, resumes_at = 0, None
        released = max(0, released + taken)
        if released < plan.batch_size:
            resumes_at = None
        elif resumes_at is None:
            resumes_at = later(now, plan.batch_delay)
        return Pace(arrival_us=arrival, released=released, resumes_at=resumes_at)


def _interval(rate: Rate) -> tuple[int, int]:
    """Return the microseconds from one to the next, and how far they may come early."""
    interval = max(1, round(1_000_000 / rate.per_second))
    return interval, round((max(1.0, rate.per_second) - 1) * interval)


class Plans:
    """The plans of the streams that may send now, as this process knows them. Its owner is the queue's follower."""

    def __init__(self) -> None:
        self._plans: dict[StreamId, StreamPlan] = {}
        self._open: dict[StreamId, tuple[Instant, Instant]] = {}  # looked up already: open from, until

    def __iter__(self) -> Iterator[StreamId]:
        return iter(self._plans)

    def get(self, stream: StreamId) -> StreamPlan | None:
        """Return a stream's plan; None: it has none, as submitted mail."""
        return self._plans.get(stream)

    def learn(self, stream: StreamId, plan: StreamPlan | None) -> None:
        """Take over a stream's plan, or forget it."""
        self._open.pop(stream, None)
        if plan is None:
            self._plans.pop(stream, None)
        else:
            self._plans[stream] = plan

    def shut_until(self, stream: StreamId, now: Instant) -> Instant | None:
        """Return when a stream opens that is shut as a whole, `NEVER` if it does not; None: it is open.

        One whose window goes by the recipients' clocks is open from its start to its end.
        """
        plan = self._plans.get(stream)
        if plan is None:
            return None
        since, until = self._open.get(stream, (NEVER, NEVER))
        if since <= now < until:
            return None
        table = plan.timetable
        if table.is_local:
            opens, shuts = max(now, table.start or now), table.end
            opening = opens if shuts is None or opens < shuts else None
        else:
            opening = table.opening(now)
            shuts = table.shutting(now)
        if opening == now:
            self._open[stream] = now, shuts if shuts is not None else NEVER
            return None
        return opening if opening is not None else NEVER

    def most(self, stream: StreamId) -> int | None:
        """Return how many of a stream it is worth to ask for at once."""
        plan = self._plans.get(stream)
        return plan.most if plan is not None else None
