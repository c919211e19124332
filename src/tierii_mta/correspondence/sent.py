"""What we sent, as far as it matters to what comes back: the port of storage, and how a guess at a thread is made.

Owns the values of the way back and `SentMail`, which answers `thread.Correspondence` from the store and, where a
subject has to be compared, from the mail itself.  Not who renders it (`Originals`) nor what is concluded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.correspondence.thread import KnownMessage
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.subject import base_subject
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.delivery import Delivery, DeliveryId, State
from tierii_mta.queue.received import InboxId

_CANDIDATES = 10  # messages to one person that are rendered to compare their subjects


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A delivery of ours that something came back about."""

    delivery: Delivery
    state: State
    marks: frozenset[str] = frozenset()  # names of storage.codes.Mark in lower case
    message_id: str | None = None  # None: not known (any more)
    list_id: str | None = None
    author: str | None = None  # address of From of a campaign
    answers_go_to: str = ""  # where a campaign's Reply-To or From, or a submission's reverse-path leads
    stop_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalText:
    """What a mail of ours said."""

    subject: str
    text: str
    html: str


class Originals(Protocol):
    """Mail of ours as it was sent."""

    async def original(self, delivery: Delivery) -> OriginalText | None:
        """Return what a delivery said; None where that is not kept, cannot be made now, or costs too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One message of a conversation."""

    is_ours: bool
    inbox: InboxId | None
    delivery: DeliveryId | None  # of ours; of a received one: what it answers
    message_id: str | None
    sender: str
    at: Instant
    words: str | None  # None: ours, which its delivery tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What was said with one person about one thing, both sides."""

    id: int
    address: str
    campaign: str | None
    subject: str
    opened_at: Instant
    last_at: Instant
    messages: Sequence[Utterance] = field(default=())


class SentStore(Protocol):
    """What was sent and received, as far as kept. Read only; each call is one consistent view."""

    async def sent(self, delivery: DeliveryId, *, answered_by: PersonKey | None = None) -> Sent | None:
        """Return a delivery; of a message to several, the one to whoever answered, if there is one."""

    async def list_ids(self) -> Sequence[str]:
        """Return the ids of all lists that campaigns were for; they are kept for ever."""

    async def known(
        self, deliveries: Sequence[DeliveryId], message_ids: Sequence[str]
    ) -> tuple[Mapping[DeliveryId, KnownMessage], Mapping[str, KnownMessage]]:
        """As `thread.Correspondence.known`."""

    async def sent_to(self, person: PersonKey, since: Instant, *, limit: int) -> Sequence[KnownMessage]:
        """Return what a person got since then, newest first."""

    async def conversation(self, message: InboxId) -> Conversation | None:
        """Return the conversation that a received message stands in."""


class SentMail:
    """Implements `thread.Correspondence`."""

    def __init__(self, store: SentStore, originals: Originals, codec: TokenCodec) -> None:
        self._store, self._originals, self._codec = store, originals, codec

    async def known(
        self, deliveries: Sequence[DeliveryId], message_ids: Sequence[str]
    ) -> tuple[Mapping[DeliveryId, KnownMessage], Mapping[str, KnownMessage]]:
        """Return those that are known, by delivery and by Message-ID."""
        return await self._store.known(deliveries, message_ids)

    async def sent_about(self, subject_key: str, person: str, since: Instant) -> Sequence[KnownMessage]:
        """Return what was sent to this address since then about this subject; two at the most.

        Subjects are not kept: the last few mails to the person are looked at as they were sent.
        """
        address = Address.parse_or_none(person)
        if address is None:
            return ()
        key = self._codec.person_key(address)
        found: list[KnownMessage] = []
        for candidate in await self._store.sent_to(key, since, limit=_CANDIDATES):
            if await self._is_about(candidate, subject_key):
                found.append(candidate)
                if len(found) > 1:
                    break
        return found

    async def _is_about(self, candidate: KnownMessage, subject_key: str) -> bool:
        sent = await self._store.sent(candidate.delivery) if candidate.delivery is not None else None
        original = await self._originals.original(sent.delivery) if sent is not None else None
        return original is not None and base_subject(original.subject).casefold() == subject_key
