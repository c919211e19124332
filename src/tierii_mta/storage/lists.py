"""Stored lists of contacts in the database.

Owns the port `campaigns.lists.ContactLists`.  A list is read and cleared by pages along its key, so that no transaction
grows with it.
"""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select

from tierii_mta.campaigns.lists import PAGE, ContactList, Member
from tierii_mta.clock import Instant
from tierii_mta.mail.person import PersonKey
from tierii_mta.storage.bulk import insert_rows, select_rows
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.ledger import compact_json
from tierii_mta.storage.tables import AnyRow, contact_list, list_member

_COLUMNS = ("list", "recipient_key", "contact")
_TOUCH = "ON CONFLICT (name) DO UPDATE SET changed_at = excluded.changed_at"
_REPLACE = "ON CONFLICT (list, recipient_key) DO UPDATE SET contact = excluded.contact"


class StoredLists:
    """`ContactLists` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def put(self, name: str, members: Sequence[Member], *, now: Instant) -> int:
        """Add persons to a list, or replace what is known of them; return how many are new."""
        latest = {member.person: compact_json(member.fields) for member in members}
        return await self._connections.write(_put, name, sorted(latest.items()), now)

    async def names(self) -> Sequence[str]:
        """Return the lists there are."""
        wanted = select(contact_list.c.name).order_by(contact_list.c.name)
        return await self._connections.read(lambda connection: connection.execute(wanted).scalars().all())

    async def lists(self) -> Sequence[ContactList]:
        """Return every list, by name, its members counted."""
        size = (
            select(func.count()).where(list_member.c.list == contact_list.c.number).correlate(contact_list)
        ).scalar_subquery()
        wanted = select(contact_list, size.label("size")).order_by(contact_list.c.name)
        rows = await self._connections.read(lambda connection: connection.execute(wanted).all())
        return [
            ContactList(
                name=row.name,
                size=row.size,
                created_at=Instant(row.created_at),
                changed_at=Instant(row.changed_at),
            )
            for row in rows
        ]

    async def members(self, name: str) -> AsyncIterator[Sequence[Member]]:
        """Yield the persons of a list in the order of their keys, a page a read; nobody where there is no such list."""
        after = b""
        while page := await self._connections.read(_page, name, after):
            yield [_member(row) for row in page]
            after = page[-1].recipient_key

    async def find(self, name: str, person: PersonKey) -> Member | None:
        """Return a person of a list, or None."""
        wanted = _members(name).where(list_member.c.recipient_key == person)
        row = await self._connections.read(lambda connection: connection.execute(wanted).one_or_none())
        return _member(row) if row is not None else None

    async def remove(self, name: str, person: PersonKey | None = None) -> int:
        """Take a person out, or everybody, a page a commit, and then the list; return how many went."""
        if person is not None:
            return await self._connections.write(_remove, name, [person])
        gone = 0
        while page := await self._connections.read(_page, name, b""):
            gone += await self._connections.write(_remove, name, [row.recipient_key for row in page])
        await self._connections.write(
            lambda connection: connection.execute(delete(contact_list).where(contact_list.c.name == name))
        )
        return gone


def _put(connection: Connection, name: str, members: Sequence[tuple[PersonKey, str]], now: Instant) -> int:
    insert_rows(connection, contact_list, ("name", "created_at", "changed_at"), [(name, now, now)], conflict=_TOUCH)
    number = connection.execute(select(contact_list.c.number).where(contact_list.c.name == name)).scalar_one()
    keys = [(number, person) for person, _ in members]
    known = len(list(select_rows(connection, list_member, ("list", "recipient_key"), keys)))
    rows = [(number, person, contact) for person, contact in members]
    insert_rows(connection, list_member, _COLUMNS, rows, conflict=_REPLACE)
    return len(members) - known


def _members(name: str) -> Select[*tuple[Any, ...]]:
    joined = select(list_member).join(contact_list, contact_list.c.number == list_member.c.list)
    return joined.where(contact_list.c.name == name)


def _page(connection: Connection, name: str, after: bytes) -> Sequence[AnyRow]:
    key = list_member.c.recipient_key
    return connection.execute(_members(name).where(key > after).order_by(key).limit(PAGE)).all()


def _remove(connection: Connection, name: str, persons: Sequence[bytes]) -> int:
    number = select(contact_list.c.number).where(contact_list.c.name == name).scalar_subquery()
    gone = delete(list_member).where(list_member.c.list == number, list_member.c.recipient_key.in_(persons))
    return connection.execute(gone).rowcount


def _member(row: AnyRow) -> Member:
    return Member(PersonKey(row.recipient_key), json.loads(row.contact))
