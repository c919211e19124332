"""The program with a trap or a fault built in: `python sabotage.py [--die POINT:N] [--with FAULT] COMMAND…`.

Owns the named points inside our own processes, and one fault for each property the ledger asserts, so that every
assertion is seen to fail.  The product carries no hooks: its functions are replaced here, before it runs.

A *point* ends the process by SIGKILL the N-th time it comes by.  A *fault* lets it go on, wrongly.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import count
from types import UnionType
from typing import Any

from sqlalchemy import Connection, update

from tierii_mta.campaigns import merge
from tierii_mta.campaigns.store import Added, NewRecipient
from tierii_mta.cli.main import main
from tierii_mta.mail import message_id
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import FINAL, DeliveryId, MessageRow, State
from tierii_mta.queue.received import InboxId
from tierii_mta.queue.store import (
    Accept,
    Accepted,
    Activate,
    CommitFailed,
    Operation,
    Receive,
    Received,
    Result,
    Settle,
)
from tierii_mta.storage import apply as applying
from tierii_mta.storage import queue, sqlite
from tierii_mta.storage.campaigns import StoredCampaigns
from tierii_mta.storage.codes import REASON, STATE
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.queue import StoredQueue
from tierii_mta.storage.tables import delivery

Passing = Callable[[], None]
Submit = Callable[[Committer, Operation], Awaitable[Result]]


def _countdown(number: int) -> Passing:
    """Return what kills this process when it is called the `number`-th time."""
    left = count(number - 1, -1)

    def passing() -> None:
        if next(left) <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return passing


# -- points ------------------------------------------------------------------------------------------------------


def _after(owner: Any, name: str, passing: Passing, when: Callable[..., bool] = lambda *_: True) -> None:
    """Pass the point behind each call of an asynchronous method for which `when` holds."""
    method = getattr(owner, name)

    async def wrapped(*args: Any, **fields: Any) -> Any:
        result = await method(*args, **fields)
        if when(*args):
            passing()
        return result

    setattr(owner, name, wrapped)


def _before_commit(kind: type | UnionType) -> Callable[[Passing], None]:
    """Pass inside the transaction, everything written and nothing committed."""

    def patch(passing: Passing) -> None:
        apply_all = applying.apply_all

        def wrapped(connection: Connection, operations: Sequence[Operation], ledger: Ledger) -> Sequence[Result]:
            results = apply_all(connection, operations, ledger)
            if any(isinstance(one, kind) for one in operations):
                passing()
            return results

        queue.apply_all = wrapped  # type: ignore[attr-defined]

    return patch


def _after_commit(kind: type | UnionType) -> Callable[[Passing], None]:
    def has_kind(_: StoredQueue, operations: Sequence[Operation]) -> bool:
        return any(isinstance(one, kind) for one in operations)

    return lambda passing: _after(StoredQueue, "apply", passing, has_kind)


def _at_checkpoint(*, before: bool) -> Callable[[Passing], None]:
    """Pass beside each checkpoint of the WAL, which is made short so that there are many."""

    def patch(passing: Passing) -> None:
        sqlite.WAL_LIMIT_BYTES = 1 << 17
        sqlite._WAL_STEP_BYTES = 1 << 16
        checkpoint = sqlite.SqliteConnections._checkpoint_when_long

        def wrapped(self: sqlite.SqliteConnections) -> None:
            is_long = self._wal.exists() and self._wal.stat().st_size > self._checkpoint_at
            if is_long and before:
                passing()
            checkpoint(self)
            if is_long and not before:
                passing()

        sqlite.SqliteConnections._checkpoint_when_long = wrapped  # type: ignore[method-assign]

    return patch


POINTS: dict[str, Callable[[Passing], None]] = {
    "registered": lambda passing: _after(StoredQueue, "register", passing),
    "dead-owners-freed": lambda passing: _after(StoredQueue, "free_dead", passing),
    "claim-committed": lambda passing: _after(StoredQueue, "claim", passing),
    "activation-uncommitted": _before_commit(Activate),
    "activation-committed": _after_commit(Activate),
    "settlement-uncommitted": _before_commit(Settle),
    "settlement-committed": _after_commit(Settle),
    "before-checkpoint": _at_checkpoint(before=True),
    "after-checkpoint": _at_checkpoint(before=False),
    "draft-committed": lambda passing: _after(StoredCampaigns, "open_draft", passing),
    "contacts-committed": lambda passing: _after(StoredCampaigns, "add_recipients", passing),
    "start-committed": lambda passing: _after(StoredCampaigns, "start", passing),
    "intake-uncommitted": _before_commit(Accept | Receive),
    "intake-committed": _after_commit(Accept | Receive),
}
DAEMON_POINTS = tuple(POINTS)[:9]
ENQUEUE_POINTS = tuple(POINTS)[9:12]
INTAKE_POINTS = tuple(POINTS)[12:]


# -- faults ------------------------------------------------------------------------------------------------------


def _active_uncommitted() -> None:
    """MAIL FROM goes out though nothing says that the delivery is active."""
    apply_all = applying.apply_all

    def wrapped(connection: Connection, operations: Sequence[Operation], ledger: Ledger) -> Sequence[Result]:
        kept = [
            replace(one, from_state=State.QUEUED) if isinstance(one, Settle) else one
            for one in operations
            if not isinstance(one, Activate)
        ]
        results = iter(apply_all(connection, kept, ledger))
        return [True if isinstance(one, Activate) else next(results) for one in operations]

    queue.apply_all = wrapped  # type: ignore[attr-defined]


def _settled_first() -> None:
    """A delivery is completed before its message has gone."""
    apply_all = applying.apply_all

    def wrapped(connection: Connection, operations: Sequence[Operation], ledger: Ledger) -> Sequence[Result]:
        kept = [one for one in operations if not (isinstance(one, Settle) and one.from_state is State.ACTIVE)]
        results = iter(apply_all(connection, kept, ledger))
        early = [one.delivery for one in operations if isinstance(one, Activate)]
        done = {"state": STATE[State.COMPLETED], "owner": None, "finished_at": 1}
        connection.execute(update(delivery).where(delivery.c.id.in_(early)).values(done))
        return [next(results) if one in kept else True for one in operations]

    queue.apply_all = wrapped  # type: ignore[attr-defined]


def _answered_uncommitted() -> None:
    """`enqueue` counts the second page of contacts as kept, and does not keep it."""
    add, calls = StoredCampaigns.add_recipients, count(1)

    async def wrapped(self: StoredCampaigns, campaign: str, rows: Sequence[NewRecipient], **fields: Any) -> Added:
        if next(calls) == 2:
            return Added(accepted=len(rows), present=0, suppressed=0)
        return await add(self, campaign, rows, **fields)

    StoredCampaigns.add_recipients = wrapped  # type: ignore[method-assign]


def _stranger() -> None:
    """`enqueue` adds a person nobody named."""
    add = StoredCampaigns.add_recipients

    async def wrapped(self: StoredCampaigns, campaign: str, rows: Sequence[NewRecipient], **fields: Any) -> Added:
        domain = rows[0].domain
        stranger = replace(rows[0], recipient=f"stranger@{domain}", recipient_key=PersonKey(bytes(16)))
        return await add(self, campaign, [*rows, stranger], **fields)

    StoredCampaigns.add_recipients = wrapped  # type: ignore[method-assign]


def _every_seventh(instead: Callable[[Committer, Submit, Operation], Awaitable[Result]]) -> Callable[[], None]:
    """Do something else with every seventh message that comes in."""

    def patch() -> None:
        submit, calls = Committer.submit, count(1)

        async def wrapped(self: Committer, operation: Operation) -> Result:
            if isinstance(operation, Accept | Receive) and not next(calls) % 7:
                return await instead(self, submit, operation)
            return await submit(self, operation)

        Committer.submit = wrapped  # type: ignore[method-assign]

    return patch


async def _accepted_unwritten(committer: Committer, submit: Submit, operation: Operation) -> Result:
    """A message gets its 250 and is not written."""
    if isinstance(operation, Accept):
        numbers = tuple(DeliveryId(number) for number, _ in enumerate(operation.deliveries, 1))
        return Accepted(message=MessageRow(1), message_id=operation.message_id, deliveries=numbers, loads=())
    return Received(id=InboxId(1))


async def _accepted_twice(committer: Committer, submit: Submit, operation: Operation) -> Result:
    """A message is written twice."""
    await submit(committer, operation)
    return await submit(committer, operation)


async def _kept_though_refused(committer: Committer, submit: Submit, operation: Operation) -> Result:
    """A message is written, and its client told that it was not."""
    await submit(committer, operation)
    raise CommitFailed("invented")


async def _parts_forgotten(committer: Committer, submit: Submit, operation: Operation) -> Result:
    """A message is written without its content."""
    assert isinstance(operation, Accept | Receive)
    return await submit(committer, replace(operation, parts=()))


def _message_id_of_the_day() -> None:
    """Every attempt makes a Message-ID of its own."""
    attempts, made = count(1), message_id.message_id

    def wrapped(codec: TokenCodec, delivery: int, domain: str) -> str:
        return made(codec, delivery, domain).replace("@", f".{os.getpid()}-{next(attempts)}@", 1)

    merge.message_id = wrapped  # type: ignore[attr-defined]


def _tally_skipped() -> None:
    """Every seventh commit leaves the tally as it was."""
    write, calls = Ledger._write_tally, count(1)

    def wrapped(self: Ledger, connection: Connection) -> None:
        if next(calls) % 7:
            write(self, connection)

    Ledger._write_tally = wrapped  # type: ignore[method-assign]


def _reason_invented() -> None:
    """A bounce is written down as an error of ours."""
    made = applying._settled_row

    def wrapped(one: Settle) -> Any:
        values = made(one)
        is_failed = one.to_state in FINAL and one.reason is not None
        return (*values[:4], REASON_ERROR, *values[5:]) if is_failed else values

    applying._settled_row = wrapped


def _fsync_skipped() -> None:
    """SQLite commits without waiting for the disk, as many programs let it."""
    pragmas = sqlite._pragmas

    def wrapped(*, is_writer: bool) -> tuple[str, ...]:
        return tuple(one.replace("synchronous=FULL", "synchronous=NORMAL") for one in pragmas(is_writer=is_writer))

    sqlite._pragmas = wrapped


REASON_ERROR = max(REASON.values())
FAULTS: dict[str, Callable[[], None]] = {
    "active-uncommitted": _active_uncommitted,
    "settled-first": _settled_first,
    "answered-uncommitted": _answered_uncommitted,
    "stranger": _stranger,
    "message-id-of-the-attempt": _message_id_of_the_day,
    "tally-skipped": _tally_skipped,
    "reason-invented": _reason_invented,
    "accepted-unwritten": _every_seventh(_accepted_unwritten),
    "accepted-twice": _every_seventh(_accepted_twice),
    "kept-though-refused": _every_seventh(_kept_though_refused),
    "parts-forgotten": _every_seventh(_parts_forgotten),
    "synchronous-normal": _fsync_skipped,
}


def _prepare(arguments: list[str]) -> list[str]:
    """Build in what the options say, and return what is left for the program."""
    while arguments and arguments[0] in ("--die", "--with"):
        option, value, *arguments = arguments
        if option == "--with":
            FAULTS[value]()
        else:
            point, _, number = value.partition(":")
            POINTS[point](_countdown(int(number or 1)))
    return arguments


if __name__ == "__main__":
    sys.argv[1:] = _prepare(sys.argv[1:])
    main()
