"""Lanes as operators see them: how much stands in each state, how old it is, and what it waits for.

Owns the reads behind `QueueOperator.lanes`, a page of lanes each, over the indexes that hold open rows only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from tierii_mta.clock import Instant, rfc3339
from tierii_mta.queue.delivery import CLAIMABLE, OPEN, LaneId, State
from tierii_mta.queue.operator import LaneView, Scope, StandingSuspension
from tierii_mta.queue.selection import Selection
from tierii_mta.storage.bulk import of_ids
from tierii_mta.storage.codes import STATE, STATE_OF, StreamState
from tierii_mta.storage.lanes import SHUT_UNTIL_SQL, busy_streams, closed_until
from tierii_mta.storage.suspensions import standing
from tierii_mta.storage.tables import IS_CLAIMABLE, IS_SET_ASIDE, AnyRow, campaign, delivery, lane, stream

PAGE = 1000
_SHUT = {
    StreamState.LOADING: "its contacts are being loaded",
    StreamState.PAUSED: "its campaign is paused, or has not begun",
    StreamState.CLOSED: "its campaign is being cancelled",
    StreamState.WAITING: "waits for the end of its campaign's canary",
}


def selected_streams(connection: Connection, selection: Selection, states: Sequence[State]) -> Sequence[AnyRow]:
    """Return the streams with deliveries in one of these states, that a selection by campaign or user leaves: id,
    name, state, number (of the campaign), campaign (its id).
    """
    wanted = select(stream.c.id, stream.c.name, stream.c.state, campaign.c.number, campaign.c.id.label("campaign"))
    wanted = wanted.select_from(stream.outerjoin(campaign, campaign.c.number == stream.c.campaign))
    if selection.campaign is not None:
        wanted = wanted.where(campaign.c.id == selection.campaign)
    if selection.user is not None:
        wanted = wanted.where(stream.c.name == f"user:{selection.user}")
    busy = busy_streams(connection, states)
    return sorted(connection.execute(wanted.where(stream.c.id.in_(busy))), key=lambda row: row.id)


@dataclass(slots=True)
class _Tail:
    """What of a lane does not wait to be claimed."""

    counts: dict[State, int] = field(default_factory=dict)
    oldest: int | None = None  # the lowest id of those held


class LaneReader:
    """One look at the lanes of a selection; what all its pages need is read first."""

    def __init__(self, connection: Connection, selection: Selection, state: State | None, now: Instant) -> None:
        self._domain, self._state, self._now = selection.domain, state, now
        self.streams = selected_streams(connection, selection, [state] if state else sorted(OPEN))
        self._standing = standing(connection, now)
        self._tails: dict[int, _Tail] = {}
        self._read_in_hand(connection)
        for number in {row.number for row in self.streams}:
            self._read_held(connection, number)

    def _read_in_hand(self, connection: Connection) -> None:
        counted = select(delivery.c.lane, delivery.c.state, func.count()).where(delivery.c.owner.is_not(None))
        for lane_id, state, count in connection.execute(counted.group_by(delivery.c.lane, delivery.c.state)):
            self._tails.setdefault(lane_id, _Tail()).counts[STATE_OF[state]] = count

    def _read_held(self, connection: Connection, number: int | None) -> None:
        here = delivery.c.campaign == number, delivery.c.state == STATE[State.HELD], IS_SET_ASIDE
        counted = select(delivery.c.lane, func.count(), func.min(delivery.c.id)).where(*here)
        for lane_id, count, oldest in connection.execute(counted.group_by(delivery.c.lane)):
            tail = self._tails.setdefault(lane_id, _Tail())
            tail.counts[State.HELD], tail.oldest = count, oldest

    def page(self, connection: Connection, of: AnyRow, after: str | None) -> tuple[Sequence[LaneView], str | None]:
        """Return lanes of a stream behind domain `after` (None: from the first on) and where the next page begins."""
        wanted = _LANES.where(lane.c.stream == of.id)
        if self._domain is not None:
            wanted = wanted.where(lane.c.domain == self._domain)
        elif after is not None:
            wanted = wanted.where(lane.c.domain > after)
        rows = connection.execute(wanted.order_by(lane.c.domain).limit(PAGE)).all()
        accepted = _accepted(connection, [one for row in rows for one in self._oldest(row)])
        views = [view for row in rows if (view := self._view(of, row, accepted)) is not None]
        return views, rows[-1].domain if len(rows) == PAGE and self._domain is None else None

    def _oldest(self, row: AnyRow) -> Iterator[int]:
        tail = self._tails.get(row.id, _NOTHING)
        yield from [one for one in (row.oldest, tail.oldest) if one is not None]

    def _view(self, of: AnyRow, row: AnyRow, accepted: Mapping[int, Instant]) -> LaneView | None:
        waiting = {State.PENDING: row.waiting - row.retrying, State.RETRY: row.retrying}
        tail = self._tails.get(row.id, _NOTHING)
        counts = {state: count for state, count in (waiting | tail.counts).items() if count}
        if not counts or (self._state is not None and self._state not in counts):
            return None
        return LaneView(
            lane=LaneId(row.id),
            owner=of.campaign or of.name,
            campaign=of.campaign,
            domain=row.domain,
            counts=counts,
            oldest=min((accepted[one] for one in self._oldest(row) if one in accepted), default=None),
            next_due=Instant(row.due) if row.due is not None else None,
            why=self._why(of, row, counts),
        )

    def _why(self, of: AnyRow, row: AnyRow, counts: Mapping[State, int]) -> str:
        if not CLAIMABLE & counts.keys():
            return "held by the operator" if State.HELD in counts else "is being delivered"
        if of.state in _SHUT:
            return _SHUT[of.state]
        for one in self._standing:
            if _covers(one, of, row.domain):
                until = f"until {rfc3339(one.until)}" if one.until is not None else "until it is lifted"
                return f"{one} suspended {until}: {one.reason}"
        if (until_ms := closed_until(row, self._now)) is not None:
            return f"suspended until {rfc3339(Instant(until_ms))}: {row.reason or 'no reason given'}"
        return "due, takes its turn" if row.due <= self._now else f"not due before {rfc3339(Instant(row.due))}"


_NOTHING = _Tail()


def _covers(one: StandingSuspension, of: AnyRow, domain: str) -> bool:
    match one.scope:
        case Scope.ALL:
            return True
        case Scope.DOMAIN:
            return one.value == domain
        case Scope.CAMPAIGN:
            return bool(one.value == of.campaign)
        case Scope.USER:
            return bool(of.name == f"user:{one.value}")


def _accepted(connection: Connection, ids: Sequence[int]) -> Mapping[int, Instant]:
    """Ids are given out in the order of acceptance."""
    rows = of_ids(connection, "SELECT id, accepted_at FROM delivery WHERE id IN {ids}", ids)
    return {row.id: Instant(row.accepted_at) for row in rows}


def _of_lane(what: ColumnElement[Any], *more: ColumnElement[bool]) -> ColumnElement[Any]:
    here = select(what).select_from(delivery).where(delivery.c.lane == lane.c.id, IS_CLAIMABLE, *more)
    return here.correlate(lane).scalar_subquery()


_LANES = select(
    lane.c.id,
    lane.c.domain,
    lane.c.suspended_until,
    lane.c.reason,
    literal_column(SHUT_UNTIL_SQL).label("shut_until"),
    _of_lane(func.count()).label("waiting"),
    _of_lane(func.count(), delivery.c.state == STATE[State.RETRY]).label("retrying"),
    _of_lane(func.min(delivery.c.due)).label("due"),
    _of_lane(func.min(delivery.c.id)).label("oldest"),
).join(stream, stream.c.id == lane.c.stream)
