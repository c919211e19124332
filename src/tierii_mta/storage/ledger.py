"""What a commit owes to the other tables: reports, tally, changes and events, written last and in one order.

Owns `Ledger`, which a transaction fills as it goes.  Written in the same order by everybody (reports and tally by key,
then the commit-order lock, then changes and events), so that two transactions on PostgreSQL cannot wait for each other.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy import Connection

from tierii_mta.clock import Clock, Instant, sortable_id
from tierii_mta.events import Event, EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import LaneId, State, StreamId
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage.backend import take_commit_order
from tierii_mta.storage.bulk import Values, insert_rows
from tierii_mta.storage.codes import CHANGE, EVENT, MARK_KIND_BASE, STATE, Mark
from tierii_mta.storage.reports import owe
from tierii_mta.storage.tables import change, event, tally

_quoted = encode_basestring
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def compact_json(value: Mapping[str, Any]) -> str:
    """Return JSON as it is kept. Texts and whole numbers, nearly all there is, go past the encoder, whose every call
    sets up anew.
    """
    return "{" + ",".join([f"{_quoted(name)}:{_json(one)}" for name, one in value.items()]) + "}"


def _json(value: Any) -> str:
    if type(value) is str:
        return _quoted(value)
    return str(value) if type(value) is int else _ENCODER.encode(value)


class Ledger:
    """The side entries of one transaction."""

    def __init__(self, clock: Clock, node: str, *, origin: int = 0) -> None:
        """`origin` marks change rows for the one Database object that need not be told of them."""
        self._clock, self._node, self._origin = clock, node, origin
        self._counts: Counter[tuple[int, int, int]] = Counter()
        self._changes: dict[tuple[ChangeKind, int | None, int | None], None] = {}
        self._events: list[tuple[Event, int | None]] = []  # with the delivery it is about
        self._reports: list[tuple[int, Action, Instant]] = []

    def now(self) -> Instant:
        """Return the time of what is written."""
        return self._clock.now()

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

    def owe(self, delivery: int, action: Action, at: Instant) -> None:
        """Owe the sender of submitted mail a report, if they want one."""
        self._reports.append((delivery, action, at))

    def announce(self, kind: ChangeKind, *, stream: StreamId | None = None, lane: LaneId | None = None) -> None:
        """Tell other processes; the same news twice in one commit is told once."""
        self._changes[kind, stream, lane] = None

    def record(self, events: Iterable[Event], *, delivery: int | None = None) -> None:
        """Write events; `delivery` goes to those that name none."""
        self._events += [(one, delivery if one.delivery_id is None else one.delivery_id) for one in events]

    def happened(self, kind: EventType, at: Instant, **fields: Any) -> None:
        """Write an event that this package itself knows of."""
        self.record([Event(id=sortable_id("evt", self._clock), type=kind, at=at, **fields)])

    def write(self, connection: Connection) -> None:
        """Write everything; the last thing a transaction does before its commit."""
        owe(connection, self._reports)
        self._write_tally(connection)
        if not self._changes and not self._events:
            return
        take_commit_order(connection)
        at = self._clock.now()
        changes = [(CHANGE[kind], stream, lane, self._origin, at) for kind, stream, lane in self._changes]
        insert_rows(connection, change, ("kind", "stream", "lane", "origin", "at"), changes)
        insert_rows(connection, event, _EVENT_COLUMNS, [_event_row(*one) for one in self._events])

    def _write_tally(self, connection: Connection) -> None:
        rows = [(*key, self._node, count) for key, count in sorted(self._counts.items()) if count]
        insert_rows(connection, tally, ("stream", "priority", "kind", "node", "count"), rows, conflict=_ADD_UP)


_ADD_UP = "ON CONFLICT (stream, priority, kind, node) DO UPDATE SET count = tally.count + excluded.count"
_EVENT_COLUMNS = ("id", "type", "at", "campaign", "delivery", "message_id", "recipient", "provider", "data")


def _event_row(one: Event, delivery: int | None) -> Values:
    return (
        one.id,
        EVENT[one.type],
        one.at,
        one.campaign_id,
        delivery,
        one.message_id,
        one.recipient,
        one.provider,
        compact_json(one.data),
    )
