"""THE PORT OF DELIVERERS: a received message is put where its mailbox says.

Owns the letter that a deliverer gets and its three answers; not when it is asked (correspondence.mailbox).  A
deliverer never raises for what the outside world does, keeps nothing between letters that a kill may not take, and is
idempotent as far as its target allows: the same job may come again after it was done, if we died before saying so.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from tierii_mta.correspondence.mailboxes.jobs import MailboxJob
from tierii_mta.mail.address import Address
from tierii_mta.queue.received import InboxEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message for one mailbox."""

    job: MailboxJob
    entry: InboxEntry
    read: Callable[[], AsyncIterator[bytes]]  # its octets, each call anew: Return-Path first, CR LF line ends

    @property
    def reverse_path(self) -> Address | None:
        """Who sent it; None: the null sender."""
        return Address.parse(self.entry.reverse_path) if self.entry.reverse_path else None

    @property
    def is_smtputf8(self) -> bool:
        """Whether it came with SMTPUTF8."""
        return self.entry.session.get("is_smtputf8") is True

    @property
    def is_8bit(self) -> bool:
        """Whether it holds octets above 127."""
        return self.entry.session.get("is_8bit") is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The mailbox has it."""

    answer: str = ""  # what it said


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Not now. It is tried again."""

    reason: str
    is_mailbox_down: bool = True  # False: only this message, or this recipient, is concerned
    after: timedelta | None = None  # the mailbox's wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """It was refused for good; it stays in the inbox."""

    reason: str


Outcome: TypeAlias = Done | Later | Never


class Deliverer(Protocol):
    """One kind of target."""

    async def deliver(self, letter: Letter) -> Outcome:
        """Put a letter where it belongs."""


async def whole(letter: Letter, *, with_return_path: bool = True) -> bytes:
    """Return all octets of a letter; whoever passes it on leaves the Return-Path to the next one (RFC 5321 §4.4)."""
    octets = b"".join([part async for part in letter.read()])
    if not with_return_path and octets[:12].lower() == b"return-path:":
        return octets.partition(b"\r\n")[2]
    return octets
