"""What a message has to be like to be taken at all, found out while it comes in.

Owns the bounds of size, header and lines, the policy for line ends (`eol`) and for NUL, and the replies to what breaks
them; not its end and its dots (smtp.data_reader) nor what becomes of it (the judge).  A message that breaks a bound is
read to its end, so that its sender reads the reply, and is not kept.  RFC 5321 §4.5.3.1, RFC 1870 §6.3.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from tierii_mta.inbound.session import Message
from tierii_mta.inbound.spool import Spool
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.data_reader import Faults, with_crlf

_HEADER_END = b"\r\n\r\n"
_PATIENCE = 2  # how many times the largest size is read of what is refused at its end
_NO_ROOM = Reply.of(452, "insufficient system storage, try again later", "4.3.1")
_NO_SPOOL = Reply.of(451, "the message cannot be taken now, try again later", "4.3.0")
NOT_CLEAN = Reply.of(550, "a message holds no NUL, no bare CR and no bare LF", "5.6.11")
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBounds:
    """What one door bears of a message."""

    size: int = 25_000_000
    header: int = 100_000
    line: int = 2000  # octets without the line end
    mends_line_ends: bool = False  # bare CR and LF become CR LF instead of being refused


class Arrival:
    """One message between DATA and its end. `close` it, however it ends."""

    __slots__ = ("_bounds", "_head", "_is_8bit", "_is_head_over", "_spool", "octets", "refusal")

    def __init__(self, bounds: MessageBounds, folder: Path) -> None:
        self._bounds = bounds
        self._spool = Spool(folder)
        self._head = bytearray()
        self._is_head_over = False
        self._is_8bit = False
        self.octets = 0  # as they came
        self.refusal: Reply | None = None  # what is said at its end

    @property
    def is_hopeless(self) -> bool:
        """Whether so much too much came that its end is not waited for."""
        return self.octets > self._bounds.size * _PATIENCE

    def take(self, octets: bytes) -> None:
        """Take a piece; none of them ends within a line end."""
        self.octets += len(octets)
        if self.refusal is not None:
            return
        if self._bounds.mends_line_ends:
            octets = with_crlf(octets)
        self._is_8bit = self._is_8bit or not octets.isascii()
        self.refusal = self._keep(octets)
        if self.refusal is not None:
            self.close()

    def end(self, faults: Faults) -> Reply | None:
        """Return why the message, which is here now, is refused; None: take `message`."""
        if self.refusal is not None:
            return self.refusal
        if faults.has_nul or not (faults.is_clean or self._bounds.mends_line_ends):
            return NOT_CLEAN
        if faults.longest_line > self._bounds.line:
            return Reply.of(500, f"a line has at most {self._bounds.line} octets", "5.6.0")
        return None

    def message(self, faults: Faults) -> Message:
        """Return what came, for as long as this is not closed."""
        return Message(
            head=bytes(self._head),
            body=self._body,
            size_bytes=len(self._head) + self._spool.size,
            is_8bit=self._is_8bit,
            faults=faults,
        )

    def close(self) -> None:
        """Drop what was kept."""
        self._head = bytearray()
        self._spool.close()

    def _body(self) -> Iterator[bytes]:
        return self._spool.read()

    def _keep(self, octets: bytes) -> Reply | None:
        """Put a piece where it belongs, or return why there is no place for it."""
        bounds = self._bounds
        try:
            if self._is_head_over:
                self._spool.add(octets)
            else:
                self._add_to_head(octets)
        except OSError as failure:
            structlog.get_logger().error("spool.failed", error=str(failure))
            return _NO_ROOM if failure.errno in _FULL_DISK else _NO_SPOOL
        if len(self._head) > bounds.header:
            return Reply.of(552, f"a header has at most {bounds.header} octets", "5.3.4")
        if len(self._head) + self._spool.size > bounds.size:
            return Reply.of(552, f"a message has at most {bounds.size} octets", "5.3.4")
        return None

    def _add_to_head(self, octets: bytes) -> None:
        searched = max(0, len(self._head) - len(_HEADER_END))
        self._head += octets
        end = self._head_end(searched)
        if end is not None:
            self._is_head_over = True
            self._spool.add(bytes(self._head[end:]))
            del self._head[end:]

    def _head_end(self, searched: int) -> int | None:
        """Return where the body begins, behind the first empty line."""
        if self._head.startswith(b"\r\n"):
            return 2
        found = self._head.find(_HEADER_END, searched)
        return found + len(_HEADER_END) if found >= 0 else None
