"""The suppression list in the database.

Owns the port `consent.SuppressionList` and the look-up other transactions use; not whom an entry stops (consent).
A person has an entry for each scope and reason: a bounce does not undo the operator's word, nor a word for a week an
unsubscription.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, delete, select, tuple_

from tierii_mta.clock import Clock, Instant
from tierii_mta.consent.suppression import Suppression, SuppressionReason
from tierii_mta.events import EventType
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage.bulk import Values, insert_rows, select_rows
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.tables import AnyRow, suppression

PAGE = 1000
_MANY = 100  # persons


def suppressions_of(connection: Connection, keys: Collection[bytes]) -> Mapping[bytes, Sequence[Suppression]]:
    """Return the entries of these persons, by person."""
    found: dict[bytes, list[Suppression]] = {}
    wanted = sorted(keys)
    rows: Iterable[AnyRow] | None = _between(connection, wanted) if len(wanted) >= _MANY else None
    if rows is None:
        rows = select_rows(connection, suppression, ("recipient_key",), [(key,) for key in wanted])
    for row in rows:
        found.setdefault(row.recipient_key, []).append(_entry(row))
    return found


def _between(connection: Connection, keys: Sequence[bytes]) -> Sequence[AnyRow] | None:
    """Return the entries of persons who stand close together, as a campaign's batches do, by one look at the part of
    the list that lies between them; None if more entries than that lie there.
    """
    most = len(keys) // 4
    between = select(suppression).where(suppression.c.recipient_key.between(keys[0], keys[-1])).limit(most)
    rows = connection.execute(between).all()
    if len(rows) == most:
        return None
    asked = set(keys)
    return [row for row in rows if row.recipient_key in asked]


def put_suppressions(
    connection: Connection,
    entries: Sequence[Suppression],
    ledger: Ledger,
    *,
    with_events: bool = True,
    only_extend: bool = False,
) -> int:
    """Add or replace entries, with an event for each new one; return how many are new."""
    latest: dict[tuple[PersonKey, str, SuppressionReason], Suppression] = {}
    for entry in entries:
        before = latest.get(_key(entry))
        if before is None or not only_extend or entry.outlasts(before):
            latest[_key(entry)] = entry
    known = suppressions_of(connection, {entry.key for entry in entries})
    present = {_key(one) for entries_of_one in known.values() for one in entries_of_one}
    if latest:
        rows = [_row(latest[key]) for key in sorted(latest)]
        insert_rows(connection, suppression, _COLUMNS, rows, conflict=_EXTEND if only_extend else _REPLACE)
        ledger.announce(ChangeKind.SUPPRESSION)
    new = [entry for key, entry in latest.items() if key not in present]
    for entry in new if with_events else ():
        ledger.happened(
            EventType.SUPPRESSION_CREATED,
            entry.created_at,
            recipient=entry.address,
            data={"scope": entry.scope, "reason": str(entry.reason), "evidence": entry.evidence},
        )
    return len(new)


def _key(entry: Suppression) -> tuple[PersonKey, str, SuppressionReason]:
    return entry.key, entry.scope, entry.reason


_COLUMNS = ("recipient_key", "scope", "reason", "address", "evidence", "created_at", "expires_at")
_REPLACE = (
    "ON CONFLICT (recipient_key, scope, reason) DO UPDATE SET address = excluded.address, "
    "evidence = excluded.evidence, created_at = excluded.created_at, expires_at = excluded.expires_at"
)
_EXTEND = (
    "ON CONFLICT (recipient_key, scope, reason) DO UPDATE SET "
    "address = coalesce(suppression.address, excluded.address), "
    "expires_at = CASE WHEN suppression.expires_at > excluded.expires_at THEN suppression.expires_at "
    "WHEN suppression.expires_at IS NOT NULL THEN excluded.expires_at END"
)


class StoredSuppressions:
    """`SuppressionList` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections, clock: Clock, node: str) -> None:
        self._connections, self._clock, self._node = connections, clock, node

    async def add(self, entries: Sequence[Suppression], *, only_extend: bool = False) -> int:
        """Add or replace entries by (key, scope, reason), at most `PAGE` a commit; return how many are new."""
        added = 0
        for start in range(0, len(entries), PAGE):
            page = entries[start : start + PAGE]
            added += await self._connections.write(self._add, page, only_extend)
            self._connections.touch()
        return added

    def _add(self, connection: Connection, entries: Sequence[Suppression], only_extend: bool) -> int:
        ledger = Ledger(self._clock, self._node)
        new = put_suppressions(connection, entries, ledger, only_extend=only_extend)
        ledger.write(connection)
        return new

    async def remove(
        self,
        key: PersonKey,
        scope: str | None = None,
        *,
        reason: SuppressionReason | None = None,
        by: str,
        why: str = "",
    ) -> int:
        """Remove a person's entries: in one scope or in all, for one reason or for any; return how many went."""
        which = suppression.c.recipient_key == key
        if scope is not None:
            which &= suppression.c.scope == scope
        if reason is not None:
            which &= suppression.c.reason == str(reason)
        gone = await self._connections.write(self._remove, which, {"by": by, "why": why})
        self._connections.touch()
        return gone

    def _remove(self, connection: Connection, which: ColumnElement[bool], told: Mapping[str, str]) -> int:
        gone = connection.execute(delete(suppression).where(which).returning(suppression)).all()
        ledger = Ledger(self._clock, self._node)
        for row in gone:
            ledger.announce(ChangeKind.SUPPRESSION)
            ledger.happened(
                EventType.SUPPRESSION_DELETED,
                self._clock.now(),
                recipient=row.address,
                data={"scope": row.scope, "reason": row.reason, **told},
            )
        ledger.write(connection)
        return len(gone)

    async def find(self, keys: Iterable[PersonKey]) -> list[Suppression]:
        """Return all entries of these persons."""
        wanted = set(keys)
        found = await self._connections.read(suppressions_of, wanted)
        return [entry for entries in found.values() for entry in entries]

    async def entries(self) -> AsyncIterator[Suppression]:
        """Yield the whole list in the order of its key, a page a read."""
        after: tuple[bytes, str, str] = (b"", "", "")
        while True:
            rows = await self._connections.read(_page, after)
            for row in rows:
                yield _entry(row)
            if len(rows) < PAGE:
                return
            after = (rows[-1].recipient_key, rows[-1].scope, rows[-1].reason)


def _page(connection: Connection, after: tuple[bytes, str, str]) -> Sequence[AnyRow]:
    key = (suppression.c.recipient_key, suppression.c.scope, suppression.c.reason)
    ordered = select(suppression).order_by(*key)
    return connection.execute(ordered.where(tuple_(*key) > after).limit(PAGE)).all()


def _row(entry: Suppression) -> Values:
    return (
        entry.key,
        entry.scope,
        str(entry.reason),
        entry.address,
        entry.evidence,
        entry.created_at,
        entry.expires_at,
    )


def _entry(row: AnyRow) -> Suppression:
    return Suppression(
        key=PersonKey(row.recipient_key),
        scope=row.scope,
        reason=SuppressionReason(row.reason),
        address=row.address,
        evidence=row.evidence,
        created_at=Instant(row.created_at),
        expires_at=Instant(row.expires_at) if row.expires_at is not None else None,
    )
