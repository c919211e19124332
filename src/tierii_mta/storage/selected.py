"""The rows a selection means, a page at a time, each by an index.

Owns which index leads to which rows: `delivery_due` along the lanes for what waits, `delivery_set_aside` for what is
held, `message_tag`, `message_label` and `delivery_message` for what is named by its message, the key for ids.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, FromClause, Select, TextClause, and_, func, or_, select

from tierii_mta.queue.delivery import CLAIMABLE, DeliveryId, State
from tierii_mta.queue.selection import Ids, Selection
from tierii_mta.storage.codes import STATE
from tierii_mta.storage.lane_views import selected_streams
from tierii_mta.storage.tables import IS_CLAIMABLE, IS_SET_ASIDE, AnyRow, campaign, delivery, lane, message, stream

PAGE = 1000
FACTS = (
    delivery.c.id,
    delivery.c.lane,
    delivery.c.state,
    delivery.c.priority,
    delivery.c.due,
    delivery.c.attempts,
    delivery.c.recipient,
    delivery.c.origin,
)
_PLACED = delivery.join(lane, lane.c.id == delivery.c.lane).join(stream, stream.c.id == lane.c.stream)
_ALL = _PLACED.outerjoin(message, message.c.id == delivery.c.message).outerjoin(
    campaign, campaign.c.number == stream.c.campaign
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a selection: in one of these states, and, if `due_after` says so, not due before."""

    states: frozenset[State]
    due_after: int | None = None

    def condition(self) -> ColumnElement[bool]:
        """Return it as a condition on `delivery`."""
        is_meant = delivery.c.state.in_([STATE[state] for state in sorted(self.states)])
        return is_meant if self.due_after is None else and_(is_meant, delivery.c.due > self.due_after)


class Source(Protocol):
    """One way to rows of a selection. A cursor is None at the beginning, and again at the end."""

    def page(self, connection: Connection, after: Any) -> tuple[Sequence[AnyRow], Any]:
        """Lock and return at most `PAGE` rows, which the caller moves out of what is wanted, and the next cursor."""

    def count(self, connection: Connection, after: Any) -> tuple[int, Any]:
        """Return how many rows one step finds, and the next cursor."""


def sources(connection: Connection, selection: Selection, wanted: Wanted) -> Sequence[Source]:
    """Return the ways to all rows that are wanted."""
    if selection.ids:
        return [_Named(tuple(resolve(connection, selection.ids)), selection, wanted)]
    if selection.names_messages:
        return [_Labelled(selection, wanted)]
    found: list[Source] = []
    if wanted.states & CLAIMABLE:
        streams = selected_streams(connection, selection, sorted(wanted.states & CLAIMABLE))
        found += [_Waiting(row.id, selection.domain, wanted) for row in streams]
    if State.HELD in wanted.states:
        numbers = {row.number for row in selected_streams(connection, selection, [State.HELD])}
        found += [_Held(number, selection) for number in sorted(numbers, key=lambda one: one or 0)]
    return found


def resolve(connection: Connection, ids: Ids) -> Sequence[int]:
    """Return the deliveries that ids name, lowest first."""
    named = or_(message.c.id.in_(ids.messages), message.c.message_id.in_(ids.message_ids))
    found = set(ids.deliveries)
    if ids.messages or ids.message_ids:
        stored = connection.execute(select(message.c.id).where(named)).scalars().all()
        found.update(connection.execute(select(delivery.c.id).where(delivery.c.message.in_(stored))).scalars())
    return sorted(found)


def in_hand(connection: Connection, selection: Selection) -> int:
    """Count what of a selection is in hand; at most a few thousand rows are."""
    here = [delivery.c.owner.is_not(None), *_criteria(selection)]
    if selection.ids:
        here.append(delivery.c.id.in_(resolve(connection, selection.ids)))
    return int(connection.execute(select(func.count()).select_from(_ALL).where(*here)).scalar_one())


def _criteria(selection: Selection) -> list[ColumnElement[bool]]:
    """Return what a selection says beyond its ids, as conditions on `_ALL`."""
    pairs: list[tuple[ColumnElement[Any], str | None]] = [
        (lane.c.domain, selection.domain),
        (campaign.c.id, selection.campaign),
        (stream.c.name, f"user:{selection.user}" if selection.user is not None else None),
        (message.c.label, selection.label),
        (message.c.tag, selection.tag),
    ]
    return [column == value for column, value in pairs if value is not None]


def _locked(rows: FromClause) -> Select[Any]:
    return select(*FACTS).select_from(rows).with_for_update(of=delivery)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Claimable rows of one stream, lane by lane; the cursor is a domain, passed again until it gives no more."""

    stream: int
    domain: str | None
    wanted: Wanted

    def page(self, connection: Connection, after: str | None) -> tuple[Sequence[AnyRow], str | None]:
        of_lane = lane.join(delivery, delivery.c.lane == lane.c.id)
        found = _locked(of_lane).add_columns(lane.c.domain).where(*self._lanes(after), *self._waits())
        rows = connection.execute(found.order_by(lane.c.domain).limit(PAGE)).all()
        return rows, rows[-1].domain if len(rows) == PAGE else None

    def count(self, connection: Connection, after: str | None) -> tuple[int, str | None]:
        waits = select(func.count()).select_from(delivery).where(delivery.c.lane == lane.c.id, *self._waits())
        here = (
            self._lanes(after)
            if after is None or self.domain
            else (lane.c.stream == self.stream, lane.c.domain > after)
        )
        counted = select(lane.c.domain, waits.correlate(lane).scalar_subquery().label("size")).where(*here)
        rows = connection.execute(counted.order_by(lane.c.domain).limit(PAGE)).all()
        return sum(row.size for row in rows), rows[-1].domain if len(rows) == PAGE else None

    def _lanes(self, after: str | None) -> tuple[ColumnElement[bool], ...]:
        if self.domain is not None:
            return lane.c.stream == self.stream, lane.c.domain == self.domain
        return lane.c.stream == self.stream, lane.c.domain >= (after or "")

    def _waits(self) -> tuple[ColumnElement[bool] | TextClause, ...]:
        if self.wanted.due_after is None:
            return (IS_CLAIMABLE,)
        return IS_CLAIMABLE, delivery.c.due > self.wanted.due_after


@dataclass(frozen=True, slots=True)
class _Held:
    """Held rows of one campaign, or of all submitted mail (None), by id."""

    number: int | None
    selection: Selection

    def page(self, connection: Connection, after: int | None) -> tuple[Sequence[AnyRow], int | None]:
        found = _locked(_PLACED).where(*self._here(), delivery.c.id > (after or 0)).order_by(delivery.c.id)
        rows = connection.execute(found.limit(PAGE)).all()
        return rows, rows[-1].id if len(rows) == PAGE else None

    def count(self, connection: Connection, after: int | None) -> tuple[int, int | None]:
        counted = select(func.count()).select_from(_PLACED).where(*self._here())
        return int(connection.execute(counted).scalar_one()), None

    def _here(self) -> list[ColumnElement[bool] | TextClause]:
        held: list[ColumnElement[bool] | TextClause] = [
            delivery.c.campaign == self.number,
            delivery.c.state == STATE[State.HELD],
            IS_SET_ASIDE,
        ]
        if self.selection.domain is not None:
            held.append(lane.c.domain == self.selection.domain)
        if self.selection.user is not None:
            held.append(stream.c.name == f"user:{self.selection.user}")
        return held


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Rows of messages with a label or tag; the cursor is a message."""

    selection: Selection
    wanted: Wanted

    def page(self, connection: Connection, after: int | None) -> tuple[Sequence[AnyRow], int | None]:
        messages = self._messages(connection, after)
        found = _locked(_ALL).where(delivery.c.message.in_(messages), *_criteria(self.selection))
        rows = connection.execute(found.where(self.wanted.condition()).order_by(delivery.c.id).limit(PAGE)).all()
        if len(rows) == PAGE:
            return rows, after or 0  # the same messages again: what was moved is not found any more
        return rows, messages[-1] if len(messages) == PAGE else None

    def count(self, connection: Connection, after: int | None) -> tuple[int, int | None]:
        messages = self._messages(connection, after)
        here = delivery.c.message.in_(messages), *_criteria(self.selection), self.wanted.condition()
        counted = int(connection.execute(select(func.count()).select_from(_ALL).where(*here)).scalar_one())
        return counted, messages[-1] if len(messages) == PAGE else None

    def _messages(self, connection: Connection, after: int | None) -> Sequence[int]:
        given = (message.c.tag, self.selection.tag), (message.c.label, self.selection.label)
        here = [column == value for column, value in given if value is not None]
        found = select(message.c.id).where(*here, message.c.id > (after or 0)).order_by(message.c.id).limit(PAGE)
        return connection.execute(found).scalars().all()


@dataclass(frozen=True, slots=True)
class _Named:
    """Rows by id; the cursor is how many ids were passed."""

    ids: tuple[int, ...]
    selection: Selection
    wanted: Wanted

    def page(self, connection: Connection, after: int | None) -> tuple[Sequence[AnyRow], int | None]:
        rows = connection.execute(_locked(_ALL).where(*self._here(after)).order_by(delivery.c.id)).all()
        return rows, self._next(after)

    def count(self, connection: Connection, after: int | None) -> tuple[int, int | None]:
        counted = select(func.count()).select_from(_ALL).where(*self._here(after))
        return int(connection.execute(counted).scalar_one()), self._next(after)

    def _here(self, after: int | None) -> Collection[ColumnElement[bool]]:
        start = after or 0
        named = delivery.c.id.in_(self.ids[start : start + PAGE])
        return named, *_criteria(self.selection), self.wanted.condition()

    def _next(self, after: int | None) -> int | None:
        passed = (after or 0) + PAGE
        return passed if passed < len(self.ids) else None


def found_ids(connection: Connection, selection: Selection, limit: int) -> Sequence[DeliveryId]:
    """Return deliveries of a selection that names messages, in any state, lowest id first."""
    here = _criteria(selection)
    if selection.ids:
        here.append(delivery.c.id.in_(resolve(connection, selection.ids)))
    wanted = select(delivery.c.id).select_from(_ALL).where(*here).order_by(delivery.c.id).limit(limit)
    return connection.execute(wanted).scalars().all()
