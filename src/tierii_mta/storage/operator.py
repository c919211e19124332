"""The operator's port on SQLite or PostgreSQL: `QueueOperator`, one short method each.

Owns which transaction a call becomes; what happens in it is in the modules it names: `orders`, `suspensions` and
`lane_views`.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from tierii_mta.clock import Clock, Instant
from tierii_mta.queue.delivery import DeliveryId, State
from tierii_mta.queue.operator import Dossier, LaneView, Moved, Order, Scope, StandingSuspension, Survey
from tierii_mta.queue.selection import Selection
from tierii_mta.storage import selected, suspensions
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.dossiers import dossiers
from tierii_mta.storage.lane_views import LaneReader
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.orders import Page, move_page, wanted_by
from tierii_mta.storage.selected import Source


class StoredOperator:
    """`QueueOperator` on one database."""

    def __init__(self, connections: Connections, clock: Clock, node_name: str) -> None:
        self._connections, self._clock, self._node = connections, clock, node_name

    def _ledger(self) -> Ledger:
        return Ledger(self._clock, self._node)

    async def survey(self, order: Order, now: Instant) -> Survey:
        wanted, count = wanted_by(order.verb, now), 0
        for source in await self._connections.read(selected.sources, order.selection, wanted):
            after: Any = None
            while True:
                found, after = await self._connections.read(source.count, after)
                count += found
                if after is None:
                    break
        return Survey(count=count, in_hand=await self._connections.read(selected.in_hand, order.selection))

    async def carry_out(self, order: Order, now: Instant) -> Moved:
        wanted, moved = wanted_by(order.verb, now), Moved()
        for source in await self._connections.read(selected.sources, order.selection, wanted):
            after: Any = None
            while True:
                page = await self._move_page(order, (source, after), now)
                moved.count += page.count
                moved.waits += page.waits
                after = page.following
                if after is None:
                    break
        moved.in_hand = await self._connections.read(selected.in_hand, order.selection)
        self._connections.touch()
        return moved

    async def _move_page(self, order: Order, step: tuple[Source, Any], now: Instant) -> Page:
        return await self._connections.write(lambda connection: move_page(connection, order, step, now, self._ledger()))

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

    async def find(self, selection: Selection, *, limit: int) -> Sequence[DeliveryId]:
        return await self._connections.read(selected.found_ids, selection, limit)

    async def dossiers(self, deliveries: Sequence[DeliveryId]) -> Sequence[Dossier]:
        return await self._connections.read(dossiers, deliveries)

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
