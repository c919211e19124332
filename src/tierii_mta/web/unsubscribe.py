"""Unsubscribing: what a genuine link does, once.

Owns the port the endpoint acts through and its one implementation over the suppression list and the queue's store; not
the link (mail.tokens) nor the page (web.pages).  The person's word and its event are one commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tierii_mta.clock import Clock, sortable_id
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionList, SuppressionReason, list_scope
from tierii_mta.events import Event, EventType
from tierii_mta.mail.tokens import Unsubscribe
from tierii_mta.queue.delivery import DeliveryId
from tierii_mta.queue.store import Operation, Record, Result
from tierii_mta.queue.views import History


class Method(StrEnum):
    """How somebody unsubscribed; the evidence kept with the suppression."""

    ONE_CLICK = "one-click"  # RFC 8058: the mailbox provider posts for its user
    PAGE = "page"  # the button on our page


class Unsubscriber(Protocol):
    """Where the endpoint's requests go."""

    async def unsubscribe(self, link: Unsubscribe, method: Method) -> bool:
        """Suppress the person for the link's list, durably, before returning. Idempotent: False if it was so already.

        Works for deliveries that were purged. Raises `Unavailable` when nothing could be kept.
        """


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
        scope = list_scope(link.list_id) if link.list_id else EVERYWHERE
        found = await self.journal.history(delivery=DeliveryId(link.delivery)) if link.delivery is not None else ()
        mail = next(iter(found), None)
        is_new = not any(
            entry.scope == scope and entry.reason is SuppressionReason.UNSUBSCRIBE and entry.expires_at is None
            for entry in await self.suppressions.find([link.key])
        )
        is_told = mail is not None and any(event.type is EventType.UNSUBSCRIBED for event in mail.events)
        if is_new or (mail is not None and not is_told):
            suppressions = [self._suppression(link, scope, method, mail)] if is_new else []
            event = self._event(link, scope, method, mail)
            await self.journal.apply([Record(events=[event], suppressions=suppressions)])
        return is_new

    def _suppression(self, link: Unsubscribe, scope: str, method: Method, mail: History | None) -> Suppression:
        return Suppression(
            key=link.key,
            scope=scope,
            reason=SuppressionReason.UNSUBSCRIBE,
            address=mail.recipient if mail else None,
            evidence=str(method),
            created_at=self.clock.now(),
        )

    def _event(self, link: Unsubscribe, scope: str, method: Method, mail: History | None) -> Event:
        return Event(
            id=sortable_id("evt", self.clock),
            type=EventType.UNSUBSCRIBED,
            at=self.clock.now(),
            campaign_id=mail.campaign if mail else None,
            delivery_id=link.delivery,
            message_id=mail.message_id if mail else None,
            recipient=mail.recipient if mail else None,
            data={"scope": scope, "method": str(method)},
        )
