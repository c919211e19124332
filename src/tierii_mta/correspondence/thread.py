"""Which message of ours, and which conversation, a received message belongs to, and how sure that is.

Owns the order of the leads and what each is worth; not how conversations are kept (storage, behind `Correspondence`)
nor what a match leads to (processor).  Pure but for the questions it asks through the port.  RFC 5322 §3.6.4.

    1. leads        every token and id the message carries, in the order of their worth:
                    tokens in envelope and header recipients → In-Reply-To → References, newest first → what it encloses
    2. look up      all of them in one trip
    3. first match  decides; without one, a guess by base subject and person, if exactly one message fits
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from tierii_mta.clock import Instant, later
from tierii_mta.correspondence.reading import Original, References
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import open_message_id
from tierii_mta.mail.subject import base_subject
from tierii_mta.mail.tokens import TokenCodec, open_signed_address
from tierii_mta.queue.delivery import DeliveryId

GUESS_WINDOW = timedelta(days=30)
MAX_LEADS = 100  # of a message; References without end name the newest last, and those are looked at first


class Trust(StrEnum):
    """How sure a match is. Figures count from STRONG on."""

    PROVEN = "proven"  # signed by us, and answered by a participant whose From passed DMARC
    STRONG = "strong"  # signed by us, or an id of ours in the hands of a participant
    LIKELY = "likely"  # an id of ours that somebody else brings, or that an enclosed header tells
    GUESS = "guess"  # subject and person fit, nothing else does


class Route(StrEnum):
    """What led to the match."""

    TOKEN = "token"  # noqa: S105  a word
    SIGNED_ID = "signed-id"  # a Message-ID that only we can have made
    MESSAGE_ID = "message-id"
    ENCLOSED = "enclosed"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What a received message brings to be matched by."""

    recipients: Sequence[str]  # of the envelope, then of its header (`References.recipients`)
    references: References
    enclosed: Original | None = None  # of a report
    sender: str | None  # address of From
    is_authenticated: bool  # whether From passed DMARC
    received_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMessage:
    """A message we sent, or received before."""

    delivery: DeliveryId | None  # None: we received it
    conversation: int | None  # None: nobody has answered it yet
    message_id: str
    participants: Sequence[str]  # addresses of those who may answer: its recipient, and who joined since


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where a message belongs."""

    trust: Trust
    route: Route
    delivery: DeliveryId | None  # None: it answers a message we received
    conversation: int | None  # None: this opens one
    message_id: str | None  # of the message it answers; None: that was purged, the token alone tells the delivery
    is_participant: bool  # whether From is one of those we wrote to; show attachments of others with care


class Correspondence(Protocol):
    """What was sent and received, as far as kept. Read only; each call is one consistent view."""

    async def known(
        self, deliveries: Sequence[DeliveryId], message_ids: Sequence[str]
    ) -> tuple[Mapping[DeliveryId, KnownMessage], Mapping[str, KnownMessage]]:
        """Return those that are known, by delivery and by Message-ID (with angle brackets, case kept)."""

    async def sent_about(self, subject_key: str, person: str, since: Instant) -> Sequence[KnownMessage]:
        """Return what was sent to this address since then whose `Subject.key` is this one; two are enough."""


async def find_thread(inquiry: Inquiry, correspondence: Correspondence, codec: TokenCodec) -> Match | None:
    """Return where the message belongs, or None if nothing tells."""
    leads = list(_leads(inquiry, codec))[:MAX_LEADS]
    if leads:
        deliveries = list(dict.fromkeys(lead.delivery for lead in leads if lead.delivery is not None))
        ids = list(dict.fromkeys(lead.message_id for lead in leads if lead.message_id is not None))
        by_delivery, by_id = await correspondence.known(deliveries, ids)
        for lead in leads:
            if lead.delivery is not None:  # signed: true even where the message itself was purged
                return _match(inquiry, lead, by_delivery.get(lead.delivery))
            if lead.message_id is not None and (found := by_id.get(lead.message_id)) is not None:
                return _match(inquiry, lead, found)
    return await _guess(inquiry, correspondence)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lead:
    route: Route
    delivery: DeliveryId | None = None  # told by a signature of ours
    message_id: str | None = None  # to be looked up
    is_for_sender: bool = False  # the token was made for whoever answers


def _leads(inquiry: Inquiry, codec: TokenCodec) -> Iterator[_Lead]:
    sender = Address.parse_or_none(inquiry.sender)
    yield from _signed(inquiry.recipients, Route.TOKEN, sender, codec)
    for message_id in (*inquiry.references.in_reply_to, *reversed(inquiry.references.references)):
        if (delivery := open_message_id(codec, message_id)) is not None:
            yield _Lead(route=Route.SIGNED_ID, delivery=DeliveryId(delivery))
        else:
            yield _Lead(route=Route.MESSAGE_ID, message_id=message_id)
    if (enclosed := inquiry.enclosed) is None:
        return
    yield from _signed(enclosed.addresses, Route.ENCLOSED, sender, codec)
    if enclosed.message_id is not None:
        delivery = open_message_id(codec, enclosed.message_id)
        yield _Lead(
            route=Route.ENCLOSED,
            delivery=DeliveryId(delivery) if delivery is not None else None,
            message_id=enclosed.message_id if delivery is None else None,
        )


def _signed(addresses: Sequence[str], route: Route, sender: Address | None, codec: TokenCodec) -> Iterator[_Lead]:
    for text in addresses:
        address = Address.parse_or_none(text)
        if address is not None and (found := open_signed_address(codec, address)) is not None:
            is_for_sender = sender is not None and open_signed_address(codec, address, sender) is not None
            yield _Lead(route=route, delivery=DeliveryId(found.delivery), is_for_sender=is_for_sender)


def _match(inquiry: Inquiry, lead: _Lead, found: KnownMessage | None) -> Match:
    is_participant = lead.is_for_sender or (found is not None and _is_among(inquiry.sender, found.participants))
    match lead.delivery is not None, is_participant:
        case True, True:
            trust = Trust.PROVEN if inquiry.is_authenticated else Trust.STRONG
        case True, False:
            trust = Trust.STRONG
        case False, True if lead.route is Route.MESSAGE_ID:
            trust = Trust.STRONG
        case _:
            trust = Trust.LIKELY
    return Match(
        trust=trust,
        route=lead.route,
        delivery=found.delivery if found is not None else lead.delivery,
        conversation=found.conversation if found is not None else None,
        message_id=found.message_id if found is not None else None,
        is_participant=is_participant,
    )


async def _guess(inquiry: Inquiry, correspondence: Correspondence) -> Match | None:
    """Return the one message to this person about this subject; none, if there is another."""
    key = (inquiry.references.base_subject or base_subject(inquiry.references.subject)).casefold()
    if not key or inquiry.sender is None:
        return None
    since = later(inquiry.received_at, -GUESS_WINDOW)
    candidates = await correspondence.sent_about(key, inquiry.sender, since)
    if len(candidates) != 1:
        return None
    (found,) = candidates
    return Match(
        trust=Trust.GUESS,
        route=Route.SUBJECT,
        delivery=found.delivery,
        conversation=found.conversation,
        message_id=found.message_id,
        is_participant=True,
    )


def _is_among(sender: str | None, participants: Sequence[str]) -> bool:
    address = Address.parse_or_none(sender)
    keys = (each.key for each in map(Address.parse_or_none, participants) if each is not None)
    return address is not None and address.key in keys
