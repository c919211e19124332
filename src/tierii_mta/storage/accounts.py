"""Accounts in the database.

Owns the port `inbound.accounts.AccountStore`; usage and acquaintances are written with each accepted message
(storage.accept).  Who is asked for while a read is under way is read with the next one, all together: a trip to the
database costs ten times what it brings.
"""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, Select, delete, select

from tierii_mta.clock import Instant
from tierii_mta.inbound.accounts import (
    Account,
    Acquaintance,
    DailyLimits,
    Day,
    ReturnPath,
    Role,
    SenderPattern,
    Usage,
)
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import Priority
from tierii_mta.storage.bulk import Values, insert_rows, select_rows
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.suppression import suppressions_of
from tierii_mta.storage.tables import AnyRow, account, acquaintance, usage

_PAGE = 1000
_Pair = tuple[str, PersonKey]


class StoredAccounts:
    """`AccountStore` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._asked: list[tuple[_Pair, asyncio.Future[Acquaintance]]] = []
        self._answering: asyncio.Task[None] | None = None

    async def get(self, name: str) -> Account | None:
        rows = await self._connections.read(_rows, select(account).where(account.c.name == name))
        return _account(rows[0]) if rows else None

    async def put(self, account: Account) -> bool:
        """Add or replace an account; return whether it is new."""
        return await self._connections.write(_put, account)

    async def delete(self, name: str) -> bool:
        """Remove an account at once, and what is known of it a page a commit."""
        is_gone = await self._connections.write(_delete, name)
        while await self._connections.write(_forget, name) == _PAGE:
            pass
        return is_gone

    async def list(self) -> Sequence[Account]:
        """Return all accounts by name."""
        return [_account(row) for row in await self._connections.read(_rows, select(account).order_by(account.c.name))]

    async def standing(self, name: str, day: Day) -> tuple[Account, Usage] | None:
        rows = await self._connections.read(
            _rows,
            select(account, usage.c.messages, usage.c.recipients, usage.c.newcomers)
            .outerjoin(usage, (usage.c.account == account.c.name) & (usage.c.day == day))
            .where(account.c.name == name),
        )
        if not rows:
            return None
        used = Usage(
            messages=rows[0].messages or 0, recipients=rows[0].recipients or 0, newcomers=rows[0].newcomers or 0
        )
        return _account(rows[0]), used

    async def acquaintance(self, name: str, person: PersonKey) -> Acquaintance:
        answer: asyncio.Future[Acquaintance] = asyncio.get_running_loop().create_future()
        self._asked.append(((name, person), answer))
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer())
        return await answer

    async def _answer(self) -> None:
        while self._asked:
            asked, self._asked = self._asked[:_PAGE], self._asked[_PAGE:]
            try:
                found = await self._connections.read(_acquaintances, {pair for pair, _ in asked})
            except Exception as failure:  # whoever asked learns of it
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(failure)
                continue
            for pair, answer in asked:
                if not answer.done():
                    answer.set_result(found[pair])


def _rows(connection: Connection, wanted: Select[*tuple[object, ...]]) -> Sequence[AnyRow]:
    return connection.execute(wanted).all()


def _put(connection: Connection, one: Account) -> bool:
    is_known = connection.execute(select(account.c.name).where(account.c.name == one.name)).first() is not None
    insert_rows(connection, account, _COLUMNS, [_values(one)], conflict=_REPLACE)
    return not is_known


def _delete(connection: Connection, name: str) -> bool:
    gone = connection.execute(delete(account).where(account.c.name == name)).rowcount
    connection.execute(delete(usage).where(usage.c.account == name))
    return bool(gone)


def _forget(connection: Connection, name: str) -> int:
    keys = select(acquaintance.c.recipient_key).where(acquaintance.c.account == name).limit(_PAGE)
    some = (acquaintance.c.account == name) & acquaintance.c.recipient_key.in_(keys.scalar_subquery())
    return connection.execute(delete(acquaintance).where(some)).rowcount


def _acquaintances(connection: Connection, pairs: Collection[_Pair]) -> Mapping[_Pair, Acquaintance]:
    rows = select_rows(connection, acquaintance, ("account", "recipient_key"), sorted(pairs))
    known = {(row.account, row.recipient_key) for row in rows}
    suppressions = suppressions_of(connection, {person for _, person in pairs})
    return {pair: Acquaintance(is_known=pair in known, suppressions=suppressions.get(pair[1], ())) for pair in pairs}


_COLUMNS = (
    *("name", "password", "role", "senders", "max_priority", "return_path"),
    *("messages_per_day", "recipients_per_day", "newcomers_per_day", "is_enabled", "created_at", "changed_at"),
)
_REPLACE = "ON CONFLICT (name) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("name", "created_at")
)


def _values(one: Account) -> Values:
    """Return the values of `_COLUMNS`."""
    return (
        *(one.name, one.password, str(one.role), json.dumps([pattern.text for pattern in one.senders])),
        *(int(one.max_priority), str(one.return_path)),
        *(one.limits.messages, one.limits.recipients, one.limits.newcomers),
        *(one.is_enabled, one.created_at, one.changed_at),
    )


def _account(row: AnyRow) -> Account:
    return Account(
        name=row.name,
        password=row.password,
        role=Role(row.role),
        senders=tuple(SenderPattern(text) for text in json.loads(row.senders)),
        max_priority=Priority(row.max_priority),
        return_path=ReturnPath(row.return_path),
        limits=DailyLimits(
            messages=row.messages_per_day, recipients=row.recipients_per_day, newcomers=row.newcomers_per_day
        ),
        is_enabled=bool(row.is_enabled),
        created_at=Instant(row.created_at),
        changed_at=Instant(row.changed_at),
    )
