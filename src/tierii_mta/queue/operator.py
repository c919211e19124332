"""THE OPERATOR'S PORT: what the verbs of `queue` ask of a database, whether or not a daemon runs.

Owns the verbs that move waiting deliveries, suspensions that are remembered, and what is shown of lanes and
deliveries; `storage.operator` implements it.  A running daemon learns of everything by change rows, and a claim obeys
what is written here from the commit on.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import DeliveryId, LaneId, MessageRow, State
from tierii_mta.queue.selection import Selection
from tierii_mta.queue.views import History
from tierii_mta.smtp.requests import Notify, Return


class Verb(StrEnum):
    """What an operator does with waiting deliveries."""

    HOLD = "hold"  # pending | retry → held, until released; its lifetime goes on
    RELEASE = "release"  # held → what it was, due when it was
    FLUSH = "flush"  # due now; whatever else holds it goes on to hold it
    BOUNCE = "bounce"  # pending | retry | held → failed(rejected), with the operator's words


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One verb on one selection."""

    verb: Verb
    selection: Selection
    text: str = ""  # the operator's words, kept with the event


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an order would move now."""

    count: int
    in_hand: int  # queued or active: being delivered, and left alone


@dataclass(slots=True)
class Moved:
    """What an order has moved."""

    count: int = 0
    in_hand: int = 0
    waits: Counter[str] = field(default_factory=Counter)  # of those: why they still wait, after release and flush


class Scope(StrEnum):
    """What a suspension by the operator closes."""

    ALL = "all"
    DOMAIN = "domain"
    CAMPAIGN = "campaign"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSuspension:
    """A suspension by the operator; lanes made later obey it as well."""

    scope: Scope
    value: str  # "" for `Scope.ALL`
    until: Instant | None  # None: until it is lifted
    reason: str
    created_at: Instant

    def __str__(self) -> str:
        return "all mail" if self.scope is Scope.ALL else f"{self.scope} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """One lane with open mail, and what it waits for."""

    lane: LaneId
    owner: str  # the campaign's id, or the stream's name: "user:shop", "send"
    campaign: str | None
    domain: str
    counts: Mapping[State, int]  # open states only; those that are not there are left out
    oldest: Instant | None  # when the oldest waiting or held delivery was accepted
    next_due: Instant | None  # of what waits
    why: str  # why it waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said in one attempt."""

    attempt: int
    at: Instant
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """The message of a submitted delivery, as it was accepted."""

    row: MessageRow
    reverse_path: str  # "" the null sender
    size_bytes: int | None  # None: the body is gone
    header: bytes  # up to the empty line; empty if the body is gone
    ret: Return | None
    envid: str | None
    is_smtputf8: bool
    label: str | None
    tag: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All there is of one delivery, for `queue show`."""

    history: History
    owner: str
    notify: frozenset[Notify]  # empty: not said
    orcpt: str | None
    last_reply: str | None
    message: MessageFacts | None  # None: campaign mail, rendered at the attempt
    transcripts: Sequence[Transcript]


class QueueOperator(Protocol):
    """The operator's side of the database."""

    async def survey(self, order: Order, now: Instant) -> Survey:
        """Return how many deliveries the order would move, and how many of the selection are in hand."""

    async def carry_out(self, order: Order, now: Instant) -> Moved:
        """Move what is selected, at most 1,000 rows a commit, with events, tally and change rows.

        What is in hand is left alone and counted.  Given again after a crash it goes on with what is left.
        """

    async def suspend(self, suspension: StandingSuspension) -> None:
        """Remember a suspension; the same scope and value again replaces it."""

    async def unsuspend(self, scope: Scope, value: str, now: Instant) -> int:
        """Lift a suspension; of a domain, also open its lanes that were closed because the domain refuses us.

        Return how many suspensions and lanes that were.
        """

    async def suspensions(self, now: Instant) -> Sequence[StandingSuspension]:
        """Return the suspensions by the operator that are in force."""

    async def end_suspensions(self, now: Instant) -> Sequence[StandingSuspension]:
        """Forget suspensions whose time is over, with their event, and return them."""

    def lanes(self, selection: Selection, now: Instant, *, state: State | None = None) -> AsyncIterator[LaneView]:
        """Yield lanes with open deliveries (in `state`, if given) of a selection by domain, campaign or user."""

    async def find(self, selection: Selection, *, limit: int) -> Sequence[DeliveryId]:
        """Return deliveries of a selection that names messages, lowest id first; final ones too."""

    async def dossiers(self, deliveries: Sequence[DeliveryId]) -> Sequence[Dossier]:
        """Return all there is of some deliveries, by id."""
