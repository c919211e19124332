"""What is read of the queue and changes nothing: a delivery with all that happened to it, closed lanes, running
processes, stored messages.

Owns the values and the reading half of the storage port (queue.store).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.events import Event
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import DeliveryId, Epoch, FailureReason, Lane, MessageRow, Priority, State
from tierii_mta.smtp.requests import Notify, Return


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A lane that is closed for a while, and why."""

    lane: Lane
    until: Instant
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One run of one process."""

    epoch: Epoch
    name: str
    role: str
    pid: int
    started_at: Instant
    seen_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything known of one delivery, for `why`."""

    id: DeliveryId
    campaign: str | None
    step: int
    recipient: str
    domain: str
    state: State
    reason: FailureReason | None
    priority: Priority
    attempts: int
    accepted_at: Instant
    due: Instant | None
    expires_at: Instant
    is_in_doubt: bool
    message_id: str | None
    events: Sequence[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A stored message as one of its deliveries sends it, with what its sender asked to be told (RFC 3461)."""

    parts: Sequence[bytes]
    ret: Return | None = None
    envid: str | None = None  # in xtext
    notify: frozenset[Notify] = frozenset()  # empty: not said
    orcpt: str | None = None
    has_wishes: bool = False  # NOTIFY or ORCPT was said of this recipient or of another one
    is_smtputf8: bool = False  # its sender said so
    return_path: str | None = None  # domain of the signed return path it travels with


class QueueViews(Protocol):
    """The reading half of the queue's side of the database."""

    async def history(
        self,
        *,
        key: PersonKey | None = None,
        message_id: str | None = None,
        delivery: DeliveryId | None = None,
    ) -> Sequence[History]:
        """Return a person's deliveries, those of one stored message, or one by id; newest first, with their events."""

    async def totals(self) -> Mapping[tuple[State, Priority], int]:
        """Return how many deliveries stand in each open state, per priority."""

    async def suspensions(self, now: Instant) -> Sequence[Suspension]:
        """Return the lanes that are suspended now."""

    async def nodes(self) -> Sequence[Node]:
        """Return the processes that are registered."""

    async def stored_message(self, delivery: DeliveryId) -> StoredMessage:
        """Return what the attempt of a submitted delivery sends; without parts if they are kept no more."""

    async def message_parts(self, message: MessageRow) -> Sequence[bytes]:
        """Return a stored message's parts in order."""

    def events(self, *, after: int = 0, limit: int = 1000, types: Sequence[str] = ()) -> AsyncIterator[Event]:
        """Yield events behind the cursor `after` in `seq` order, at most `limit`."""
