"""Upkeep that moves deliveries without an attempt: dead owners, age, and the ends of campaigns.

Owns the transactions behind `free_dead`, `expire` and `finish_streams`, each a page; queue.janitor decides when.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant, later
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.crashes import Crashes, Freed
from tierii_mta.queue.delivery import IN_HAND, OPEN, DeliveryId, Epoch, FailureReason, State, StreamId
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage.backend import OWNER_SILENCE_MS, is_dead, is_postgres, liveness_time
from tierii_mta.storage.claim import set_aside
from tierii_mta.storage.codes import CAMPAIGN_STATE, CAMPAIGN_STATE_OF, REASON, STATE, STATE_OF, Mark, StreamState
from tierii_mta.storage.crashes import count_crashes, crashes_of, forget_ended
from tierii_mta.storage.lanes import places
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.tables import IS_CLAIMABLE, IS_SET_ASIDE, AnyRow, campaign, delivery, lane, node, stream, tally

PAGE = 1000
_TRIAL_WAIT = timedelta(minutes=15)  # of a suspect; then it comes with the others, where no trial was held
_FACTS = (
    delivery.c.id,
    delivery.c.lane,
    delivery.c.state,
    delivery.c.priority,
    delivery.c.marks,
    delivery.c.recipient,
    delivery.c.attempts,
    delivery.c.accepted_at,
    delivery.c.was_blocked,
    delivery.c.last_reply,
)


def free_dead(connection: Connection, epoch: Epoch, *, now: Instant, ledger: Ledger, is_first: bool = True) -> Freed:
    """Free one page of rows whose owner is gone; when none are left, forget the owners.

    `is_first`: nothing was freed yet, so an owner that has one row in this page had no other.
    """
    if is_postgres(connection):
        is_gone: ColumnElement[bool] = is_dead(connection, delivery.c.owner, now) & (delivery.c.owner != epoch)
    else:
        is_gone = delivery.c.owner < epoch
    page = select(*_FACTS, delivery.c.owner).where(delivery.c.owner.is_not(None), is_gone).limit(PAGE)
    rows = connection.execute(page.with_for_update(skip_locked=True)).all()
    at = places(connection, {row.lane for row in rows})
    crashes = _count_crashes(connection, rows, is_first=is_first)
    queued = [row for row in rows if row.state == STATE[State.QUEUED]]
    active = [row for row in rows if row.state == STATE[State.ACTIVE]]
    _doubt(connection, active, at, now, ledger)
    for some, to_state, due in ((queued, State.PENDING, {}), (active, State.RETRY, {"due": now})):
        _move(connection, [row for row in some if not crashes[row.id].is_suspect], at, to_state, ledger, **due)
        suspects = [row for row in some if crashes[row.id].is_suspect and not crashes[row.id].is_convicted]
        _move(connection, suspects, at, to_state, ledger, due=later(now, _TRIAL_WAIT))
    convicted = [row for row in rows if crashes[row.id].is_convicted]
    for row in convicted:
        why = f"the process died {crashes[row.id].count} times with this delivery in hand"
        _move(connection, [row], at, State.FAILED, ledger, **set_aside(row, at[row.lane], why, now, ledger))
    for stream_id in {where.stream for where in at.values()}:
        ledger.announce(ChangeKind.MAIL, stream=StreamId(stream_id))
    if len(rows) < PAGE:
        _forget_owners(connection, epoch, now)
        forget_ended(connection)
    ledger.write(connection)
    return Freed(len(queued), len(active), len(convicted))


def free_unheld(connection: Connection, epoch: Epoch, held: Collection[DeliveryId], *, ledger: Ledger) -> int:
    """Free what `epoch` has claimed and does not hold; as many rows as a hand holds at most, and one claim."""
    claimed = select(*_FACTS).where(delivery.c.owner == epoch, delivery.c.state == STATE[State.QUEUED])
    rows = [row for row in connection.execute(claimed.with_for_update()) if row.id not in held]
    at = places(connection, {row.lane for row in rows})
    _move(connection, rows, at, State.PENDING, ledger)
    for stream_id in {where.stream for where in at.values()}:
        ledger.announce(ChangeKind.MAIL, stream=StreamId(stream_id))
    ledger.write(connection)
    return len(rows)


def _count_crashes(connection: Connection, rows: Sequence[AnyRow], *, is_first: bool) -> Mapping[int, Crashes]:
    """Count a crash of every row whose owner died, not of what an owner that ended in good order has left."""
    owners = Counter(row.owner for row in rows)
    registered = select(node.c.epoch).where(node.c.epoch.in_(sorted(owners)))
    died = set(connection.execute(registered).scalars())
    crashed = {row.id: row.owner for row in rows if row.owner in died}
    alone = {one for one, owner in crashed.items() if is_first and owners[owner] == 1}
    count_crashes(connection, crashed, certain=alone)
    return dict.fromkeys((row.id for row in rows), Crashes()) | crashes_of(connection, crashed)


def _doubt(
    connection: Connection, rows: Sequence[AnyRow], at: Mapping[int, AnyRow], now: Instant, ledger: Ledger
) -> None:
    """Mark what was on the wire, whatever becomes of it."""
    if rows:
        marked = delivery.c.marks.bitwise_or(int(Mark.IN_DOUBT))
        ids = [row.id for row in rows]
        connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(marks=marked))
    for row in rows:
        where = at[row.lane]
        if not row.marks & Mark.IN_DOUBT:
            ledger.mark(where.stream, row.priority, Mark.IN_DOUBT)
        ledger.happened(
            EventType.IN_DOUBT,
            now,
            campaign_id=where.campaign,
            delivery_id=row.id,
            recipient=row.recipient,
            data={"cause": "crash", "policy": "resend"},
        )


def _forget_owners(connection: Connection, epoch: Epoch, now: Instant) -> None:
    if is_postgres(connection):
        heard_of = liveness_time(connection, now) - OWNER_SILENCE_MS
        gone = delete(node).where(node.c.seen_at < heard_of, node.c.epoch != epoch)
    else:
        gone = delete(node).where(node.c.epoch < epoch)
    connection.execute(gone)


def _move(
    connection: Connection,
    rows: Sequence[AnyRow],
    at: Mapping[int, AnyRow],
    to_state: State,
    ledger: Ledger,
    **values: Any,
) -> None:
    """Put rows into a state, out of anybody's hand, and count it."""
    if not rows:
        return
    ids = [row.id for row in rows]
    moved = {"state": STATE[to_state], "owner": None, "origin": None} | values
    connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(moved))
    for row in rows:
        ledger.move(at[row.lane].stream, row.priority, STATE_OF[row.state], to_state)


def expire(connection: Connection, now: Instant, *, grace: timedelta, limit: int, ledger: Ledger) -> int:
    """End one page of the rows that are too old, and return how many."""
    in_hand = [STATE[state] for state in IN_HAND]
    page = (
        select(*_FACTS)
        .where(
            delivery.c.finished_at.is_(None),
            delivery.c.expires_at < later(now, -grace),
            or_(delivery.c.state.not_in(in_hand), is_dead(connection, delivery.c.owner, now)),
        )
        .order_by(delivery.c.expires_at)
        .limit(limit)
    )
    rows = connection.execute(page.with_for_update(of=delivery, skip_locked=True)).all()
    at = places(connection, {row.lane for row in rows})
    blocked = [row for row in rows if row.was_blocked]
    expired = [row for row in rows if not row.was_blocked]
    _move(connection, blocked, at, State.FAILED, ledger, reason=REASON[FailureReason.BLOCKED], finished_at=now)
    _move(connection, expired, at, State.FAILED, ledger, reason=REASON[FailureReason.EXPIRED], finished_at=now)
    for row in rows:
        kind, data = _end_of_age(row, now)
        if at[row.lane].campaign is None:
            ledger.owe(row.id, Action.FAILED, now)
        ledger.happened(
            kind, now, campaign_id=at[row.lane].campaign, delivery_id=row.id, recipient=row.recipient, data=data
        )
    ledger.write(connection)
    return len(rows)


def _end_of_age(row: AnyRow, now: Instant) -> tuple[EventType, dict[str, Any]]:
    reply = {"reply" if row.was_blocked else "last_reply": row.last_reply} if row.last_reply else {}
    if row.was_blocked:
        return EventType.FAILED, {"reason": str(FailureReason.BLOCKED), "attempt": row.attempts, **reply}
    return EventType.EXPIRED, {"age_s": (now - row.accepted_at) // 1000, "attempts": row.attempts, **reply}


def finish_streams(connection: Connection, now: Instant, *, ledger: Ledger) -> Sequence[str]:
    """Sweep cancelled streams (one page in all) and end the campaigns that have nothing open left."""
    going = [CAMPAIGN_STATE[CampaignState.RUNNING], CAMPAIGN_STATE[CampaignState.DRAINING]]
    rows = connection.execute(
        select(campaign.c.number, campaign.c.id, campaign.c.state, campaign.c.ends_as, campaign.c.reason)
        .where(campaign.c.state.in_(going))
        .with_for_update(skip_locked=True)
    ).all()
    ended, budget = [], PAGE
    for row in sorted(rows, key=lambda row: row.number):
        streams = connection.execute(select(stream.c.id, stream.c.swept).where(stream.c.campaign == row.number)).all()
        left = _open_count(connection, [one.id for one in streams])
        if CAMPAIGN_STATE_OF[row.state] is CampaignState.DRAINING and left:
            for one in streams:
                swept = _sweep(connection, row, one, budget, now=now, ledger=ledger)
                left, budget = left - swept, budget - swept
        if not left:
            _end(connection, row, now, ledger)
            ended.append(str(row.id))
    ledger.write(connection)
    return ended


def _open_count(connection: Connection, streams: Sequence[int]) -> int:
    kinds = [STATE[state] for state in OPEN]
    total = select(func.coalesce(func.sum(tally.c.count), 0))
    return int(connection.execute(total.where(tally.c.stream.in_(streams), tally.c.kind.in_(kinds))).scalar_one())


def _sweep(connection: Connection, owner: AnyRow, one: AnyRow, budget: int, *, now: Instant, ledger: Ledger) -> int:
    """Cancel up to `budget` waiting rows of one stream, going on at the lane where the last call stopped."""
    if budget <= 0:
        return 0
    held = (
        select(*_FACTS, lane.c.domain)
        .join(lane, lane.c.id == delivery.c.lane)
        .where(delivery.c.campaign == owner.number, delivery.c.state == STATE[State.HELD], IS_SET_ASIDE)
    )
    rows = list(connection.execute(held.limit(budget).with_for_update(of=delivery, skip_locked=True)))
    waiting = (
        select(*_FACTS, lane.c.domain)
        .select_from(lane.join(delivery, delivery.c.lane == lane.c.id))
        .where(lane.c.stream == one.id, lane.c.domain >= (one.swept or ""), IS_CLAIMABLE)
        .order_by(lane.c.domain)
        .limit(budget - len(rows))
    )
    found = list(connection.execute(waiting.with_for_update(of=delivery, skip_locked=True)))
    # At the end, begin anew: a delivery that was in hand may have come back to a lane passed already.
    swept = found[-1].domain if len(found) == budget - len(rows) and found else None
    connection.execute(update(stream).where(stream.c.id == one.id).values(swept=swept))
    rows += found
    at = places(connection, {row.lane for row in rows})
    _move(connection, rows, at, State.CANCELLED, ledger, finished_at=now)
    for row in rows:
        data = {"reason": owner.reason} if owner.reason else {}
        ledger.happened(
            EventType.CANCELLED, now, campaign_id=owner.id, delivery_id=row.id, recipient=row.recipient, data=data
        )
    return len(rows)


def _end(connection: Connection, row: AnyRow, now: Instant, ledger: Ledger) -> None:
    was_draining = CAMPAIGN_STATE_OF[row.state] is CampaignState.DRAINING
    ends_as = CAMPAIGN_STATE_OF[row.ends_as] if was_draining and row.ends_as is not None else CampaignState.COMPLETED
    connection.execute(
        update(campaign)
        .where(campaign.c.number == row.number)
        .values(state=CAMPAIGN_STATE[ends_as], ends_as=None, canary=None, finished_at=now)
    )
    ended = update(stream).where(stream.c.campaign == row.number).values(state=StreamState.FINISHED, swept=None)
    for stream_id in connection.execute(ended.returning(stream.c.id)).scalars():
        ledger.announce(ChangeKind.STREAM, stream=StreamId(stream_id))
    is_cancelled = ends_as is CampaignState.CANCELLED
    kind = EventType.CAMPAIGN_CANCELLED if is_cancelled else EventType.CAMPAIGN_COMPLETED
    ledger.happened(kind, now, campaign_id=row.id)
