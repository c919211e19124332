"""The last look at the clock: no attempt begins outside its hours.

Owns that look, in front of the way out: a window that has shut since the claim, and the window of each recipient's own
zone, which no lane can know.  Implements `queue.hand.Deliver`; who comes too early is returned with its time, and no
attempt is counted.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from tierii_mta.clock import Clock, Instant, later
from tierii_mta.queue.delivery import Delivery, Lane, Outcome, Priority, Returned
from tierii_mta.queue.hand import Deliver
from tierii_mta.queue.pacing import NEVER, Plans
from tierii_mta.queue.zones import zone_of

_OVER = timedelta(minutes=1)  # until a stream whose end has come is ended


class Hours:
    """Lets through what may go now."""

    def __init__(self, way_out: Deliver, plans: Plans, clock: Clock) -> None:
        self._way_out, self._plans, self._clock = way_out, plans, clock

    def room(self, lane: Lane, priority: Priority, most: int) -> int:
        """See the port."""
        return self._way_out.room(lane, priority, most)

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        """See the port."""
        plan = self._plans.get(delivery.lane.stream)
        if plan is not None:
            now = self._clock.now()
            opening: Instant | None = now
            if plan.timetable.is_local:
                opening = plan.timetable.opening(now, zone=zone_of(delivery.contact))
            elif (shut_until := self._plans.shut_until(delivery.lane.stream, now)) is not None:
                opening = shut_until if shut_until < NEVER else None
            if opening != now:
                return Returned(why="outside the window", due=opening or later(now, _OVER))
        return await self._way_out.deliver(delivery, activate)
