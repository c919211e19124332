"""The gate: where an attempt waits its turn.

Owns the queues in front of exhausted meters: highest priority first, then first come, first served; not what has room
(outbound.throttle).  A wait is short, at most `patience`; what would take longer goes back to the queue with the time
at which it may come again, and counts as no attempt.  Whoever gives a permit back hands on what there is room for, so
a crowd never wakes at once and nobody wakes in vain; one task, the usher, keeps the time for all.  Sleeps by the Clock.
"""

import asyncio
import heapq
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from tierii_mta.clock import Clock
from tierii_mta.outbound.path import Feedback, Meter, Path, Permit, Wait
from tierii_mta.outbound.throttle import Throttle
from tierii_mta.queue.alarm import Alarm
from tierii_mta.queue.delivery import Priority

PATIENCE = timedelta(seconds=10)
_ROUND_S = 1.0  # between the usher's looks at who has waited too long


@dataclass(order=True, slots=True)
class _Stand:
    """One place in one queue; who goes on to another queue keeps the number and so the place."""

    priority: Priority
    number: int
    path: Path = field(compare=False)
    deadline: float = field(compare=False)
    wait: Wait = field(compare=False)  # what it waits for now
    answer: asyncio.Future[Permit | Wait] = field(compare=False)


class Gate:
    """Waiting in front of one throttle."""

    def __init__(self, throttle: Throttle, clock: Clock, *, patience: timedelta = PATIENCE) -> None:
        self._throttle = throttle
        self._clock = clock
        self._patience = patience.total_seconds()
        self._numbers = count()
        self._queues: dict[Meter, list[_Stand]] = {}
        self._dues: dict[Meter, float] = {}  # when a rate has room again for the first in its queue
        self._usher: asyncio.Task[None] | None = None
        self._bell = Alarm(clock)
        self._looks_at = 0.0  # when the usher wakes by itself

    async def admit(self, path: Path, priority: Priority) -> Permit | Wait:
        """Return a permit as soon as there is one, or the wait that is too long."""
        now = self._clock.monotonic()
        answer = self._throttle.acquire(path, now) if not self._queues else self._acquire_behind(path, priority, now)
        if isinstance(answer, Permit):
            return answer
        asked: asyncio.Future[Permit | Wait] = asyncio.get_running_loop().create_future()
        self._line_up(_Stand(priority, next(self._numbers), path, now + self._patience, answer, asked), now)
        try:
            return await asked
        except asyncio.CancelledError:
            if asked.done() and not asked.cancelled() and isinstance(permit := asked.result(), Permit):
                self.release(permit, Feedback.NONE, is_used=False)
            raise

    def stand_by(self, path: Path) -> bool:
        """See `Throttle.stand_by`."""
        return self._throttle.stand_by(path, self._clock.monotonic())

    def step_up(self, path: Path) -> None:
        """See `Throttle.step_up`."""
        self._throttle.step_up(path)

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
            now = self._clock.monotonic()
            for meter in permit.path.meters:
                self._serve(meter, now)

    def close(self) -> None:
        """Let the usher go; nobody waits any more."""
        if self._usher is not None:
            self._usher.cancel()

    def waiting(self, path: Path) -> int:
        """Return how many attempts wait for a meter of the path."""
        return sum(not stand.answer.done() for meter in path.meters for stand in self._queues.get(meter, ()))

    def _acquire_behind(self, path: Path, priority: Priority, now: float) -> Permit | Wait:
        """Acquire, unless somebody of this priority or a higher one waits for one of the path's meters already."""
        for meter in path.meters:
            first = self._first(meter)
            if first is not None and first.priority <= priority:
                return Wait(None, "others wait for the same limit", meter)
        return self._throttle.acquire(path, now)

    def _line_up(self, stand: _Stand, now: float) -> None:
        """Put a stand into the queue of the meter it waits for; a wait that is too long is its answer."""
        wait = stand.wait
        if wait.seconds is not None and now + wait.seconds > stand.deadline:
            stand.answer.set_result(wait)
            return
        heapq.heappush(self._queues.setdefault(wait.meter, []), stand)
        self._note_due(wait, now)
        if self._usher is None or self._usher.done():
            self._looks_at = now + _ROUND_S
            self._usher = asyncio.create_task(self._keep_time())

    def _note_due(self, wait: Wait, now: float) -> None:
        if wait.seconds is None:
            return
        due = min(now + wait.seconds, self._dues.get(wait.meter, float("inf")))
        self._dues[wait.meter] = due
        if due < self._looks_at:
            self._bell.ring()

    def _serve(self, meter: Meter, now: float) -> None:
        """Give the first in a meter's queue their permits, as far as there is room; who now lacks another one moves."""
        while (first := self._first(meter)) is not None:
            answer = self._throttle.acquire(first.path, now)
            if isinstance(answer, Permit):
                first.answer.set_result(answer)
                continue
            first.wait = answer
            is_timely = answer.seconds is None or now + answer.seconds <= first.deadline
            if answer.meter is meter and is_timely:
                self._note_due(answer, now)
                return
            heapq.heappop(self._queues[meter])
            self._line_up(first, now)

    async def _keep_time(self) -> None:
        """Serve rates as they have room again, and send off who has waited too long, while anybody waits."""
        while self._queues:
            now = self._clock.monotonic()
            self._looks_at = min((now + _ROUND_S, *self._dues.values()))
            await self._bell.wait(max(0.0, self._looks_at - now))
            now = self._clock.monotonic()
            for meter in [meter for meter, due in self._dues.items() if due <= now]:
                del self._dues[meter]
                self._serve(meter, now)
            for meter in list(self._queues):
                for stand in self._queues[meter]:
                    if stand.deadline <= now and not stand.answer.done():
                        stand.answer.set_result(stand.wait)
                self._first(meter)

    def _first(self, meter: Meter) -> _Stand | None:
        queue = self._queues.get(meter)
        if queue is None:
            return None
        while queue and queue[0].answer.done():
            heapq.heappop(queue)
        if not queue:
            del self._queues[meter]
            return None
        return queue[0]
