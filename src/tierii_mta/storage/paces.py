"""The pace of campaigns: how much of a claim they may take, moved in the claim's own transaction.

Owns the rows of `pace`, one a campaign, which all its streams share; the arithmetic is queue.pacing.  Also reads the
plans that are kept with campaigns.
"""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, select, update

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import StreamId
from tierii_mta.queue.pacing import Pace, Paced, StreamPlan, read_plan
from tierii_mta.storage.backend import is_postgres
from tierii_mta.storage.bulk import insert_rows, of_ids
from tierii_mta.storage.codes import StreamState
from tierii_mta.storage.tables import campaign, pace, stream


def plans(connection: Connection, stream_id: StreamId | None) -> Mapping[StreamId, StreamPlan]:
    """Return the plans of open streams, or of one of them."""
    wanted = (
        select(stream.c.id, campaign.c.plan)
        .join(campaign, campaign.c.number == stream.c.campaign)
        .where(stream.c.state == StreamState.OPEN, campaign.c.plan.is_not(None))
    )
    if stream_id is not None:
        wanted = wanted.where(stream.c.id == stream_id)
    return {StreamId(row.id): read_plan(json.loads(row.plan)) for row in connection.execute(wanted)}


class PacedClaim:
    """The paced streams of one claim. Locks their campaigns' rows until the commit."""

    def __init__(self, connection: Connection, paced: Mapping[StreamId, Paced], now: Instant) -> None:
        self._connection, self._paced, self._now = connection, paced, now
        self._owner: dict[StreamId, int] = {}
        self._paces: dict[int, Pace] = {}
        if paced:
            self._lock()
        self._given: dict[int, int] = {}
        for stream_id, owner in self._owner.items():
            if one := paced[stream_id].unused:
                self._paces[owner] = self._paces[owner].moved(paced[stream_id].plan, -one, now)

    def grant(self, stream_id: int, wanted: int) -> int:
        """Return how many of `wanted` may be claimed now; they count as given until the claim has ended."""
        owner = self._owner.get(StreamId(stream_id))
        if owner is None:
            return wanted
        given = self._given.get(owner, 0)
        plan = self._paced[StreamId(stream_id)].plan
        room = self._paces[owner].room(plan, self._now, most=given + wanted) - given
        granted = max(0, min(wanted, room))
        self._given[owner] = given + granted
        return granted

    def take(self, claimed: Mapping[int, int]) -> Mapping[StreamId, Instant]:
        """Write what was claimed of each stream, and return until when streams without room are shut."""
        shut: dict[StreamId, Instant] = {}
        for stream_id, owner in self._owner.items():
            if count := claimed.get(stream_id, 0):
                self._paces[owner] = self._paces[owner].moved(self._paced[stream_id].plan, count, self._now)
        for stream_id, owner in self._owner.items():
            opens_at = self._paces[owner].opens_at(self._paced[stream_id].plan, self._now)
            if opens_at > self._now:
                shut[stream_id] = opens_at
        for owner, each in self._paces.items():
            values = {"arrival_us": each.arrival_us, "released": each.released, "resumes_at": each.resumes_at}
            self._connection.execute(update(pace).where(pace.c.campaign == owner).values(values))
        return shut

    def _lock(self) -> None:
        """Read where the campaigns stand, in one order for everybody; the first claim of one makes its row."""
        self._read()
        missing = self._paced.keys() - self._owner.keys()
        if missing:
            owners = select(stream.c.campaign).where(stream.c.id.in_(missing), stream.c.campaign.is_not(None))
            rows = [(owner, 0, 0) for owner in sorted(set(self._connection.execute(owners).scalars()))]
            columns = ("campaign", "arrival_us", "released")
            insert_rows(self._connection, pace, columns, rows, conflict="ON CONFLICT DO NOTHING")
            self._read()

    def _read(self) -> None:
        lock = " FOR UPDATE OF pace" if is_postgres(self._connection) else ""
        for row in of_ids(self._connection, _PACES + lock, self._paced.keys()).all():
            self._owner[StreamId(row.stream)] = row.campaign
            self._paces[row.campaign] = Pace(
                arrival_us=row.arrival_us,
                released=row.released,
                resumes_at=Instant(row.resumes_at) if row.resumes_at is not None else None,
            )


_PACES = (
    "SELECT stream.id AS stream, pace.campaign, pace.arrival_us, pace.released, pace.resumes_at "
    "FROM stream JOIN pace ON pace.campaign = stream.campaign WHERE stream.id IN {ids} ORDER BY pace.campaign"
)
