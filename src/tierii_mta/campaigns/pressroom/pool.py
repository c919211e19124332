"""The pool of press workers: which mail goes to which worker, and what follows when one dies.

Owns the order of the queue, batches, blame, back-off and signing; not a worker's life (pressroom.process).

1. `produce` queues an order; those of one turn of the event loop, or that gathered while a worker was busy, go to it
   as one batch.  High priority goes first.  Two batches are with a worker at most, so that it need not wait for us.
2. Results come back in order and are signed on threads, because keys stay in this process and RSA releases the
   interpreter lock.
3. A worker that dies leaves suspects: each is done again, alone with a worker.  The mail that two workers in a row did
   not survive has failed; the others of its batch are printed.  Two, because the kernel or an operator may have killed
   the first one.  A campaign that has many such mails is told to be a `Menace`, and what waits of it is turned away.
4. Workers start when there is work for them.  While none can be started, `produce` raises `Unavailable`.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count, islice

from tierii_mta.authentication.dkim import DkimKey, sign_coverage
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.press import Edition, EditionUnusable, Menace, Print
from tierii_mta.campaigns.pressroom.process import Limits, Order, Worker
from tierii_mta.campaigns.pressroom.wire import Printed, Result
from tierii_mta.campaigns.snapshot import read_snapshot
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.clock import Clock
from tierii_mta.errors import Unavailable
from tierii_mta.outbound.content import RenderFailed, WorkerKilled
from tierii_mta.queue.delivery import Priority

BATCH = 25
MAX_WAITING = 10_000
_BATCHES = 2
_FAILED_STARTS = 2  # in a row, before those who wait are told
_DEATHS = 2
_MENACE, _REDEMPTION = 3.0, 0.001  # guilty mails of a campaign; what a sound one makes up for
_SIGNED_AT_ONCE = 8  # so that a batch does not wait for its last signature
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds until a worker that could not start is tried again

_log = logging.getLogger(__name__)


def worker_count(cores: int | None = None) -> int:
    """Return how many workers suit a machine: one core is the event loop's."""
    cores = cores or len(os.sched_getaffinity(0))
    return max(1, min(4, cores - 1))


class PressPool:
    """A `Press` on worker processes. Use it within one event loop, and `close` it."""

    def __init__(
        self,
        clock: Clock,
        *,
        workers: int | None = None,
        threads: int = 2,
        limits: Limits | None = None,
        signature_lifetime: timedelta | None = None,
    ) -> None:
        self._clock, self._lifetime = clock, signature_lifetime
        self._limits, self._most = limits or Limits(), workers or worker_count()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="press")
        self._numbers = count(1)
        self._urgent, self._waiting, self._suspects = deque[Order](), deque[Order](), deque[Order]()
        self._workers: dict[Worker, asyncio.Task[None]] = {}
        self._is_dispatching = self._is_closed = False
        self._guilt: dict[int, float] = {}  # of editions with mails that no worker survived
        self._failures = 0  # starts in a row that failed
        self._pause: asyncio.TimerHandle | None = None  # until the next start may be tried

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def mount(self, campaign: str, snapshot: Snapshot) -> Edition:
        """Return the edition of a campaign; workers compile it when they first need it."""
        content = await asyncio.get_running_loop().run_in_executor(self._threads, read_snapshot, snapshot)
        return Edition(next(self._numbers), campaign, snapshot, content.specification, content.public_url)

    async def produce(
        self, edition: Edition, job: Job, keys: Sequence[DkimKey], *, priority: Priority = Priority.NORMAL
    ) -> Print:
        """Return one mail, signed with every key; see the port."""
        if self._is_closed:
            raise Unavailable("the press is closed", where=edition.campaign)
        if self._pause is not None and self._is_down:
            raise Unavailable("no press worker can be started", where=edition.campaign, remedy="the log says why")
        if len(self._waiting) + len(self._urgent) >= MAX_WAITING:
            raise Unavailable(f"{MAX_WAITING} mails wait to be rendered", where=edition.campaign)
        order = Order(edition, job, keys, asyncio.get_running_loop().create_future())
        (self._urgent if priority is Priority.HIGH else self._waiting).append(order)
        self._wake()
        return await order.done

    async def close(self) -> None:
        """End the workers; who still waits gets `Unavailable`."""
        self._is_closed = True
        if self._pause is not None:
            self._pause.cancel()
        living = list(self._workers.values())
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
        self._turn_away("the press is closed")
        self._threads.shutdown()

    # -- what a worker tells --------------------------------------------------------------------------------------

    def ready(self) -> None:
        """A worker has started."""
        self._failures = 0
        self._wake()

    def printed(self, results: Sequence[tuple[Order, Result]]) -> None:
        """A worker has results."""
        sheets = []
        for order, result in results:
            if order.done.done():  # its caller has gone
                continue
            if isinstance(result, Printed):
                sheets.append((order, result))
                if order.edition.number in self._guilt:
                    self._guilt[order.edition.number] -= _REDEMPTION
            elif result.is_of_edition:
                why = f"the campaign {order.edition.campaign} cannot be compiled: {result.why}"
                order.done.set_exception(EditionUnusable(why))
            else:
                order.done.set_exception(RenderFailed(result.why))
        each = iter(sheets)
        while some := list(islice(each, _SIGNED_AT_ONCE)):
            self._sign(some)
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
            worker = Worker(self._limits, self)
            self._workers[worker] = asyncio.get_running_loop().create_task(self._keep(worker))

    def _has_work(self) -> bool:
        return any(
            not order.done.done() for orders in (self._urgent, self._suspects, self._waiting) for order in orders
        )

    def _feed(self, worker: Worker) -> None:
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

    async def _keep(self, worker: Worker) -> None:
        """Be there for a worker's whole life, and clear up behind it."""
        try:
            why = await worker.live()
        except OSError as cause:
            why = str(cause)
        finally:
            del self._workers[worker]
            self._clear_up(worker)
        _log.warning("a press worker is gone: %s", why)
        if not worker.has_started:
            self._back_off(why)
        self._wake()

    def _clear_up(self, worker: Worker) -> None:
        """Blame who was alone with it; all others are suspects, the eldest first."""
        left = [order for order in worker.in_hand if not order.done.done()]
        for order in left if worker.is_alone else ():
            order.deaths += 1
            if order.deaths >= _DEATHS:
                self._convict(order)
        self._suspects.extendleft(order for order in reversed(left) if not order.done.done())

    def _convict(self, order: Order) -> None:
        """Fail a mail; if its edition has too many like it, keep the workers for the others."""
        edition, why = order.edition, "the mail takes too much time or memory: no worker survives it"
        guilt = max(self._guilt.get(edition.number, 0.0), 0.0) + 1
        self._guilt[edition.number] = min(guilt, _MENACE - 0.5)  # resumed, one more is enough
        order.done.set_exception(Menace(why) if guilt >= _MENACE else WorkerKilled(why))
        if guilt >= _MENACE:
            self._turn_away("too many mails of the campaign end the press workers", of=edition)

    def _back_off(self, why: str) -> None:
        """Start no worker for a while; without any, nobody need wait for one."""
        wait = min(_FIRST_WAIT * 2**self._failures, _LONGEST_WAIT)
        self._failures += 1
        _log.error("a press worker cannot start: %s; the next try comes in %g s", why, wait)
        self._pause = asyncio.get_running_loop().call_later(wait, self._resume)
        if self._is_down:
            self._turn_away(f"no press worker can be started: {why}")

    @property
    def _is_down(self) -> bool:
        """Whether starts keep failing and no worker is left; a single failure may be an accident, and is waited out."""
        return self._failures >= _FAILED_STARTS and not self._workers

    def _resume(self) -> None:
        self._pause = None
        self._wake()

    def _turn_away(self, why: str, *, of: Edition | None = None) -> None:
        """Let those who wait hear `why`: all, or those of one edition."""
        for orders in (self._urgent, self._suspects, self._waiting):
            for order in orders:
                if (of is None or order.edition is of) and not order.done.done():
                    order.done.set_exception(Unavailable(why, where=order.edition.campaign))
            left = [order for order in orders if not order.done.done()]
            orders.clear()
            orders.extend(left)

    # -- signing --------------------------------------------------------------------------------------------------

    def _sign(self, sheets: list[tuple[Order, Printed]]) -> None:
        """Sign some mails on a thread, then tell their callers."""
        loop = asyncio.get_running_loop()

        def work() -> None:
            signed = [self._signed(order.keys, printed) for order, printed in sheets]
            loop.call_soon_threadsafe(_hand_out, sheets, signed)

        self._threads.submit(work)

    def _signed(self, keys: Sequence[DkimKey], printed: Printed) -> Print | Exception:
        sheet = printed.sheet
        try:
            signature = sign_coverage(printed.coverage, keys, now=self._clock.now(), expires=self._lifetime)
        except Exception as cause:  # its caller's to see, not the thread's
            return cause
        return Print(
            data=signature + sheet.data,
            body_hash=sheet.body_hash,
            is_8bit=sheet.is_8bit,
            needs_smtputf8=sheet.needs_smtputf8,
        )


def _hand_out(sheets: Sequence[tuple[Order, Printed]], signed: Sequence[Print | Exception]) -> None:
    for (order, _), outcome in zip(sheets, signed, strict=True):
        if order.done.done():
            continue
        if isinstance(outcome, Exception):
            order.done.set_exception(outcome)
        else:
            order.done.set_result(outcome)


def _taken(orders: deque[Order], most: int) -> list[Order]:
    """Take orders whose callers still wait."""
    taken: list[Order] = []
    while orders and len(taken) < most:
        order = orders.popleft()
        if not order.done.done():
            taken.append(order)
    return taken
