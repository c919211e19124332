"""THE INBOX PORT: received mail, from the commit that answered 250 until retention takes it away.

Owns the contract that `storage.inbox` implements for SQLite and PostgreSQL and that `tests/contracts` checks on both.
Mail gets in by the operation `queue.store.Receive` through the committer, in one commit with its event.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from tierii_mta.queue.processed import Processed
from tierii_mta.queue.received import InboxEntry, InboxId, InboxState


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMessage:
    """A message of the inbox, without its octets."""

    id: InboxId
    entry: InboxEntry
    processed: Processed | None = None  # None: nobody has looked at it yet


class Inbox(Protocol):
    """What is read from the inbox, and the operator's one verb on it."""

    async def get(self, message: InboxId) -> InboxMessage | None:
        """Return a message by its id, None if there is none (any more)."""

    def messages(
        self,
        *,
        state: InboxState | None = None,
        kind: str | None = None,
        before: InboxId | None = None,
        limit: int = 100,
    ) -> AsyncIterator[InboxMessage]:
        """Yield at most `limit` messages, newest first, in one state or in all, of one kind or any, with ids below
        `before`.
        """

    async def release(self, message: InboxId) -> bool:
        """quarantined → new, so that it is processed as any other; False if it is not in quarantine."""

    def parts(self, message: InboxId) -> AsyncIterator[bytes]:
        """Yield the octets of a message in order, a part of at most 256 KiB a read; nothing for an unknown id."""
