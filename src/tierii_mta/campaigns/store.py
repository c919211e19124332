"""The port campaigns are kept behind: records, the expanded snapshot, recipients.

Owns the campaign's states and what enqueueing writes; storage implements it.  The snapshot is what every attempt
sends: specification, expanded sources and attachments by content hash, fixed when the first recipient is accepted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, cast

from tierii_mta.clock import Instant
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import FailureReason, Json, Priority, State
from tierii_mta.queue.pacing import StreamPlan


class CampaignState(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"  # rows are loading, nothing is claimable
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"  # cancelled or ended while deliveries are active
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"  # loading was refused


CAMPAIGN_TRANSITIONS: Mapping[CampaignState, frozenset[CampaignState]] = {
    CampaignState.DRAFT: frozenset(
        {CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.FAILED, CampaignState.CANCELLED}
    ),
    CampaignState.SCHEDULED: frozenset({CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.DRAINING}),
    CampaignState.RUNNING: frozenset({CampaignState.PAUSED, CampaignState.DRAINING, CampaignState.COMPLETED}),
    CampaignState.PAUSED: frozenset({CampaignState.RUNNING, CampaignState.SCHEDULED, CampaignState.DRAINING}),
    CampaignState.DRAINING: frozenset({CampaignState.COMPLETED, CampaignState.CANCELLED}),
    CampaignState.COMPLETED: frozenset({CampaignState.RUNNING}),  # `enqueue --reopen` or `retry`
    CampaignState.CANCELLED: frozenset({CampaignState.RUNNING}),  # `enqueue --reopen`
    CampaignState.FAILED: frozenset({CampaignState.DRAFT}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a campaign sends, complete and fixed: enough to render any of its mails without the operator's files."""

    specification: Mapping[str, Json]  # canonical campaign.yaml and what was pinned with it (campaigns.snapshot)
    contents: Mapping[str, bytes]  # SHA-256 in hex → expanded template or attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A campaign about to be loaded."""

    id: str
    name: str
    is_marketing: bool
    priority: Priority
    list_id: str | None
    sender: str | None = None  # domain of From, in A-labels
    fingerprint: str
    snapshot: Snapshot
    created_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """A campaign as kept."""

    id: str
    name: str
    state: CampaignState
    is_marketing: bool
    priority: Priority
    list_id: str | None
    fingerprint: str
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    reason: str | None  # why paused or failed
    plan: StreamPlan | None = None  # when and how fast it may send
    canary: int | None = None  # how many went first, while the others wait for their end
    report: Mapping[str, Json] = field(default_factory=dict)  # the load report: rows, accepted, rejected, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecipient:
    """One row to be accepted."""

    recipient: str
    recipient_key: PersonKey
    domain: str
    contact: Mapping[str, Json]
    due: Instant | None = None  # None: as soon as its campaign may send
    is_canary: bool = False  # of those who go first, while the others wait for their end


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of a batch of rows: `accepted` + `present` + `suppressed` is its length."""

    accepted: int
    present: int  # already a recipient of this campaign
    suppressed: int  # left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What became of the failed deliveries of a campaign."""

    count: int  # wait again
    suppressed: int  # of persons who may not be written to any more: failed as before


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What a campaign says of mail that comes back."""

    author: str  # address of From
    answers_go_to: str  # address of Reply-To, else of From
    stop_on: frozenset[str]


def way_back(kept: Mapping[str, Json]) -> WayBack:
    """Return it from a kept specification (`Snapshot.specification`)."""
    made = cast("Mapping[str, Any]", kept)["campaign"]
    author = made["from"]["email"]
    answers_go_to = made.get("reply_to", {}).get("email", author)
    return WayBack(author=author, answers_go_to=answers_go_to, stop_on=frozenset(made.get("stop_on", ())))


class CampaignStore(Protocol):
    """Campaigns, kept durably. Every method is one commit, with its events and change rows."""

    async def find(self, campaign: str) -> CampaignRecord | None:
        """Return the record, or None."""

    async def campaigns(self, *, limit: int = 100) -> Sequence[CampaignRecord]:
        """Return the newest campaigns."""

    async def open_draft(self, draft: Draft, *, reopen: bool = False) -> CampaignRecord:
        """Begin or go on loading. A missing, draft or failed id takes the new content; an id with the same fingerprint
        goes on in its present state (final ones only with `reopen`, which makes them running again at the end).

        Raises `Conflict`: another fingerprint, or a final campaign without `reopen`.
        """

    async def add_recipients(
        self,
        campaign: str,
        rows: Sequence[NewRecipient],
        *,
        now: Instant,
        expires_at: Instant,
        exclude_suppressed: bool = True,
        opened: CampaignRecord | None = None,
    ) -> Added:
        """Accept at most 1,000 rows in one commit; a person already there is left as is. Idempotent.

        Rows of a draft are not claimable before `start`. `opened` is what `open_draft` returned to the caller: raises
        `Conflict` if somebody has given the id other content since, or has cancelled it.
        """

    async def start(
        self,
        campaign: str,
        *,
        report: Mapping[str, Json],
        now: Instant,
        plan: StreamPlan | None = None,
        opened: CampaignRecord | None = None,
    ) -> CampaignRecord:
        """Leave draft (or announce rows added to a running campaign): → running, or scheduled where its start is to
        come, with events and a change row.

        `plan` holds from now on, also for a campaign that is scheduled already: it may get another start. One that has
        started keeps its plan. `opened` and `Conflict` as in `add_recipients`.
        """

    async def fail(self, campaign: str, *, reason: str, now: Instant) -> None:
        """A draft whose loading was refused: → failed; its rows are deleted."""

    async def move(self, campaign: str, to_state: CampaignState, *, reason: str | None, now: Instant) -> CampaignRecord:
        """Pause, resume or cancel (→ draining; a draft → cancelled).

        Raises `NotFound`, or `Conflict` where the table forbids it or the step is not an operator's: only `start`
        leaves a draft, and only `enqueue --reopen` or `retry` a campaign that ended.
        """

    async def retry_failed(self, campaign: str, *, now: Instant, expires_at: Instant) -> Retried:
        """failed → pending for the whole campaign, but for persons suppressed meanwhile."""

    async def counts(self, campaign: str) -> Mapping[State, int]:
        """Return all nine states' counts, from the tally."""

    async def marks(self, campaign: str) -> Mapping[str, int]:
        """Return persons per mark: in_doubt, late_bounce, opened, clicked, replied, unsubscribed, complained."""

    async def failures(self, campaign: str) -> Mapping[FailureReason, int]:
        """Return why the failed deliveries of a campaign failed; reasons nobody had are left out."""

    async def snapshot(self, campaign: str) -> Snapshot:
        """Return what the campaign sends; raises `NotFound`."""
