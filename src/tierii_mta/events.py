"""Every event the product emits, with the fields its `data` carries.

Owns names and shapes; storage keeps events in the commit they describe, and gives each its `seq`.  Names here are a
contract with other people's webhooks: add freely, never rename.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tierii_mta.clock import Instant, rfc3339


class EventType(StrEnum):
    """What happened."""

    SENT = "email.sent"  # handed to another relay (transports); direct MX emits delivered alone
    DELIVERED = "email.delivered"
    DEFERRED = "email.deferred"
    BOUNCED = "email.bounced"
    FAILED = "email.failed"
    EXPIRED = "email.expired"
    SUPPRESSED = "email.suppressed"
    CANCELLED = "email.cancelled"
    HELD = "email.held"
    IN_DOUBT = "email.in_doubt"
    OPENED = "email.opened"
    CLICKED = "email.clicked"
    UNSUBSCRIBED = "email.unsubscribed"
    COMPLAINED = "email.complained"
    REPLIED = "email.replied"
    AUTO_REPLIED = "email.auto_replied"
    QUEUED = "email.queued"  # submitted mail only
    CAMPAIGN_CREATED = "campaign.created"
    CAMPAIGN_SCHEDULED = "campaign.scheduled"
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_RESUMED = "campaign.resumed"
    CAMPAIGN_COMPLETED = "campaign.completed"
    CAMPAIGN_CANCELLED = "campaign.cancelled"
    CAMPAIGN_FAILED = "campaign.failed"
    CAMPAIGN_GUARD_TRIPPED = "campaign.guard_tripped"
    CAMPAIGN_CANARY_PASSED = "campaign.canary_passed"  # the mail behind it follows
    CONTACT_REJECTED = "contact.rejected"
    CONTACT_ERASED = "contact.erased"
    SUPPRESSION_CREATED = "suppression.created"
    SUPPRESSION_DELETED = "suppression.deleted"
    LANE_SUSPENDED = "lane.suspended"
    LANE_RESUMED = "lane.resumed"
    LANE_SLOWED = "lane.slowed"
    INBOUND_RECEIVED = "inbound.received"
    INBOUND_QUARANTINED = "inbound.quarantined"
    INBOUND_DELIVERED = "inbound.delivered"  # a mailbox has it
    INBOUND_UNDELIVERED = "inbound.undelivered"  # a mailbox does not get it; it stays in the inbox
    MAILBOX_FAILING = "mailbox.failing"
    MAILBOX_RECOVERED = "mailbox.recovered"
    INTAKE_CLOSED = "intake.closed"  # the disk is nearly full
    INTAKE_OPENED = "intake.opened"
    WEBHOOK_TEST = "webhook.test"


_SMTP_FIELDS = (
    "mx",
    "address",
    "code",
    "enhanced",
    "reply",
    "is_local",
    "class",
    "stage",
    "attempt",
    "tls",
    "source",
    "elapsed_ms",
)

_MATCH_FIELDS = ("inbox", "trust", "route")  # the received message, how sure it is that this is about it, and why

_INBOUND_FIELDS = ("inbox", "reverse_path", "remote", "size", "recipients", "tokens")

DATA_FIELDS: Mapping[EventType, tuple[str, ...]] = {
    EventType.DELIVERED: _SMTP_FIELDS,
    EventType.SENT: _SMTP_FIELDS,
    EventType.DEFERRED: (*_SMTP_FIELDS, "next_attempt"),
    EventType.BOUNCED: (*_SMTP_FIELDS, "is_late", "is_hard", "blame", "reporting_mta", *_MATCH_FIELDS),
    EventType.FAILED: (*_SMTP_FIELDS, "reason"),
    EventType.EXPIRED: ("age_s", "attempts", "last_reply", "stage", "mx", "is_local"),
    EventType.IN_DOUBT: (*_SMTP_FIELDS, "cause", "policy"),
    EventType.HELD: ("reason",),
    EventType.SUPPRESSED: ("scope", "reason"),
    EventType.UNSUBSCRIBED: ("scope", "method", *_MATCH_FIELDS),
    EventType.COMPLAINED: ("feedback_type", "user_agent", *_MATCH_FIELDS),
    EventType.REPLIED: ("from", "subject", "words", "is_truncated", "is_participant", *_MATCH_FIELDS),
    EventType.AUTO_REPLIED: ("from", "subject", "is_absence", "returns_on", "substitutes", *_MATCH_FIELDS),
    EventType.CANCELLED: ("reason",),
    EventType.CAMPAIGN_SCHEDULED: ("start",),
    EventType.CAMPAIGN_STARTED: ("reopened", "canary"),
    EventType.CAMPAIGN_PAUSED: ("reason", "by"),
    EventType.CAMPAIGN_GUARD_TRIPPED: (
        "guard",
        "level",
        "provider",
        "count",
        "sample",
        "share",
        "threshold",
        "reason",
        "action",
        "command",
    ),
    EventType.CAMPAIGN_CANARY_PASSED: ("size", "ended"),
    EventType.SUPPRESSION_CREATED: ("scope", "reason", "evidence"),
    EventType.SUPPRESSION_DELETED: ("scope", "reason"),
    EventType.LANE_SUSPENDED: ("scope", "domain", "user", "until", "reason", "reply"),
    EventType.LANE_RESUMED: ("scope", "domain", "user"),
    EventType.INBOUND_RECEIVED: _INBOUND_FIELDS,
    EventType.INBOUND_QUARANTINED: (*_INBOUND_FIELDS, "score", "reasons"),
    EventType.INBOUND_DELIVERED: ("inbox", "mailbox", "attempt", "answer"),
    EventType.INBOUND_UNDELIVERED: ("inbox", "mailbox", "attempt", "reason"),
    EventType.MAILBOX_FAILING: ("mailbox", "reason"),
    EventType.MAILBOX_RECOVERED: ("mailbox",),
    EventType.INTAKE_CLOSED: ("reason",),
}
"""What `data` may hold, per type that has any. Fields without a value are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. `seq` is given by the store, in commit order; it is None before that."""

    id: str  # sortable, clock.sortable_id("evt", ...)
    type: EventType
    at: Instant
    campaign_id: str | None = None
    delivery_id: int | None = None
    message_id: str | None = None
    recipient: str | None = None
    provider: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON values
    seq: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the event as webhooks, `events` and the API show it."""
        return {
            "id": self.id,
            "seq": self.seq,
            "type": str(self.type),
            "timestamp": rfc3339(self.at),
            "campaign_id": self.campaign_id,
            "delivery_id": str(self.delivery_id) if self.delivery_id is not None else None,
            "message_id": self.message_id,
            "recipient": self.recipient,
            "provider": self.provider,
            "data": dict(self.data),
        }
