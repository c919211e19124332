"""The small numbers and short texts that stand for names in the database.

Owns the mapping between enumerations of the domain and columns, both ways.  The numbers are on disk: add freely, never
change or reuse one.  docs/reference/database.md shows them.  Pure.
"""

from collections.abc import Mapping
from enum import IntEnum

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.correspondence.mailboxes.jobs import JobState
from tierii_mta.events import EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.delivery import FailureReason, State
from tierii_mta.queue.operator import Scope
from tierii_mta.queue.received import InboxState
from tierii_mta.queue.store import ChangeKind
from tierii_mta.smtp.requests import Notify, Return

STATE: Mapping[State, int] = {
    State.PENDING: 0,
    State.RETRY: 1,
    State.QUEUED: 2,
    State.ACTIVE: 3,
    State.HELD: 4,
    State.COMPLETED: 5,
    State.FAILED: 6,
    State.CANCELLED: 7,
    State.SUPPRESSED: 8,
}
STATE_OF: Mapping[int, State] = {code: state for state, code in STATE.items()}

CLAIMABLE_SQL = "state IN (0, 1)"
"""Pending or retry. The partial index says it in these words; SQLite uses it only for a query that says the same."""
SET_ASIDE_SQL = "state IN (4, 6)"
"""Held or failed: what an operator's verb looks for."""

REASON: Mapping[FailureReason, int] = {
    FailureReason.BOUNCED: 1,
    FailureReason.REJECTED: 2,
    FailureReason.BLOCKED: 3,
    FailureReason.EXPIRED: 4,
    FailureReason.RENDER: 5,
    FailureReason.ERROR: 6,
}
REASON_OF: Mapping[int, FailureReason] = {code: reason for reason, code in REASON.items()}


class Mark(IntEnum):
    """What happened to a person besides the delivery's state: bits of `delivery.marks`."""

    IN_DOUBT = 1
    LATE_BOUNCE = 2
    OPENED = 4
    CLICKED = 8
    REPLIED = 16
    UNSUBSCRIBED = 32
    COMPLAINED = 64


NOTIFY: Mapping[Notify, int] = {Notify.NEVER: 1, Notify.SUCCESS: 2, Notify.FAILURE: 4, Notify.DELAY: 8}
"""Bits of `delivery.notify`; 0: the sender said nothing."""

RETURN: Mapping[Return, int] = {Return.FULL: 1, Return.HEADERS: 2}
RETURN_OF: Mapping[int, Return] = {code: kind for kind, code in RETURN.items()}

ACTION: Mapping[Action, int] = {Action.FAILED: 1, Action.DELAYED: 2, Action.RELAYED: 3, Action.DELIVERED: 4}
"""`report.kind`."""
ACTION_OF: Mapping[int, Action] = {code: action for action, code in ACTION.items()}

MARK_OF_EVENT: Mapping[EventType, Mark] = {
    EventType.OPENED: Mark.OPENED,
    EventType.CLICKED: Mark.CLICKED,
    EventType.REPLIED: Mark.REPLIED,
    EventType.UNSUBSCRIBED: Mark.UNSUBSCRIBED,
    EventType.COMPLAINED: Mark.COMPLAINED,
    EventType.BOUNCED: Mark.LATE_BOUNCE,  # recorded apart from an outcome: the remote had taken it first
}
"""Events that, recorded by themselves, mark their delivery."""

MARK_KIND_BASE = 100
"""`tally.kind` is a state's number, or this plus a mark's bit."""

CAMPAIGN_STATE: Mapping[CampaignState, int] = {
    CampaignState.DRAFT: 0,
    CampaignState.SCHEDULED: 1,
    CampaignState.RUNNING: 2,
    CampaignState.PAUSED: 3,
    CampaignState.DRAINING: 4,
    CampaignState.COMPLETED: 5,
    CampaignState.CANCELLED: 6,
    CampaignState.FAILED: 7,
}
CAMPAIGN_STATE_OF: Mapping[int, CampaignState] = {code: state for state, code in CAMPAIGN_STATE.items()}


class StreamState(IntEnum):
    """Whether a stream's lanes may be claimed; only OPEN ones are."""

    OPEN = 0
    LOADING = 1  # the campaign is a draft, or its loading failed
    PAUSED = 2  # paused or not yet started
    CLOSED = 3  # draining: what waits is swept away
    FINISHED = 4
    WAITING = 5  # behind the campaign's canary


CANARY_STEP = -1
"""`stream.step` of those of a campaign that go first; their deliveries are of its step 0 like the others."""

STREAM_STATE: Mapping[CampaignState, StreamState] = {
    CampaignState.DRAFT: StreamState.LOADING,
    CampaignState.FAILED: StreamState.LOADING,
    CampaignState.SCHEDULED: StreamState.PAUSED,
    CampaignState.RUNNING: StreamState.OPEN,
    CampaignState.PAUSED: StreamState.PAUSED,
    CampaignState.DRAINING: StreamState.CLOSED,
    CampaignState.COMPLETED: StreamState.FINISHED,
    CampaignState.CANCELLED: StreamState.FINISHED,
}

SCOPE: Mapping[Scope, int] = {Scope.ALL: 0, Scope.DOMAIN: 1, Scope.CAMPAIGN: 2, Scope.USER: 3}
SCOPE_OF: Mapping[int, Scope] = {code: scope for scope, code in SCOPE.items()}

CHANGE: Mapping[ChangeKind, int] = {
    ChangeKind.MAIL: 0,
    ChangeKind.STREAM: 1,
    ChangeKind.LANE: 2,
    ChangeKind.SUPPRESSION: 3,
}
CHANGE_OF: Mapping[int, ChangeKind] = {code: kind for kind, code in CHANGE.items()}

INBOX_STATE: Mapping[InboxState, int] = {InboxState.NEW: 0, InboxState.QUARANTINED: 1, InboxState.PROCESSED: 2}
INBOX_STATE_OF: Mapping[int, InboxState] = {code: state for state, code in INBOX_STATE.items()}

MAILBOX_JOB: Mapping[JobState, int] = {JobState.WAITING: 0, JobState.DONE: 1, JobState.FAILED: 2}
MAILBOX_JOB_OF: Mapping[int, JobState] = {code: state for state, code in MAILBOX_JOB.items()}

EVENT: Mapping[EventType, int] = {
    EventType.SENT: 1,
    EventType.DELIVERED: 2,
    EventType.DEFERRED: 3,
    EventType.BOUNCED: 4,
    EventType.FAILED: 5,
    EventType.EXPIRED: 6,
    EventType.SUPPRESSED: 7,
    EventType.CANCELLED: 8,
    EventType.HELD: 9,
    EventType.IN_DOUBT: 10,
    EventType.OPENED: 11,
    EventType.CLICKED: 12,
    EventType.UNSUBSCRIBED: 13,
    EventType.COMPLAINED: 14,
    EventType.REPLIED: 15,
    EventType.AUTO_REPLIED: 16,
    EventType.QUEUED: 17,
    EventType.CAMPAIGN_CREATED: 30,
    EventType.CAMPAIGN_SCHEDULED: 31,
    EventType.CAMPAIGN_STARTED: 32,
    EventType.CAMPAIGN_PAUSED: 33,
    EventType.CAMPAIGN_RESUMED: 34,
    EventType.CAMPAIGN_COMPLETED: 35,
    EventType.CAMPAIGN_CANCELLED: 36,
    EventType.CAMPAIGN_FAILED: 37,
    EventType.CAMPAIGN_GUARD_TRIPPED: 38,
    EventType.CAMPAIGN_CANARY_PASSED: 39,
    EventType.CONTACT_REJECTED: 50,
    EventType.CONTACT_ERASED: 51,
    EventType.SUPPRESSION_CREATED: 60,
    EventType.SUPPRESSION_DELETED: 61,
    EventType.LANE_SUSPENDED: 70,
    EventType.LANE_RESUMED: 71,
    EventType.LANE_SLOWED: 72,
    EventType.INBOUND_RECEIVED: 80,
    EventType.INBOUND_QUARANTINED: 81,
    EventType.WEBHOOK_TEST: 90,
    EventType.INBOUND_DELIVERED: 100,
    EventType.INBOUND_UNDELIVERED: 101,
    EventType.MAILBOX_FAILING: 102,
    EventType.MAILBOX_RECOVERED: 103,
    EventType.INTAKE_CLOSED: 110,
    EventType.INTAKE_OPENED: 111,
}
EVENT_OF: Mapping[int, EventType] = {code: kind for kind, code in EVENT.items()}
