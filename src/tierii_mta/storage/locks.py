"""File locks of an SQLite installation: one writer at a time, one daemon for life.

Owns `WriteLock` (around every write transaction, checkpoint and close, in any process) and `DaemonLock` (held by
`serve`).  Touches lock files in `data_dir`, which are never deleted.  They are `flock` locks on files of their own:
closing a second descriptor of the database file itself would drop the POSIX locks SQLite holds on it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tierii_mta.errors import ConfigurationError, Unavailable


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as cause:
        raise ConfigurationError(
            f"cannot open the lock file ({os.strerror(cause.errno or 0)})",
            where=str(path),
            remedy="check the owner and mode of data_dir",
        ) from cause


class WriteLock:
    """The right to write. SQLite before 3.51.3 can corrupt a WAL when two connections write and checkpoint at once,
    and its own busy handler makes a writer wait up to seconds; the kernel's queue on this lock does neither.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = _open(path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock, waiting for it as long as it takes: for the database thread only."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as cause:
            raise ConfigurationError(
                "the file system does not support locks",
                where=str(self._path),
                remedy="put data_dir on a local file system",
            ) from cause
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class DaemonLock:
    """One daemon per `data_dir`, from start to end; the kernel releases it however the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, data_dir: Path) -> Self:
        """Take `daemon.lock` and write our pid into it. Raises `Unavailable` with the pid if another daemon runs."""
        path = data_dir / "daemon.lock"
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise Unavailable(
                f"another daemon (pid {pid or 'unknown'}) already serves this data_dir",
                where=str(path),
                remedy="stop it first, or give this one its own data_dir",
            ) from cause
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Give it up at a clean stop."""
        os.close(self._descriptor)
