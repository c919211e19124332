"""The program with faults built in, `python sabotage.py FAULT[,FAULT] COMMAND…`: each breaks a promise about bad disks.

The product carries no hooks: its functions are replaced here, before it runs.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tierii_mta.cli.main import main
from tierii_mta.errors import Unavailable
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import DeliveryId, MessageRow
from tierii_mta.queue.store import Accept, Accepted, Operation
from tierii_mta.storage import sqlite
from tierii_mta.storage.locks import WriteLock


def _believe() -> None:
    """A failed COMMIT is answered as a good one."""
    commit = Committer._commit

    async def wrapped(self: Committer, group: list[Any]) -> None:
        apply, store = self._store.apply, self._store

        async def hopeful(operations: Any) -> Any:
            try:
                return await apply(operations)
            except Unavailable:
                return [_invented(one) for one in operations]

        store.apply = hopeful  # type: ignore[method-assign]
        try:
            await commit(self, group)
        finally:
            store.apply = apply  # type: ignore[method-assign]

    Committer._commit = wrapped  # type: ignore[method-assign]
    Committer.report_sick = lambda self, failure: None  # type: ignore[method-assign]


def _invented(operation: Operation) -> Any:
    if isinstance(operation, Accept):
        numbers = tuple(DeliveryId(number) for number, _ in enumerate(operation.deliveries, 1))
        return Accepted(
            message=MessageRow(1), message_id=operation.message_id, deliveries=numbers, is_repeat=False, loads=()
        )
    return True


def _leave_frames() -> None:
    """What a failed COMMIT wrote stays in the WAL, and no probe overwrites it."""
    _never_ask_again()
    sqlite.SqliteConnections._bury = lambda self: None  # type: ignore[method-assign]


def _never_ask_again() -> None:
    """A sick store is never probed."""

    async def wrapped(self: Committer) -> None:
        while not self._is_closed:
            await self._arrival.wait()

    Committer._recover = wrapped  # type: ignore[method-assign]


def _be_impatient() -> None:
    """No fault: who waits for a lock waits half a second, so that a test need not wait ten."""
    sqlite.WriteLock = partial(WriteLock, patience_s=0.5)  # type: ignore[assignment,attr-defined]
    sqlite._BUSY_TIMEOUT_SECONDS = 0.5  # type: ignore[assignment]


FAULTS: Mapping[str, Callable[[], None]] = {
    "failed-commit-believed": _believe,
    "lost-group-unburied": _leave_frames,
    "never-probed": _never_ask_again,
    "impatient": _be_impatient,
}

if __name__ == "__main__":
    for fault in sys.argv.pop(1).split(","):
        FAULTS[fault]()
    main()
