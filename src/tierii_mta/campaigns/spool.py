"""Contacts between the two passes of `enqueue`: put aside as they were judged, handed back by person.

Owns the file and its order.  The store's unique index begins with the person key, which is random: a thousand contacts
in the order of their file touch a thousand pages of it, sorted ones a dozen; that is a third of all octets written.
Sorted runs are written as they fill up and merged as they are read, so memory holds one run, and a page of each while
merging.  The file is private, has no name in its folder, and is gone with the process.  Touches the file system.
"""

import heapq
import marshal
import os
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tierii_mta.errors import Unavailable
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.reserve import Reserve

_RUN = 20_000  # contacts
_PAGE = 200


class Waiting(NamedTuple):
    """A contact put aside. `number` is its place, so that of a person's contacts the first comes first."""

    person: PersonKey
    number: int
    recipient: str
    domain: str
    fields: dict[str, Json]


class Spool:
    """Context manager: `put` while judging, then iterate, once or more often."""

    def __init__(self, folder: Path | None, *, by_person: bool, reserve: Reserve | None = None) -> None:
        """`folder`: where the file lies; None: where the system keeps temporary ones. Not `by_person`: as they came."""
        self._folder, self._by_person, self._reserve = folder, by_person, reserve
        self._run: list[Waiting] = []
        self._pages: list[list[tuple[int, int]]] = []  # offset and size, by run
        self._size = self._count = 0

    def __enter__(self) -> Self:
        try:
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="enqueue-", buffering=0)
        except OSError as cause:
            raise self._failure(cause) from cause
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, person: PersonKey, recipient: str, domain: str, fields: dict[str, Json]) -> None:
        """Put a contact aside. Raises `Unavailable` if the disk takes no more, `NoRoom` before it is full."""
        self._run.append(Waiting(person, self._count, recipient, domain, fields))
        self._count += 1
        if len(self._run) >= _RUN:
            self._write()

    def __iter__(self) -> Iterator[Waiting]:
        """Yield every contact put aside so far."""
        self._write()
        runs = [self._read(pages) for pages in self._pages]
        return heapq.merge(*runs) if self._by_person else chain.from_iterable(runs)

    def _write(self) -> None:
        if not self._run:
            return
        if self._reserve is not None:
            self._reserve.check()
        if self._by_person:
            self._run.sort()
        pages = []
        for start in range(0, len(self._run), _PAGE):
            page = marshal.dumps([tuple(one) for one in self._run[start : start + _PAGE]])
            self._append(page)
            pages.append((self._size, len(page)))
            self._size += len(page)
        self._pages.append(pages)
        self._run = []

    def _append(self, page: bytes) -> None:
        done = 0
        try:
            while done < len(page):
                done += os.pwrite(self._file.fileno(), page[done:], self._size + done)
        except OSError as cause:
            raise self._failure(cause) from cause

    def _read(self, pages: list[tuple[int, int]]) -> Iterator[Waiting]:
        for offset, size in pages:
            try:
                page = os.pread(self._file.fileno(), size, offset)
            except OSError as cause:
                raise self._failure(cause) from cause
            yield from map(Waiting._make, marshal.loads(page))  # noqa: S302 what we wrote ourselves

    def _failure(self, cause: OSError) -> Unavailable:
        return Unavailable(
            f"contacts cannot be put aside: {cause.strerror}",
            where=str(self._folder or tempfile.gettempdir()),
            remedy="make room on that disk; the same command goes on later",
        )
