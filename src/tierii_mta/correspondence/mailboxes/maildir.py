"""Maildir: a message is a file that is there whole, or not at all.

Owns the files; not when they are written (correspondence.mailbox).  After D. J. Bernstein's maildir(5):

    1. tmp/NAME.x is written and synced                         (`_write`)
    2. it is linked to new/NAME, and new/ synced                (`_publish`)

NAME is made of the job alone, so that a job that is done again, because we died before we could say so, finds its
file: in new/, or in cur/ where a reader has moved it.  What a reader has deleted by then comes once more.  Lines end
in LF, as readers expect; Delivered-To and the size (`,S=`) are added.  Folders have mode 0700 and files 0600: a reader
runs as our user, or the mailbox is LMTP's.  Whatever the disk says is temporary.  Touches the file system, in threads.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tierii_mta.clock import Clock
from tierii_mta.correspondence.mailboxes.delivery import Done, Later, Letter, Outcome

_FOLDERS = ("tmp", "new", "cur")
_HELD = 1024 * 1024  # octets gathered before they are written
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS})


class MaildirDeliverer:
    """Delivers into one Maildir, made where it is missing."""

    def __init__(self, path: Path, *, hostname: str, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._host = hostname.replace("/", "\\057").replace(":", "\\072")

    async def deliver(self, letter: Letter) -> Outcome:
        """Write the file, unless an earlier attempt has."""
        name = self._name(letter)
        try:
            if letter.job.attempts > 1 and await asyncio.to_thread(self._is_there, name):
                return Done(answer=f"{name} was there")
            await self._write(letter, name)
        except OSError as failure:
            return Later(reason=f"{self._path}: {os.strerror(failure.errno or 0)}")
        return Done(answer=name)

    def _name(self, letter: Letter) -> str:
        seconds, rest = divmod(letter.entry.received_at, 1000)
        return f"{seconds}.M{rest * 1000}Q{letter.job.id}.{self._host}"

    def _is_there(self, name: str) -> bool:
        """Whether an earlier attempt got as far as new/; readers add `:2,` and flags, and we the size."""
        for folder in ("new", "cur"):
            with suppress(FileNotFoundError), os.scandir(self._path / folder) as files:
                if any(one.name.partition(":")[0].partition(",")[0] == name for one in files):
                    return True
        return False

    async def _write(self, letter: Letter, name: str) -> None:
        draft = self._path / "tmp" / f"{name}.{self._clock.token(4).hex()}"
        pieces = _gathered(letter)
        first, second = await anext(pieces), await anext(pieces, None)
        if second is None:
            await asyncio.to_thread(self._write_at_once, draft, name, first)
            return
        descriptor = await asyncio.to_thread(self._open, draft)
        with self._closing(descriptor, draft):
            size = await asyncio.to_thread(_write_all, descriptor, first + second)
            async for octets in pieces:
                size += await asyncio.to_thread(_write_all, descriptor, octets)
            await asyncio.to_thread(self._publish, descriptor, draft, f"{name},S={size}")

    def _write_at_once(self, draft: Path, name: str, octets: bytes) -> None:
        """What nearly every message is worth: one trip to a thread."""
        descriptor = self._open(draft)
        with self._closing(descriptor, draft):
            self._publish(descriptor, draft, f"{name},S={_write_all(descriptor, octets)}")

    @contextmanager
    def _closing(self, descriptor: int, draft: Path) -> Iterator[None]:
        try:
            yield
        finally:
            os.close(descriptor)
            with suppress(FileNotFoundError):
                draft.unlink()

    def _open(self, draft: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(draft, flags, 0o600)
        except FileNotFoundError:
            self._make()
            return os.open(draft, flags, 0o600)

    def _make(self) -> None:
        """Make the Maildir, durably: each new folder is synced into the one above it."""
        missing = [one for one in (self._path, *self._path.parents) if not one.exists()]
        for folder in (*reversed(missing), *(self._path / name for name in _FOLDERS)):
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync(folder.parent)

    def _publish(self, descriptor: int, draft: Path, name: str) -> None:
        os.fsync(descriptor)
        final = self._path / "new" / name
        try:
            os.link(draft, final)
        except FileExistsError:
            pass  # another attempt of the same job was first: the octets are the same
        except OSError as failure:
            if failure.errno not in _NO_LINKS:
                raise
            draft.rename(final)
        _sync(final.parent)


async def _gathered(letter: Letter) -> AsyncIterator[bytes]:
    """Yield the file's octets in pieces worth a system call."""
    pending = bytearray(f"Delivered-To: {letter.job.recipient}\n".encode())
    carried = b""
    async for part in letter.read():
        octets = carried + part
        carried = b"\r" if octets.endswith(b"\r") else b""  # its LF may come with the next part
        pending += octets[: len(octets) - len(carried)].replace(b"\r\n", b"\n")
        if len(pending) >= _HELD:
            yield bytes(pending)
            pending.clear()
    yield bytes(pending + carried)


def _write_all(descriptor: int, octets: bytes) -> int:
    left = memoryview(octets)
    while left:
        left = left[os.write(descriptor, left) :]
    return len(octets)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
