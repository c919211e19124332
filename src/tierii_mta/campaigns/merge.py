"""Campaign mail at the attempt: the content source of deliveries that are rendered.

Owns which snapshot, links, return path, reply address and keys a delivery gets; how a mail looks is `plate`, where the
work is done `press`, what is kept of it in memory `editions`.  A campaign whose mails end press workers is paused.
"""

import logging
from typing import Protocol

from tierii_mta.campaigns.editions import Editions, Snapshots
from tierii_mta.campaigns.plate import Job
from tierii_mta.campaigns.press import Edition, Menace, Press
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.store import CampaignRecord, CampaignState
from tierii_mta.clock import Clock, Instant
from tierii_mta.errors import Refused, TieriiError, Unavailable
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import message_id
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import (
    Purpose,
    TokenCodec,
    return_path,
    seal_preferences,
    seal_unsubscribe,
    seal_web_view,
    signed_address,
    unsubscribe_address,
)
from tierii_mta.outbound.content import Prepared
from tierii_mta.queue.delivery import Delivery

_log = logging.getLogger(__name__)


def unsubscribe_url(codec: TokenCodec, base: str, key: PersonKey, list_id: str | None, delivery: int | None) -> str:
    """Return the address of a person's unsubscribe page.

    The token's empty list id stands for a campaign without a list: who leaves it leaves all marketing mail of ours.
    """
    return f"{base}/u/{seal_unsubscribe(codec, key, list_id or '', delivery)}"


def preferences_url(codec: TokenCodec, base: str, key: PersonKey, sender: str, delivery: int | None) -> str:
    """Return the address of a person's page about the mail of one domain."""
    return f"{base}/p/{seal_preferences(codec, key, sender, delivery)}"


class Kept(Snapshots, Protocol):
    """What is needed of the campaign store."""

    async def move(self, campaign: str, to_state: CampaignState, *, reason: str | None, now: Instant) -> CampaignRecord:
        """Change a campaign's state; raises `TieriiError` where that cannot be."""


class CampaignContent:
    """Implements `outbound.content.ContentSource` for campaigns. `sender` may be replaced while it runs (reload)."""

    def __init__(self, store: Kept, codec: TokenCodec, sender: Sender, press: Press, clock: Clock) -> None:
        self.sender = sender
        self._store, self._codec, self._press, self._clock = store, codec, press, clock
        self._editions = Editions(store, press, clock)

    async def prepare(self, delivery: Delivery) -> Prepared:
        """Return the signed mail of a campaign delivery; see the port for what it raises."""
        if delivery.campaign is None:
            raise ValueError(f"delivery {delivery.id} belongs to no campaign")
        edition = await self._editions.get(delivery.campaign)
        sender_address = edition.specification.from_address
        try:
            domain = self.sender.domain_of(sender_address)
        except Refused as cause:  # it was ours at enqueue: the operator has to say what is meant
            raise Unavailable(cause.what, where=delivery.campaign, remedy=cause.remedy) from cause
        recipient = Address.parse(delivery.recipient)
        identity = message_id(self._codec, delivery.id, sender_address.domain)

        at, codec, specification = domain.reply_domain or domain.return_path, self._codec, edition.specification
        reply_to = signed_address(codec, Purpose.REPLY, delivery.id, recipient, at)
        way_out = unsubscribe_address(codec, delivery.id, recipient, specification.list_id, at)
        leave, preferences, web_view = self._links(edition, delivery)
        job = Job(
            recipient=recipient,
            contact=delivery.contact,
            accepted_at=delivery.accepted_at,
            message_id=identity,
            unsubscribe_url=leave,
            preferences_url=preferences,
            web_view_url=web_view,
            reply_to=reply_to if _is_tracked(edition) else None,
            unsubscribe_address=way_out if specification.unsubscribe.mailto else None,
        )
        try:
            printed = await self._press.produce(edition, job, domain.keys, priority=delivery.priority)
        except Menace as killed:
            await self._pause(delivery.campaign, f"too many of its mails end the press workers: {killed}")
            raise
        return Prepared(
            reverse_path=return_path(self._codec, delivery.id, recipient, domain.return_path),
            recipient=recipient,
            data=printed.data,
            message_id=identity,
            body_hash=printed.body_hash,
            is_8bit=printed.is_8bit,
            needs_smtputf8=printed.needs_smtputf8,
        )

    def _links(self, edition: Edition, delivery: Delivery) -> tuple[str, str, str]:
        """Return the links to leave, to the preferences and to the web view; nothing for transactional mail of an
        installation without a public address.
        """
        base = edition.public_url
        if base is None:
            return "", "", ""
        codec, key, specification = self._codec, delivery.recipient_key, edition.specification
        sender = specification.from_address.domain
        return (
            unsubscribe_url(codec, base, key, specification.list_id, delivery.id),
            preferences_url(codec, base, key, sender, delivery.id),
            f"{base}/v/{seal_web_view(codec, key, delivery.id)}",
        )

    async def _pause(self, campaign: str, reason: str) -> None:
        """Stop a campaign that harms the others, until an operator resumes it."""
        try:
            await self._store.move(campaign, CampaignState.PAUSED, reason=reason, now=self._clock.now())
            _log.error("the campaign %s is paused: %s", campaign, reason)
        except TieriiError as failure:  # it is paused or cancelled already, or it is paused for the next such mail
            _log.warning("the campaign %s cannot be paused: %s", campaign, failure)


def _is_tracked(edition: Edition) -> bool:
    named = edition.specification.reply_to
    return named is not None and named.track
