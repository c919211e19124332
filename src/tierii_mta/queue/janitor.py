"""The janitor: what must be done to the queue from time to time, whoever sends.

Owns when each duty runs; what it does to the rows is the store's. A store that cannot be used now is logged and tried
again at the next turn; any other failure ends the janitor, and with it the process.

| duty | how often |
|---|---|
| `heartbeat` | every 15 s: others see that this owner lives |
| `free_dead` | at start (`prepare`, before the manager runs), then every minute |
| `expire` | at start, then every minute: age, over every state that is not final |
| `purge` | every 10 minutes: retention, in pages; then the lanes of campaigns of which nothing is left |
| `attend` | at start, then every second: campaigns start, miss their start, or end by the calendar |
| `finish_streams` | every second: campaigns without open deliveries end, cancelled ones are swept |
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.clock import Clock, later
from tierii_mta.errors import Unavailable
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.operator import QueueOperator
from tierii_mta.queue.store import QueueStore

_PAGE = 1_000
_PURGE_PAGE = 2_000
_BREATH_S = 0.05  # between pages, so that mail comes first

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is over is kept (`retention`)."""

    events: timedelta = timedelta(days=90)
    deliveries: timedelta = timedelta(days=400)
    bodies: timedelta = timedelta(days=7)
    inbox: timedelta = timedelta(days=365)


def _nobody_asks(count: int) -> None:
    """Nobody wants to know."""


class Janitor:
    """Runs the duties, each in a loop of its own."""

    def __init__(
        self,
        *,
        store: QueueStore,
        operator: QueueOperator,
        clock: Clock,
        epoch: Epoch,
        retention: Retention,
        grace: timedelta = timedelta(minutes=5),
        on_set_aside: Callable[[int], None] = _nobody_asks,
    ) -> None:
        """`grace` is the time a last attempt, due at the deadline, has before the age sweep takes its row;
        `on_set_aside` hears how many deliveries were given up because processes died with them.
        """
        self._store, self._operator, self._clock, self._epoch = store, operator, clock, epoch
        self._retention, self._grace, self._on_set_aside = retention, grace, on_set_aside

    async def prepare(self) -> None:
        """Free what earlier owners left in hand and end what is too old; run it before anything is claimed."""
        await self.free_dead()
        await self.attend()
        await self.expire()

    async def run(self) -> None:
        """Do every duty at its times until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.every(timedelta(seconds=15), self.heartbeat, name="heartbeat"))
            group.create_task(self.every(timedelta(minutes=1), self.free_dead, name="free_dead"))
            group.create_task(self.every(timedelta(minutes=1), self.expire, name="expire"))
            group.create_task(self.every(timedelta(minutes=1), self.end_suspensions, name="end_suspensions"))
            group.create_task(self.every(timedelta(minutes=10), self.purge, name="purge"))
            group.create_task(self.every(timedelta(seconds=1), self.attend, name="attend"))
            group.create_task(self.every(timedelta(seconds=1), self.finish_streams, name="finish_streams"))

    async def heartbeat(self) -> None:
        """Say that this process lives."""
        await self._store.heartbeat(self._epoch, self._clock.now())

    async def free_dead(self) -> None:
        """Put back what the owners that are gone had in hand."""
        freed = await self._store.free_dead(self._epoch, self._clock.now())
        if freed.queued or freed.active:
            what = "a process ended without a clean stop: %d deliveries were not yet on the wire, %d are in doubt"
            _log.warning(what, freed.queued, freed.active)
        if freed.set_aside:
            self._on_set_aside(freed.set_aside)

    async def expire(self) -> None:
        """End what is too old, page by page."""
        while await self._store.expire(self._clock.now(), grace=self._grace, limit=_PAGE) >= _PAGE:
            await self._clock.sleep(_BREATH_S)

    async def purge(self) -> None:
        """Delete what retention no longer keeps, page by page."""
        now = self._clock.now()
        while (
            await self._store.purge(
                deliveries_before=later(now, -self._retention.deliveries),
                events_before=later(now, -self._retention.events),
                bodies_before=later(now, -self._retention.bodies),
                inbox_before=later(now, -self._retention.inbox),
                limit=_PURGE_PAGE,
            )
            >= _PURGE_PAGE
        ):
            await self._clock.sleep(_BREATH_S)
        while await self._store.drop_lanes(before=later(now, -self._retention.deliveries), limit=_PAGE):
            await self._clock.sleep(_BREATH_S)

    async def end_suspensions(self) -> None:
        """Say which suspensions by the operator have run out."""
        for suspension in await self._operator.end_suspensions(self._clock.now()):
            _log.info("the suspension of %s has ended", suspension)

    async def attend(self) -> None:
        """Do what the calendar of campaigns asks for."""
        for line in await self._store.attend(self._clock.now()):
            _log.info(line)

    async def finish_streams(self) -> None:
        """End campaigns that are through."""
        for campaign in await self._store.finish_streams(self._clock.now()):
            _log.info("campaign %s has ended", campaign)

    async def every(self, pause: timedelta, work: Callable[[], Awaitable[None]], *, name: str) -> None:
        """Do a duty after each pause, until cancelled."""
        while True:
            await self._clock.sleep(pause.total_seconds())
            try:
                await work()
            except Unavailable as failure:
                _log.warning("%s could not be done and is tried again in %s: %s", name, pause, failure)
