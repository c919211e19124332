"""Group commit: many callers' operations in one transaction, one fsync.

Owns the order (first come, first written), the size of a group, and what a failure means to whom. One task, `run`,
owns the transaction; callers await their result, and a caller that is cancelled changes nothing. An operation that
finds the committer idle is committed at once; while a commit runs, others gather, and then for as long again: each
transaction has its price, and who waits for a slow one waits for fewer of them. Not the SQL (storage).

1. `submit` puts the operation in the queue; `_gather` takes a group of at most `GROUP_ROWS` rows.
2. `_commit` writes it. A failing statement rolls back, and `_replay` tries the members one by one: only the culprit
   fails.
3. A failing COMMIT fails the whole group and all who wait: the store is sick. Nothing more is taken (`submit` raises
   `Unavailable` at once) until `_recover`, with growing pauses, has committed a probe.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tierii_mta.clock import Clock
from tierii_mta.errors import TieriiError, Unavailable
from tierii_mta.queue.alarm import Alarm
from tierii_mta.queue.store import Accept, CommitFailed, Operation, QueueStore, Receive, Result

GROUP_ROWS = 1_000
_TAKING_IN = 4  # messages in one group: so many clients wait at once
_MAX_GATHER_S = 0.005
_FIRST_PROBE_S, _LAST_PROBE_S = 1.0, 5.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Member:
    """One caller's operation and where its answer goes."""

    operation: Operation
    answer: asyncio.Future[Result]


class Committer:
    """Commits operations for everybody in this process. Made in the loop it runs in."""

    def __init__(
        self,
        store: QueueStore,
        clock: Clock,
        *,
        gather_s: float = _MAX_GATHER_S,
        on_sick: Callable[[Unavailable], None] | None = None,
        on_well: Callable[[], None] | None = None,
        on_commit: Callable[[int, float, bool], None] | None = None,
    ) -> None:
        """`gather_s`, at most 5 ms, lets a group that follows another one grow for as long as that one's commit took,
        but no longer than this; what finds us idle never waits. `on_commit` hears of each group: how many operations,
        how many seconds, and whether they are kept.
        """
        if not 0 <= gather_s <= _MAX_GATHER_S:
            raise ValueError(f"a group gathers for at most {_MAX_GATHER_S} s")
        self._store, self._clock, self._gather_s = store, clock, gather_s
        self._on_sick, self._on_well, self._on_commit = on_sick, on_well, on_commit
        self._last_commit_s = 0.0
        self._waiting: deque[_Member] = deque()
        self._arrival = Alarm(clock)
        self._well = asyncio.Event()
        self._well.set()
        self._sickness: Unavailable | None = None
        self._is_closed = False
        self._taken_in = 0
        self.commits = 0
        self.rows = 0

    @property
    def is_sick(self) -> bool:
        """Whether the store failed a COMMIT and has not recovered: accept nothing, send nothing."""
        return not self._well.is_set()

    @property
    def sickness(self) -> Unavailable | None:
        """What the store failed of, while it is sick."""
        return self._sickness if self.is_sick else None

    @property
    def is_taking_in(self) -> bool:
        """Whether the latest group held several messages being accepted: work that nobody waits for can wait."""
        return self._taken_in >= _TAKING_IN

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is taken, for good."""
        return self._is_closed

    def report_sick(self, failure: Unavailable) -> None:
        """Take note that a transaction of somebody else could not be committed; nothing is taken until a probe is."""
        if not self.is_sick:
            self._fall_sick([], failure)
            self._arrival.ring()

    async def wait_well(self) -> None:
        """Return once the store is well, or will never be because the committer was closed."""
        await self._well.wait()

    def enqueue(self, operation: Operation) -> asyncio.Future[Result]:
        """Put an operation in the queue and return its answer to come. Raises `Unavailable` as `submit` does."""
        if self.is_sick:
            raise _not_now(self._sickness)
        if self._is_closed:
            raise Unavailable("the queue is being closed")
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Member(operation, answer))
        self._arrival.ring()
        return answer

    async def submit(self, operation: Operation) -> Result:
        """Commit an operation durably and return its result.

        Raises `StatementFailed` if it cannot be written; `CommitFailed` if nobody knows it to be kept; `Unavailable`
        at once while the store is sick or after `close`.
        """
        return await self.enqueue(operation)

    async def run(self) -> None:
        """Commit until `close` was called and the queue is empty."""
        is_idle = True
        try:
            while await self._next(is_idle):
                group = self._take()
                if group:
                    await self._commit(group)
                if self.is_sick:
                    await self._recover()
                is_idle = not self._waiting
        finally:
            self._is_closed = True
            self._refuse_waiting(Unavailable("the queue was closed"))
            self._well.set()

    def close(self) -> None:
        """Take nothing more; `run` returns after it has committed what waits."""
        self._is_closed = True
        self._arrival.ring()

    async def _next(self, is_idle: bool) -> bool:
        """Wait for the next group to begin; return False when there will be none."""
        if not self._waiting:
            if not self._is_closed:
                await self._arrival.wait()
            return bool(self._waiting) or not self._is_closed
        gather_s = min(self._gather_s, self._last_commit_s)
        if not is_idle and gather_s and len(self._waiting) < GROUP_ROWS:
            await self._clock.sleep(gather_s)
        return True

    def _take(self) -> list[_Member]:
        """Take the next group from the queue. An operation larger than a group goes alone."""
        group: list[_Member] = []
        rows = 0
        while self._waiting:
            size = _rows(self._waiting[0].operation)
            if group and rows + size > GROUP_ROWS:
                break
            group.append(self._waiting.popleft())
            rows += size
        self.rows += rows
        if group:
            self._taken_in = sum(isinstance(member.operation, Accept | Receive) for member in group)
        return group

    async def _commit(self, group: list[_Member]) -> None:
        begun = self._clock.monotonic()
        try:
            results = await self._store.apply([member.operation for member in group])
        except asyncio.CancelledError:
            _refuse(group, CommitFailed("the queue was closed before it learned whether this was kept"))
            raise
        except Unavailable as failure:
            self._tell(group, begun, is_kept=False)
            self._fall_sick(group, failure)
        except Exception as failure:  # a statement, or a fault of ours: whose it is shows when each stands alone
            await self._replay(group, failure)
        else:
            self.commits += 1
            self._last_commit_s = self._tell(group, begun, is_kept=True)
            for member, result in zip(group, results, strict=True):
                if not member.answer.done():
                    member.answer.set_result(result)

    def _tell(self, group: list[_Member], begun: float, *, is_kept: bool) -> float:
        """Tell of a group that came to its end; return how long it took."""
        seconds = self._clock.monotonic() - begun
        if self._on_commit is not None:
            self._on_commit(len(group), seconds, is_kept)
        return seconds

    async def _replay(self, group: list[_Member], failure: Exception) -> None:
        """Commit the members one by one. The culprit alone learns of its failure; a sick store ends it for the rest."""
        if len(group) == 1:
            _log.error("an operation cannot be written: %s", failure)
            _refuse(group, failure)
            return
        _log.warning("a group of %d operations is written one by one: %s", len(group), failure)
        for position, member in enumerate(group):
            if self.is_sick:
                _refuse(group[position:], CommitFailed("the database failed before this operation was written"))
                return
            await self._commit([member])

    def _fall_sick(self, group: list[_Member], failure: Unavailable) -> None:
        _log.error("the database does not take commits, intake and delivery stop: %s", failure)
        self._well.clear()
        self._sickness = failure
        _refuse(group, failure)
        self._refuse_waiting(_not_now(failure))
        if self._on_sick is not None:
            self._on_sick(failure)

    async def _recover(self) -> None:
        pause = _FIRST_PROBE_S
        while not self._is_closed:
            await self._arrival.wait(pause)
            pause = min(pause * 2, _LAST_PROBE_S)
            try:
                await self._store.probe()
            except TieriiError as failure:
                _log.warning("the database is still sick: %s", failure)
            else:
                _log.info("the database takes commits again")
                self._well.set()
                if self._on_well is not None:
                    self._on_well()
                return

    def _refuse_waiting(self, failure: Unavailable) -> None:
        waiting, self._waiting = self._waiting, deque()
        _refuse(waiting, failure)


def _refuse(members: "deque[_Member] | list[_Member]", failure: Exception) -> None:
    for member in members:
        if not member.answer.done():
            member.answer.set_exception(failure)


def _not_now(sickness: Unavailable | None) -> Unavailable:
    why = f": {sickness.what}" if sickness is not None else ""
    return Unavailable(f"the database does not take commits now{why}", remedy="it is probed until it does")


def _rows(operation: Operation) -> int:
    match operation:
        case Accept():
            return 1 + len(operation.deliveries) + len(operation.parts)
        case Receive():
            return 1 + len(operation.entry.recipients) + len(operation.parts)
        case _:
            return 1
