"""Deliveries: one message to one recipient, their states, and what an attempt can end in.

Owns the state table and the outcome union; not when to retry (queue.schedule), what a reply means
(outbound.interpret) or how rows are kept (storage). Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import NewType

from tierii_mta.clock import Instant
from tierii_mta.mail.dsn import Action
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.talk import Exchange

StreamId = NewType("StreamId", int)
LaneId = NewType("LaneId", int)
DeliveryId = NewType("DeliveryId", int)
MessageRow = NewType("MessageRow", int)
Epoch = NewType("Epoch", int)
"""The number of one run of one process; rows in hand carry it, and only its owner may settle them."""

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


class State(StrEnum):
    """Where a delivery stands. The nine names of the contract; `TRANSITIONS` says which may follow which."""

    PENDING = "pending"  # waits to be claimed
    QUEUED = "queued"  # claimed by a process, never yet on the wire in this attempt
    ACTIVE = "active"  # in an SMTP transaction; committed before MAIL FROM
    COMPLETED = "completed"  # the remote took responsibility (or: in doubt, by policy)
    RETRY = "retry"  # waits for its next attempt
    FAILED = "failed"  # given up; `FailureReason` says why
    HELD = "held"  # kept back by the operator
    CANCELLED = "cancelled"  # by the operator
    SUPPRESSED = "suppressed"  # the recipient may not be written to


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.QUEUED, State.HELD, State.CANCELLED, State.SUPPRESSED, State.FAILED}),
    # retry and failed straight from queued: no route, no connection, or it would not render
    State.QUEUED: frozenset({State.ACTIVE, State.PENDING, State.RETRY, State.FAILED}),
    State.ACTIVE: frozenset({State.COMPLETED, State.RETRY, State.FAILED, State.PENDING}),
    State.RETRY: frozenset({State.QUEUED, State.HELD, State.CANCELLED, State.SUPPRESSED, State.FAILED}),
    State.HELD: frozenset({State.PENDING, State.RETRY, State.CANCELLED, State.SUPPRESSED, State.FAILED}),
    State.FAILED: frozenset({State.PENDING}),  # the verb `retry`
    State.COMPLETED: frozenset(),
    State.CANCELLED: frozenset(),
    State.SUPPRESSED: frozenset(),
}

CLAIMABLE = frozenset({State.PENDING, State.RETRY})
IN_HAND = frozenset({State.QUEUED, State.ACTIVE})
OPEN = frozenset({State.PENDING, State.QUEUED, State.ACTIVE, State.RETRY, State.HELD})
FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.SUPPRESSED})


class FailureReason(StrEnum):
    """Why a delivery ended `failed`."""

    BOUNCED = "bounced"  # no such person
    REJECTED = "rejected"  # content or policy of this message
    BLOCKED = "blocked"  # a refusal of us that lasted until the lifetime ended
    EXPIRED = "expired"  # age
    RENDER = "render"  # its own values break the template
    ERROR = "error"  # our fault


class Priority(IntEnum):
    """Who goes first: lower numbers overtake."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The unit of waiting: one stream's mail to one destination domain."""

    id: LaneId
    stream: StreamId
    domain: str  # lower-case A-labels, or an address literal in brackets


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one recipient, as claimed."""

    id: DeliveryId
    lane: Lane
    recipient: str  # forward-path as given: local part kept, domain in A-labels
    recipient_key: PersonKey
    priority: Priority
    attempts: int  # finished ones that counted
    accepted_at: Instant
    expires_at: Instant
    campaign: str | None  # campaign id, None for submitted mail
    step: int = 0  # 0 the campaign itself, n its n-th follow-up
    message: MessageRow | None = None  # stored message; None: rendered at the attempt
    reverse_path: str | None = None  # of stored messages; None: VERP for campaigns, "" the null sender
    contact: Mapping[str, Json] = field(default_factory=dict)  # the contact's fields at enqueue
    body_hash: str | None = None  # of what the first attempt sent
    was_blocked: bool = False  # the last refusal was of us, not of the person


ReportKey = tuple[DeliveryId, Action]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the sender may be told of a delivery, from `at` on; whether they asked to be told, the store knows."""

    action: Action
    at: Instant


class Stage(StrEnum):
    """How far an attempt came; the word operators see in `why`."""

    ROUTE = "route"  # MX and address look-ups, policy
    RENDER = "render"
    WORKER = "worker"  # no process that renders the mail survives it
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # between 354 and the final dot
    DOT = "dot"  # the final dot was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one attempt met: the facts an operator reads in `why` and a webhook carries."""

    stage: Stage
    reply: Reply  # the peer's, or ours where no peer spoke (`is_local`)
    reply_class: str  # one of the classes of outbound.interpret, e.g. "InvalidRecipient"
    is_local: bool = False
    mx: str | None = None
    address: str | None = None
    source: str | None = None
    tls: str | None = None  # e.g. "TLSv1.3 unverified"; None: plaintext or not reached
    provider: str = "other"
    message_id: str | None = None
    body_hash: str | None = None
    talk: Sequence[Exchange] = ()  # with the hosts that were reached
    is_untold: bool = False  # the sender asked to be told of success, and the peer will not tell
    elapsed: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The remote answered 2xx to the final dot."""

    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """Try again. With `is_blocked` the refusal was of us: the lane is suspended and nobody is blamed."""

    attempt: Attempt
    retry_after: timedelta | None = None  # what the peer asked for, already bounded
    is_blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Give up. With `suppress` the person is gone and goes on the suppression list."""

    attempt: Attempt
    reason: FailureReason
    suppress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """The final dot was written and no final reply came (RFC 1047)."""

    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Not attempted: drain, throttle, suspended destination, or no longer ours. Nothing is counted."""

    why: str
    due: Instant | None = None  # None: as soon as the lane is open


Outcome = Delivered | Deferred | Failed | InDoubt | Returned
