"""Unsubscribing: what a genuine link does, once, and how a slip is undone.

Owns the port the endpoint acts through and its one implementation over the suppression list and the queue's store, and
how a person's word is written down; not the link (mail.tokens) nor the page (web.pages).  The person's word and its
event are one commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from tierii_mta.clock import Clock, elapsed, sortable_id
from tierii_mta.consent.suppression import Suppression, SuppressionList, SuppressionReason, scope_of
from tierii_mta.events import Event, EventType
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import Unsubscribe
from tierii_mta.queue.delivery import DeliveryId
from tierii_mta.queue.store import Operation, Record, Result
from tierii_mta.queue.views import History

UNDO_WITHIN = timedelta(days=1)
"""How long the link of a mail may undo: it lives for ever and may be forwarded, and lets nobody in again for long."""


class Method(StrEnum):
    """How somebody unsubscribed; the evidence kept with the suppression."""

    ONE_CLICK = "one-click"  # RFC 8058: the mailbox provider posts for its user
    PAGE = "page"  # the button on our page
    PREFERENCES = "preferences"  # the preferences page


class Unsubscriber(Protocol):
    """Where the endpoint's requests go."""

    async def unsubscribe(self, link: Unsubscribe, method: Method) -> bool:
        """Suppress the person for the link's list, durably, before returning. Idempotent: False if it was so already.

        Works for deliveries that were purged. Raises `Unavailable` when nothing could be kept.
        """

    async def take_back(self, link: Unsubscribe) -> bool:
        """Undo it, durably; return whether the person is not unsubscribed now. False after `UNDO_WITHIN`."""


class Journal(Protocol):
    """What is needed of the queue's store."""

    async def history(self, *, delivery: DeliveryId | None = None) -> Sequence[History]:
        """Return the delivery with its events; nothing once it was purged."""

    async def apply(self, operations: Sequence[Operation]) -> Sequence[Result]:
        """Write events and suppressions; a mark of the delivery goes with them."""


@dataclass(frozen=True, slots=True)
class ListUnsubscriber:
    """`Unsubscriber` over the suppression list and the event log."""

    suppressions: SuppressionList
    journal: Journal
    clock: Clock

    async def unsubscribe(self, link: Unsubscribe, method: Method) -> bool:
        """Add `list:ID` (a link without a list: everything) with the method as evidence, and `email.unsubscribed`."""
        scope = scope_of(link.list_id)
        mail = await mail_of(self.journal, link.delivery)
        is_new = not any(entry.expires_at is None for entry in await self._words(link))
        is_told = mail is not None and any(event.type is EventType.UNSUBSCRIBED for event in mail.events)
        if is_new or (mail is not None and not is_told):
            written = words(link.key, [scope], method, mail, delivery=link.delivery, clock=self.clock)
            await self.journal.apply(
                [Record(events=written.events, suppressions=written.suppressions if is_new else ())]
            )
        return is_new

    async def take_back(self, link: Unsubscribe) -> bool:
        """Remove the person's word of the last day; `suppression.deleted` tells that it was they."""
        found = await self._words(link)
        if any(elapsed(entry.created_at, self.clock.now()) > UNDO_WITHIN for entry in found):
            return False
        if found:
            reason = SuppressionReason.UNSUBSCRIBE
            await self.suppressions.remove(
                link.key, scope_of(link.list_id), reason=reason, by="person", why="unsubscribe page"
            )
        return True

    async def _words(self, link: Unsubscribe) -> list[Suppression]:
        """Return the person's own word about what the link is for."""
        scope, reason = scope_of(link.list_id), SuppressionReason.UNSUBSCRIBE
        return [one for one in await self.suppressions.find([link.key]) if (one.scope, one.reason) == (scope, reason)]


async def mail_of(journal: Journal, delivery: int | None) -> History | None:
    """Return the mail whose link was used, None if it is not said or was purged."""
    found = await journal.history(delivery=DeliveryId(delivery)) if delivery is not None else ()
    return next(iter(found), None)


def words(
    key: PersonKey,
    scopes: Sequence[str],
    method: Method,
    mail: History | None,
    *,
    delivery: int | None,
    clock: Clock,
) -> Record:
    """Return a person's word for each scope: the entry, and the event beside the mail that led to it."""
    now = clock.now()
    return Record(
        events=[
            Event(
                id=sortable_id("evt", clock),
                type=EventType.UNSUBSCRIBED,
                at=now,
                campaign_id=mail.campaign if mail else None,
                delivery_id=delivery,
                message_id=mail.message_id if mail else None,
                recipient=mail.recipient if mail else None,
                data={"scope": scope, "method": str(method)},
            )
            for scope in scopes
        ],
        suppressions=[
            Suppression(
                key=key,
                scope=scope,
                reason=SuppressionReason.UNSUBSCRIBE,
                address=mail.recipient if mail else None,
                evidence=str(method),
                created_at=now,
            )
            for scope in scopes
        ],
    )
