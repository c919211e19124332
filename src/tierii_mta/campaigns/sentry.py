"""The sentry: follows what becomes of running campaigns, and stops those that go wrong.

Owns the round from the event log to a paused campaign, a warning, or the release of the mail behind a canary; not the
counts and limits (campaigns.guards) nor the events and rows (storage).

The event log is the one source: it holds what every daemon on the database settled and what came back later, in the
order of the commits.  So counts survive a restart (the last day is read again) and are the same in every daemon; each
of them may run a sentry, because to pause, to warn and to release happen once only, whoever comes first.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from tierii_mta.campaigns.guards import (
    MEMORY,
    Guard,
    Judgement,
    Level,
    Limits,
    Sight,
    Sighting,
    Watch,
    is_over,
)
from tierii_mta.campaigns.specification.oversight import GuardsSection
from tierii_mta.clock import Clock, Instant, later
from tierii_mta.errors import TieriiError
from tierii_mta.events import Event, EventType
from tierii_mta.outbound.reply_class import ReplyClass, Verdict, verdict_of
from tierii_mta.queue.delivery import FailureReason, Json

_EVERY_S = 2.0
_CLASSES = frozenset(ReplyClass)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A campaign that can be stopped."""

    campaign: str
    started_at: Instant
    canary: int | None  # how many went first, while the others wait for their end
    ended: int  # of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A piece of the event log. A campaign that begins, or goes on, ends it: what came before counts no more."""

    sightings: Sequence[Sighting]
    told: Mapping[str, Sequence[Event]]  # by campaign: its campaign.guard_tripped
    resumed: Sequence[str]  # campaigns that go on after a pause, or begin anew
    seq: int  # read up to here
    is_last: bool


class SentryStore(Protocol):
    """What the sentry asks of a database. Every method is atomic."""

    async def running(self) -> Sequence[Running]:
        """Return the campaigns that run."""

    async def kept(self, campaign: str) -> Mapping[str, Json]:
        """Return the specification of a campaign, as in `Snapshot`; raises `NotFound`."""

    async def seq_at(self, at: Instant) -> int:
        """Return a place in the event log that nothing which happened from `at` on stands before."""

    async def read(self, after: int) -> Page:
        """Return what happened behind `after`."""

    async def stop(self, campaign: str, judgement: Judgement, *, read_to: int, now: Instant) -> bool:
        """Pause a running campaign, with `campaign.guard_tripped` and `campaign.paused`; return False if it does not
        run, or was resumed behind `read_to`: then the judgement rests on what the operator has seen.
        """

    async def warn(self, campaign: str, judgement: Judgement, *, read_to: int, now: Instant) -> bool:
        """Write `campaign.guard_tripped` and nothing else; False as in `stop`, or if the same was told behind
        `read_to`.
        """

    async def release(self, campaign: str, *, now: Instant) -> bool:
        """Let the mail behind the canary of a running campaign go, with `campaign.canary_passed`; False if it was."""


class Sentry:
    """Watches; `run` it in one task of each process that sends."""

    def __init__(self, store: SentryStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._read_to: int | None = None  # None: nothing runs, nothing is read
        self._watches: dict[str, Watch] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
            except TieriiError as failure:
                _log.warning("the guards of campaigns cannot be looked after now: %s", failure)
            await self._clock.sleep(_EVERY_S)

    async def look(self) -> None:
        """Read what happened since the last look, and do what follows."""
        running = await self._store.running()  # before the log: what ended until then stands in it
        names = {one.campaign for one in running}
        self._watches = {name: watch for name, watch in self._watches.items() if name in names}
        if not running:
            self._read_to = None
            return
        await self._read(min(one.started_at for one in running))
        for one in running:
            await self._judge(one)

    async def _read(self, since: Instant) -> None:
        """Read on; at the first look, from where the oldest of them started, but not more than counts remember."""
        if self._read_to is None:
            self._read_to = await self._store.seq_at(max(since, later(self._clock.now(), -MEMORY)))
        while True:
            page = await self._store.read(self._read_to)
            for campaign in {*(one.campaign for one in page.sightings), *page.told, *page.resumed}:
                await self._watch(campaign)  # all of them first: a page that is read again must not count twice
            self._take(page)
            self._read_to = page.seq
            if page.is_last:
                return

    def _take(self, page: Page) -> None:
        for sighting in page.sightings:
            self._watches[sighting.campaign].see(sighting)
        for campaign, events in page.told.items():
            for told in (event.data for event in events):
                self._watches[campaign].note_told(Guard(told["guard"]), told.get("provider"), Level(told["level"]))
        for campaign in page.resumed:
            self._watches[campaign].forget()

    async def _watch(self, campaign: str) -> Watch:
        if campaign not in self._watches:
            self._watches[campaign] = Watch(limits_of(await self._store.kept(campaign)))
        return self._watches[campaign]

    async def _judge(self, one: Running) -> None:
        watch, read_to, now = await self._watch(one.campaign), self._read_to or 0, self._clock.now()
        is_canary_over = one.canary is not None and is_over(one.canary, one.ended)
        while (judgement := watch.judge(now, is_canary_over=is_canary_over)) is not None:
            is_stop = judgement.level is Level.LIMIT and watch.limits.pauses
            act = self._store.stop if is_stop else self._store.warn
            is_done = await act(one.campaign, judgement, read_to=read_to, now=now)
            watch.note_told(judgement.guard, judgement.provider, judgement.level)
            if is_done:
                _log.warning(
                    "campaign %s %s: %s", one.campaign, "is paused" if is_stop else "goes on", judgement.sentence
                )
            if is_stop:
                return
        if is_canary_over and await self._store.release(one.campaign, now=now):
            _log.info("campaign %s: the canary is over, the others follow", one.campaign)


def limits_of(kept: Mapping[str, Json]) -> Limits:
    """Return the guards of a kept specification (`Snapshot.specification`)."""
    try:
        asked = cast("Mapping[str, Any]", kept)["campaign"].get("guards", {})
        return GuardsSection.model_validate(asked).limits
    except (AttributeError, LookupError, TypeError, ValueError) as fault:
        _log.error("the guards of a campaign are damaged in the store, so those of others stand over it: %s", fault)
        return GuardsSection().limits


def sight_of(kind: EventType, data: Mapping[str, Any]) -> Sight | None:
    """Return what an event of a campaign's mail shows to its guards; None: nothing.

    What we ourselves failed at, what the operator did, and refusals of us say nothing of the audience or the message.
    """
    match kind:
        case EventType.DELIVERED | EventType.SENT:
            return Sight.DELIVERED
        case EventType.COMPLAINED:
            return Sight.COMPLAINED
        case EventType.BOUNCED if data.get("is_late"):
            is_theirs = data.get("blame") in ("person", "infrastructure")
            return Sight.RETURNED if data.get("is_hard") and is_theirs else None
        case EventType.BOUNCED:
            return Sight.BOUNCED
        case EventType.FAILED:
            is_refusal = data.get("reason") == FailureReason.REJECTED and not data.get("is_local")
            return Sight.REFUSED if is_refusal else None
        case EventType.DEFERRED:
            return None if data.get("is_local") or _is_refusal_of_us(data) else Sight.DEFERRED
        case _:
            return None


def _is_refusal_of_us(data: Mapping[str, Any]) -> bool:
    name = data.get("class", "")
    return name in _CLASSES and verdict_of(ReplyClass(name), is_permanent=False) is Verdict.BLOCK
