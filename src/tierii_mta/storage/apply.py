"""A group of operations in one transaction, as if one after the other, with an exact result for each.

Owns `apply_all`, the transaction behind `QueueStore.apply`.  The rows that operations name are read first (and locked,
on PostgreSQL); each operation is judged against what the ones before it left, and what is to be written is then
written kind by kind with `executemany`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from sqlalchemy import Connection, update

from tierii_mta.consent.suppression import Suppression
from tierii_mta.events import EventType
from tierii_mta.queue.delivery import FINAL, LaneId, State
from tierii_mta.queue.processed import Conclude
from tierii_mta.queue.store import (
    Accept,
    Activate,
    ChangeKind,
    Operation,
    Receive,
    Record,
    Result,
    Settle,
    SuspendLane,
)
from tierii_mta.storage.accept import accept_all
from tierii_mta.storage.bulk import Values, insert_rows, of_ids, update_rows
from tierii_mta.storage.codes import MARK_OF_EVENT, REASON, STATE, STATE_OF, Mark
from tierii_mta.storage.crashes import count_crashes
from tierii_mta.storage.inbox import receive_all
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.processing import conclude
from tierii_mta.storage.reports import fulfil
from tierii_mta.storage.stopping import end_stopped_in_hand
from tierii_mta.storage.suppression import put_suppressions
from tierii_mta.storage.tables import delivery, lane, transcript

_PAGE = 1000


@dataclass(slots=True)
class _Row:
    """What the transaction knows of a delivery's row so far."""

    owner: int | None
    state: State
    marks: int
    stream: int
    priority: int
    is_listed: bool  # the person is on the suppression list, for whatever mail


class _Group:
    """One transaction's work in the making."""

    def __init__(self, connection: Connection, ledger: Ledger) -> None:
        self.connection, self.ledger = connection, ledger
        self.rows: dict[int, _Row] = {}
        self.activated: list[int] = []
        self.settled: list[Values] = []
        self.marked: list[tuple[int, Mark]] = []
        self.crashed: list[int] = []
        self.transcripts: list[Values] = []

    def load(self, ids: set[int]) -> None:
        ordered = sorted(ids)
        for start in range(0, len(ordered), _PAGE):
            found = of_ids(self.connection, _OF_OPERATIONS, ordered[start : start + _PAGE])
            for row in found.all():
                number, owner, state, marks, priority, stream, is_listed = tuple(row)
                self.rows[number] = _Row(owner, STATE_OF[state], marks, stream, priority, bool(is_listed))

    def stop(self, activations: Sequence[Activate]) -> None:
        """End those about to be sent to persons who were suppressed since the claim."""
        ours = {int(one.delivery): row for one in activations if (row := self._ours(one)) is not None}
        listed = [number for number, row in ours.items() if row.is_listed]
        if listed:
            now = self.ledger.now()
            for number in end_stopped_in_hand(self.connection, listed, now=now, ledger=self.ledger):
                ours[number].state, ours[number].owner = State.SUPPRESSED, None

    def _ours(self, one: Activate) -> _Row | None:
        row = self.rows.get(one.delivery)
        return row if row is not None and row.owner == one.epoch and row.state is State.QUEUED else None

    def activate(self, one: Activate) -> bool:
        row = self._ours(one)
        if row is None:
            return False
        row.state = State.ACTIVE
        self.activated.append(one.delivery)
        self.ledger.move(row.stream, row.priority, State.QUEUED, State.ACTIVE)
        return True

    def settle(self, one: Settle) -> bool:
        row = self.rows.get(one.delivery.id)
        if row is None or row.owner != one.epoch or row.state is not one.from_state:
            return False
        row.state, row.owner = one.to_state, None
        self.settled.append(_settled_row(one))
        self.ledger.move(row.stream, row.priority, one.from_state, one.to_state)
        if one.is_in_doubt:
            self._mark(one.delivery.id, row, Mark.IN_DOUBT)
        if one.is_crash:
            self.crashed.append(one.delivery.id)
        self.ledger.record(one.events, delivery=one.delivery.id)
        if one.transcript:
            self.transcripts.append((one.delivery.id, one.attempts, one.at, one.transcript))
        if one.report is not None:
            self.ledger.owe(one.delivery.id, one.report.action, one.report.at)
        return True

    def _mark(self, delivery_id: int, row: _Row, mark: Mark) -> None:
        if not row.marks & mark:
            row.marks |= mark
            self.marked.append((delivery_id, mark))
            self.ledger.mark(row.stream, row.priority, mark)

    def conclude(self, one: Conclude) -> bool:
        is_ours = conclude(self.connection, one, self.ledger)
        if is_ours:
            self.record(one)
        return is_ours

    def record(self, one: Record | Conclude) -> None:
        for event in one.events:
            row = self.rows.get(event.delivery_id) if event.delivery_id is not None else None
            mark = MARK_OF_EVENT.get(event.type)
            if row is None or mark is None or event.delivery_id is None:
                continue
            if mark is not Mark.LATE_BOUNCE or row.state is State.COMPLETED:
                self._mark(event.delivery_id, row, mark)
        self.ledger.record(one.events)

    def suspend(self, one: SuspendLane) -> None:
        values = {"suspended_until": one.until, "reason": one.reason or None}
        self.connection.execute(update(lane).where(lane.c.id == one.lane).values(values))
        self.ledger.announce(ChangeKind.LANE, lane=LaneId(one.lane))
        self.ledger.record(one.events)

    def write(self) -> None:
        if self.activated:
            self._write_activated()
        if self.settled:
            update_rows(self.connection, delivery, _SETTLED, sorted(self.settled), _SETTLE)
        for delivery_id, mark in self.marked:
            statement = update(delivery).where(delivery.c.id == delivery_id)
            self.connection.execute(statement.values(marks=delivery.c.marks.bitwise_or(int(mark))))
        if self.transcripts:
            insert_rows(self.connection, transcript, _TRANSCRIPT, self.transcripts, conflict=_SAID_AGAIN)
        if self.crashed:
            count_crashes(self.connection, self.crashed, certain=self.crashed)

    def _write_activated(self) -> None:
        for start in range(0, len(self.activated), _PAGE):
            of_ids(self.connection, _ACTIVATE, self.activated[start : start + _PAGE])


def apply_all(connection: Connection, operations: Sequence[Operation], ledger: Ledger) -> Sequence[Result]:
    """Do it, in the transaction of `connection`."""
    accepted = iter(_accept(connection, [one for one in operations if isinstance(one, Accept)], ledger))
    receives = [one for one in operations if isinstance(one, Receive)]
    received = iter(receive_all(connection, receives, ledger) if receives else ())
    group = _Group(connection, ledger)
    group.load(_named(operations))
    group.stop([one for one in operations if isinstance(one, Activate)])
    results: list[Result] = []
    for one in operations:
        match one:
            case Accept():
                results.append(next(accepted))
            case Receive():
                results.append(next(received))
            case Activate():
                results.append(group.activate(one))
            case Settle():
                results.append(group.settle(one))
            case SuspendLane():
                group.suspend(one)
                results.append(None)
            case Record():
                group.record(one)
                results.append(None)
            case Conclude():
                results.append(group.conclude(one))
    group.write()
    _write_suppressions(connection, operations, results, ledger)
    ledger.write(connection)
    return results


def _accept(connection: Connection, accepts: Sequence[Accept], ledger: Ledger) -> Sequence[Result]:
    """Keep the messages but those whose reports are not owed any more."""
    kept = [not one.reports or fulfil(connection, one.reports, one.accepted_at) for one in accepts]
    made = iter(accept_all(connection, list(compress(accepts, kept)), ledger) if any(kept) else ())
    return [next(made) if is_kept else None for is_kept in kept]


def _named(operations: Sequence[Operation]) -> set[int]:
    """Return the ids of deliveries that the group may change."""
    named: set[int] = set()
    for one in operations:
        match one:
            case Activate():
                named.add(one.delivery)
            case Settle():
                named.add(one.delivery.id)
            case Record() | Conclude():
                named.update(_marked_by(one))
            case Accept() | Receive() | SuspendLane():
                pass
    return named


def _marked_by(one: Record | Conclude) -> set[int]:
    return {e.delivery_id for e in one.events if e.delivery_id is not None and e.type in MARK_OF_EVENT}


def _write_suppressions(
    connection: Connection, operations: Sequence[Operation], results: Sequence[Result], ledger: Ledger
) -> None:
    """Suppress whom an operation says; the event is ours unless a settlement brings its own."""
    told: list[Suppression] = []
    untold: list[Suppression] = []
    for one, result in zip(operations, results, strict=True):
        if isinstance(one, Settle) and result and one.suppression is not None:
            brings_event = any(event.type is EventType.SUPPRESSION_CREATED for event in one.events)
            (told if brings_event else untold).append(one.suppression)
        elif isinstance(one, Record) or (isinstance(one, Conclude) and result):
            untold += one.suppressions
    if told:
        put_suppressions(connection, told, ledger, with_events=False)
    if untold:
        put_suppressions(connection, untold, ledger)


_SETTLED = ("id", "state", "due", "attempts", "reason", "was_blocked", "body_hash", "last_reply", "finished_at")
_SETTLE = (
    "UPDATE delivery SET state = v.state, due = v.due, owner = NULL, origin = NULL, attempts = v.attempts, "
    "reason = v.reason, was_blocked = v.was_blocked, body_hash = coalesce(v.body_hash, delivery.body_hash), "
    "last_reply = coalesce(v.last_reply, delivery.last_reply), finished_at = v.finished_at "
    "FROM v WHERE delivery.id = v.id"
)


def _settled_row(one: Settle) -> Values:
    """Return the values of `_SETTLED`."""
    return (
        one.delivery.id,
        STATE[one.to_state],
        one.due if one.due is not None else one.at,
        one.attempts,
        REASON[one.reason] if one.reason is not None else None,
        one.was_blocked,
        one.body_hash,
        one.last_reply,
        one.at if one.to_state in FINAL else None,
    )


_TRANSCRIPT = ("delivery", "attempt", "at", "lines")
_SAID_AGAIN = "ON CONFLICT (delivery, attempt) DO UPDATE SET at = excluded.at, lines = excluded.lines"  # after `retry`

_OF_OPERATIONS = (
    "SELECT delivery.id, delivery.owner, delivery.state, delivery.marks, delivery.priority, lane.stream, "
    "EXISTS (SELECT 1 FROM suppression WHERE suppression.recipient_key = delivery.recipient_key) "
    "FROM delivery JOIN lane ON lane.id = delivery.lane WHERE delivery.id IN {ids} ORDER BY delivery.id {lock}"
)
_ACTIVATE = f"UPDATE delivery SET state = {STATE[State.ACTIVE]} WHERE id IN {{ids}}"  # noqa: S608 our own numbers
