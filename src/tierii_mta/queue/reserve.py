"""The reserve: space on the disk that accepted mail needs to end, and that new mail may not take.

Owns when intake is closed: while less than the reserve is free. What is in the queue goes on, because every attempt
writes a little, and a queue that drains is what makes room again. Asks the file system; RFC 5321 §4.2.3 (452), RFC 3463
§3.4 (X.3.1).
"""

import os
from dataclasses import dataclass
from pathlib import Path

from tierii_mta.errors import Unavailable
from tierii_mta.mail.reply import Reply


class NoRoom(Unavailable):
    """Too little space is free to accept anything. `reply` is what an SMTP client is told; it keeps the mail."""

    reply = Reply.of(452, "insufficient system storage, try again later", "4.3.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """So much of the file system below `folder` is kept free of new mail."""

    folder: Path
    size_bytes: int  # 0: the disk may be filled up

    def free_bytes(self) -> int:
        """Return what a process without privileges may still write. Raises `Unavailable`."""
        try:
            state = os.statvfs(self.folder)
        except OSError as cause:
            raise Unavailable(
                f"the file system does not answer ({cause.strerror})",
                where=str(self.folder),
                remedy="see the log and the health of the disk",
            ) from cause
        return state.f_bavail * state.f_frsize

    def check(self) -> None:
        """Return if new mail may be taken; raises `NoRoom`, which takes microseconds to find out."""
        free = self.free_bytes()
        if free < self.size_bytes:
            raise NoRoom(
                f"{NoRoom.reply.enhanced} nothing is accepted: {free / 1e6:.0f} MB are free and "
                f"{self.size_bytes / 1e6:.0f} MB are kept for the mail that was accepted",
                where=str(self.folder),
                remedy="make room, or lower storage.reserve",
            )
