"""What the checks of port 25 remember: whom the greylist has met, and whether we ever wrote to somebody.

Owns the ports `inbound.screening.greylist.Greylist` and `inbound.screening.acquaintance.Correspondents`; not what a
visit is worth (inbound.screening.greylist).  A visit takes one transaction, which also takes some old ones away.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, exists, select, tuple_

from tierii_mta.clock import Instant, later
from tierii_mta.inbound.screening.greylist import ANYBODY, Standing, Terms, Visit, Visitor, standing
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import State
from tierii_mta.storage.bulk import insert_rows
from tierii_mta.storage.codes import STATE
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.received_tables import greylist
from tierii_mta.storage.tables import delivery

_KEY = ("client", "sender", "recipient")
_COLUMNS = (*_KEY, "first_at", "last_at", "attempts", "passed_at")
_REPLACE = "ON CONFLICT (client, sender, recipient) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEY
)
_PURGED = 100  # a visit


class StoredGreylist:
    """`Greylist` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def meet(self, visitor: Visitor, terms: Terms, now: Instant) -> Standing:
        """Return whether a visitor has waited, and remember the visit."""
        return await self._connections.write(_meet, visitor, terms, now)


class StoredCorrespondents:
    """`Correspondents` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def has_had_mail(self, people: Collection[PersonKey]) -> bool:
        """Return whether mail of ours was delivered to one of these people, as far as deliveries are kept."""
        return await self._connections.read(_has_had_mail, people)


def _meet(connection: Connection, visitor: Visitor, terms: Terms, now: Instant) -> Standing:
    result = standing(visitor, _known(connection, visitor), terms, now)
    rows = [
        (visitor.client, visitor.sender, one.recipient, one.first_at, one.last_at, one.attempts, one.passed_at)
        for one in result.visits
    ]
    insert_rows(connection, greylist, _COLUMNS, rows, conflict=_REPLACE)
    _purge(connection, later(now, -terms.memory))
    return result


def _known(connection: Connection, visitor: Visitor) -> Sequence[Visit]:
    same = (greylist.c.client == visitor.client) & (greylist.c.sender == visitor.sender)
    wanted = select(greylist).where(same, greylist.c.recipient.in_([*visitor.recipients, ANYBODY]))
    return [
        Visit(
            recipient=row.recipient,
            first_at=Instant(row.first_at),
            last_at=Instant(row.last_at),
            attempts=row.attempts,
            passed_at=Instant(row.passed_at) if row.passed_at is not None else None,
        )
        for row in connection.execute(wanted).all()
    ]


def _purge(connection: Connection, before: Instant) -> None:
    keys = (greylist.c.client, greylist.c.sender, greylist.c.recipient)
    old = select(*keys).where(greylist.c.last_at < before).order_by(greylist.c.last_at).limit(_PURGED)
    found = connection.execute(old).all()
    if found:
        connection.execute(delete(greylist).where(tuple_(*keys).in_([tuple(row) for row in found])))


def _has_had_mail(connection: Connection, people: Collection[PersonKey]) -> bool:
    to_them = delivery.c.recipient_key.in_(sorted(people)) & (delivery.c.state == STATE[State.COMPLETED])
    return bool(connection.execute(select(exists().where(to_them))).scalar_one())
