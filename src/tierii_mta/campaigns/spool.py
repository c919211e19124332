"""Contacts between the passes of `enqueue`: put aside as they were judged, handed back by person.

Owns the file and its order.  By person, the rows of one person stand together, which is how duplicates are found in no
memory; and the store's unique index begins with the person key, which is random: a thousand contacts in the order of
their file touch a thousand pages of it, sorted ones a dozen; that is a third of all octets written.  Sorted runs are
written as they fill up and merged as they are read, so memory holds one run, and a page of each while merging.  Merged
one by one: sorting what is ready of all runs at once needs fewer steps and takes twice as long, for it leaves the
processor's caches.  The file is private, has no name in its folder, and is gone with the process.  Touches the file
system.
"""

import heapq
import marshal
import os
import tempfile
from collections.abc import Iterator
from enum import Enum
from itertools import chain
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self

from tierii_mta.errors import Unavailable
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.reserve import Reserve

_RUN = 10_000  # contacts that are sorted together
_PAGE = 100


class Waiting(NamedTuple):
    """A contact put aside. `number` is its place, so that of a person's contacts the first comes first."""

    person: PersonKey
    number: int
    recipient: str
    domain: str
    fields: dict[str, Json]
    feed: int  # which of the campaign's
    line: int  # where it stands there


class Order(Enum):
    """How contacts are handed back."""

    GIVEN = "given"  # as they were put aside; costs nothing
    PERSON = "person"  # of one person, by number
    NUMBER = "number"


_KEYS = MappingProxyType({Order.NUMBER: itemgetter(1)})  # by person is how they compare anyway


class Spool:
    """Context manager: `put` while judging, then iterate, once or more often."""

    def __init__(self, folder: Path | None, *, order: Order, reserve: Reserve | None = None) -> None:
        """`folder`: where the file lies; None: where the system keeps temporary ones."""
        self._folder, self._order, self._reserve = folder, order, reserve
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

    def __len__(self) -> int:
        return self._count

    def put(self, contact: Waiting) -> None:
        """Put a contact aside. Raises `Unavailable` if the disk takes no more, `NoRoom` before it is full."""
        self._run.append(contact)
        self._count += 1
        if len(self._run) >= (_PAGE if self._order is Order.GIVEN else _RUN):
            self._write()

    def __iter__(self) -> Iterator[Waiting]:
        """Yield every contact put aside so far."""
        self._write()
        runs = [self._read(pages) for pages in self._pages]
        if self._order is Order.GIVEN:
            return chain.from_iterable(runs)
        return heapq.merge(*runs, key=_KEYS.get(self._order))

    def _write(self) -> None:
        if not self._run:
            return
        if self._reserve is not None:
            self._reserve.check()
        if self._order is not Order.GIVEN:
            self._run.sort(key=_KEYS.get(self._order))
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
