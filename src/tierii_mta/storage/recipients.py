"""The recipients of a campaign: loaded in bulk, cleared when loading was refused, retried when they failed, counted.

Owns the rows of `delivery` that belong to campaigns, a page a commit; the state of the campaign is `campaigns`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from tierii_mta.campaigns.store import Added, CampaignState, NewRecipient
from tierii_mta.clock import Instant
from tierii_mta.consent.suppression import MailKind
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import FINAL, OPEN, FailureReason, Priority, State
from tierii_mta.storage.accept import NEW_DELIVERY, new_delivery
from tierii_mta.storage.bulk import insert_joined, insert_rows
from tierii_mta.storage.codes import CAMPAIGN_STATE, CANARY_STEP, REASON_OF, STATE, STATE_OF, StreamState
from tierii_mta.storage.lanes import places
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.suppression import suppressions_of
from tierii_mta.storage.tables import IS_CLAIMABLE, IS_SET_ASIDE, AnyRow, delivery, lane, stream, tally

PAGE = 1000
_LANES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows to be accepted in one commit."""

    rows: Sequence[NewRecipient]
    contacts: Sequence[str]  # JSON, one per row
    now: Instant
    expires_at: Instant


def add(connection: Connection, owner: AnyRow, batch: Batch, *, exclude_suppressed: bool, ledger: Ledger) -> Added:
    """Accept whoever is neither suppressed nor there already."""
    is_draft = owner.state == CAMPAIGN_STATE[CampaignState.DRAFT]  # later ones do not go first
    streams = _streams(connection, owner, with_canary=is_draft and any(row.is_canary for row in batch.rows))
    keys = {row.recipient_key for row in batch.rows}
    stopped = _stopped(connection, owner, keys, batch.now) if exclude_suppressed else frozenset()
    wanted = [
        (row, contact)
        for row, contact in zip(batch.rows, batch.contacts, strict=True)
        if row.recipient_key not in stopped
    ]
    wanted.sort(key=lambda pair: pair[0].recipient_key)  # two loaders of the same persons take them in one order
    accepted = 0
    for is_canary, stream_id in streams.items():
        some = [(row, contact) for row, contact in wanted if (is_draft and row.is_canary) is is_canary]
        lanes = [(stream_id, one) for one in sorted({row.domain for row, _ in some})]
        insert_rows(connection, lane, ("stream", "domain"), lanes, conflict="ON CONFLICT DO NOTHING")
        at_once = new_delivery(owner.priority, batch.now, batch.expires_at)
        rows = [
            (row.domain, row.recipient_key, row.recipient, contact, stream_id, owner.number)
            + (at_once if row.due is None else new_delivery(owner.priority, batch.now, batch.expires_at, due=row.due))
            for row, contact in some
        ]
        count = insert_joined(connection, _GIVEN, rows, _INTO, _SELECT)
        ledger.enter(stream_id, owner.priority, State.PENDING, count)
        accepted += count
    ledger.write(connection)
    return Added(accepted=accepted, present=len(wanted) - accepted, suppressed=len(batch.rows) - len(wanted))


_NEW = (
    delivery.c.recipient_key,
    delivery.c.recipient,
    delivery.c.contact,
    lane.c.stream,
    delivery.c.campaign,
    *(delivery.c[name] for name in NEW_DELIVERY),
)
_GIVEN = (lane.c.domain, *_NEW)
_COPIED = ", ".join(column.name for column in _NEW if column.table is delivery)
_INTO = f"delivery (lane, {_COPIED})"
_SELECT = (
    f"lane.id, {_COPIED} FROM v CROSS JOIN lane WHERE lane.stream = v.stream AND lane.domain = v.domain "
    "ON CONFLICT DO NOTHING"
)


def _streams(connection: Connection, owner: AnyRow, *, with_canary: bool) -> dict[bool, int]:
    """Return the campaign's stream by whether it is the canary's, making that one when it is first needed."""
    if with_canary:
        made = (f"campaign:{owner.id}:{CANARY_STEP}", owner.number, CANARY_STEP, int(StreamState.LOADING))
        columns = ("name", "campaign", "step", "state")
        insert_rows(connection, stream, columns, [made], conflict="ON CONFLICT DO NOTHING")
    steps = [0, CANARY_STEP] if with_canary else [0]
    wanted = select(stream.c.id, stream.c.step).where(stream.c.campaign == owner.number, stream.c.step.in_(steps))
    return {row.step == CANARY_STEP: row.id for row in connection.execute(wanted.order_by(stream.c.step))}


def _stopped(connection: Connection, owner: AnyRow, keys: set[PersonKey], now: Instant) -> frozenset[bytes]:
    found = suppressions_of(connection, keys)
    kind = MailKind(is_marketing=bool(owner.is_marketing), list_id=owner.list_id, sender=owner.sender)
    return frozenset(key for key, entries in found.items() if any(one.stops(kind, now=now) for one in entries))


def is_empty(connection: Connection, number: int) -> bool:
    """Return whether a campaign that was never started has no rows."""
    waiting = select(lane.c.id).join(stream, stream.c.id == lane.c.stream).where(stream.c.campaign == number).limit(1)
    aside = select(delivery.c.id).where(delivery.c.campaign == number, IS_SET_ASIDE).limit(1)
    return connection.execute(waiting).first() is None and connection.execute(aside).first() is None


def clear_page(connection: Connection, number: int, ledger: Ledger) -> bool:
    """Delete up to a page of rows of a campaign nobody can claim, and lanes that are empty then; False when done."""
    aside = select(delivery.c.id, delivery.c.lane, delivery.c.priority, delivery.c.state).where(
        delivery.c.campaign == number, IS_SET_ASIDE
    )
    rows = connection.execute(aside.limit(PAGE)).all()
    if rows:
        _delete(connection, rows, ledger)
        return True
    page = select(lane.c.id).join(stream, stream.c.id == lane.c.stream).where(stream.c.campaign == number).limit(_LANES)
    lanes = list(connection.execute(page).scalars())
    waiting = select(delivery.c.id, delivery.c.lane, delivery.c.priority, delivery.c.state).where(
        delivery.c.lane.in_(lanes), IS_CLAIMABLE
    )
    rows = connection.execute(waiting.limit(PAGE)).all()
    _delete(connection, rows, ledger)
    if len(rows) < PAGE and lanes:
        connection.execute(delete(lane).where(lane.c.id.in_(lanes)))
    return bool(lanes)


def _delete(connection: Connection, rows: Sequence[AnyRow], ledger: Ledger) -> None:
    if rows:
        at = places(connection, {row.lane for row in rows})
        connection.execute(delete(delivery).where(delivery.c.id.in_([row.id for row in rows])))
        for row in rows:
            ledger.enter(at[row.lane].stream, row.priority, STATE_OF[row.state], -1)
    ledger.write(connection)


@dataclass(frozen=True, slots=True)
class RetriedPage:
    """What looking at a page of failed rows came to."""

    retried: int
    suppressed: int  # left as they are
    last: int | None  # the id to go on behind; None: that was all


def retry_page(
    connection: Connection, owner: AnyRow, after: int, *, now: Instant, expires_at: Instant, ledger: Ledger
) -> RetriedPage:
    """Put up to a page of failed rows back to pending, as if accepted now but for their history.

    Persons who may not be written to any more are left as they are: their failure stays to be read.
    """
    page = (
        select(delivery.c.id, delivery.c.lane, delivery.c.priority, delivery.c.recipient_key)
        .where(delivery.c.campaign == owner.number, delivery.c.state == STATE[State.FAILED], IS_SET_ASIDE)
        .where(delivery.c.id > after)
        .order_by(delivery.c.id)
        .limit(PAGE)
        .with_for_update()
    )
    found = connection.execute(page).all()
    stopped = _stopped(connection, owner, {PersonKey(row.recipient_key) for row in found}, now)
    rows = [row for row in found if row.recipient_key not in stopped]
    values: dict[str, Any] = {
        "state": STATE[State.PENDING],
        "due": now,
        "attempts": 0,
        "reason": None,
        "was_blocked": False,
        "expires_at": expires_at,
        "finished_at": None,
    }
    if rows:
        connection.execute(update(delivery).where(delivery.c.id.in_([row.id for row in rows])).values(values))
    at = places(connection, {row.lane for row in rows})
    for row in rows:
        ledger.move(at[row.lane].stream, Priority(row.priority), State.FAILED, State.PENDING)
    ledger.write(connection)
    return RetriedPage(len(rows), len(found) - len(rows), found[-1].id if len(found) == PAGE else None)


def failures(connection: Connection, number: int) -> Mapping[FailureReason, int]:
    """Count a campaign's failed rows by reason, over the partial index that holds nothing but set-aside rows."""
    counted = (
        select(delivery.c.reason, func.count())
        .where(delivery.c.campaign == number, delivery.c.state == STATE[State.FAILED], IS_SET_ASIDE)
        .group_by(delivery.c.reason)
    )
    return {REASON_OF[reason]: count for reason, count in connection.execute(counted).all() if reason is not None}


def counts(connection: Connection, number: int) -> Mapping[int, int]:
    """Return a campaign's tally by kind: states, and marks from `MARK_KIND_BASE` on."""
    rows = connection.execute(
        select(tally.c.kind, tally.c.count.label("part"))
        .join(stream, stream.c.id == tally.c.stream)
        .where(stream.c.campaign == number)
    )
    counted: Counter[int] = Counter()
    for row in rows:
        counted[row.kind] += row.part
    return counted


def canary(connection: Connection, number: int) -> tuple[int, int]:
    """Return how many deliveries a campaign's canary has, and how many of them have ended."""
    rows = connection.execute(
        select(tally.c.kind, tally.c.count)
        .join(stream, stream.c.id == tally.c.stream)
        .where(stream.c.campaign == number, stream.c.step == CANARY_STEP, tally.c.kind.in_(STATE_OF))
    ).all()
    return sum(count for _, count in rows), sum(count for kind, count in rows if STATE_OF[kind] in FINAL)


def has_open(connection: Connection, number: int) -> bool:
    """Return whether a campaign has deliveries that have not ended."""
    counted = counts(connection, number)
    return any(counted.get(STATE[state], 0) > 0 for state in OPEN)
