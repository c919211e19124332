"""What a commit owes to the other tables: tally, changes and events, written last and in one order.

Owns `Ledger`, which a transaction fills as it goes.  Written in the same order by everybody (tally by key, then the
commit-order lock, then changes and events), so that two transactions on PostgreSQL cannot wait for each other.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from tierii_mta.clock import Clock, Instant, sortable_id
from tierii_mta.events import Event, EventType
from tierii_mta.queue.delivery import LaneId, State, StreamId
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage.backend import insert_into, take_commit_order
from tierii_mta.storage.codes import CHANGE, EVENT, MARK_KIND_BASE, STATE, Mark
from tierii_mta.storage.tables import change, event, tally


def compact_json(value: Mapping[str, Any]) -> str:
    """Return JSON as it is kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Ledger:
    """The side entries of one transaction."""

    def __init__(self, clock: Clock, node: str, *, origin: int = 0) -> None:
        """`origin` marks change rows for the one Database object that need not be told of them."""
        self._clock, self._node, self._origin = clock, node, origin
        self._counts: Counter[tuple[int, int, int]] = Counter()
        self._changes: dict[tuple[ChangeKind, int | None, int | None], None] = {}
        self._events: list[Event] = []

    def enter(self, stream: int, priority: int, state: State, count: int = 1) -> None:
        """Count new rows in a state (or, with a negative count, rows that are gone)."""
        self._counts[stream, priority, STATE[state]] += count

    def move(self, stream: int, priority: int, from_state: State, to_state: State, count: int = 1) -> None:
        """Count rows that went from one state to another."""
        self._counts[stream, priority, STATE[from_state]] -= count
        self._counts[stream, priority, STATE[to_state]] += count

    def mark(self, stream: int, priority: int, mark: Mark) -> None:
        """Count a person who was marked for the first time."""
        self._counts[stream, priority, MARK_KIND_BASE + mark] += 1

    def announce(self, kind: ChangeKind, *, stream: StreamId | None = None, lane: LaneId | None = None) -> None:
        """Tell other processes; the same news twice in one commit is told once."""
        self._changes[kind, stream, lane] = None

    def record(self, events: Iterable[Event], *, delivery: int | None = None) -> None:
        """Write events; `delivery` goes to those that name none."""
        for one in events:
            self._events.append(replace(one, delivery_id=delivery) if delivery and one.delivery_id is None else one)

    def happened(self, kind: EventType, at: Instant, **fields: Any) -> None:
        """Write an event that this package itself knows of."""
        self._events.append(Event(id=sortable_id("evt", self._clock), type=kind, at=at, **fields))

    def write(self, connection: Connection) -> None:
        """Write everything; the last thing a transaction does before its commit."""
        self._write_tally(connection)
        if not self._changes and not self._events:
            return
        take_commit_order(connection)
        if self._changes:
            at = self._clock.now()
            connection.execute(
                change.insert(),
                [
                    {"kind": CHANGE[kind], "stream": stream, "lane": lane, "origin": self._origin, "at": at}
                    for kind, stream, lane in self._changes
                ],
            )
        if self._events:
            connection.execute(event.insert(), [_event_row(one) for one in self._events])

    def _write_tally(self, connection: Connection) -> None:
        rows = [
            {"stream": stream, "priority": priority, "kind": kind, "node": self._node, "count": count}
            for (stream, priority, kind), count in sorted(self._counts.items())
            if count
        ]
        if rows:
            statement = insert_into(connection, tally)
            added = tally.c.count + statement.excluded.count
            connection.execute(
                statement.on_conflict_do_update(index_elements=list(tally.primary_key), set_={"count": added}), rows
            )


def _event_row(one: Event) -> dict[str, Any]:
    return {
        "id": one.id,
        "type": EVENT[one.type],
        "at": one.at,
        "campaign": one.campaign_id,
        "delivery": one.delivery_id,
        "message_id": one.message_id,
        "recipient": one.recipient,
        "provider": one.provider,
        "data": compact_json(one.data),
    }
