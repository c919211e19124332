"""The gate: where an attempt waits its turn.

Owns the queues in front of exhausted meters: highest priority first, then first come, first served; not what has room
(outbound.throttle).  A wait is short, at most `patience`; what would take longer goes back to the queue with the time
at which it may come again, and counts as no attempt.  Only the first in a queue keeps an eye on the time, and whoever
leaves the queue wakes the next, so a crowd never wakes at once.  Sleeps by the Clock.
"""

import asyncio
import heapq
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from tierii_mta.clock import Clock
from tierii_mta.outbound.throttle import Feedback, Meter, Path, Permit, Throttle, Wait
from tierii_mta.queue.delivery import Priority

PATIENCE = timedelta(seconds=10)


@dataclass(order=True, slots=True)
class _Stand:
    """One place in one queue; who must queue again keeps the number and so the place."""

    priority: Priority
    number: int
    woken: asyncio.Future[None] = field(compare=False)
    is_waiting: bool = field(default=True, compare=False)


class Gate:
    """Waiting in front of one throttle."""

    def __init__(self, throttle: Throttle, clock: Clock, *, patience: timedelta = PATIENCE) -> None:
        self._throttle = throttle
        self._clock = clock
        self._patience = patience.total_seconds()
        self._numbers = count()
        self._queues: dict[Meter, list[_Stand]] = {}

    async def admit(self, path: Path, priority: Priority) -> Permit | Wait:
        """Return a permit as soon as there is one, or the wait that is too long."""
        now = self._clock.monotonic()
        answer = self._throttle.acquire(path, now) if not self._queues else self._acquire_behind(path, priority, now)
        if isinstance(answer, Permit):
            return answer
        return await self._queue_for(path, answer, (priority, next(self._numbers)), deadline=now + self._patience)

    async def connect(self, path: Path) -> Wait | None:
        """Return None once a new connection may be opened, or the wait that is too long."""
        deadline = self._clock.monotonic() + self._patience
        while True:
            now = self._clock.monotonic()
            wait = self._throttle.connect(path, now)
            if wait is None or wait.seconds is None or now + wait.seconds > deadline:
                return wait
            await self._clock.sleep(wait.seconds)

    def release(self, permit: Permit, feedback: Feedback, *, is_used: bool = True) -> None:
        """Give a permit back and let the next in."""
        self._throttle.release(permit, feedback, self._clock.monotonic(), is_used=is_used)
        if self._queues:
            for meter in permit.path.meters:
                self._wake_first(meter)

    def waiting(self, path: Path) -> int:
        """Return how many attempts wait for a meter of the path."""
        return sum(stand.is_waiting for meter in path.meters for stand in self._queues.get(meter, ()))

    def _acquire_behind(self, path: Path, priority: Priority, now: float) -> Permit | Wait:
        """Acquire, unless somebody of this priority or a higher one waits for one of the path's meters already."""
        for meter in path.meters:
            first = self._first(meter)
            if first is not None and first.priority <= priority:
                return Wait(None, "others wait for the same limit", meter)
        return self._throttle.acquire(path, now)

    async def _queue_for(
        self, path: Path, wait: Wait, place: tuple[Priority, int], *, deadline: float
    ) -> Permit | Wait:
        now = self._clock.monotonic()
        while now < deadline and (wait.seconds is None or now + wait.seconds <= deadline):
            await self._stand(wait, place, longest=deadline - now)
            now = self._clock.monotonic()
            answer = self._throttle.acquire(path, now)
            if isinstance(answer, Permit) or answer.meter is not wait.meter:
                self._wake_first(wait.meter)  # there may be more room than we took; who fails again wakes nobody
            if isinstance(answer, Permit):
                return answer
            wait = answer
        self._wake_first(wait.meter)
        return wait

    async def _stand(self, wait: Wait, place: tuple[Priority, int], *, longest: float) -> None:
        """Stand in the meter's queue until woken, for `longest`, or, as the first, until the meter has room."""
        stand = _Stand(*place, asyncio.get_running_loop().create_future())
        heapq.heappush(self._queues.setdefault(wait.meter, []), stand)
        is_timed = wait.seconds is not None and self._first(wait.meter) is stand
        sleep = asyncio.ensure_future(self._clock.sleep(wait.seconds if is_timed and wait.seconds else longest))
        try:
            await asyncio.wait((sleep, stand.woken), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            stand.is_waiting = False
            self._wake_first(wait.meter)
            raise
        finally:
            stand.is_waiting = False
            sleep.cancel()

    def _first(self, meter: Meter) -> _Stand | None:
        queue = self._queues.get(meter)
        if queue is None:
            return None
        while queue and not queue[0].is_waiting:
            heapq.heappop(queue)
        if not queue:
            del self._queues[meter]
            return None
        return queue[0]

    def _wake_first(self, meter: Meter) -> None:
        first = self._first(meter)
        if first is not None and not first.woken.done():
            first.woken.set_result(None)
