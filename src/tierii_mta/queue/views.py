"""What operators read of the queue: a delivery with all that happened to it, closed lanes, running processes.

Owns the values; they are read through the storage port (queue.store).  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tierii_mta.clock import Instant
from tierii_mta.events import Event
from tierii_mta.queue.delivery import DeliveryId, Epoch, FailureReason, Lane, Priority, State


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
