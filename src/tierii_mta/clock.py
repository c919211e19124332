"""Time, chance and ids as a port, so that no rule of ours depends on when or where it runs.

Owns `Instant` (a point in time) and the `Clock` port with its one real implementation.  Tests pass a manual clock.
Nothing else in the product reads the time, sleeps or draws a random number.
"""

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import NewType, Protocol

Instant = NewType("Instant", int)
"""Milliseconds since 1970-01-01T00:00:00Z. An integer, so that the database, the wire and the rules agree exactly."""


def later(instant: Instant, by: timedelta) -> Instant:
    """Return the instant `by` after `instant` (before it, if negative)."""
    return Instant(instant + round(by / timedelta(milliseconds=1)))


def elapsed(start: Instant, end: Instant) -> timedelta:
    """Return how much time lies between two instants; negative if `end` comes first."""
    return timedelta(milliseconds=end - start)


def to_datetime(instant: Instant) -> datetime:
    """Return the instant as an aware UTC datetime."""
    return datetime.fromtimestamp(instant / 1000, tz=UTC)


def from_datetime(moment: datetime) -> Instant:
    """Return an aware datetime as an instant; a naive one is a programming error (ValueError)."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place on the time line")
    return Instant(round(moment.timestamp() * 1000))


def rfc3339(instant: Instant) -> str:
    """Return e.g. `2026-11-21T09:30:00.123Z` (RFC 3339, UTC, milliseconds)."""
    return to_datetime(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock(Protocol):
    """Where time, chance and unguessable bytes come from."""

    def now(self) -> Instant:
        """Return the wall clock. It may step; use it for due times and records, not for measuring."""

    def monotonic(self) -> float:
        """Return seconds that never step back. Use it for deadlines and durations."""

    async def sleep(self, seconds: float) -> None:
        """Wait at least `seconds`."""

    def random(self) -> float:
        """Return a number in [0, 1). Not for secrets."""

    def token(self, size_bytes: int) -> bytes:
        """Return unguessable bytes."""


class SystemClock:
    """The machine's own clock and entropy."""

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000_000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return random.random()

    def token(self, size_bytes: int) -> bytes:
        return secrets.token_bytes(size_bytes)


def sortable_id(prefix: str, clock: Clock) -> str:
    """Return a new id such as `evt_0193a5c1f2b07d1e…`: 48 bits of milliseconds, then 64 random bits, in hex.

    Ids sort by the time they were made; two made in the same millisecond have no order.
    """
    return f"{prefix}_{clock.now():012x}{clock.token(8).hex()}"
