"""A clock that stands still until a test moves it.

`advance` moves both clocks at once and wakes the sleepers that are due; nothing ever waits for real time.
"""

import asyncio
import heapq
import random
from datetime import timedelta

from tierii_mta.clock import Instant

START = Instant(1_790_000_000_000)  # 2026-09-21T14:13:20Z


class ManualClock:
    """The `Clock` port under the hand of a test. Chance is a fixed sequence, chosen by `seed`."""

    def __init__(self, start: Instant = START, *, seed: int = 1) -> None:
        self._start = start
        self._elapsed_ms = 0
        self._random = random.Random(seed)
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = 0

    def now(self) -> Instant:
        return Instant(self._start + self._elapsed_ms)

    def monotonic(self) -> float:
        return self._elapsed_ms / 1000

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was advanced by `seconds`; at once (after one turn of the loop) if not positive."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        due = self._elapsed_ms + max(1, round(seconds * 1000))
        heapq.heappush(self._sleepers, (due, self._arrivals, waiter))
        await waiter

    def random(self) -> float:
        return self._random.random()

    def token(self, size_bytes: int) -> bytes:
        return self._random.randbytes(size_bytes)

    def advance(self, by: timedelta) -> None:
        """Move on and wake who is due; they run when the test next awaits."""
        self._move_to(self._elapsed_ms + round(by / timedelta(milliseconds=1)))

    async def run(self, by: timedelta) -> None:
        """Move on step by step: each sleeper wakes at its own time and may sleep again before the next one wakes."""
        end = self._elapsed_ms + round(by / timedelta(milliseconds=1))
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._move_to(max(self._sleepers[0][0], self._elapsed_ms))
            await self.settle()
        self._move_to(end)
        await self.settle()

    async def settle(self, turns: int = 20) -> None:
        """Let tasks that can run do so, without moving the clock."""
        for _ in range(turns):
            await asyncio.sleep(0)

    @property
    def sleepers(self) -> int:
        """How many tasks sleep now."""
        return sum(not waiter.done() for _, _, waiter in self._sleepers)

    def step(self, by: timedelta) -> None:
        """Step the wall clock alone, as an operator or NTP does; nobody wakes."""
        self._start = Instant(self._start + round(by / timedelta(milliseconds=1)))

    def _move_to(self, elapsed_ms: int) -> None:
        if elapsed_ms < self._elapsed_ms:
            raise ValueError("time does not run backwards; use step() for the wall clock")
        self._elapsed_ms = elapsed_ms
        while self._sleepers and self._sleepers[0][0] <= elapsed_ms:
            _, _, waiter = heapq.heappop(self._sleepers)
            if not waiter.done():
                waiter.set_result(None)
