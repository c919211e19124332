"""What a database says when it fails, in our words: the one place where library errors are translated.

Owns the distinction the committer lives by: a statement that cannot be written (`StatementFailed`: its author is to
blame), a store that cannot keep anything now (`CommitFailed`), a read that cannot be answered now (`Unavailable`).
"""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError

from tierii_mta.errors import TieriiError, Unavailable
from tierii_mta.queue.store import CommitFailed, StatementFailed

VALUE_ERRORS = (StatementError, OverflowError, UnicodeError)
"""What a driver raises for a value it cannot bind, besides its own errors."""

_SQLITE_STORE = {
    sqlite3.SQLITE_FULL: "the disk or the database file is full",
    sqlite3.SQLITE_IOERR: "the disk reports an input/output error",
    sqlite3.SQLITE_READONLY: "the database file cannot be written",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_BUSY: "another program keeps the database locked",
    sqlite3.SQLITE_LOCKED: "another connection keeps the database locked",
    sqlite3.SQLITE_CORRUPT: "the disk fails to read the database file, or the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_PROTOCOL: "the locking protocol of the file system fails",
}
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some space; mail is refused until then and nothing accepted is lost",
    sqlite3.SQLITE_READONLY: "check the owner and mode of data_dir and that its file system is writable",
    sqlite3.SQLITE_CORRUPT: "see the kernel's log for errors of the disk; if it has none, restore the last `db backup`",
    sqlite3.SQLITE_NOTADB: "check `database` and `data_dir` in the settings",
}
_POSTGRES_STORE_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})
"""SQLSTATE classes that speak of the server, not of the statement."""
_POSTGRES_RETRY = frozenset({"40001", "40P01"})


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE a PostgreSQL error carries, or None."""
    origin = getattr(error, "orig", None)
    return getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None)


def may_be_retried(error: BaseException) -> bool:
    """Return whether the same transaction may well succeed at once: PostgreSQL chose it to break a deadlock."""
    return sqlstate(error) in _POSTGRES_RETRY


def _sqlite_code(error: BaseException) -> int | None:
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _store_trouble(error: BaseException) -> tuple[str, str] | None:
    """Return what is wrong with the store and what to do, or None if only the statement is wrong."""
    code = _sqlite_code(error)
    if code in _SQLITE_STORE:
        return _SQLITE_STORE[code], _REMEDIES.get(code, "see the log and the health of the disk")
    if isinstance(error, DBAPIError) and code is None:
        state = sqlstate(error)
        lost = state is None and isinstance(error, (OperationalError, InterfaceError))
        if lost or error.connection_invalidated or (state is not None and state[:2] in _POSTGRES_STORE_CLASSES):
            return "the PostgreSQL server cannot be used", "check that it runs and that `database` names it"
    return None


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error)
    return text.splitlines()[0] if text else type(error).__name__


def statement_failure(error: BaseException, where: str) -> TieriiError:
    """Return the error for a statement that failed inside a transaction that writes."""
    if trouble := _store_trouble(error):
        return CommitFailed(f"{trouble[0]} ({_reason(error)})", where=where, remedy=trouble[1])
    return StatementFailed(f"the database refuses a statement: {_reason(error)}", where=where)


def commit_failure(error: BaseException, where: str) -> CommitFailed:
    """Return the error for a COMMIT that failed."""
    what, remedy = _store_trouble(error) or ("the commit failed", "see the log and the health of the disk")
    return CommitFailed(f"{what} ({_reason(error)})", where=where, remedy=remedy)


def read_failure(error: BaseException, where: str) -> Unavailable:
    """Return the error for a read, or a connection, that failed."""
    what, remedy = _store_trouble(error) or ("the database does not answer", "see the log")
    return Unavailable(f"{what} ({_reason(error)})", where=where, remedy=remedy)
