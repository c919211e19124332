"""The hashes of a body that the signatures of a message ask for, from one reading of it.

Owns how a body is handed over, and that a large one is hashed in a thread and never held whole; not what a hash is
worth (authentication.verify, authentication.arc).  RFC 6376 §3.7.  Touches: whatever the body is read from.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from tierii_mta.authentication.canonical import BodyCanonicalizer, Canonicalization

_LARGE_OCTETS = 65_536  # hashed in a thread from here on


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What follows the empty line, with CR LF line ends. `pieces` may be called on another thread, more than once."""

    pieces: Callable[[], Iterator[bytes]]
    size_bytes: int

    @classmethod
    def of(cls, octets: bytes) -> Self:
        """Return a body that is at hand."""
        return cls(pieces=lambda: iter((octets,)), size_bytes=len(octets))


class Wanted(NamedTuple):
    """One way to hash a body: in which form, and how much of it (`l=`; None: all)."""

    how: Canonicalization
    length: int | None


class Hashed(NamedTuple):
    """A hash, and how many octets the whole canonical body has."""

    digest: bytes
    size: int


async def hash_body(body: Body, wanted: Iterable[Wanted]) -> Mapping[Wanted, Hashed]:
    """Return each hash that is wanted; the body is not read for none. Raises what reading it raises."""
    each = frozenset(wanted)
    if not each:
        return {}
    if body.size_bytes > _LARGE_OCTETS:
        return await asyncio.to_thread(_hash, body.pieces(), each)
    return _hash(body.pieces(), each)


def _hash(pieces: Iterator[bytes], wanted: Iterable[Wanted]) -> Mapping[Wanted, Hashed]:
    forms = {how: _Form(how) for how in {each.how for each in wanted}}
    for each in wanted:
        forms[each.how].hash_also(each.length)
    for piece in pieces:
        for form in forms.values():
            form.feed(piece)
    return {
        Wanted(form.how, length): Hashed(digest, form.size)
        for form in forms.values()
        for length, digest in form.finish().items()
    }


class _Form:
    """One canonical form on its way through its hashes."""

    def __init__(self, how: Canonicalization) -> None:
        self.how, self.size = how, 0
        self._canonicalizer = BodyCanonicalizer(how)
        self._all = hashlib.sha256()
        self._parts: dict[int, bytes | None] = {}  # by length: its digest, as soon as there is that much

    def hash_also(self, length: int | None) -> None:
        if length is not None:
            self._parts[length] = None

    def feed(self, piece: bytes) -> None:
        self._take(self._canonicalizer.feed(piece))

    def finish(self) -> Mapping[int | None, bytes]:
        self._take(self._canonicalizer.finish())
        digest = self._all.digest()
        return {None: digest} | {length: part or digest for length, part in self._parts.items()}

    def _take(self, octets: bytes) -> None:
        for length, part in self._parts.items():
            if part is None and length <= self.size + len(octets):
                partial = self._all.copy()
                partial.update(memoryview(octets)[: length - self.size])
                self._parts[length] = partial.digest()
        self._all.update(octets)
        self.size += len(octets)
