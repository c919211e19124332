"""Octets of a client that wait to be read, and the lines in them.

Bounded: a line without end is dropped as it comes, and told as one overlong line once it ends.  Linear: a line is cut
out by its place, and what is behind it is not moved.  Pure.
"""

OVERLONG = b""
"""Stands for a line that was longer than allowed; no line is empty, since each has its end."""


class LineBuffer:
    """What waits."""

    __slots__ = ("_is_overlong", "_octets", "_start")

    def __init__(self) -> None:
        self._octets = b""
        self._start = 0  # what lies before it is taken
        self._is_overlong = False  # the line under way is dropped up to its end

    def __len__(self) -> int:
        return len(self._octets) - self._start

    def add(self, octets: bytes) -> None:
        """Take what came behind what waits."""
        self._octets = self._octets[self._start :] + octets if self._start < len(self._octets) else octets
        self._start = 0

    def take_all(self) -> bytes:
        """Return all that waits, for whoever reads no lines."""
        octets, self._octets, self._start = self._octets[self._start :], b"", 0
        return octets

    def take_line(self, most: int) -> bytes | None:
        """Return the next line with its end, `OVERLONG` for one of more than `most` octets, None if there is none."""
        end = self._octets.find(b"\n", self._start) + 1
        if not end:
            if len(self) > most:
                self._is_overlong = True
                self.take_all()
            return None
        line, self._start = self._octets[self._start : end], end
        is_overlong, self._is_overlong = self._is_overlong or len(line) > most, False
        if self._start == len(self._octets):
            self._octets, self._start = b"", 0
        return OVERLONG if is_overlong else line
