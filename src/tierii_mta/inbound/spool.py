"""A message on its way in: its header in memory, its body in memory while small and in an unnamed file when not.

Owns where the octets are until they are kept or dropped; not how many are borne (inbound.arrival).  Touches files in
one folder; they have no name, so that whatever ends us leaves none behind.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_IN_MEMORY = 64 * 1024
_READ = 64 * 1024


class Spool:
    """The octets of one message. Writing raises OSError where the disk is full or fails."""

    __slots__ = ("_file", "_folder", "_memory", "size")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.size = 0

    def add(self, octets: bytes) -> None:
        """Take what comes next."""
        self.size += len(octets)
        self._memory += octets
        if len(self._memory) > _IN_MEMORY:
            self._write()

    def read(self) -> Iterator[bytes]:
        """Yield all of it in pieces, from the beginning with each call; may run on another thread until `close`."""
        place = 0
        if self._file is not None:
            number = self._file.fileno()
            while octets := os.pread(number, _READ, place):
                yield octets
                place += len(octets)
        if self._memory:
            yield bytes(self._memory)

    def close(self) -> None:
        """Drop it all."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self) -> None:
        if self._file is None:
            # Unnamed: O_TMPFILE where the file system knows it. `close` closes it.
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        octets = memoryview(self._memory)
        while octets:
            octets = octets[self._file.write(octets) :]
        octets.release()
        self._memory = bytearray()
