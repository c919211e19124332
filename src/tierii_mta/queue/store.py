"""THE STORAGE PORT: what the queue asks of a database, and the operations it commits.

Owns the contract that `storage` implements for SQLite and PostgreSQL and that `tests/contracts` checks on both.
Operations are values: the committer gathers them, and `QueueStore.apply` writes a whole group in one transaction,
together with the events they carry, the tally they move and the change rows others read.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.consent.suppression import Suppression
from tierii_mta.errors import TieriiError, Unavailable
from tierii_mta.events import Event
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.crashes import Crashes, Freed
from tierii_mta.queue.delivery import (
    Delivery,
    DeliveryId,
    Epoch,
    FailureReason,
    Json,
    Lane,
    LaneId,
    MessageRow,
    Priority,
    Report,
    ReportKey,
    State,
    StreamId,
)
from tierii_mta.queue.pacing import Paced, StreamPlan
from tierii_mta.queue.processed import Conclude
from tierii_mta.queue.received import InboxEntry, InboxId
from tierii_mta.queue.views import QueueViews
from tierii_mta.smtp.requests import Notify, Return


class StatementFailed(TieriiError):
    """One operation of a group cannot be written; the transaction was rolled back and nothing of it remains."""


class CommitFailed(Unavailable):
    """The COMMIT itself failed (full disk, failing fsync, lost server): nobody of the group may be told `kept`."""


# -- operations ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A recipient of a message being accepted."""

    recipient: str
    recipient_key: PersonKey
    domain: str
    contact: Mapping[str, Json] = field(default_factory=dict)
    notify: frozenset[Notify] = frozenset()  # empty: not said
    orcpt: str | None = None  # as it came: `type;xtext`


class Parts(Protocol):
    """A message in pieces of at most 256 KiB, CR LF line ends, unsigned."""

    def __len__(self) -> int:
        """Return how many pieces there are."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces, each time anew; they may be read from a file, on the thread that writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Keep a stored message and its deliveries. Result: `Accepted`; None where not all `reports` are owed any more."""

    stream: str  # name of the stream, e.g. "send" or "user:shop"; created when missing
    priority: Priority
    reverse_path: str  # "" the null sender
    message_id: str
    parts: Parts
    deliveries: Sequence[NewDelivery]
    accepted_at: Instant
    expires_at: Instant
    is_marketing: bool = False
    idempotency_key: str | None = None  # scoped to the stream; a repeated key answers with the first message
    fingerprint: str | None = None  # of what was asked for under the key; None: not compared
    account: str | None = None  # whose day it counts to, and who knows the recipients from now on
    ret: Return | None = None
    envid: str | None = None  # as it came, in xtext
    is_smtputf8: bool = False
    label: str | None = None  # X-Tierii-Campaign
    tag: str | None = None  # X-Tierii-Tag
    return_path: str | None = None  # domain of signed return paths; None: the reverse-path itself travels
    reports: Sequence[ReportKey] = ()  # that the message makes: kept only if all are owed, which they then are not
    events: Sequence[Event] = ()  # their delivery_id is filled in by the store, one event per delivery in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What an `Accept` made, or, for a repeated idempotency key, had made before."""

    message: MessageRow
    deliveries: tuple[DeliveryId, ...]
    message_id: str
    fingerprint: str | None = None  # that of the first, where there is one
    is_repeat: bool = False
    loads: Sequence["LaneLoad"] = ()  # what became claimable, for the directory of the process that accepted it


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate:
    """queued → active, before MAIL FROM. Result: True, or False if the row is no longer ours."""

    delivery: DeliveryId
    epoch: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Leave `queued` or `active`. Result: True, or False if the row is no longer ours, or not in `from_state`.

    On False nothing of it is written: no event, no suppression, no tally.
    """

    delivery: Delivery
    epoch: Epoch
    from_state: State  # QUEUED or ACTIVE
    to_state: State
    at: Instant
    due: Instant | None = None  # for RETRY and PENDING
    attempts: int = 0  # the new count
    reason: FailureReason | None = None
    is_in_doubt: bool = False  # True sets the mark; it is never taken away
    was_blocked: bool = False  # written as it is
    is_crash: bool = False  # the attempt broke off through a fault of ours; counted (`QueueStore.crashes`)
    body_hash: str | None = None  # None: keep what is there
    last_reply: str | None = None  # None: keep what is there
    events: Sequence[Event] = ()
    suppression: Suppression | None = None
    transcript: str | None = None  # what was said in the attempt; kept where there is any
    report: Report | None = None  # of stored messages; once for each action


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendLane:
    """Close a lane until `until` (None: open it again), with the reason operators see."""

    lane: LaneId
    until: Instant | None
    reason: str = ""
    events: Sequence[Event] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write events that belong to no other operation, and whom they suppress."""

    events: Sequence[Event]
    suppressions: Sequence[Suppression] = ()  # each announced by the store, where it is new


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive:
    """Keep a received message in the inbox, with `inbound.received` or `.quarantined`. Result: `Received`."""

    entry: InboxEntry
    parts: Parts  # as it came, under the fields that final delivery puts on top


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a `Receive` made."""

    id: InboxId


Operation = Accept | Activate | Settle | SuspendLane | Record | Receive | Conclude
Result = Accepted | Received | bool | None


# -- what the queue reads --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much of one lane may be claimed now."""

    lane: LaneId
    priority: Priority
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a claim brought. `exhausted` names lanes that gave less than asked and when they are due next, if ever.

    `damaged` are rows that cannot be read: they ended failed(error), with the event.
    """

    deliveries: Sequence[Delivery]
    exhausted: Mapping[tuple[LaneId, Priority], Instant | None]
    damaged: Sequence[DeliveryId] = ()
    shut: Mapping[StreamId, Instant] = field(default_factory=dict)  # paced streams that have no more room, until when


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLoad:
    """One (lane, priority) with claimable mail, as the directory learns it at start."""

    lane: Lane
    priority: Priority
    count: int
    due: Instant  # earliest
    suspended_until: Instant | None = None


class ChangeKind(StrEnum):
    """What another process changed."""

    MAIL = "mail"  # a stream, or one lane of it, has new claimable mail
    STREAM = "stream"  # paused, resumed or cancelled
    LANE = "lane"  # suspended or released: what is not yet on the wire is to be looked at anew
    SUPPRESSION = "suppression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the change log."""

    seq: int
    kind: ChangeKind
    stream: StreamId | None
    lane: LaneId | None


class QueueStore(QueueViews, Protocol):
    """The queue's side of the database. Every method is atomic; all times are given, none is read."""

    async def register(self, *, name: str, role: str, pid: int, now: Instant) -> Epoch:
        """Add a `node` row and return its epoch, greater than every earlier one."""

    async def heartbeat(self, epoch: Epoch, now: Instant) -> None:
        """Say that the owner of `epoch` lives."""

    async def retire(self, epoch: Epoch) -> None:
        """Remove the node row at a clean stop."""

    async def free_dead(self, epoch: Epoch, now: Instant) -> Freed:
        """Free the rows of owners that are gone: every older epoch on SQLite, those silent for 60 s on PostgreSQL.

        queued → pending; active → retry, due now, with `email.in_doubt {cause: crash}`, whatever its class.
        Each is counted as a crash of that delivery, certain if its owner had no other in hand (queue.crashes): a
        suspect waits for its trial, and who is convicted ends failed(error), with the event. 1,000 rows a commit.
        """

    async def free_unheld(self, epoch: Epoch, held: Collection[DeliveryId]) -> int:
        """queued → pending for rows of `epoch` that are not `held`: their claim was committed, its answer got lost."""

    async def crashes(self, delivery: DeliveryId) -> Crashes:
        """Return how often a delivery crashed."""

    async def claim_suspect(self, epoch: Epoch, now: Instant) -> Delivery | None:
        """Take the next suspect into hand, whatever its due time, to be tried alone; None: there is none (left).

        Those who were alone in the fewest crashes come first, so that one accident after the other does not meet the
        same delivery. Suppressed persons, closed streams and suspended lanes as in `claim`.
        """

    async def absolve(self, delivery: DeliveryId) -> None:
        """Forget the crashes of a delivery: it was tried alone, and nothing broke."""

    def loads(self, stream: StreamId | None = None, *, lane: LaneId | None = None) -> AsyncIterator[LaneLoad]:
        """Yield claimable mail per (lane, priority), of one lane, of one stream, or of all streams.

        A stream that is not open yields nothing; a suspended lane is yielded with its `suspended_until`. What the
        operator has suspended is due at the end of the suspension, or not yielded if it has no end.
        """

    async def plans(self, stream: StreamId | None = None) -> Mapping[StreamId, StreamPlan]:
        """Return the plans of the open streams of campaigns, or of one stream if it is open."""

    async def claim(
        self, quotas: Sequence[Quota], *, epoch: Epoch, now: Instant, paced: Mapping[StreamId, Paced] | None = None
    ) -> Claim:
        """Take due rows into hand (→ queued, owner = epoch), earliest due first in each quota, in one transaction.

        Of a stream in `paced` no more than its pace has room for, which moves in the same transaction; every claim of
        a paced stream has to name it, whoever claims.

        Rows whose recipient is suppressed for their stream end `suppressed`, with the event, and are not returned.
        Rows of streams that are not open are not taken, nor those of suspended lanes.
        """

    async def apply(self, operations: Sequence[Operation]) -> Sequence[Result]:
        """Write all operations in one transaction, as if one after the other, and return a result for each, in order.

        Raises `StatementFailed` (nothing written; try the members one by one) or `CommitFailed` (nobody was kept).
        """

    async def probe(self) -> None:
        """Commit one durable row, to see whether a sick store has recovered; raises `CommitFailed`."""

    async def changes(self, after: int) -> Sequence[Change]:
        """Return change rows behind the cursor `after` in order, cheaply when there are none.

        What this object wrote through `apply` is left out: its process knows it from the results (`Accepted.loads`).
        Rows freed by `free_dead`, and all that other connections and processes wrote, are in.
        """

    async def last_change(self) -> int:
        """Return the newest change seq (0 if none): where a cursor starts."""

    async def expire(self, now: Instant, *, grace: timedelta = timedelta(0), limit: int = 1000) -> int:
        """One page of the age sweep: rows that passed `expires_at` more than `grace` ago, in any state that is not
        final → failed(expired) with their event (failed(blocked) where the last refusal was of us). The grace leaves
        the last attempt, which is due at `expires_at`, its time. In-hand rows whose owner is alive are left to it.
        Return how many ended; call again while it is `limit`.
        """

    async def purge(
        self,
        *,
        deliveries_before: Instant,
        events_before: Instant,
        bodies_before: Instant | None = None,
        inbox_before: Instant | None = None,
        limit: int = 2000,
    ) -> int:
        """Delete one page of final rows, old events, bodies nobody waits for and received mail; return how many."""

    async def drop_lanes(self, *, before: Instant, limit: int = 1000) -> int:
        """Delete a page of lanes of campaigns that ended before and have no rows left; return how many. Ids stay."""

    async def attend(self, now: Instant) -> Sequence[str]:
        """Start, pause or end the campaigns whose start, opening or end has come; return a line about each."""

    async def finish_streams(self, now: Instant) -> Sequence[str]:
        """End campaigns that have no open delivery left: running → completed, draining → completed | cancelled.

        For cancelled streams, sweeps up to 1,000 waiting rows to `cancelled` per call. Return the campaign ids that
        ended in this call.
        """
