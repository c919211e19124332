"""Deliveries of persons who are suppressed: found, and ended.

Owns which rows in hand may not be sent, by whatever entry, and how they end: `suppressed`, with an event, and with a
report to the sender of submitted mail.  Asked twice in the life of a delivery, when it is claimed and in the commit
before MAIL FROM, always in the transaction that takes it further: what is committed before is obeyed, whichever
process it came from.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, update

from tierii_mta.clock import Instant
from tierii_mta.consent.suppression import MailKind, Suppression
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import State
from tierii_mta.storage.backend import Claimed
from tierii_mta.storage.bulk import of_ids
from tierii_mta.storage.codes import STATE
from tierii_mta.storage.lanes import places
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.suppression import suppressions_of
from tierii_mta.storage.tables import AnyRow, delivery

REPLY = "550 5.7.1 the recipient is on the suppression list"
_MESSAGES = "SELECT id, reverse_path, is_marketing FROM message WHERE id IN {ids}"
_ROWS = (
    "SELECT delivery.id, delivery.lane, delivery.priority, delivery.message, delivery.recipient_key, "
    "delivery.recipient FROM delivery WHERE delivery.id IN {ids} ORDER BY delivery.id"
)


def messages_of(connection: Connection, ids: set[int]) -> Mapping[int, AnyRow]:
    """Return what is to be known of stored messages before one is sent, by id."""
    if not ids:
        return {}
    return {row.id: row for row in of_ids(connection, _MESSAGES, ids).all()}


def stops_of(
    connection: Connection,
    rows: Sequence[Claimed | AnyRow],
    lanes: Mapping[int, AnyRow],
    messages: Mapping[int, AnyRow],
    *,
    now: Instant,
) -> Mapping[int, Suppression]:
    """Return, of these rows, those that may not be sent, by id, each with the entry that says so."""
    entries = suppressions_of(connection, {row.recipient_key for row in rows})
    found = {}
    for row in rows:
        if row.recipient_key not in entries:
            continue
        kind = _kind(lanes[row.lane], messages[row.message] if row.message is not None else None)
        stop = next((one for one in entries[row.recipient_key] if one.stops(kind, now=now)), None)
        if stop is not None:
            found[row.id] = stop
    return found


def _kind(at: AnyRow, stored: AnyRow | None) -> MailKind:
    """Return what an entry has to know of a mail: a campaign's is its own, a stored one's its reverse-path's."""
    if stored is None:
        return MailKind(is_marketing=bool(at.is_marketing), list_id=at.list_id, sender=at.sender)
    domain = stored.reverse_path.rpartition("@")[2]
    return MailKind(is_marketing=bool(stored.is_marketing), sender=domain or None)


def end_stopped(
    connection: Connection,
    ended: Sequence[tuple[Claimed | AnyRow, Suppression, State]],
    lanes: Mapping[int, AnyRow],
    *,
    now: Instant,
    ledger: Ledger,
) -> None:
    """End rows `suppressed`; with each comes the entry that stops it, and the state that the tally has it in."""
    for row, stop, counted_as in ended:
        at = lanes[row.lane]
        if row.message is not None:
            ledger.owe(row.id, Action.FAILED, now)
        ledger.move(at.stream, row.priority, counted_as, State.SUPPRESSED)
        ledger.happened(
            EventType.SUPPRESSED,
            now,
            campaign_id=at.campaign,
            delivery_id=row.id,
            recipient=row.recipient,
            data={"scope": stop.scope, "reason": str(stop.reason)},
        )
    if ended:
        ids = [row.id for row, _, _ in ended]
        values = {"state": STATE[State.SUPPRESSED], "owner": None, "origin": None, "finished_at": now}
        connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(values | {"last_reply": REPLY}))


def end_stopped_in_hand(connection: Connection, ids: Sequence[int], *, now: Instant, ledger: Ledger) -> frozenset[int]:
    """End those of queued deliveries that became stopped since they were claimed; return their ids."""
    rows = of_ids(connection, _ROWS, ids).all()
    lanes = places(connection, {row.lane for row in rows})
    messages = messages_of(connection, {row.message for row in rows if row.message is not None})
    whole = [row for row in rows if row.message is None or row.message in messages]
    stops = stops_of(connection, whole, lanes, messages, now=now)
    ended = [(row, stops[row.id], State.QUEUED) for row in whole if row.id in stops]
    end_stopped(connection, ended, lanes, now=now, ledger=ledger)
    return frozenset(stops)
