"""The follower: what other processes commit reaches this one's directory and hand.

Owns reading the change log, and what each kind of change asks for: new mail, streams that were paused, resumed or
cancelled, lanes that were closed or opened.  Not what this process commits itself: it knows that from the results.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from tierii_mta.clock import Clock
from tierii_mta.errors import Unavailable
from tierii_mta.queue.delivery import LaneId, StreamId
from tierii_mta.queue.hand import Hand
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.pacing import Plans
from tierii_mta.queue.store import Change, ChangeKind, QueueStore

_log = logging.getLogger(__name__)


class Follower:
    """Keeps the directory up to date. `begin`, then `run`."""

    def __init__(
        self,
        *,
        store: QueueStore,
        directory: LaneDirectory,
        plans: Plans,
        hand: Hand,
        clock: Clock,
        poll: timedelta,
        on_news: Callable[[], None],
    ) -> None:
        """`on_news` is called when the directory may have mail that it had not."""
        self._store, self._directory, self._plans = store, directory, plans
        self._hand, self._clock = hand, clock
        self._poll_s, self._on_news = poll.total_seconds(), on_news
        self._cursor = 0

    async def begin(self) -> None:
        """Learn all that waits now; what is committed from now on is in the change log."""
        self._cursor = await self._store.last_change()
        for stream, plan in (await self._store.plans()).items():
            self._plans.learn(stream, plan)
        await self._load(None)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self._clock.sleep(self._poll_s)
            try:
                changes = await self._store.changes(self._cursor)
                if changes:
                    await self._follow(changes)
            except Unavailable as failure:
                _log.warning("the change log cannot be read now: %s", failure)

    async def _follow(self, changes: Iterable[Change]) -> None:
        cursor = self._cursor
        streams: dict[StreamId, bool] = {}  # → whether its lanes are read anew
        lanes: dict[LaneId, bool] = {}  # → whether it was closed or opened
        for change in changes:
            cursor = max(cursor, change.seq)
            if change.kind is ChangeKind.LANE and change.lane is not None:
                lanes[change.lane] = True
            elif change.kind is ChangeKind.MAIL and change.lane is not None:
                lanes.setdefault(change.lane, False)
            elif change.kind in (ChangeKind.MAIL, ChangeKind.STREAM) and change.stream is not None:
                streams[change.stream] = streams.get(change.stream, False) or change.kind is ChangeKind.STREAM
        for stream, is_anew in streams.items():
            if is_anew:
                await self._drop(stream)
            self._plans.learn(stream, (await self._store.plans(stream)).get(stream))
            await self._load(stream)
        for lane, is_anew in lanes.items():
            await self._load_lane(lane, is_anew=is_anew)
        self._cursor = cursor  # only now: what could not be read is read again
        self._on_news()

    async def _drop(self, stream: StreamId) -> None:
        """Let a stream's lanes leave the directory; those of a paused one do not come back with its loads.

        What is in hand and not yet on the wire goes back too, and is claimed again if the stream is open.
        """
        self._directory.close_stream(stream)
        self._hand.recall("stream changed", stream=stream)
        while self._directory.sweep():
            await self._clock.sleep(0)
        self._directory.open_stream(stream)

    async def _load(self, stream: StreamId | None) -> None:
        async for load in self._store.loads(stream):
            self._directory.add(load, now=self._clock.now())

    async def _load_lane(self, lane: LaneId, *, is_anew: bool) -> None:
        """Learn what waits in a lane. After it was closed or opened, what is not yet on the wire is claimed again."""
        if is_anew:
            self._hand.recall("lane changed", lane=lane)
        is_suspended = False
        async for load in self._store.loads(lane=lane):
            is_suspended = load.suspended_until is not None
            self._directory.add(load, now=self._clock.now())
        if not is_suspended:
            self._directory.release(lane, now=self._clock.now())
