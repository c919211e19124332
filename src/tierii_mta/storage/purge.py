"""Retention: final deliveries, old events, old bodies, received mail and read changes go, a page a commit.

Owns what may be deleted and by which index it is found.  Campaigns stay, so that their ids stay taken; the tally
stays, so that a report outlives its rows.  Lanes go when nothing of their campaign is left.
"""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, select

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant, later
from tierii_mta.queue.delivery import OPEN
from tierii_mta.storage import conversations, inbox, reports
from tierii_mta.storage.codes import CAMPAIGN_STATE, STATE, StreamState
from tierii_mta.storage.tables import (
    body_part,
    campaign,
    change,
    delivery,
    event,
    lane,
    message,
    stream,
    tally,
    transcript,
)

_SKEW = timedelta(days=1)  # more than any two nodes' clocks are apart


def purge(
    connection: Connection,
    *,
    deliveries_before: Instant,
    events_before: Instant,
    bodies_before: Instant | None,
    inbox_before: Instant | None,
    changes_before: Instant,
    limit: int,
) -> int:
    """Delete one page of each kind and return how many deliveries, events, bodies, received messages and conversations
    went.
    """
    gone = _deliveries(connection, deliveries_before, limit)
    gone += _oldest(connection, event.c.seq, event.c.at, events_before, limit)
    if bodies_before is not None:
        gone += _bodies(connection, bodies_before, limit)
    if inbox_before is not None:
        gone += inbox.purge(connection, inbox_before, limit)
        gone += conversations.purge(connection, inbox_before, limit)
    _oldest(connection, change.c.seq, change.c.at, changes_before, limit)
    return gone


def _deliveries(connection: Connection, before: Instant, limit: int) -> int:
    page = (
        select(delivery.c.id)
        .where(delivery.c.finished_at.is_not(None), delivery.c.finished_at < before)
        .order_by(delivery.c.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.execute(page).scalars())
    if not ids:
        return 0
    reports.forget(connection, ids)
    connection.execute(delete(transcript).where(transcript.c.delivery.in_(ids)))
    gone = connection.execute(delete(delivery).where(delivery.c.id.in_(ids)).returning(delivery.c.message)).scalars()
    _drop_messages(connection, {one for one in gone if one is not None})
    return len(ids)


def _drop_messages(connection: Connection, ids: Collection[int]) -> None:
    """Delete messages whose last delivery went; parts and idempotency keys follow."""
    if ids:
        connection.execute(
            delete(message).where(message.c.id.in_(sorted(ids)), ~exists().where(delivery.c.message == message.c.id))
        )


def _oldest(
    connection: Connection, seq: ColumnElement[int], at: ColumnElement[int], before: Instant, limit: int
) -> int:
    """Delete from the low end of a log: looks at the first `limit` rows only, so a young log costs nothing."""
    head = select(seq.label("seq"), at.label("at")).order_by(seq).limit(limit).subquery()
    old = list(connection.execute(select(head.c.seq).where(head.c.at < before)).scalars())
    if old:
        connection.execute(delete(seq.table).where(seq.in_(old)))
    return len(old)


def _bodies(connection: Connection, before: Instant, limit: int) -> int:
    """Delete bodies, oldest first; the rows of their messages stay for `why`."""
    oldest = select(body_part.c.message).where(body_part.c.position == 0).order_by(body_part.c.message).limit(limit)
    stored = list(connection.execute(oldest).scalars())
    is_waited_for = exists().where(delivery.c.message == message.c.id, delivery.c.finished_at.is_(None))
    old = select(message.c.id).where(message.c.id.in_(stored), message.c.accepted_at < before, ~is_waited_for)
    ids = list(connection.execute(old).scalars()) if stored else []
    if ids:
        connection.execute(delete(body_part).where(body_part.c.message.in_(ids)))
    return len(ids)


def drop_lanes(connection: Connection, before: Instant, limit: int) -> int:
    """Delete one page of the lanes of one campaign that is over and of which no delivery is left.

    No index leads from a lane to its final rows, nor is one worth its cost.  But a row ends no later than its campaign:
    once every final row that is kept is younger, all of the campaign's are gone; open ones are in the tally.
    """
    is_final = delivery.c.finished_at.is_not(None)
    oldest = connection.execute(
        select(delivery.c.finished_at).where(is_final).order_by(delivery.c.finished_at).limit(1)
    ).scalar_one_or_none()
    over = later(before if oldest is None else Instant(min(before, oldest)), -_SKEW)
    number = connection.execute(
        _over(over).limit(1).with_for_update(of=campaign, skip_locked=True)
    ).scalar_one_or_none()
    if number is None:
        return 0
    page = select(lane.c.id).join(stream, stream.c.id == lane.c.stream).where(stream.c.campaign == number).limit(limit)
    return connection.execute(delete(lane).where(lane.c.id.in_(page))).rowcount


def _over(before: Instant) -> Select[tuple[int]]:
    """Select campaigns that ended before, have lanes and nothing open."""
    ends = [CAMPAIGN_STATE[CampaignState.COMPLETED], CAMPAIGN_STATE[CampaignState.CANCELLED]]
    of_it = stream.c.campaign == campaign.c.number
    is_going = exists().where(of_it, stream.c.state != StreamState.FINISHED)
    kinds = [STATE[state] for state in OPEN]
    opened = select(func.coalesce(func.sum(tally.c.count), 0)).where(
        of_it, tally.c.stream == stream.c.id, tally.c.kind.in_(kinds)
    )
    has_lanes = exists().where(of_it, lane.c.stream == stream.c.id)
    return select(campaign.c.number).where(
        campaign.c.state.in_(ends),
        campaign.c.finished_at < before,
        ~is_going,
        opened.scalar_subquery() == 0,
        has_lanes,
    )
