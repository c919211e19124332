r"""Reading a message after DATA: where it ends, its dots taken off, and what in it is no clean SMTP.

Owns RFC 5321 §4.5.2 and the rule that only CR LF . CR LF ends a message: a bare CR, a bare LF and a NUL are noted and
never change what comes next (SMTP smuggling).  Not what follows from a fault (the listener's policy) nor where the
octets go.  One search in C a piece; holds back at most four octets.  Pure.
"""

import re
from dataclasses import dataclass
from io import IncrementalNewlineDecoder

_END = b"\r\n.\r\n"
_STUFFED = re.compile(rb"\r\n\.(?![\r\n])")  # a dot before a bare CR or LF is data, and stays
_BARE = re.compile(rb"\r\n|\r|\n")


@dataclass(slots=True)
class Faults:
    """What was found so far."""

    has_bare_cr: bool = False
    has_bare_lf: bool = False
    has_nul: bool = False
    longest_line: int = 0  # octets without the line end

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
        self._note(piece)
        self.size += len(piece)
        return piece

    def _note(self, piece: bytes) -> None:
        faults = self.faults
        first, *others = piece.split(b"\r\n")
        longest = max((self._open_line + len(first), *map(len, others)))
        faults.longest_line = max(faults.longest_line, longest)
        self._open_line = len(others[-1]) if others else self._open_line + len(first)
        faults.has_nul = faults.has_nul or b"\0" in piece
        scanner = IncrementalNewlineDecoder(None, translate=False)
        scanner.decode(piece.decode("latin-1"), final=True)
        seen = scanner.newlines or ()
        seen = (seen,) if isinstance(seen, str) else seen
        faults.has_bare_cr = faults.has_bare_cr or "\r" in seen
        faults.has_bare_lf = faults.has_bare_lf or "\n" in seen


def _held_back(whole: bytes) -> int:
    """Return how many octets at the end may begin what ends a message or a stuffed line."""
    return next((size for size in (4, 3, 2, 1) if whole.endswith(_END[:size])), 0)


def with_crlf(piece: bytes) -> bytes:
    """Return a whole message with each bare CR and each bare LF made CR LF."""
    return _BARE.sub(b"\r\n", piece)
