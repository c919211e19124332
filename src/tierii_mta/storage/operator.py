"""The operator's port on SQLite or PostgreSQL: `QueueOperator`, one short method each.

Owns which transaction a call becomes; what happens in it is in the modules it names: `suspensions` and
`lane_views`.
"""

from collections.abc import AsyncIterator, Sequence

from tierii_mta.clock import Clock, Instant
from tierii_mta.queue.delivery import State
from tierii_mta.queue.operator import LaneView, Scope, StandingSuspension
from tierii_mta.queue.selection import Selection
from tierii_mta.storage import suspensions
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.lane_views import LaneReader
from tierii_mta.storage.ledger import Ledger


class StoredOperator:
    """`QueueOperator` on one database."""

    def __init__(self, connections: Connections, clock: Clock, node_name: str) -> None:
        self._connections, self._clock, self._node = connections, clock, node_name

    def _ledger(self) -> Ledger:
        return Ledger(self._clock, self._node)

    async def suspend(self, suspension: StandingSuspension) -> None:
        await self._connections.write(lambda connection: suspensions.suspend(connection, suspension, self._ledger()))
        self._connections.touch()

    async def unsuspend(self, scope: Scope, value: str, now: Instant) -> int:
        lifted = await self._connections.write(
            lambda connection: suspensions.unsuspend(connection, scope, value, now, self._ledger())
        )
        self._connections.touch()
        return lifted

    async def suspensions(self, now: Instant) -> Sequence[StandingSuspension]:
        return await self._connections.read(suspensions.standing, now)

    async def end_suspensions(self, now: Instant) -> Sequence[StandingSuspension]:
        return await self._connections.write(
            lambda connection: suspensions.end_suspensions(connection, now, self._ledger())
        )

    async def lanes(self, selection: Selection, now: Instant, *, state: State | None = None) -> AsyncIterator[LaneView]:
        reader = await self._connections.read(LaneReader, selection, state, now)
        for one in reader.streams:
            views, after = await self._connections.read(reader.page, one, None)
            while views or after is not None:
                for view in views:
                    yield view
                if after is None:
                    break
                views, after = await self._connections.read(reader.page, one, after)
