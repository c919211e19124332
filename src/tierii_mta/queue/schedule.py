"""Retry times of deferred deliveries.

Owns when the next attempt is due and when we give up; not what failed (outbound.interpret) nor who asks
(queue.settlement). Only finished attempts count: waiting for a throttle, a suspended lane or a drain never comes here.
Pure: `now` comes in, values go out. RFC 5321 §4.5.4.1.
"""

from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.clock import Instant, elapsed, later
from tierii_mta.queue.delivery import Delivery

_MAX_SPREAD = 0.1  # of the wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The lifetime is over: no further attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """When to try again, and for how long."""

    intervals: tuple[timedelta, ...]  # wait after attempt 1, 2, ...; the last one repeats
    lifetime: timedelta  # from acceptance; past it the delivery has expired

    def __post_init__(self) -> None:
        if not self.intervals or min(self.intervals) <= timedelta(0):
            raise ValueError("a retry schedule needs at least one interval, and each above zero")
        if self.lifetime <= timedelta(0):
            raise ValueError("the lifetime must be above zero")

    def expires_at(self, accepted_at: Instant) -> Instant:
        """Return the deadline of a delivery accepted now."""
        return later(accepted_at, self.lifetime)

    def next_attempt(
        self, delivery: Delivery, *, now: Instant, spread: float, retry_after: timedelta | None = None
    ) -> Instant | Expired:
        """Return when to try again after an attempt that ends now and is not yet in `delivery.attempts`.

        `spread` in [0, 1) lengthens the wait by up to a tenth, so retries do not march in step. The last attempt is
        due at the deadline itself; a delivery that fails there or later has expired. `retry_after` is the peer's wish.
        """
        if now >= delivery.expires_at or self._has_had_its_time(delivery):
            return Expired()
        wait = self._wait(delivery.attempts, retry_after) * (1 + _MAX_SPREAD * spread)
        return min(later(now, wait), delivery.expires_at)

    def _has_had_its_time(self, delivery: Delivery) -> bool:
        """Whether the waits so far come to the lifetime. A delivery that waited long for its turn (the calendar of its
        campaign) is kept alive beyond it, but is not tried more often than any other.
        """
        if elapsed(delivery.accepted_at, delivery.expires_at) <= self.lifetime:
            return False
        climbed = sum(self.intervals[: delivery.attempts], timedelta(0))
        return climbed + self.intervals[-1] * max(0, delivery.attempts - len(self.intervals)) >= self.lifetime

    def _wait(self, attempts: int, wish: timedelta | None) -> timedelta:
        """Return the plain wait. A peer may lengthen it up to our longest interval, and shorten it down to our first
        one, but only while the schedule climbs: whoever asks for a minute forever is not asked every minute for days.
        """
        step = self.intervals[min(attempts, len(self.intervals) - 1)]
        if wish is None:
            return step
        if wish >= step:
            return min(wish, max(self.intervals))
        return max(wish, min(self.intervals[0], step)) if attempts < len(self.intervals) else step
