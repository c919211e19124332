"""The operator's verbs on waiting deliveries: hold, release, flush, bounce; a page a commit.

Owns what each verb writes, with its events, tally, change rows and owed reports; not which rows are meant (selected).
A daemon is told of what becomes due.  What was held or bounced needs no word: a claim does not find it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, func, update

from tierii_mta.clock import Instant
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import CLAIMABLE, FailureReason, LaneId, State, StreamId
from tierii_mta.queue.operator import Order, Verb
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage.codes import REASON, STATE, STATE_OF, StreamState
from tierii_mta.storage.lanes import closed_until, places
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.selected import Source, Wanted
from tierii_mta.storage.tables import AnyRow, delivery

_FEW_LANES = 50


def wanted_by(verb: Verb, now: Instant) -> Wanted:
    """Return which rows a verb moves."""
    match verb:
        case Verb.HOLD:
            return Wanted(CLAIMABLE)
        case Verb.RELEASE:
            return Wanted(frozenset({State.HELD}))
        case Verb.FLUSH:
            return Wanted(CLAIMABLE, due_after=now)
        case Verb.BOUNCE:
            return Wanted(CLAIMABLE | {State.HELD})


@dataclass(frozen=True, slots=True)
class Page:
    """What moving one page came to."""

    count: int
    waits: Counter[str]  # why rows of it still wait
    following: Any  # where the next page begins; None: there is none


def move_page(connection: Connection, order: Order, step: tuple[Source, Any], now: Instant, ledger: Ledger) -> Page:
    """Move one page of a source, from a cursor on."""
    source, after = step
    rows, following = source.page(connection, after)
    move = _Move(connection, rows, places(connection, {row.lane for row in rows}), now, ledger)
    match order.verb:
        case Verb.HOLD:
            move.hold(order.text)
        case Verb.RELEASE:
            move.release()
        case Verb.FLUSH:
            move.flush()
        case Verb.BOUNCE:
            move.bounce(order.text)
    waits = move.announce() if order.verb in (Verb.RELEASE, Verb.FLUSH) else Counter[str]()
    ledger.write(connection)
    return Page(len(rows), waits, following)


@dataclass(frozen=True, slots=True)
class _Move:
    """One page being moved."""

    connection: Connection
    rows: Sequence[AnyRow]
    at: Mapping[int, AnyRow]  # their lanes
    now: Instant
    ledger: Ledger

    def hold(self, text: str) -> None:
        self._write(state=STATE[State.HELD], origin=delivery.c.state)
        for row in self.rows:
            self.ledger.move(self.at[row.lane].stream, row.priority, STATE_OF[row.state], State.HELD)
            self._happened(EventType.HELD, row, reason=text)

    def release(self) -> None:
        was = case((delivery.c.attempts > 0, STATE[State.RETRY]), else_=STATE[State.PENDING])
        self._write(state=func.coalesce(delivery.c.origin, was), origin=None)
        for row in self.rows:
            guess = State.RETRY if row.attempts else State.PENDING
            to_state = STATE_OF[row.origin] if row.origin is not None else guess
            self.ledger.move(self.at[row.lane].stream, row.priority, State.HELD, to_state)

    def flush(self) -> None:
        self._write(due=self.now)

    def bounce(self, text: str) -> None:
        reply = {"code": 550, "enhanced": "5.7.1", "reply": text}
        self._write(
            state=STATE[State.FAILED],
            origin=None,
            reason=REASON[FailureReason.REJECTED],
            finished_at=self.now,
            last_reply=" ".join(str(one) for one in reply.values()),
        )
        for row in self.rows:
            where = self.at[row.lane]
            self.ledger.move(where.stream, row.priority, STATE_OF[row.state], State.FAILED)
            self._happened(EventType.FAILED, row, reason=str(FailureReason.REJECTED), **reply, is_local=True)
            if where.campaign is None:
                self.ledger.owe(row.id, Action.FAILED, self.now)

    def announce(self) -> Counter[str]:
        """Tell the daemon what is due by now; return why some of it waits all the same."""
        if len(self.at) > _FEW_LANES:
            for stream_id in sorted({where.stream for where in self.at.values()}):
                self.ledger.announce(ChangeKind.MAIL, stream=StreamId(stream_id))
        else:
            for lane_id, where in sorted(self.at.items()):
                self.ledger.announce(ChangeKind.MAIL, stream=StreamId(where.stream), lane=LaneId(lane_id))
        return Counter(why for row in self.rows if (why := _wait(self.at[row.lane], self.now)) is not None)

    def _write(self, **values: Any) -> None:
        if self.rows:
            ids = [row.id for row in self.rows]
            self.connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(values))

    def _happened(self, kind: EventType, row: AnyRow, **data: Any) -> None:
        campaign = self.at[row.lane].campaign
        self.ledger.happened(
            kind, self.now, campaign_id=campaign, delivery_id=row.id, recipient=row.recipient, data=data
        )


def _wait(where: AnyRow, now: Instant) -> str | None:
    if where.stream_state != StreamState.OPEN:
        return "the campaign does not run"
    return "suspended" if closed_until(where, now) is not None else None
