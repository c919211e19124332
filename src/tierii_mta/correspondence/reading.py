"""What a received message turned out to be, as values: the common language of this package.

Owns the kinds of mail that come back and the facts each brings; not how they are recognised (classify, bounce,
complaint, quote) nor what follows (processor).  All of it can be kept as JSON.  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tierii_mta.clock import Instant
from tierii_mta.mail.reply import Reply
from tierii_mta.mail.tokens import Purpose
from tierii_mta.outbound.reply_class import ReplyClass


class Kind(StrEnum):
    """What a message is. The first row of `classify` that matches decides; all evidence is kept."""

    BOUNCE = "bounce"  # a DSN, or what stands for one: at least one recipient failed
    DELAY = "delay"  # a DSN that says: not yet
    DELIVERED = "delivered"  # a DSN that says: delivered, relayed or expanded
    COMPLAINT = "complaint"  # a feedback report (RFC 5965), or a form of one without the report part
    RECEIPT = "receipt"  # an MDN (RFC 8098): displayed, deleted
    CHALLENGE = "challenge"  # its sender shall prove to be human
    UNSUBSCRIBE = "unsubscribe"
    AUTO_REPLY = "auto_reply"  # a machine answered us; `is_absence` tells out-of-office apart
    ACKNOWLEDGEMENT = "acknowledgement"  # a ticket system received it
    REACTION = "reaction"  # RFC 9078
    MACHINE = "machine"  # made by a program, and no answer
    LIST = "list"  # from a mailing list
    REPLY = "reply"  # a human answered something
    OTHER = "other"  # a human wrote, about nothing of ours
    UNPARSED = "unparsed"  # reading it broke a bound; the octets are kept


class Blame(StrEnum):
    """Whom a failure is about. Only a person's own permanent failure suppresses the person."""

    PERSON = "person"  # nobody there, mailbox disabled or full
    SENDER = "sender"  # us: block list, reputation, authentication, configuration
    MESSAGE = "message"  # content, size, policy
    INFRASTRUCTURE = "infrastructure"  # a host, the DNS, a rate, a system error


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeFacts:
    """What reading a message needs of its envelope."""

    reverse_path: str | None  # None: the null sender
    purposes: Sequence[Purpose] = ()  # of addresses we signed, among its recipients
    received_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One rule that fired, and on what."""

    rule: str  # e.g. "auto-submitted", "subject:de"
    where: str  # e.g. "header Auto-Submitted", "part 2"
    detail: str = ""  # what stood there, at most 200 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The message of ours that a report encloses, or what is left of it."""

    message_id: str | None = None  # with angle brackets
    subject: str | None = None
    sender: str | None = None  # address of From
    recipients: Sequence[str] = ()  # addresses of To
    addresses: Sequence[str] = ()  # every address found in its header that may be one we signed


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncedRecipient:
    """What a report says about one recipient."""

    recipient: str | None  # None: only our return path or the enclosed message can tell
    action: str  # failed, delayed, delivered, relayed, expanded
    reply: Reply | None  # the code and text of the failing host, as far as told
    reply_class: ReplyClass  # what it is about, in the words of `why`
    is_hard: bool  # this person cannot be reached by mail, for good
    blame: Blame
    source: str  # which format told it, e.g. "rfc3464", "qmail"
    remote_mta: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A delivery report."""

    recipients: Sequence[BouncedRecipient]
    reporting_mta: str | None = None
    envelope_id: str | None = None  # Original-Envelope-Id
    original: Original | None = None
    evidence: Sequence[Evidence] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A feedback report."""

    feedback_type: str  # abuse, fraud, virus, not-spam, auth-failure, opt-out, other
    user_agent: str | None = None
    version: str | None = None
    recipient: str | None = None  # mostly redacted
    recipients: Sequence[str] = ()  # all that were told, `recipient` first
    source_ip: str | None = None
    arrived_at: Instant | None = None
    feedback_id: str | None = None  # CFBL-Feedback-ID (RFC 9477)
    original: Original | None = None
    derived: Sequence[str] = ()  # names of the fields above that the enclosed header told, not the report


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A message disposition notification: what became of a message after it was delivered."""

    disposition: str  # displayed, deleted, dispatched, processed, failed, denied, …; "" if not told
    is_automatic: bool = False  # sent without the person's doing
    recipient: str | None = None
    message_id: str | None = None  # Original-Message-ID, with angle brackets


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """What an out-of-office answer says of its sender."""

    returns_on: str | None = None  # ISO date
    substitutes: Sequence[str] = ()  # addresses named instead


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What the message says it answers."""

    in_reply_to: Sequence[str] = ()  # Message-IDs with angle brackets
    references: Sequence[str] = ()  # oldest first, as they stand
    subject: str = ""
    base_subject: str = ""  # RFC 5256 §2.1
    participants: Sequence[str] = ()  # addresses of From, Reply-To, To and Cc, From first
    recipients: Sequence[
        str
    ] = ()  # of To, Cc, Delivered-To, X-Original-To, X-Forwarded-To, Envelope-To: one may be signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that was read from one message."""

    kind: Kind
    evidence: Sequence[Evidence] = ()
    sender: str | None = None  # address of From
    sender_name: str | None = None
    subject: str = ""
    message_id: str | None = None
    sent_at: Instant | None = None
    references: References = field(default_factory=References)
    bounce: Bounce | None = None  # BOUNCE, DELAY, DELIVERED
    complaint: Complaint | None = None  # any feedback report; of kind COMPLAINT if it is one against us, else MACHINE
    receipt: Receipt | None = None  # RECEIPT
    absence: Absence | None = None  # AUTO_REPLY of somebody who is away
    text: str = ""  # the body as plain text, at most 200,000 characters
    html: str = ""  # the HTML body where there is one, bounded likewise
    intents: Sequence[str] = ()  # e.g. "unsubscribe" in a longer text: told, not acted upon
    faults: Sequence[str] = ()  # what had to be mended to read it
