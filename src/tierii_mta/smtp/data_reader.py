r"""Reading a message after DATA: where it ends, its dots taken off, and what in it is no clean SMTP.

Owns RFC 5321 §4.5.2 and the rule that only CR LF . CR LF ends a message: a bare CR, a bare LF and a NUL are noted and
never change what comes next (SMTP smuggling).  Not what follows from a fault (the listener's policy) nor where the
octets go.  A few searches in C a piece; holds back at most four octets.  Pure.
"""

import re
from dataclasses import dataclass
from io import IncrementalNewlineDecoder

_END = b"\r\n.\r\n"
_STUFFED = re.compile(rb"\r\n\.(?![\r\n])")  # a dot before a bare CR or LF is data, and stays
_EVERYBODY_TAKES = 998  # octets of a line, RFC 5321 §4.5.3.1.6


@dataclass(slots=True)
class Faults:
    """What was found so far."""

    has_bare_cr: bool = False
    has_bare_lf: bool = False
    has_nul: bool = False
    longest_line: int = 0  # octets without the line end, be it CR LF or a bare LF; 0: none above 998

    @property
    def is_clean(self) -> bool:
        """Whether every line ends in CR LF and no octet is NUL."""
        return not (self.has_bare_cr or self.has_bare_lf or self.has_nul)


class DataReader:
    """Takes the octets after the 354, cut anywhere, and gives the message. Use it for one message."""

    __slots__ = ("_held", "_is_first", "_open_line", "faults", "is_over", "size")

    def __init__(self) -> None:
        self._held = b"\r\n"  # the line end of DATA itself: the first line may be the lone dot
        self._is_first = True
        self._open_line = 0  # octets of the line under way
        self.faults = Faults()
        self.is_over = False
        self.size = 0  # octets of the message so far

    def feed(self, octets: bytes) -> tuple[bytes, bytes]:
        """Return the next piece of the message, and what follows its end: empty until `is_over`."""
        whole = self._held + octets
        end = whole.find(_END)
        if end >= 0:
            self.is_over = True
            piece, self._held, rest = whole[: end + 2], b"", whole[end + len(_END) :]
        else:
            keep = _held_back(whole)
            piece, self._held, rest = whole[: len(whole) - keep], whole[len(whole) - keep :], b""
        return self._taken(piece), rest

    def _taken(self, piece: bytes) -> bytes:
        """Take the dots off, and note what is wrong. A piece never ends within a line end."""
        if not piece:
            return piece
        piece = _STUFFED.sub(b"\r\n", piece)
        if self._is_first:
            self._is_first = False
            piece = piece[2:]
        faults, seen = self.faults, line_ends(piece)
        faults.has_nul = faults.has_nul or b"\0" in piece
        faults.has_bare_cr = faults.has_bare_cr or "\r" in seen
        faults.has_bare_lf = faults.has_bare_lf or "\n" in seen
        self._measure_lines(piece)
        self.size += len(piece)
        return piece

    def _measure_lines(self, piece: bytes) -> None:
        """Note the longest line. Hops from line end to line end as far apart as no longer line fits between."""
        start = -self._open_line  # of the line under way
        longest = max(self.faults.longest_line, _EVERYBODY_TAKES)
        while True:
            reach = max(start + longest + 1, 0)
            end = piece.rfind(b"\n", max(start, 0), reach)
            if end < 0:
                end = piece.find(b"\n", reach)
                is_open = end < 0
                octets = (len(piece) if is_open else end - (piece[end - 1 : end] == b"\r")) - start
                if octets > longest:
                    longest = self.faults.longest_line = octets
                if is_open:
                    self._open_line = octets
                    return
            start = end + 1


def _held_back(whole: bytes) -> int:
    """Return how many octets at the end may begin what ends a message or a stuffed line."""
    return next((size for size in (4, 3, 2, 1) if whole.endswith(_END[:size])), 0)


def line_ends(octets: bytes) -> tuple[str, ...]:
    r"""Return which line ends occur, of `\r\n`, `\r` and `\n`."""
    # The decoder behind universal newlines notes which ones it saw, four times as fast as counting them.
    scanner = IncrementalNewlineDecoder(None, translate=False)
    scanner.decode(octets.decode("latin-1"), final=True)
    seen = scanner.newlines or ()
    return (seen,) if isinstance(seen, str) else seen


def with_crlf(octets: bytes) -> bytes:
    """Return the octets with each bare CR and each bare LF made CR LF; the same object if there are none.

    A message may come in pieces, as long as none ends within a line end, as `DataReader` sees to.
    """
    if line_ends(octets) in ((), ("\r\n",)):
        return octets
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
