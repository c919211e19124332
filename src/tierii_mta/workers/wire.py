"""Frames between the daemon and its workers, over a socket pair.

Owns the framing: two lengths, a JSON value and raw octets; what the value means is each trade's own.  Nothing that is
read can be code, because a worker handles foreign data and is not trusted.  Pure.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

LENGTHS = struct.Struct(">II")  # of the JSON value, of the octets
MAX_FRAME = 256 << 20


class Garbled(ValueError):
    """The other side says what it may not."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing said."""

    head: Mapping[str, Any]
    octets: bytes = b""


def pack(head: Mapping[str, Any], octets: Sequence[bytes] = ()) -> bytes:
    """Return a frame as it goes over the wire."""
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    lengths = LENGTHS.pack(len(text), sum(map(len, octets)))
    return b"".join((lengths, text, *octets))


def unpack(head: bytes, octets: bytes) -> Frame:
    """Return a frame from its two parts; raises `Garbled`."""
    try:
        value = json.loads(head.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as cause:
        raise Garbled("not JSON") from cause
    if not isinstance(value, dict):
        raise Garbled("not an object")
    return Frame(value, octets)


class FrameReader:
    """Puts frames together from what a socket yields."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, octets: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete now; raises `Garbled`."""
        self._buffer += octets
        while len(self._buffer) >= LENGTHS.size:
            head, body = LENGTHS.unpack_from(self._buffer)
            if head + body > MAX_FRAME:
                raise Garbled("a frame of more than 256 MB")
            middle, end = LENGTHS.size + head, LENGTHS.size + head + body
            if len(self._buffer) < end:
                return
            with memoryview(self._buffer) as seen:
                frame = unpack(bytes(seen[LENGTHS.size : middle]), bytes(seen[middle:end]))
            del self._buffer[:end]
            yield frame


def cut(octets: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Return the pieces that were joined; ValueError if the sizes are not theirs."""
    ends = [0]
    for size in sizes:
        if size < 0:
            raise ValueError("a negative size")
        ends.append(ends[-1] + size)
    if ends[-1] != len(octets):
        raise ValueError("the sizes are not those of the octets")
    return [octets[start:end] for start, end in pairwise(ends)]
