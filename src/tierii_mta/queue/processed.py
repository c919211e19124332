"""What became of received mail, as values: the operation that ends its processing, and all it writes.

Owns their shape; not what a message means (correspondence) nor how it is kept (storage).  It travels through the
queue's committer, so that what was read, what follows from it and the events that say so are one commit.  Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tierii_mta.clock import Instant
from tierii_mta.consent.suppression import Suppression
from tierii_mta.events import Event
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import DeliveryId, Epoch, Json
from tierii_mta.queue.received import InboxId, NewMailboxJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """What a received message turned out to be, and what followed."""

    at: Instant
    kind: str  # correspondence.reading.Kind
    sender: str | None  # address of From
    subject: str
    reading: Mapping[str, Json] = field(default_factory=dict)
    delivery: DeliveryId | None = None  # of ours that it is about
    trust: str | None = None  # how sure that is: correspondence.thread.Trust
    effects: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a person said, as it goes into a conversation.

    That is the one named, else the one in which the delivery stands, else a new one, which begins with the delivery.
    """

    conversation: int | None
    delivery: DeliveryId | None  # of ours, which it answers
    person: PersonKey  # with whom we talk: the recipient of what was answered
    address: str
    campaign: str | None
    subject: str
    answered_id: str | None  # Message-ID of what it answers
    answered_at: Instant
    answered_from: str  # our side's address, "" where nobody knows it any more
    message_id: str | None
    sender: str
    words: str  # what is new in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Cancel what still waits for one person in one campaign: pending, retry or held."""

    campaign: str  # its id
    person: PersonKey
    reason: str  # one of `stop_on`


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """End the processing of a received message. Result: True, or False if it is no longer in our hand.

    On False nothing of it is written. Events mark the delivery that they name, as those of `Record` do.
    """

    message: InboxId
    epoch: Epoch
    processed: Processed
    events: Sequence[Event] = ()
    suppressions: Sequence[Suppression] = ()  # each with its event, where it is new
    halt: Halt | None = None
    said: Said | None = None
    failed: DeliveryId | None = None  # submitted mail whose sender is owed a report of it
    mailboxes: Sequence[NewMailboxJob] = ()
