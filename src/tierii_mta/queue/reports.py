"""THE PORT OF REPORTS: what senders of submitted mail are owed, and what a notification is made from.

Owns the values and the contract; `storage` implements it for SQLite and PostgreSQL.  Reports are owed by whoever moves
a delivery (`queue.store.Settle.report`, the age sweep), in the same commit; one that was made never is again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import DeliveryId, FailureReason, ReportKey
from tierii_mta.smtp.requests import Return


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedRecipient:
    """A recipient whose fate the sender is owed."""

    delivery: DeliveryId
    recipient: str
    orcpt: str | None
    reason: FailureReason | None
    last_reply: str | None  # with its codes
    is_local: bool  # nobody but us said it
    mx: str | None  # the host of the last attempt
    attempted_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One notification to be made: reports of one kind about one message."""

    action: Action
    recipients: Sequence[OwedRecipient]
    reverse_path: str
    message_id: str
    accepted_at: Instant
    expires_at: Instant
    ret: Return | None
    envid: str | None
    is_smtputf8: bool
    content: bytes  # the beginning of the message; nothing if it is kept no more
    size_bytes: int

    @property
    def reports(self) -> Sequence[ReportKey]:
        """What is owed no more once the notification is kept (`Accept.reports`)."""
        return [(one.delivery, self.action) for one in self.recipients]


class ReportStore(Protocol):
    """The reports' side of the database. Each method is atomic."""

    async def owed(self, *, before: Instant, now: Instant, limit: int) -> Owed | None:
        """Return what is owed for longest, since `before` or earlier, with all that is owed of the same kind for the
        same message by `now`, at most `limit` recipients. Delays of deliveries that have ended are owed no more.
        """

    async def put_off(self, reports: Sequence[ReportKey], until: Instant) -> None:
        """Owe them later, because no notification can be made of them now."""
