"""The queue manager: which deliveries are in hand.

Owns the round from due mail to the Deliver port and back: pick lanes, claim, hand over, take in what ended. Not whose
turn it is (queue.lanes), what becomes of one delivery (queue.hand), what other processes change (queue.follower) nor
how much a destination takes (the Deliver port).

1. `run` fills the directory (`Follower.begin`), tries suspects of earlier crashes alone (`_try_suspects`), and
   starts two loops: `_claim_loop` and the follower's.
2. `_round`: `LaneDirectory.pick` asks `Deliver.room` and names quotas; `QueueStore.claim` takes the rows; each goes
   to `Hand.take`. High priority is picked first, and bulk leaves it a reserved share of the hand.
3. `_ended`: a settled delivery frees room, tells the directory of its retry, and wakes the claim loop. A refusal of us
   suspends the lane (`_suspend`); `_announce_resumed` opens it again.
4. `Follower` reads the change log every 250 ms: new mail, paused streams, suspended lanes and streams.
5. `drain` stops claiming, returns what is queued, and lets what is active finish up to a deadline.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.clock import Clock, Instant, elapsed, later
from tierii_mta.errors import TieriiError, Unavailable
from tierii_mta.queue.alarm import Alarm
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Deferred, Delivered, Lane, Priority, Returned, State, StreamId
from tierii_mta.queue.follower import Follower
from tierii_mta.queue.hand import Deliver, Ending, Hand
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.pacing import Paced, Plans
from tierii_mta.queue.settlement import Settlement, resume
from tierii_mta.queue.store import LaneLoad, QueueStore, Quota, SuspendLane

__all__ = ["Deliver", "ManagerLimits", "QueueManager"]

_PACE_S, _SLOWEST_PACE_S = 0.005, 0.025  # between claims that brought little, so that they bring more
_SICK_S = 1.0
_LONGEST_S = 30.0  # between two looks at when mail is due
_TRIAL_S, _TRIALS_S = 10.0, 60.0  # how long a suspect is alone, and all of them together
_RETURNED = timedelta(milliseconds=250)  # before a lane that returned its mail is looked at again

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerLimits:
    """Bounds of the hand."""

    in_hand: int = 1_000
    reserved_high: int = 100  # of `in_hand`, for high priority alone
    claim_rows: int = 500  # in one trip to the database
    poll: timedelta = timedelta(milliseconds=250)  # of the change log


class QueueManager:
    """Claims, hands over, settles. One per process; `run` once."""

    def __init__(
        self,
        *,
        store: QueueStore,
        committer: Committer,
        directory: LaneDirectory,
        deliver: Deliver,
        settlement: Settlement,
        clock: Clock,
        plans: Plans | None = None,
        limits: ManagerLimits | None = None,
        observe: Callable[[Ending], None] | None = None,
        on_damaged: Callable[[int], None] | None = None,
    ) -> None:
        """`plans` is filled here, and read by `directory`; `on_damaged` hears how many rows could not be read."""
        self._store, self._committer, self._directory, self._clock = store, committer, directory, clock
        self._deliver, self._settlement, self._observe = deliver, settlement, observe
        self._on_damaged = on_damaged
        self._plans = plans or Plans()
        self._unused: Counter[StreamId] = Counter()  # claimed of paced streams and returned: it may be claimed again
        self._limits = limits or ManagerLimits()
        self.hand = Hand(
            deliver=deliver,
            committer=committer,
            settlement=settlement,
            clock=clock,
            on_ending=self._ended,
            crashes=store.crashes,
        )
        self._alarm = Alarm(clock)
        self._follower = Follower(
            store=store,
            directory=directory,
            plans=self._plans,
            hand=self.hand,
            clock=clock,
            poll=self._limits.poll,
            on_news=self._alarm.ring,
        )
        self._pace_s = _PACE_S
        self._has_lost_claim = False
        self._drain_for: timedelta | None = None
        self._over = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Deliver until `drain` is called. Cancelling it is a hard stop: what is in hand stays there, unsettled."""
        try:
            await self._follower.begin()
            async with asyncio.TaskGroup() as group:
                self._group = group
                watch = group.create_task(self._follower.run())
                await self._try_suspects(group)
                await self._claim_loop(group)
                watch.cancel()
                await self._empty_hand()
        finally:
            self._group = None
            self._over.set()

    async def drain(self, within: timedelta) -> None:
        """Stop claiming, return what is queued, give what is active its time; returns when `run` is over."""
        self._drain_for = within
        self._alarm.ring()
        await self._over.wait()

    def learn(self, loads: Iterable[LaneLoad]) -> None:
        """Take in mail that this process has accepted (`Accepted.loads`)."""
        now = self._clock.now()
        for load in loads:
            self._directory.add(load, now=now)
        self._alarm.ring()

    # -- suspects -----------------------------------------------------------------------------------------------

    async def _try_suspects(self, group: asyncio.TaskGroup) -> None:
        """Try one after the other what was in hand when earlier processes died, before anything else is claimed.

        If the process dies again, it is known of whom. The others wait meanwhile, so a slow suspect is not alone for
        long, and what is left of them comes at its time with the others.
        """
        deadline = self._clock.monotonic() + _TRIALS_S
        while self._drain_for is None and self._clock.monotonic() < deadline:
            try:
                suspect = await self._store.claim_suspect(self._settlement.epoch, self._clock.now())
                if suspect is None:
                    return
                _log.warning("delivery %d was in hand when the process died, and is tried alone", suspect.id)
                faults = self.hand.faults.count
                self.hand.take(suspect, group)
                if await self.hand.wait_empty(_TRIAL_S) and self.hand.faults.count == faults:
                    await self._store.absolve(suspect.id)
            except TieriiError as failure:
                _log.warning("no suspect can be tried now: %s", failure)
                return

    # -- claiming -----------------------------------------------------------------------------------------------

    async def _claim_loop(self, group: asyncio.TaskGroup) -> None:
        while self._drain_for is None:
            wait = await self._round(group)
            if wait is None or wait > 0:
                await self._alarm.wait(wait)

    async def _round(self, group: asyncio.TaskGroup) -> float | None:
        """Claim once. Return for how many seconds nothing is to do, None for as long as nobody rings."""
        if self._committer.is_sick or (self._has_lost_claim and not await self._free_unheld()):
            return _SICK_S
        now = self._clock.now()
        self._announce_resumed(now)
        budget = self._budget()
        limit = self._limits.claim_rows
        quotas = self._directory.pick(now, room=self._deliver.room, budget=budget, limit=limit)
        if not quotas:
            return self._idle_time(now, budget)
        try:
            paced = self._paced(quotas)
            claim = await self._store.claim(quotas, epoch=self._settlement.epoch, now=now, paced=paced)
        except Unavailable as failure:
            self._directory.learn_failure(quotas, now=now)
            self._committer.report_sick(failure)
            self._has_lost_claim = True  # or not: nobody knows whether it was committed
            return _SICK_S
        self._directory.learn(quotas, claim, now=self._clock.now())
        if claim.damaged and self._on_damaged is not None:
            self._on_damaged(len(claim.damaged))
        for delivery in claim.deliveries:
            is_shut = self._directory.is_suspended(delivery.lane.id)  # while the claim ran
            self.hand.take(delivery, group, recalled="lane suspended" if is_shut else None)
        # The attempts start, and say how much room is left, before anybody is asked again.
        await self._clock.sleep(self._pause(len(claim.deliveries)))
        return 0

    def _paced(self, quotas: Iterable[Quota]) -> dict[StreamId, Paced]:
        """Return what the claim has to know of the paced streams among its quotas."""
        paced = {}
        for stream in {self._directory.stream_of(quota) for quota in quotas}:
            plan = self._plans.get(stream)
            if plan is not None and plan.is_paced:
                paced[stream] = Paced(plan=plan, unused=self._unused.pop(stream, 0))
        return paced

    async def _free_unheld(self) -> bool:
        """Free what a claim took whose answer never came; return whether it is known that none is left."""
        try:
            count = await self._store.free_unheld(self._settlement.epoch, self.hand.ids())
        except Unavailable as failure:
            self._committer.report_sick(failure)
            return False
        if count:
            _log.warning("%d deliveries were claimed and never came: they wait again", count)
        self._has_lost_claim = False
        return True

    def _pause(self, brought: int) -> float:
        """Return how long to wait before the next claim, so that it brings about a quarter of the hand."""
        if brought * 2 >= self._limits.claim_rows:
            return 0
        if brought * 4 < len(self.hand):
            self._pace_s = min(self._pace_s * 1.5, _SLOWEST_PACE_S)
        else:
            self._pace_s = max(self._pace_s / 1.5, _PACE_S)
        return self._pace_s

    def _budget(self) -> dict[Priority, int]:
        limits, hand = self._limits, self.hand
        free = limits.in_hand - len(hand)
        bulk = len(hand) - hand.count(Priority.HIGH)
        for_bulk = min(free, limits.in_hand - limits.reserved_high - bulk)
        return {Priority.HIGH: free, Priority.NORMAL: for_bulk, Priority.LOW: for_bulk}

    def _idle_time(self, now: Instant, budget: dict[Priority, int]) -> float | None:
        """Return the time to the next due lane; ready ones count unless the hand is full and only an ending helps."""
        wake = self._directory.next_wake(now, with_ready=budget[Priority.LOW] > 0)
        if wake is None:
            return None
        return min(max(elapsed(now, wake).total_seconds(), _PACE_S), _LONGEST_S)  # the wall clock may have been set

    async def _empty_hand(self) -> None:
        self.hand.recall("drain")
        within = self._drain_for or timedelta(0)
        if not await self.hand.wait_empty(within.total_seconds()):
            count = self.hand.abandon()
            _log.warning("%d deliveries were still active at the end of the drain; they count as in doubt", count)

    # -- what ended ---------------------------------------------------------------------------------------------

    def _ended(self, ending: Ending) -> None:
        delivery, settle, now = ending.delivery, ending.settle, self._clock.now()
        self._directory.ended(delivery, now=now)
        if isinstance(ending.outcome, Returned):
            plan = self._plans.get(delivery.lane.stream)
            if plan is not None and plan.is_paced:
                self._unused[delivery.lane.stream] += 1
        if settle is not None and settle.to_state in (State.RETRY, State.PENDING):
            due = settle.due if settle.due is not None else now
            if isinstance(ending.outcome, Returned) and due <= now:
                due = later(now, _RETURNED)
            self._directory.note(delivery.lane, delivery.priority, due, now=now)
        elif settle is None:  # nobody here knows where the row stands: one seek of its lane tells
            self._directory.note(delivery.lane, delivery.priority, now, now=now)
        match ending.outcome:
            case Delivered():
                self._directory.clear_strikes(delivery.lane.id)
            case Deferred(is_blocked=True):
                self._suspend(delivery.lane, ending.outcome)
        self._alarm.ring()
        if self._observe is not None:
            self._observe(ending)

    def _suspend(self, lane: Lane, refusal: Deferred) -> None:
        """Suspend a lane that refuses us: once, though several of its deliveries were refused together."""
        if self._directory.is_suspended(lane.id):
            return
        strikes = self._directory.strike(lane.id)
        operation = self._settlement.suspend(lane, refusal.attempt, strikes=strikes, moment=self.hand.moment())
        if operation.until is not None:
            self._directory.suspend(lane, operation.until)
            self.hand.recall("lane suspended", lane=lane.id)
        _log.warning("the lane to %s is suspended: %s", lane.domain, operation.reason)
        self._write(operation)

    def _announce_resumed(self, now: Instant) -> None:
        for lane in self._directory.resumed(now):
            _log.info("the lane to %s is open again", lane.domain)
            self._write(resume(lane, self.hand.moment()))

    def _write(self, operation: SuspendLane) -> None:
        """Commit a lane's change beside the mail. If that fails, the lane is as we hold it until the next start."""
        if self._group is not None:
            self._group.create_task(self._write_lane(operation))

    async def _write_lane(self, operation: SuspendLane) -> None:
        try:
            await self._committer.submit(operation)
        except TieriiError as failure:
            _log.warning("the suspension of lane %d could not be written: %s", operation.lane, failure)
