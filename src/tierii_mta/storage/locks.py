"""File locks of an SQLite installation: one writer at a time, one daemon for life.

Owns `WriteLock` (around every write transaction, checkpoint and close, in any process) and `DaemonLock` (held by
`serve`).  Touches lock files in `data_dir`, which are never deleted.  They are `flock` locks on files of their own:
closing a second descriptor of the database file itself would drop the POSIX locks SQLite holds on it.
"""

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tierii_mta.errors import ConfigurationError, Unavailable

PATIENCE_S = 10.0  # as long as SQLite's busy handler waits for a program that does not know of our lock
_DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as cause:
        if cause.errno in _DISK_TROUBLE:
            raise Unavailable(
                f"cannot open the lock file ({os.strerror(cause.errno)})",
                where=str(path),
                remedy="see the log and the health of the disk",
            ) from cause
        raise ConfigurationError(
            f"cannot open the lock file ({os.strerror(cause.errno or 0)})",
            where=str(path),
            remedy="check the owner and mode of data_dir",
        ) from cause


class WriteLock:
    """The right to write. SQLite before 3.51.3 can corrupt a WAL when two connections write and checkpoint at once,
    and its own busy handler makes a writer wait up to seconds; the kernel's queue on this lock does neither.
    """

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        self._path, self._patience_s = path, patience_s
        self._descriptor = _open(path)
        self._turn: _Turn | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock, waiting for it in the kernel's queue: for the database thread only.

        Raises `Unavailable` when another process does not let go of it, stopped in the middle of a commit perhaps.
        """
        descriptor = self._take()
        try:
            yield
        finally:
            if descriptor == self._descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            else:
                os.close(descriptor)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _take(self) -> int:
        """Return the descriptor that holds the lock: ours, or after a wait that of the turn we waited for."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError as cause:
            raise ConfigurationError(
                "the file system does not support locks",
                where=str(self._path),
                remedy="put data_dir on a local file system",
            ) from cause
        else:
            return self._descriptor
        if self._turn is None or not self._turn.is_wanted_again():
            self._turn = _Turn(_open(self._path))
            self._turn.start()
        descriptor = self._turn.wait(self._patience_s)
        if descriptor is None:
            raise Unavailable(
                f"another process has kept the database locked for {self._patience_s:g} s",
                where=str(self._path),
                remedy="look for a stopped `tierii-mta` command: `fuser -v` on this file names it",
            )
        self._turn = None
        return descriptor


class _Turn(threading.Thread):
    """One wait for the lock: flock(2) knows no time limit, so a thread waits in it that may be left behind.

    It has a descriptor of its own, hence a lock of its own. If nobody wants the lock any more when it comes, the
    thread lets it go; until then who asks again takes the same place in the kernel's queue.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(name="write-lock", daemon=True)
        self._descriptor = descriptor
        self._mutex = threading.Lock()
        self._came = threading.Event()
        self._is_wanted = True

    def run(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._mutex:
            self._came.set()
            if not self._is_wanted:
                os.close(self._descriptor)

    def wait(self, seconds: float) -> int | None:
        """Return the descriptor once it holds the lock, or None if it did not within `seconds`."""
        if not self._came.wait(seconds):
            with self._mutex:
                if not self._came.is_set():
                    self._is_wanted = False
                    return None
        return self._descriptor

    def is_wanted_again(self) -> bool:
        """Want the lock again; return False if it came and went in the meantime."""
        with self._mutex:
            self._is_wanted = not self._came.is_set()
            return self._is_wanted


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
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError as cause:
            os.close(descriptor)
            raise Unavailable(
                f"the disk cannot be written ({os.strerror(cause.errno or 0)})",
                where=str(path),
                remedy="free some space, or see the health of the disk",
            ) from cause
        return cls(descriptor)

    def release(self) -> None:
        """Give it up at a clean stop."""
        os.close(self._descriptor)
