"""An alarm: wait for a while, or until somebody rings.

Owns how the queue's loops sleep, so that each has one place where it waits and can be woken; rings are not counted.
Touches the loop it is made in, and the clock.
"""

import asyncio

from tierii_mta.clock import Clock


class Alarm:
    """Wakes one waiting task."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake who waits; if nobody does, the next `wait` returns at once."""
        self._is_rung = True
        if self._waiter is not None:
            _finish(self._waiter)

    async def ring_at(self, event: asyncio.Event) -> None:
        """Ring once the event is set."""
        await event.wait()
        self.ring()

    async def wait(self, seconds: float | None = None) -> bool:
        """Return True when rung, or False when `seconds` (None: any time) went by first."""
        if not self._is_rung:
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            sleeper = None if seconds is None else asyncio.ensure_future(self._clock.sleep(seconds))
            if sleeper is not None:  # it knows its own waiter: when it is cancelled, the next one may already wait
                sleeper.add_done_callback(lambda _: _finish(waiter))
            try:
                await waiter
            finally:
                self._waiter = None
                if sleeper is not None:
                    sleeper.cancel()
        was_rung, self._is_rung = self._is_rung, False
        return was_rung


def _finish(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
