"""The queue's port on SQLite or PostgreSQL: `QueueStore`, one short method each.

Owns which transaction a call becomes; what happens in it is in the modules it names: `claim`, `apply`, `loads`,
`crashes`, `upkeep` (dead owners, age, retention, ends of campaigns) and `history`.
"""

import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from tierii_mta.clock import Clock, Instant, later
from tierii_mta.events import Event
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.crashes import Crashes, Freed
from tierii_mta.queue.delivery import Delivery, DeliveryId, Epoch, Lane, LaneId, MessageRow, Priority, State, StreamId
from tierii_mta.queue.pacing import Paced, StreamPlan
from tierii_mta.queue.store import Change, Claim, LaneLoad, Operation, Quota, Result
from tierii_mta.queue.views import History, Node, StoredMessage, Suspension
from tierii_mta.storage import agenda, crashes, history, loads, paces, purge, upkeep
from tierii_mta.storage.apply import apply_all
from tierii_mta.storage.backend import liveness_time
from tierii_mta.storage.claim import claim
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.tables import body_part, change, lane, node, probe

_PROBE_BYTES = 65536
_CHANGES_KEPT = timedelta(days=1)


class StoredQueue:
    """`QueueStore` on one database."""

    def __init__(self, connections: Connections, clock: Clock, node_name: str) -> None:
        self._connections, self._clock, self._node = connections, clock, node_name
        # This object, in change rows; unlike any other one, in this process or elsewhere.
        self._origin = (int.from_bytes(clock.token(7), "big") ^ os.getpid() ^ id(self)) & 0x7FFF_FFFF_FFFF_FFFF or 1
        self._answered = 0  # the last change given out
        self._passed = (0, 0)  # behind cursor [0], rows up to [1] are our own
        self._nodes: dict[Epoch, dict[str, Any]] = {}

    def _ledger(self, *, origin: int = 0) -> Ledger:
        return Ledger(self._clock, self._node, origin=origin)

    # -- owners

    async def register(self, *, name: str, role: str, pid: int, now: Instant) -> Epoch:
        def work(connection: Connection) -> Epoch:
            at = liveness_time(connection, now)
            row = {"name": name, "role": role, "pid": pid, "started_at": at, "seen_at": at}
            return Epoch(connection.execute(insert(node).values(row).returning(node.c.epoch)).scalar_one())

        epoch = await self._connections.write(work)
        self._nodes[epoch] = {"epoch": epoch, "name": name, "role": role, "pid": pid, "started_at": now}
        return epoch

    async def heartbeat(self, epoch: Epoch, now: Instant) -> None:
        def work(connection: Connection) -> None:
            at = liveness_time(connection, now)
            seen = connection.execute(update(node).where(node.c.epoch == epoch).values(seen_at=at)).rowcount
            if not seen and epoch in self._nodes:  # silent for so long that another process took us for dead
                connection.execute(insert(node).values(self._nodes[epoch] | {"seen_at": at}))

        await self._connections.write(work)

    async def retire(self, epoch: Epoch) -> None:
        gone = delete(node).where(node.c.epoch == epoch)
        await self._connections.write(lambda connection: connection.execute(gone).rowcount)
        self._nodes.pop(epoch, None)

    async def suspensions(self, now: Instant) -> Sequence[Suspension]:
        wanted = select(lane.c.id, lane.c.stream, lane.c.domain, lane.c.suspended_until, lane.c.reason).where(
            lane.c.suspended_until > now
        )
        rows = await self._connections.read(lambda connection: connection.execute(wanted).all())
        return [
            Suspension(
                lane=Lane(id=LaneId(row.id), stream=StreamId(row.stream), domain=row.domain),
                until=Instant(row.suspended_until),
                reason=row.reason or "",
            )
            for row in rows
        ]

    async def nodes(self) -> Sequence[Node]:
        rows = await self._connections.read(
            lambda connection: connection.execute(select(node).order_by(node.c.epoch)).all()
        )
        return [
            Node(
                epoch=Epoch(row.epoch),
                name=row.name,
                role=row.role,
                pid=row.pid,
                started_at=Instant(row.started_at),
                seen_at=Instant(row.seen_at),
            )
            for row in rows
        ]

    async def free_dead(self, epoch: Epoch, now: Instant) -> Freed:
        freed = Freed(0, 0)
        while True:
            page = await self._connections.write(
                upkeep.free_dead, epoch, now=now, ledger=self._ledger(), is_first=freed == (0, 0, 0)
            )
            self._connections.touch()
            freed = Freed(*(sum(both) for both in zip(freed, page, strict=True)))
            if page.queued + page.active < upkeep.PAGE:
                return freed

    async def free_unheld(self, epoch: Epoch, held: Collection[DeliveryId]) -> int:
        return await self._connections.write(
            lambda connection: upkeep.free_unheld(connection, epoch, held, ledger=self._ledger())
        )

    async def crashes(self, delivery: DeliveryId) -> Crashes:
        found = await self._connections.read(crashes.crashes_of, (delivery,))
        return found.get(delivery, Crashes())

    async def claim_suspect(self, epoch: Epoch, now: Instant) -> Delivery | None:
        return await self._connections.write(
            lambda connection: crashes.claim_suspect(connection, epoch=epoch, now=now, ledger=self._ledger())
        )

    async def absolve(self, delivery: DeliveryId) -> None:
        await self._connections.write(crashes.forget, delivery)

    # -- the hot path

    async def plans(self, stream: StreamId | None = None) -> Mapping[StreamId, StreamPlan]:
        return await self._connections.read(paces.plans, stream)

    async def claim(
        self, quotas: Sequence[Quota], *, epoch: Epoch, now: Instant, paced: Mapping[StreamId, Paced] | None = None
    ) -> Claim:
        if not quotas:
            return Claim(deliveries=(), exhausted={})
        return await self._connections.write(
            lambda connection: claim(connection, quotas, epoch=epoch, now=now, paced=paced or {}, ledger=self._ledger())
        )

    async def apply(self, operations: Sequence[Operation]) -> Sequence[Result]:
        if not operations:
            return []
        return await self._connections.write(
            lambda connection: apply_all(connection, operations, self._ledger(origin=self._origin))
        )

    async def probe(self) -> None:
        """Write what needs room of its own, and sync it.

        After a failed fsync the frames of the lost group still lie in the WAL; this commit overwrites them, so that a
        crash cannot bring them back.
        """

        def work(connection: Connection) -> None:
            filler = self._clock.token(_PROBE_BYTES)
            number = connection.execute(insert(probe).values(filler=filler).returning(probe.c.number)).scalar_one()
            connection.execute(delete(probe).where(probe.c.number < number))

        await self._connections.write(work)

    # -- what others did

    async def changes(self, after: int) -> Sequence[Change]:
        if not await self._connections.has_changed() and after >= self._answered:
            return ()
        try:
            found, is_whole = await self._read_changes(after)
        except BaseException:
            self._connections.touch()
            raise
        if not is_whole:
            self._connections.touch()
        return found

    async def _read_changes(self, after: int) -> tuple[Sequence[Change], bool]:
        """Return what others wrote behind `after`, and whether that is all; own rows are passed over once."""
        start = self._passed[1] if after == self._passed[0] else after
        while True:
            rows = await self._connections.read(history.changes, start)
            found = [history.as_change(row) for row in rows if row.origin != self._origin]
            start = rows[-1].seq if rows else start
            if found or len(rows) < history.CHANGES_PAGE:
                break
        self._answered = found[-1].seq if found else after
        self._passed = (self._answered, start)
        return found, len(rows) < history.CHANGES_PAGE

    async def last_change(self) -> int:
        newest = select(func.max(change.c.seq))
        return await self._connections.read(lambda connection: connection.execute(newest).scalar()) or 0

    # -- upkeep

    async def expire(self, now: Instant, *, grace: timedelta = timedelta(0), limit: int = 1000) -> int:
        return await self._connections.write(
            lambda connection: upkeep.expire(connection, now, grace=grace, limit=limit, ledger=self._ledger())
        )

    async def purge(
        self,
        *,
        deliveries_before: Instant,
        events_before: Instant,
        bodies_before: Instant | None = None,
        inbox_before: Instant | None = None,
        limit: int = 2000,
    ) -> int:
        """One page of retention. `bodies_before` also drops the bodies of older messages that nobody waits for,
        `inbox_before` mail received before.
        """
        gone = await self._connections.write(
            purge.purge,
            deliveries_before=deliveries_before,
            events_before=events_before,
            bodies_before=bodies_before,
            inbox_before=inbox_before,
            changes_before=later(self._clock.now(), -_CHANGES_KEPT),
            limit=limit,
        )
        if gone:
            await self._connections.give_pages_back()
        return gone

    async def drop_lanes(self, *, before: Instant, limit: int = 1000) -> int:
        return await self._connections.write(lambda connection: purge.drop_lanes(connection, before, limit))

    async def attend(self, now: Instant) -> Sequence[str]:
        told: list[str] = []
        while await self._connections.read(agenda.is_due, now):
            done = await self._connections.write(
                lambda connection: agenda.attend(connection, now, ledger=self._ledger())
            )
            if done is None:  # another process has it
                break
            self._connections.touch()
            told += [done] if done else []
        return told

    async def finish_streams(self, now: Instant) -> Sequence[str]:
        ended = await self._connections.write(
            lambda connection: upkeep.finish_streams(connection, now, ledger=self._ledger())
        )
        if ended:
            self._connections.touch()
        return ended

    # -- reading

    async def loads(self, stream: StreamId | None = None, *, lane: LaneId | None = None) -> AsyncIterator[LaneLoad]:
        if lane is not None:
            for load in await self._connections.read(loads.lane_loads, lane):
                yield load
            return
        cursor: Any = (0, -1) if stream is None else ""
        while cursor is not None:
            page, cursor = await self._connections.read(loads.page, stream, cursor)
            for load in page:
                yield load

    async def history(
        self,
        *,
        key: PersonKey | None = None,
        message_id: str | None = None,
        delivery: DeliveryId | None = None,
    ) -> Sequence[History]:
        """Return a person's deliveries, those of one stored message, or one delivery; newest first."""
        return await self._connections.read(history.history, key=key, message_id=message_id, delivery_id=delivery)

    async def totals(self) -> Mapping[tuple[State, Priority], int]:
        return await self._connections.read(history.totals)

    async def stored_message(self, delivery: DeliveryId) -> StoredMessage:
        return await self._connections.read(history.stored_message, delivery)

    async def message_parts(self, message: MessageRow) -> Sequence[bytes]:
        wanted = select(body_part.c.content).where(body_part.c.message == message).order_by(body_part.c.position)
        return await self._connections.read(lambda connection: connection.execute(wanted).scalars().all())

    async def events(self, *, after: int = 0, limit: int = 1000, types: Sequence[str] = ()) -> AsyncIterator[Event]:
        while limit > 0:
            size = min(limit, history.EVENTS_PAGE)
            page = await self._connections.read(history.events, after=after, limit=size, types=types)
            for event in page:
                yield event
            if len(page) < size:
                return
            limit -= len(page)
            after = page[-1].seq or after
