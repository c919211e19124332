"""THE PORT OF THE INTRAY: received mail in the hand of whoever processes it.

Owns the contract that `storage` implements for SQLite and PostgreSQL and that `tests/contracts` checks on both; the end
of a message is the operation `queue.processed.Conclude`.  Apart from the processor, which commands need not load.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.inbound.inbox import InboxMessage
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.received import InboxId


@dataclass(frozen=True, slots=True, kw_only=True)
class InHand:
    """A received message that is being processed."""

    message: InboxMessage
    attempts: int  # this one is counted: above 1 the earlier ones came to no end


class Intray(Protocol):
    """The processor's side of the inbox. Every method is atomic."""

    async def claim(self, epoch: Epoch, *, limit: int) -> Sequence[InHand]:
        """Take new messages into hand, oldest first; each counts an attempt. Cheap when there are none."""

    async def release(self, messages: Sequence[InboxId], epoch: Epoch, *, is_tried: bool) -> None:
        """Let go of messages unprocessed; unless `is_tried`, the attempt does not count."""

    async def free_dead(self, epoch: Epoch, now: Instant) -> int:
        """Let go of what owners that are gone had in hand; return how many."""
