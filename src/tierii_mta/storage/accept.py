"""Accepting stored messages: message, body parts, deliveries and idempotency key in one transaction, many at a time.

Owns the rows behind the operation `Accept`, also what an account used up of its day and whom it knows from now on; not
what may be accepted (queue.intake, inbound).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select, tuple_

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import DeliveryId, Lane, LaneId, MessageRow, State, StreamId
from tierii_mta.queue.store import Accept, Accepted, ChangeKind, LaneLoad
from tierii_mta.storage.bulk import Values, insert_parts, insert_returning, insert_rows, of_ids
from tierii_mta.storage.codes import NOTIFY, RETURN, STATE
from tierii_mta.storage.lanes import lane_ids, submission_streams
from tierii_mta.storage.ledger import Ledger, compact_json
from tierii_mta.storage.tables import acquaintance, body_part, delivery, idempotency, message, usage

_DAY_MS = 86_400_000


def accept_all(connection: Connection, accepts: Sequence[Accept], ledger: Ledger) -> Sequence[Accepted]:
    """Keep the messages and return what became of each, in order.

    A repeated idempotency key, in the database or earlier in the group, answers with the first message.
    """
    streams = submission_streams(connection, {one.stream for one in accepts})
    known = _known(connection, accepts, streams)
    first: dict[tuple[int, str], int] = {}
    fresh: list[Accept] = []
    place: list[Accepted | int] = []  # a repeat, or an index into `fresh`
    for one in accepts:
        key = (streams[one.stream], one.idempotency_key) if one.idempotency_key is not None else None
        if key is not None and key in known:
            place.append(known[key])
            continue
        if key is not None and key in first:
            place.append(first[key])
            continue
        if key is not None:
            first[key] = len(fresh)
        place.append(len(fresh))
        fresh.append(one)
    made = _keep(connection, fresh, streams, ledger) if fresh else []
    results: list[Accepted] = []
    given: set[int] = set()
    for where in place:
        if isinstance(where, Accepted):
            results.append(where)
        else:
            results.append(replace(made[where], is_repeat=True, loads=()) if where in given else made[where])
            given.add(where)
    return results


def _known(
    connection: Connection, accepts: Sequence[Accept], streams: Mapping[str, int]
) -> Mapping[tuple[int, str], Accepted]:
    keys = sorted({(streams[one.stream], one.idempotency_key) for one in accepts if one.idempotency_key is not None})
    if not keys:
        return {}
    rows = connection.execute(
        select(idempotency.c.stream, idempotency.c.key, idempotency.c.fingerprint, message.c.id, message.c.message_id)
        .join(message, message.c.id == idempotency.c.message)
        .where(tuple_(idempotency.c.stream, idempotency.c.key).in_(keys))
    ).all()
    found: dict[tuple[int, str], Accepted] = {}
    for row in rows:
        ids = connection.execute(select(delivery.c.id).where(delivery.c.message == row.id).order_by(delivery.c.id))
        found[row.stream, row.key] = Accepted(
            message=MessageRow(row.id),
            deliveries=tuple(DeliveryId(one) for one in ids.scalars()),
            message_id=row.message_id,
            fingerprint=row.fingerprint,
            is_repeat=True,
        )
    return found


def _keep(
    connection: Connection, accepts: Sequence[Accept], streams: Mapping[str, int], ledger: Ledger
) -> Sequence[Accepted]:
    lanes = _lanes(connection, accepts, streams)
    messages = _insert_messages(connection, accepts, streams)
    rows = [
        (
            *new_delivery(one.priority, one.accepted_at, one.expires_at),
            message_id,
            lanes[streams[one.stream], new.domain].id,
            new.recipient_key,
            new.recipient,
            compact_json(new.contact) if new.contact else "",
            sum(NOTIFY[one] for one in new.notify),
            new.orcpt,
        )
        for one, message_id in zip(accepts, messages, strict=True)
        for new in one.deliveries
    ]
    columns = (*NEW_DELIVERY, "message", "lane", "recipient_key", "recipient", "contact", "notify", "orcpt")
    ids = iter(insert_returning(connection, delivery, columns, rows))
    _charge(connection, accepts)
    results = []
    for one, message_id in zip(accepts, messages, strict=True):
        own = tuple(DeliveryId(next(ids)) for _ in one.deliveries)
        loads = _loads(one, streams[one.stream], lanes)
        ledger.enter(streams[one.stream], one.priority, State.PENDING, len(own))
        for load in loads:
            ledger.announce(ChangeKind.MAIL, stream=load.lane.stream, lane=load.lane.id)
        per_delivery = len(one.events) == len(own)
        for index, event in enumerate(one.events):
            ledger.record([event], delivery=own[index] if per_delivery else None)
        results.append(
            Accepted(
                message=MessageRow(message_id),
                deliveries=own,
                message_id=one.message_id,
                fingerprint=one.fingerprint,
                loads=loads,
            )
        )
    return results


class _Place:
    """A lane and whether it is suspended."""

    __slots__ = ("id", "suspended_until")

    def __init__(self, lane_id: int, suspended_until: int | None) -> None:
        self.id, self.suspended_until = lane_id, suspended_until


def _lanes(
    connection: Connection, accepts: Sequence[Accept], streams: Mapping[str, int]
) -> Mapping[tuple[int, str], _Place]:
    wanted: dict[int, set[str]] = {}
    for one in accepts:
        wanted.setdefault(streams[one.stream], set()).update(new.domain for new in one.deliveries)
    found: dict[tuple[int, str], _Place] = {}
    for stream_id in sorted(wanted):
        ids = lane_ids(connection, stream_id, wanted[stream_id])
        until = {row.id: row.suspended_until for row in of_ids(connection, _SUSPENDED, sorted(ids.values())).all()}
        found |= {(stream_id, domain): _Place(lane_id, until.get(lane_id)) for domain, lane_id in ids.items()}
    return found


_SUSPENDED = "SELECT id, suspended_until FROM lane WHERE id IN {ids} AND suspended_until IS NOT NULL"


def _insert_messages(connection: Connection, accepts: Sequence[Accept], streams: Mapping[str, int]) -> Sequence[int]:
    ids = insert_returning(connection, message, _MESSAGE, [_message_row(one, streams) for one in accepts])
    insert_parts(connection, body_part, ids, [one.parts for one in accepts])
    keys = [
        (streams[one.stream], one.idempotency_key, message_id, one.fingerprint)
        for one, message_id in zip(accepts, ids, strict=True)
        if one.idempotency_key is not None
    ]
    # A key that another process commits meanwhile fails this group; tried alone, the member finds its message.
    insert_rows(connection, idempotency, ("stream", "key", "message", "fingerprint"), keys)
    return ids


_MESSAGE = (
    *("stream", "reverse_path", "message_id", "is_marketing", "accepted_at"),
    *("ret", "envid", "is_smtputf8", "label", "tag", "return_path"),
)


def _message_row(one: Accept, streams: Mapping[str, int]) -> Values:
    """Return the values of `_MESSAGE`."""
    return (
        *(streams[one.stream], one.reverse_path, one.message_id, one.is_marketing, one.accepted_at),
        *(
            RETURN[one.ret] if one.ret is not None else None,
            one.envid,
            one.is_smtputf8,
            one.label,
            one.tag,
            one.return_path,
        ),
    )


def _charge(connection: Connection, accepts: Sequence[Accept]) -> None:
    """Count the messages to their accounts' days. Rows are written in the order of their keys, by everybody."""
    spent: dict[tuple[str, int], list[Accept]] = {}
    for one in accepts:
        if one.account is not None:
            spent.setdefault((one.account, one.accepted_at // _DAY_MS), []).append(one)
    rows = []
    for (account, day), charged in sorted(spent.items()):
        keys = [new.recipient_key for one in charged for new in one.deliveries]
        known = [(account, key) for key in sorted(set(keys))]
        columns = ("account", "recipient_key")
        newcomers = insert_rows(connection, acquaintance, columns, known, conflict="ON CONFLICT DO NOTHING")
        rows.append((account, day, len(charged), len(keys), newcomers))
    insert_rows(connection, usage, ("account", "day", "messages", "recipients", "newcomers"), rows, conflict=_ADD_USAGE)


_ADD_USAGE = (
    "ON CONFLICT (account, day) DO UPDATE SET messages = usage.messages + excluded.messages, "
    "recipients = usage.recipients + excluded.recipients, newcomers = usage.newcomers + excluded.newcomers"
)

NEW_DELIVERY = ("state", "priority", "due", "attempts", "step", "accepted_at", "expires_at", "marks", "was_blocked")
"""The columns that are alike in all new rows of a group."""


def new_delivery(priority: int, accepted_at: Instant, expires_at: Instant, *, due: Instant | None = None) -> Values:
    """Return the values of `NEW_DELIVERY`; it is due at once where nothing else is said."""
    due = accepted_at if due is None else due
    return (STATE[State.PENDING], int(priority), due, 0, 0, accepted_at, expires_at, 0, False)


def _loads(one: Accept, stream_id: int, lanes: Mapping[tuple[int, str], _Place]) -> Sequence[LaneLoad]:
    counts: dict[str, int] = {}
    for new in one.deliveries:
        counts[new.domain] = counts.get(new.domain, 0) + 1
    loads = []
    for domain, count in counts.items():
        place = lanes[stream_id, domain]
        until = Instant(place.suspended_until) if place.suspended_until is not None else None
        at = Lane(id=LaneId(place.id), stream=StreamId(stream_id), domain=domain)
        loads.append(LaneLoad(lane=at, priority=one.priority, count=count, due=one.accepted_at, suspended_until=until))
    return loads
