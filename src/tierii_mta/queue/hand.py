"""The hand: deliveries that were claimed and have not ended, one task each.

Owns the Deliver port and one delivery's way through it: activation before MAIL FROM, the outcome, its settlement, and
what is left of it when the port fails, the store is sick or the process drains. Not which delivery comes next
(queue.manager), what an outcome writes (queue.settlement) nor when a delivery has crashed too often (queue.crashes).

Whatever fails in one delivery's way is that delivery's: no exception but cancellation leaves its task.

An outcome is never dropped while the process lives: if the store is sick, the task waits until it is well and settles
then. What a hard stop or a crash leaves in hand keeps our epoch, and the next start frees it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from tierii_mta.clock import Clock, later
from tierii_mta.errors import TieriiError, Unavailable
from tierii_mta.queue.alarm import Alarm
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.crashes import Crashes, FaultLog
from tierii_mta.queue.delivery import (
    Delivery,
    DeliveryId,
    Lane,
    LaneId,
    Outcome,
    Priority,
    Returned,
    State,
    StreamId,
)
from tierii_mta.queue.settlement import Moment, Settlement
from tierii_mta.queue.store import Activate, Settle

_SICK_PAUSE = timedelta(seconds=5)  # of a delivery that could not be activated or read

_ID_OCTETS = 8

_log = logging.getLogger(__name__)


class Deliver(Protocol):
    """The way out, as the queue sees it; `outbound` implements it."""

    def room(self, lane: Lane, priority: Priority, most: int) -> int:
        """Return how many more deliveries of the lane, at most `most`, may be handed over now, counting those handed
        over already. So many will be claimed.

        Asked just before a claim, for every lane that has due mail, so it must be quick and never block. 0 means not
        now: the manager asks again after a short while, or when a delivery of the lane ends. It should count a short
        queue ahead of the connections it has (else every finished delivery costs a claim of its own), and none for a
        destination that is shut. When many lanes share a site the answers add up: what came too much is `Returned`
        with its `due`. Ask with `Priority.HIGH` may find room where bulk finds none.
        """

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        """Make one attempt and return what it ended in, within a bounded time.

        Awaits `activate()` after everything is ready and before MAIL FROM: it returns True once `active` is durable;
        on False the delivery is no longer ours, nothing may be sent, and any outcome is ignored. It raises
        `errors.Unavailable` when the store is sick: let it through, the delivery stays queued. `Delivered` and
        `InDoubt` are only legal after it. Without `activate` the outcome is `Deferred`, `Failed` or `Returned`.

        Cancelled only before `activate()` was called (drain: the delivery goes back to pending), or at a hard stop,
        which counts as a crash. Any other exception is a fault of ours: logged, counted, and retried later.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a delivery left the hand."""

    delivery: Delivery
    outcome: Outcome | None  # None: the row was no longer ours
    settle: Settle | None  # what was committed; None: nothing, the row was no longer ours or cannot be written


@dataclass(slots=True, eq=False)
class _Holding:
    """One delivery in hand."""

    delivery: Delivery
    state: State = State.QUEUED
    is_past_recall: bool = False  # `activate` was called, or the outcome is known: only a hard stop cancels now
    is_uncertain: bool = False  # the activation's COMMIT failed; the row may be either
    is_lost: bool = False  # no longer ours
    is_started: bool = False
    recalled: str | None = None  # why it is to be returned
    task: asyncio.Task[None] | None = None


class Hand:
    """Runs the deliveries in hand and settles them."""

    def __init__(
        self,
        *,
        deliver: Deliver,
        committer: Committer,
        settlement: Settlement,
        clock: Clock,
        on_ending: Callable[[Ending], None],
        crashes: Callable[[DeliveryId], Awaitable[Crashes]],
    ) -> None:
        """`crashes` tells of earlier ones."""
        self._deliver, self._committer, self._settlement, self._clock = deliver, committer, settlement, clock
        self._on_ending, self._crashes = on_ending, crashes
        self.faults = FaultLog(clock)
        self._holdings: set[_Holding] = set()
        self._by_priority: Counter[Priority] = Counter()
        self._emptied = Alarm(clock)
        self._chance = b""

    def __len__(self) -> int:
        return len(self._holdings)

    def count(self, priority: Priority) -> int:
        """Return how many deliveries of a priority are in hand."""
        return self._by_priority[priority]

    def ids(self) -> frozenset[DeliveryId]:
        """Return what is in hand."""
        return frozenset(holding.delivery.id for holding in self._holdings)

    def moment(self) -> Moment:
        """Return the time and chance for one settlement."""
        return Moment(now=self._clock.now(), spread=self._clock.random(), new_id=self._new_id)

    def take(self, delivery: Delivery, group: asyncio.TaskGroup, *, recalled: str | None = None) -> None:
        """Begin the attempt of a claimed delivery as a task of `group`, or return it for the reason `recalled`."""
        holding = _Holding(delivery, recalled=recalled)
        self._holdings.add(holding)
        self._by_priority[delivery.priority] += 1
        holding.task = group.create_task(self._run(holding))

    def recall(self, why: str, *, lane: LaneId | None = None, stream: StreamId | None = None) -> None:
        """Return to the store what was not yet activated, of one lane, of one stream or of all."""
        for holding in self._holdings:
            if holding.is_past_recall or holding.recalled or holding.task is None:
                continue
            at = holding.delivery.lane
            if lane in (None, at.id) and stream in (None, at.stream):
                holding.recalled = why
                if holding.is_started:  # a task cancelled before its first step would end without settling
                    holding.task.cancel()

    async def wait_empty(self, seconds: float) -> bool:
        """Return whether all have ended within `seconds`."""
        deadline = self._clock.monotonic() + seconds
        while self._holdings and (left := deadline - self._clock.monotonic()) > 0:
            await self._emptied.wait(left)
        return not self._holdings

    def abandon(self) -> int:
        """Cancel what is left, unsettled; return how many. The next start finds these rows and says so."""
        for holding in self._holdings:
            if holding.task is not None:
                holding.recalled = None
                holding.task.cancel()
        return len(self._holdings)

    async def _run(self, holding: _Holding) -> None:
        holding.is_started = True
        try:
            self._on_ending(await self._attempt(holding))
        except Exception as fault:  # it would end the queue for everybody
            self.faults.tell(f"delivery {holding.delivery.id} could not be ended", fault)
        finally:
            self._holdings.discard(holding)
            self._by_priority[holding.delivery.priority] -= 1
            if not self._holdings:
                self._emptied.ring()

    async def _attempt(self, holding: _Holding) -> Ending:
        outcome: Outcome | Exception
        try:
            outcome = await self._outcome(holding)
        except asyncio.CancelledError:
            if holding.recalled is None or holding.task is None:
                raise
            holding.task.uncancel()  # our own request, not the group's: the task goes on to settle
            outcome = Returned(why=holding.recalled)
        except Exception as fault:
            outcome = fault
            if isinstance(fault, Unavailable) and holding.state is State.QUEUED:
                outcome = Returned(why=str(fault), due=later(self._clock.now(), _SICK_PAUSE))
        holding.is_past_recall = True  # a recall now would drop the outcome
        return await self._settle(holding, outcome)

    async def _outcome(self, holding: _Holding) -> Outcome:
        if holding.recalled is not None:
            return Returned(why=holding.recalled)
        return await self._deliver.deliver(holding.delivery, lambda: self._activate(holding))

    async def _activate(self, holding: _Holding) -> bool:
        holding.is_past_recall = True
        try:
            is_ours = await self._committer.submit(Activate(delivery=holding.delivery.id, epoch=self._settlement.epoch))
        except Unavailable:
            holding.is_uncertain = True
            raise
        if is_ours:
            holding.state = State.ACTIVE
        else:
            holding.is_lost = True
        return not holding.is_lost

    async def _settle(self, holding: _Holding, outcome: Outcome | Exception) -> Ending:
        delivery = holding.delivery
        if holding.is_lost:
            return Ending(delivery=delivery, outcome=None, settle=None)
        ended, settle = await self._written(holding, outcome)
        is_kept = await self._commit(settle)
        if not is_kept and holding.is_uncertain and settle.from_state is State.QUEUED:
            settle = replace(settle, from_state=State.ACTIVE)
            is_kept = await self._commit(settle)
        return Ending(delivery=delivery, outcome=ended, settle=settle if is_kept else None)

    async def _written(self, holding: _Holding, outcome: Outcome | Exception) -> tuple[Outcome, Settle]:
        """Return what the attempt ended in, and what is to be written; of a fault of ours, how it is counted."""
        delivery, state = holding.delivery, holding.state
        if not isinstance(outcome, Exception):
            try:
                return outcome, self._settlement.settle(delivery, outcome, from_state=state, moment=self.moment())
            except Exception as fault:  # an outcome that is not legal here, or that cannot be written
                outcome = fault
        self.faults.tell(f"the attempt of delivery {delivery.id} broke off while {state}", outcome)
        crashes = (await self._earlier(delivery)).more(is_certain=True)
        return self._settlement.settle_crash(delivery, outcome, crashes, from_state=state, moment=self.moment())

    async def _earlier(self, delivery: Delivery) -> Crashes:
        try:
            return await self._crashes(delivery.id)
        except TieriiError:  # the store cannot tell now: then this one is not the last
            return Crashes()

    async def _commit(self, settle: Settle) -> bool:
        """Commit the settlement, however long the store is sick; return whether the row was ours."""
        while True:
            try:
                return bool(await self._committer.submit(settle))
            except Unavailable:
                if self._committer.is_closed:
                    _log.error("the outcome of delivery %d is lost: the queue was closed first", settle.delivery.id)
                    return False
                await self._committer.wait_well()
            except Exception as fault:
                what = f"delivery {settle.delivery.id} cannot be settled and stays in hand"
                if settle.events:
                    what = f"delivery {settle.delivery.id} is settled without its events, which cannot be written"
                self.faults.tell(what, fault)
                if not settle.events:
                    return False
                settle = replace(settle, events=(), suppression=None, last_reply=None, body_hash=None, transcript=None)

    def _new_id(self) -> str:
        """As `clock.sortable_id`, but asking the system for chance once in 512 events: each call costs microseconds."""
        if len(self._chance) < _ID_OCTETS:
            self._chance = self._clock.token(512 * _ID_OCTETS)
        octets, self._chance = self._chance[:_ID_OCTETS], self._chance[_ID_OCTETS:]
        return f"evt_{self._clock.now():012x}{octets.hex()}"
