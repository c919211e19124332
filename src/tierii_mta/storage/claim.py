"""Claiming: due rows of open lanes go into the hand of one owner, suppressed persons aside.

Owns the transaction behind `QueueStore.claim`; not which lanes are asked for nor how much of each (queue.manager).
A few statements in one transaction, however many lanes: lanes and streams, the claim itself, messages of submitted
mail, first due times of lanes that gave less than asked, suppressions, and the side entries.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, update

from tierii_mta.clock import Instant
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.crashes import FAULT
from tierii_mta.queue.delivery import (
    Delivery,
    DeliveryId,
    Epoch,
    FailureReason,
    Json,
    Lane,
    LaneId,
    MessageRow,
    Priority,
    State,
    StreamId,
)
from tierii_mta.queue.pacing import Paced
from tierii_mta.queue.store import Claim, Quota
from tierii_mta.storage.backend import MAX_QUOTAS, Claimed, claim_rows, next_dues
from tierii_mta.storage.codes import REASON, STATE, STATE_OF, StreamState
from tierii_mta.storage.lanes import FOREVER, closed_until, places
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.paces import PacedClaim
from tierii_mta.storage.stopping import end_stopped, messages_of, stops_of
from tierii_mta.storage.tables import AnyRow, delivery


@dataclass(slots=True)
class _Taken:
    """What the transaction gathers."""

    pace: PacedClaim
    deliveries: list[Delivery] = field(default_factory=list)
    exhausted: dict[tuple[LaneId, Priority], Instant | None] = field(default_factory=dict)
    damaged: list[DeliveryId] = field(default_factory=list)


def claim(
    connection: Connection,
    quotas: Sequence[Quota],
    *,
    epoch: Epoch,
    now: Instant,
    paced: Mapping[StreamId, Paced],
    ledger: Ledger,
) -> Claim:
    """Do it, in the transaction of `connection`."""
    taken = _Taken(PacedClaim(connection, paced, now))
    for start in range(0, len(quotas), MAX_QUOTAS):
        _claim_page(connection, quotas[start : start + MAX_QUOTAS], taken, epoch=epoch, now=now, ledger=ledger)
    shut = taken.pace.take(Counter(each.lane.stream for each in taken.deliveries))
    ledger.write(connection)
    return Claim(deliveries=taken.deliveries, exhausted=taken.exhausted, damaged=taken.damaged, shut=shut)


def _claim_page(
    connection: Connection, quotas: Sequence[Quota], taken: _Taken, *, epoch: Epoch, now: Instant, ledger: Ledger
) -> None:
    lanes = places(connection, {quota.lane for quota in quotas})
    asked: list[Quota] = []
    for quota in quotas:
        row = lanes.get(quota.lane)
        if row is None or row.stream_state != StreamState.OPEN:
            taken.exhausted[quota.lane, quota.priority] = None  # a change row tells when it opens
        elif (until := closed_until(row, now)) is not None:
            taken.exhausted[quota.lane, quota.priority] = Instant(until) if until < FOREVER else None
        elif (limit := taken.pace.grant(row.stream, quota.limit)) > 0:
            asked.append(replace(quota, limit=limit))
    if not asked:
        return
    rows = claim_rows(connection, [(q.lane, q.priority, q.limit) for q in asked], epoch=epoch, now=now)
    _note_exhausted(connection, asked, rows, taken)
    if rows:
        found, damaged = deliveries_of(connection, rows, lanes, now=now, ledger=ledger)
        taken.deliveries += found
        taken.damaged += damaged


def deliveries_of(
    connection: Connection, rows: Sequence[Claimed], lanes: Mapping[int, AnyRow], *, now: Instant, ledger: Ledger
) -> tuple[list[Delivery], list[DeliveryId]]:
    """Return what may be sent of rows just taken into hand, earliest due first, and the ids of damaged ones.

    Those of suppressed persons end `suppressed`; a damaged row, which cannot be read, ends failed(error): it must not
    stop the others, and it will not heal by itself.
    """
    messages = messages_of(connection, {row.message for row in rows if row.message is not None})
    whole, damaged = [], []
    for row in rows:
        if row.message is not None and row.message not in messages:
            damaged.append((row, "its stored message is gone"))
        else:
            whole.append(row)
    found = []
    for row in _without_suppressed(connection, whole, lanes, messages, now=now, ledger=ledger):
        try:
            stored = messages[row.message] if row.message is not None else None
            found.append(delivery_at(row, lanes[row.lane], stored))
        except (ValueError, TypeError, RecursionError) as fault:
            ledger.move(lanes[row.lane].stream, row.priority, State.QUEUED, STATE_OF[row.origin])
            damaged.append((row, f"its row is damaged: {fault}"))
    for row, why in damaged:
        ended = set_aside(row, lanes[row.lane], why, now, ledger)
        connection.execute(update(delivery).where(delivery.c.id == row.id).values(ended))
        ledger.move(lanes[row.lane].stream, row.priority, STATE_OF[row.origin], State.FAILED)
    return found, [DeliveryId(row.id) for row, _ in damaged]


def set_aside(row: Claimed | AnyRow, at: AnyRow, why: str, now: Instant, ledger: Ledger) -> dict[str, Any]:
    """Write the event of a delivery that is given up without an attempt, through our fault; return its new values."""
    data = {"reason": str(FailureReason.ERROR), "class": FAULT, "reply": why, "attempt": row.attempts}
    ledger.happened(
        EventType.FAILED, now, campaign_id=at.campaign, delivery_id=row.id, recipient=row.recipient, data=data
    )
    ledger.owe(row.id, Action.FAILED, now)
    return {
        "state": STATE[State.FAILED],
        "owner": None,
        "origin": None,
        "reason": REASON[FailureReason.ERROR],
        "finished_at": now,
        "last_reply": why,
    }


def _note_exhausted(connection: Connection, asked: Sequence[Quota], rows: Sequence[Claimed], taken: _Taken) -> None:
    given: dict[tuple[int, int], int] = {}
    for row in rows:
        given[row.lane, row.priority] = given.get((row.lane, row.priority), 0) + 1
    short = [quota for quota in asked if given.get((quota.lane, quota.priority), 0) < quota.limit]
    if short:
        dues = next_dues(connection, [(quota.lane, quota.priority) for quota in short])
        taken.exhausted.update({(quota.lane, quota.priority): due for quota, due in zip(short, dues, strict=True)})


def _without_suppressed(
    connection: Connection,
    rows: Sequence[Claimed],
    lanes: Mapping[int, AnyRow],
    messages: Mapping[int, AnyRow],
    *,
    now: Instant,
    ledger: Ledger,
) -> Sequence[Claimed]:
    """Return the rows that may be sent, earliest due first; the others end `suppressed`."""
    stops = stops_of(connection, rows, lanes, messages, now=now)
    ended = [(row, stops[row.id], STATE_OF[row.origin]) for row in rows if row.id in stops]
    end_stopped(connection, ended, lanes, now=now, ledger=ledger)
    kept = [row for row in sorted(rows, key=lambda row: (row.priority, row.due)) if row.id not in stops]
    for row in kept:
        ledger.move(lanes[row.lane].stream, row.priority, STATE_OF[row.origin], State.QUEUED)
    return kept


def delivery_at(row: Claimed | AnyRow, at: AnyRow, stored: AnyRow | None) -> Delivery:
    """Return a row as a value; `stored` is its message, if it has one. Raises ValueError or TypeError where damaged."""
    return Delivery(
        id=DeliveryId(row.id),
        lane=Lane(id=LaneId(row.lane), stream=StreamId(at.stream), domain=at.domain),
        recipient=row.recipient,
        recipient_key=PersonKey(row.recipient_key),
        priority=Priority(row.priority),
        attempts=row.attempts,
        accepted_at=Instant(row.accepted_at),
        expires_at=Instant(row.expires_at),
        campaign=at.campaign,
        step=max(at.step, 0),  # those who go first are of the campaign itself
        message=MessageRow(stored.id) if stored is not None else None,
        reverse_path=stored.reverse_path if stored is not None else None,
        contact=_contact(row.contact) if row.contact else {},
        body_hash=row.body_hash,
        was_blocked=bool(row.was_blocked),
    )


def _contact(kept: str) -> Mapping[str, Json]:
    fields = json.loads(kept)
    if not isinstance(fields, dict):
        raise TypeError("the contact is no object")
    return fields
