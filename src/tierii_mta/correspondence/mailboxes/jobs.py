"""THE PORT OF MAILBOX JOBS: received mail on its way to its mailboxes.

Owns the values and the contract that `storage` implements for SQLite and PostgreSQL and that `tests/contracts` checks
on both.  Jobs are made in the commit that ends the processing of a received message, so that nothing gets lost between
the inbox and its mailboxes; who is due one is routing's (correspondence.mailboxes.routing).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol

from tierii_mta.clock import Instant
from tierii_mta.events import Event
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.received import InboxId

JobId = NewType("JobId", int)


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"  # for its time, or in somebody's hand
    DONE = "done"  # the mailbox has it
    FAILED = "failed"  # given up; the message stays in the inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxJob:
    """One received message for one mailbox, in hand."""

    id: JobId
    inbox: InboxId
    mailbox: str  # `domain/local part` of the settings, or an address that it is sent on to
    recipient: str  # as the client wrote it
    attempts: int  # this one is counted: above 1 an earlier one may have done its work before it was cut off
    created_at: Instant
    last_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a job in hand."""

    job: JobId
    state: JobState
    attempts: int  # the new count
    at: Instant
    due: Instant | None = None  # of one that goes on waiting
    error: str | None = None  # why the last attempt came to nothing; None: keep what is there
    events: Sequence[Event] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job as operators see it."""

    mailbox: str
    recipient: str
    state: JobState
    attempts: int
    due: Instant  # of a waiting one
    last_error: str | None
    finished_at: Instant | None


class MailboxJobs(Protocol):
    """The jobs' side of the database. Each method is atomic."""

    async def waiting(self) -> Mapping[str, Instant]:
        """Return of each mailbox that waits for something, when the first of it is due; cheap, however much waits."""

    async def of_message(self, message: InboxId) -> Sequence[JobView]:
        """Return the jobs of a received message, in the order they were made."""

    async def claim(self, quotas: Mapping[str, int], *, epoch: Epoch, now: Instant) -> Sequence[MailboxJob]:
        """Take due jobs into hand, at most so many of each mailbox, earliest due first; each counts an attempt.

        Jobs in the hand of an owner that is dead are taken as if nobody had them.
        """

    async def settle(self, settled: Sequence[Settled], *, epoch: Epoch) -> Sequence[bool]:
        """Let go of jobs in the hand of `epoch`, with their events, in one commit. False: it is no longer ours, and
        nothing of it was written.
        """
