"""The three counters a message passes: a rate bucket, a gauge of connections, and a site's concurrency window.

Owns the arithmetic of each; not which of them apply to whom (outbound.throttle) nor the waiting (outbound.gate).
Pure: `now` is a monotonic reading in seconds that comes in.

The window is Postfix's scheduler: it starts at 5 and moves by 1/N of itself after each attempt that reached, or did not
reach, the site: up when N successes have come together, down with the first of N failures (feedback 1/N met the fewest
deferrals in Postfix's published tests: 16.5 % against 24.5 % with 1/sqrt(N) and 50 % with 1).  A pseudo-cohort of
failures without a success in between (their 1/N add up to 1) shuts the site; then one probe, later and later.
"""

from dataclasses import dataclass

from tierii_mta.outbound.shaping import Ceiling
from tierii_mta.quantities import Rate

_EPSILON = 1e-9
_MEMORY = 16  # messages over which their time is averaged


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRules:
    """How windows move."""

    start: int = 5
    most: int = 1000  # where no ceiling says less
    backoff_seconds: float = 300.0  # a shut site is probed after this, then after twice as long, ...
    backoff_most_seconds: float = 3600.0


class Bucket:
    """A rate: the generic cell rate algorithm, with a burst of one second's worth but at least one."""

    __slots__ = ("_arrival", "_interval", "_tolerance", "ceiling")

    def __init__(self, ceiling: Ceiling) -> None:
        self._arrival = float("-inf")  # when the next one would arrive at exactly the rate
        self.adopt(ceiling)

    def adopt(self, ceiling: Ceiling) -> None:
        """Go on under a changed limit; what was taken stays taken."""
        assert isinstance(ceiling.limit, Rate)
        per_second = ceiling.limit.per_second
        self.ceiling = ceiling
        self._interval = 1 / per_second
        self._tolerance = (max(1.0, per_second) - 1) * self._interval

    def wait(self, now: float) -> float:
        """Return in how many seconds one may be taken; 0: now."""
        ahead = self._arrival - self._tolerance - now
        return ahead if ahead > _EPSILON else 0.0

    def take(self, now: float) -> None:
        """Take one; only when `wait` is 0."""
        self._arrival = (self._arrival if self._arrival > now else now) + self._interval

    def give_back(self) -> None:
        """Return one that was not used after all."""
        self._arrival -= self._interval

    def available(self, now: float, *, within: float) -> int:
        """Return how many may be taken until `within` seconds from now."""
        room = now + within + self._tolerance - max(self._arrival, now)
        return int(room / self._interval + _EPSILON) + 1 if room >= 0 else 0

    def is_idle(self, now: float) -> bool:
        """Whether forgetting it would change nothing."""
        return self._arrival <= now


class Load:
    """The deliveries on their way to a meter: in hand, and promised to lanes whose deliveries have not come yet."""

    __slots__ = ("_promised", "_promised_until", "busy", "in_hand")

    def __init__(self) -> None:
        self.busy = self.in_hand = 0
        self._promised, self._promised_until = 0, 0.0

    def coming(self, now: float) -> int:
        """Return how many deliveries count against the meter's room."""
        if self._promised and now >= self._promised_until:
            self._promised = 0
        return self.in_hand + self._promised

    def promise(self, count: int, now: float, *, seconds: float) -> None:
        """Hold room back for `seconds` from the first promise on."""
        if not self._promised:
            self._promised_until = now + seconds
        self._promised += count

    def enter(self) -> None:
        """One has come, promised or not."""
        self.in_hand += 1
        if self._promised:
            self._promised -= 1

    def leave(self) -> None:
        """One has ended."""
        self.in_hand -= 1


class Gauge(Load):
    """A ceiling on connections: how many are busy, and how many deliveries are on their way to them."""

    __slots__ = ("ceiling", "limit")

    def __init__(self, ceiling: Ceiling) -> None:
        super().__init__()
        self.adopt(ceiling)

    def adopt(self, ceiling: Ceiling) -> None:
        """Go on under a changed limit; connections above it end by themselves."""
        assert isinstance(ceiling.limit, int)
        self.ceiling, self.limit = ceiling, ceiling.limit

    def is_idle(self, now: float) -> bool:
        """Whether forgetting it would change nothing."""
        return self.busy == 0 and self.in_hand == 0


class Window(Load):
    """How many connections one source opens to one site, by what the site took lately, and whether it is shut."""

    __slots__ = (
        "_backoff",
        "_cohorts",
        "_down",
        "_rules",
        "_up",
        "dead_until",
        "is_proven",
        "message_seconds",
        "size",
        "standing",
        "used_at",
        "way_seconds",
    )

    def __init__(self, rules: WindowRules) -> None:
        super().__init__()
        self._rules = rules
        self.size = rules.start
        self.dead_until: float | None = None  # shut until then; afterwards, until a success, one probe at a time
        self.is_proven = False  # the last attempt that tells reached the site
        self.used_at = 0.0
        self.standing = 0  # deliveries that are active and wait for the next free connection
        self.way_seconds = 0.0  # that a delivery needs before it can use a connection, of late
        self.message_seconds = 1.0  # that one message keeps a connection, of late
        self._up = self._down = self._cohorts = 0.0
        self._backoff = 0.0

    def limit(self, now: float) -> int:
        """Return how many connections may be busy: 0 while shut, 1 for the probe."""
        if self.dead_until is None:
            return self.size
        return 1 if now >= self.dead_until else 0

    def came(self, seconds: float) -> None:
        """One delivery was so long on its way before it could use a connection."""
        self.way_seconds += (seconds - self.way_seconds) / _MEMORY

    def took(self, seconds: float) -> None:
        """One message had a connection for so long."""
        self.message_seconds += (max(seconds, 1e-3) - self.message_seconds) / _MEMORY

    def succeeded(self, most: int) -> None:
        """A session was had. `most`: the ceiling on connections."""
        self._cohorts = 0.0
        if self.dead_until is not None:  # the probe came through: open slowly
            self.dead_until, self._backoff, self.size = None, 0.0, 1
            self._up = self._down = 0.0
            return
        if self.size >= min(most, self._rules.most) or self.size >= self.busy + self._rules.start:
            return  # no higher than allowed, and no higher than is really used
        self._up += 1 / self.size
        if self._up >= 1 - _EPSILON:
            self.size, self._up = self.size + 1, 0.0

    def failed(self, now: float) -> None:
        """No session was had with any host."""
        share = 1 / self.size
        self._cohorts += share
        if self._down <= _EPSILON:
            self.size, self._up, self._down = max(1, self.size - 1), 0.0, self._down + 1
        self._down -= share
        if self.dead_until is not None and now < self.dead_until:
            return  # attempts that had begun before it was shut
        if self.dead_until is not None or self._cohorts >= 1 - _EPSILON:
            rules = self._rules
            self._backoff = min(max(rules.backoff_seconds, 2 * self._backoff), rules.backoff_most_seconds)
            self.dead_until, self._cohorts = now + self._backoff, 0.0

    def is_idle(self, now: float) -> bool:
        """Whether forgetting it would lose nothing worth keeping: unused, and unmoved or long out of use."""
        if self.busy or self.in_hand or (self.dead_until is not None and now < self.dead_until + 600):
            return False
        is_unmoved = self.size == self._rules.start and self._cohorts == 0 and self.dead_until is None
        return is_unmoved or now > self.used_at + 600
