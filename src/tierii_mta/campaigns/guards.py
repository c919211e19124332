"""Guards: when what becomes of a campaign's mail says that it had better stop.

Owns the sliding counts of one campaign, whole and for each provider, and the judgement over them; not where the counts
come from nor what a judgement leads to (campaigns.sentry).  A refusal of us (block list, reputation, authentication)
is no sighting at all: it closes the lane, and blames neither the campaign nor a person.  Pure.

The defaults, and when to warn: bulk senders are expected below 2 % bounces and 0.1 % complaints; above 5 % and 0.3 %
receivers begin to refuse everything.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from tierii_mta.clock import Instant, later

MEMORY = timedelta(days=1)
"""How far back a count may reach where less than `min_sample` came together in the window."""

_STEPS = 60  # of a window


class Guard(StrEnum):
    """What is watched."""

    BOUNCE = "bounce"  # of the mails that came to an end: nobody there
    COMPLAINT = "complaint"  # of those delivered: called spam
    DEFERRAL = "deferral"  # of the attempts: put off by the other side


class Sight(StrEnum):
    """What can be seen of a mail."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"  # refused at once
    RETURNED = "returned"  # came back later: it counted as delivered before
    REFUSED = "refused"  # for its content
    DEFERRED = "deferred"
    COMPLAINED = "complained"


_PARTS: Mapping[Guard, frozenset[Sight]] = {
    Guard.BOUNCE: frozenset({Sight.BOUNCED, Sight.RETURNED}),
    Guard.COMPLAINT: frozenset({Sight.COMPLAINED}),
    Guard.DEFERRAL: frozenset({Sight.DEFERRED}),
}
_ENDED = frozenset({Sight.DELIVERED, Sight.BOUNCED, Sight.REFUSED})
_WHOLES: Mapping[Guard, frozenset[Sight]] = {
    Guard.BOUNCE: _ENDED,
    Guard.COMPLAINT: frozenset({Sight.DELIVERED}),
    Guard.DEFERRAL: _ENDED | {Sight.DEFERRED},
}
_WARNS_AT: Mapping[Guard, float] = {Guard.BOUNCE: 2 / 5, Guard.COMPLAINT: 1 / 3, Guard.DEFERRAL: 2 / 5}
_WORDS: Mapping[Guard, str] = {
    Guard.BOUNCE: "bounced",
    Guard.COMPLAINT: "were reported as spam",
    Guard.DEFERRAL: "were deferred",
}


class Level(StrEnum):
    """How grave a judgement is."""

    WARNING = "warning"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`guards` of a campaign file."""

    shares: Mapping[Guard, float]  # at which a guard trips; those left out are off
    min_sample: int
    window: timedelta
    pauses: bool  # False: it only tells
    first: float | int | None = None  # the canary: a share, or so many; None: all go at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something that happened to `count` mails of a campaign."""

    campaign: str
    provider: str | None
    at: Instant
    sight: Sight
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A share that is too high."""

    guard: Guard
    provider: str | None  # None: of the campaign as a whole
    level: Level
    part: int
    whole: int
    threshold: float  # that is reached

    @property
    def share(self) -> float:
        return self.part / self.whole

    @property
    def sentence(self) -> str:
        """Return what an operator reads."""
        where = f" to {self.provider}" if self.provider is not None else ""
        return (
            f"guard {self.guard}: {self.part} of {self.whole} mails{where} {_WORDS[self.guard]} "
            f"({_percent(self.share)}; the {self.level} is {_percent(self.threshold)})"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


class Sliding:
    """Counts over the last `window`, or over as much more of the last day as holds `min_sample` ended mails."""

    def __init__(self, window: timedelta, min_sample: int) -> None:
        self._window, self._min_sample = window, min_sample
        self._step_ms = max(1_000, round(window / timedelta(milliseconds=1)) // _STEPS)
        self._steps: dict[int, Counter[Sight]] = {}  # oldest first
        self._sums: Counter[Sight] = Counter()

    def add(self, at: Instant, sight: Sight, count: int) -> None:
        """Count something that happened at `at`; what comes out of order counts to the newest step."""
        step = at // self._step_ms
        newest = next(reversed(self._steps), step)
        self._steps.setdefault(max(step, newest), Counter())[sight] += count
        self._sums[sight] += count

    def sums(self, now: Instant) -> Mapping[Sight, int]:
        """Return the counts at `now`, forgetting what is past."""
        past, forgotten = later(now, -self._window), later(now, -MEMORY)
        while self._steps:
            oldest = next(iter(self._steps))
            end, counts = (oldest + 1) * self._step_ms, self._steps[oldest]
            is_needed = _ended(self._sums) - _ended(counts) < self._min_sample
            if end > past or (is_needed and end > forgotten):
                break
            self._sums -= counts
            del self._steps[oldest]
        return self._sums


def _ended(counts: Mapping[Sight, int]) -> int:
    return sum(counts.get(sight, 0) for sight in _ENDED)


@dataclass(slots=True)
class Watch:
    """One campaign under its guards."""

    limits: Limits
    _sliding: dict[str | None, Sliding] = field(default_factory=dict)  # by provider; None: all of them
    _told: set[tuple[Guard, str | None, Level]] = field(default_factory=set)

    def see(self, sighting: Sighting) -> None:
        """Count a sighting, for its provider and for the campaign."""
        for provider in {None, sighting.provider}:
            counts = self._sliding.get(provider)
            if counts is None:
                counts = self._sliding[provider] = Sliding(self.limits.window, self.limits.min_sample)
            counts.add(sighting.at, sighting.sight, sighting.count)

    def note_told(self, guard: Guard, provider: str | None, level: Level) -> None:
        """This was told; it is not judged again before `forget`."""
        self._told.add((guard, provider, level))

    def forget(self) -> None:
        """Begin anew: the operator has seen what there was, and lets the campaign go on."""
        self._sliding.clear()
        self._told.clear()

    def judge(self, now: Instant, *, is_canary_over: bool = False) -> Judgement | None:
        """Return the gravest judgement that was not told yet, the campaign's before its providers'.

        At the end of a canary the campaign is judged however small the sample: that is what a canary is for.
        """
        found = list(self._judgements(now, is_canary_over=is_canary_over))
        limits = (one for one in found if one.level is Level.LIMIT)
        return next(limits, None) or next(iter(found), None)

    def _judgements(self, now: Instant, *, is_canary_over: bool) -> Iterator[Judgement]:
        for provider, counts in sorted(self._sliding.items(), key=lambda item: item[0] or ""):
            sums = counts.sums(now)
            sample = 1 if is_canary_over and provider is None else self.limits.min_sample
            for guard, threshold in self.limits.shares.items():
                part = sum(sums.get(sight, 0) for sight in _PARTS[guard])
                whole = sum(sums.get(sight, 0) for sight in _WHOLES[guard])
                judged = _judge(guard, provider, part, whole, threshold) if part and whole >= sample else None
                if judged is not None and (guard, provider, judged.level) not in self._told:
                    yield judged


def _judge(guard: Guard, provider: str | None, part: int, whole: int, threshold: float) -> Judgement | None:
    for level, at in ((Level.LIMIT, threshold), (Level.WARNING, round(threshold * _WARNS_AT[guard], 9))):
        if part / whole >= at:
            return Judgement(guard=guard, provider=provider, level=level, part=part, whole=whole, threshold=at)
    return None


def canary_size(limits: Limits, total: int) -> int:
    """Return how many of `total` go first; 0: there is no canary, or everybody would be in it."""
    if limits.first is None or total == 0:
        return 0
    size = limits.first if isinstance(limits.first, int) else max(1, round(limits.first * total))
    return size if size < total else 0


def is_over(size: int, ended: int) -> bool:
    """Whether a canary is over: nine in ten of it have ended. The last ones may be greylisted for hours."""
    return ended * 10 >= size * 9
