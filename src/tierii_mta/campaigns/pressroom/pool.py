"""The press: a pool of workers that print, threads that sign, and the guilt of campaigns.

Owns what follows when a mail is printed, fails or ends its workers; the workers' life and the order of the queue are
`workers.pool`'s.  Results are signed on threads, because keys stay in this process and RSA releases the interpreter
lock.  A campaign of which many mails end their workers is told to be a `Menace`, and what waits of it is turned away.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count, islice

from tierii_mta.authentication.dkim import DkimKey, sign_coverage
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.press import Edition, EditionUnusable, Menace, Print
from tierii_mta.campaigns.pressroom.dialect import PressDialect, PressOrder
from tierii_mta.campaigns.pressroom.wire import Printed, Result
from tierii_mta.campaigns.snapshot import read_snapshot
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.clock import Clock
from tierii_mta.outbound.content import RenderFailed, WorkerKilled
from tierii_mta.queue.delivery import Priority
from tierii_mta.workers.pool import WorkerPool
from tierii_mta.workers.process import Limits

_MENACE, _REDEMPTION = 3.0, 0.001  # guilty mails of a campaign; what a sound one makes up for
_SIGNED_AT_ONCE = 8  # so that a batch does not wait for its last signature


class PressPool:
    """A `Press` on worker processes. Use it within one event loop, and `close` it."""

    name, module = "press", "tierii_mta.campaigns.pressroom.worker"

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
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="press")
        self._workers: WorkerPool[PressOrder, Result] = WorkerPool(self, workers=workers, limits=limits)
        self._numbers = count(1)
        self._guilt: dict[int, float] = {}  # of editions with mails that no worker survived

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return self._workers.pids

    async def mount(self, campaign: str, snapshot: Snapshot) -> Edition:
        """Return the edition of a campaign; workers compile it when they first need it."""
        content = await asyncio.get_running_loop().run_in_executor(self._threads, read_snapshot, snapshot)
        return Edition(next(self._numbers), campaign, snapshot, content.specification, content.public_url)

    async def produce(
        self, edition: Edition, job: Job, keys: Sequence[DkimKey], *, priority: Priority = Priority.NORMAL
    ) -> Print:
        """Return one mail, signed with every key; see the port."""
        done: asyncio.Future[Print] = asyncio.get_running_loop().create_future()
        order = PressOrder(edition=edition, job=job, keys=keys, done=done, where=edition.campaign)
        self._workers.submit(order, is_urgent=priority is Priority.HIGH)
        return await done

    async def close(self) -> None:
        """End the workers; who still waits gets `Unavailable`."""
        await self._workers.close()
        self._threads.shutdown()

    # -- workers.pool.Trade ---------------------------------------------------------------------------------------

    def dialect(self) -> PressDialect:
        """Return how to speak to a new worker."""
        return PressDialect()

    def settle(self, results: Sequence[tuple[PressOrder, Result]]) -> None:
        """Sign what was printed, and tell who waits for what was not."""
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

    def convict(self, order: PressOrder) -> None:
        """Fail a mail; if its edition has too many like it, keep the workers for the others."""
        edition, why = order.edition, "the mail takes too much time or memory: no worker survives it"
        guilt = max(self._guilt.get(edition.number, 0.0), 0.0) + 1
        self._guilt[edition.number] = min(guilt, _MENACE - 0.5)  # resumed, one more is enough
        order.done.set_exception(Menace(why) if guilt >= _MENACE else WorkerKilled(why))
        if guilt >= _MENACE:
            why = "too many mails of the campaign end the press workers"
            self._workers.turn_away(why, which=lambda other: other.edition is edition)

    # -- signing --------------------------------------------------------------------------------------------------

    def _sign(self, sheets: list[tuple[PressOrder, Printed]]) -> None:
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


def _hand_out(sheets: Sequence[tuple[PressOrder, Printed]], signed: Sequence[Print | Exception]) -> None:
    for (order, _), outcome in zip(sheets, signed, strict=True):
        if order.done.done():
            continue
        if isinstance(outcome, Exception):
            order.done.set_exception(outcome)
        else:
            order.done.set_result(outcome)
