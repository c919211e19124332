"""The pool of a trade's workers: which job goes to which worker, and what follows when one dies.

Owns the order of the queue, batches, blame and back-off; not a worker's life (workers.process) nor what a result
means (the trade).

1. `submit` queues an order; those of one turn of the event loop, or that gathered while a worker was busy, go to it as
   one batch.  Urgent ones go first.  Two batches are with a worker at most, so that it need not wait for us.
2. Results come back in order and go to the trade.
3. A worker that dies leaves suspects: each is done again, alone with a worker.  The job that two workers in a row did
   not survive is convicted; the others of its batch are done.  Two, because the kernel or an operator may have killed
   the first one.
4. Workers start when there is work for them.  While none can be started, `submit` raises `Unavailable`.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol

from tierii_mta.errors import Unavailable
from tierii_mta.workers.process import Dialect, Limits, OrderT, OrderT_contra, ResultT, Worker

BATCH = 25
MAX_WAITING = 10_000
_BATCHES = 2
_BATCH_BYTES = 8 << 20  # one order may be more
_FAILED_STARTS = 2  # in a row, before those who wait are told
_DEATHS = 2
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds until a worker that could not start is tried again

_log = logging.getLogger(__name__)


def worker_count(cores: int | None = None) -> int:
    """Return how many workers suit a machine: one core is the event loop's."""
    cores = cores or len(os.sched_getaffinity(0))
    return max(1, min(4, cores - 1))


class Trade(Protocol[OrderT_contra, ResultT]):
    """What a pool's workers do. Its calls come from the event loop."""

    name: str  # as in "a press worker is gone"
    module: str  # the workers' program

    def dialect(self) -> Dialect[OrderT_contra, ResultT]:
        """Return how to speak to a new worker."""

    def settle(self, results: Sequence[tuple[OrderT_contra, ResultT]]) -> None:
        """Tell callers what came of their jobs; some may have gone."""

    def convict(self, order: OrderT_contra) -> None:
        """Tell the caller of a job that no worker survives."""


class WorkerPool(Generic[OrderT, ResultT]):
    """Workers of one trade. Use it within one event loop, and `close` it."""

    def __init__(
        self, trade: Trade[OrderT, ResultT], *, workers: int | None = None, limits: Limits | None = None
    ) -> None:
        self._trade = trade
        self._limits, self._most = limits or Limits(), workers or worker_count()
        self._urgent, self._waiting, self._suspects = deque[OrderT](), deque[OrderT](), deque[OrderT]()
        self._workers: dict[Worker[OrderT, ResultT], asyncio.Task[None]] = {}
        self._is_dispatching = self._is_closed = False
        self._failures = 0  # starts in a row that failed
        self._pause: asyncio.TimerHandle | None = None  # until the next start may be tried

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def submit(self, order: OrderT, *, is_urgent: bool = False) -> None:
        """Queue a job; the trade settles or convicts it, or its future gets `Unavailable`. Raises `Unavailable`."""
        if self._is_closed:
            raise Unavailable(f"the {self._trade.name} is closed", where=order.where)
        if self._pause is not None and self._is_down:
            raise Unavailable(self._no_worker, where=order.where, remedy="the log says why")
        if len(self._waiting) + len(self._urgent) >= MAX_WAITING:
            raise Unavailable(f"{MAX_WAITING} jobs wait for the {self._trade.name}", where=order.where)
        (self._urgent if is_urgent else self._waiting).append(order)
        self._wake()

    def turn_away(self, why: str, *, which: Callable[[OrderT], bool] = lambda _: True) -> None:
        """Let those who wait hear `why`."""
        for orders in (self._urgent, self._suspects, self._waiting):
            for order in orders:
                if which(order) and not order.done.done():
                    order.done.set_exception(Unavailable(why, where=order.where))
            left = [order for order in orders if not order.done.done()]
            orders.clear()
            orders.extend(left)

    async def close(self) -> None:
        """End the workers; who still waits gets `Unavailable`."""
        self._is_closed = True
        if self._pause is not None:
            self._pause.cancel()
        living = list(self._workers.values())
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
        self.turn_away(f"the {self._trade.name} is closed")

    # -- what a worker tells --------------------------------------------------------------------------------------

    def ready(self) -> None:
        """A worker has started."""
        self._failures = 0
        self._wake()

    def finished(self, results: Sequence[tuple[OrderT, ResultT]]) -> None:
        """A worker has results."""
        self._trade.settle(results)
        self._wake()

    # -- giving out work ------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Give out work at the end of this turn of the loop, with all that comes until then."""
        if not self._is_dispatching and not self._is_closed:
            self._is_dispatching = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._is_dispatching = False
        if self._is_closed:
            return
        for worker in self._workers:
            if worker.is_ready:
                self._feed(worker)
        is_starting = any(not worker.is_ready for worker in self._workers)
        if self._has_work() and not is_starting and len(self._workers) < self._most and self._pause is None:
            worker = Worker(self._trade.module, self._trade.dialect(), self._limits, self)
            self._workers[worker] = asyncio.get_running_loop().create_task(self._keep(worker))

    def _has_work(self) -> bool:
        return any(
            not order.done.done() for orders in (self._urgent, self._suspects, self._waiting) for order in orders
        )

    def _feed(self, worker: Worker[OrderT, ResultT]) -> None:
        """Give a worker what it may have now: a suspect alone, all else in batches."""
        while worker.batches < _BATCHES:
            if worker.in_hand and (worker.is_alone or self._suspects):
                return
            worker.is_alone = bool(self._suspects and not self._urgent)
            source = self._urgent or self._suspects or self._waiting
            orders = _taken(source, 1 if worker.is_alone else BATCH)
            if len(orders) < BATCH and source is self._urgent and not self._suspects:
                orders += _taken(self._waiting, BATCH - len(orders))
            if not orders:
                return
            worker.send(orders)

    # -- the end of a worker --------------------------------------------------------------------------------------

    async def _keep(self, worker: Worker[OrderT, ResultT]) -> None:
        """Be there for a worker's whole life, and clear up behind it."""
        try:
            why = await worker.live()
        except OSError as cause:
            why = str(cause)
        finally:
            del self._workers[worker]
            self._clear_up(worker)
        _log.warning("a %s worker is gone: %s", self._trade.name, why)
        if not worker.has_started:
            self._back_off(why)
        self._wake()

    def _clear_up(self, worker: Worker[OrderT, ResultT]) -> None:
        """Blame who was alone with it; all others are suspects, the eldest first."""
        left = [order for order in worker.in_hand if not order.done.done()]
        for order in left if worker.is_alone else ():
            order.deaths += 1
            if order.deaths >= _DEATHS:
                self._trade.convict(order)
        self._suspects.extendleft(order for order in reversed(left) if not order.done.done())

    def _back_off(self, why: str) -> None:
        """Start no worker for a while; without any, nobody need wait for one."""
        wait = min(_FIRST_WAIT * 2**self._failures, _LONGEST_WAIT)
        self._failures += 1
        _log.error("a %s worker cannot start: %s; the next try comes in %g s", self._trade.name, why, wait)
        self._pause = asyncio.get_running_loop().call_later(wait, self._resume)
        if self._is_down:
            self.turn_away(f"{self._no_worker}: {why}")

    @property
    def _is_down(self) -> bool:
        """Whether starts keep failing and no worker is left; a single failure may be an accident, and is waited out."""
        return self._failures >= _FAILED_STARTS and not self._workers

    @property
    def _no_worker(self) -> str:
        return f"no {self._trade.name} worker can be started"

    def _resume(self) -> None:
        self._pause = None
        self._wake()


def _taken(orders: deque[OrderT], most: int) -> list[OrderT]:
    """Take orders whose callers still wait, until they are many or large."""
    taken: list[OrderT] = []
    size = 0
    while orders and len(taken) < most and size < _BATCH_BYTES:
        order = orders.popleft()
        if not order.done.done():
            taken.append(order)
            size += order.size_bytes
    return taken
