"""Idle sessions kept for the next message to the same site.

Owns which sessions wait for whom and for how long; a session in use belongs to its attempt.  Reuse is bounded by time
and by messages (`session.Reuse`), waiting by `Reuse.idle` and by their number.  A session is asked whether the
peer has said anything before it is handed out, so a 421 that came meanwhile is charged to no message.
"""

from collections import deque
from dataclasses import dataclass

from tierii_mta.clock import Clock
from tierii_mta.outbound.session import Session, SessionKey

SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Idle:
    session: Session
    until: float  # Clock.monotonic: closed then, unless taken before


class Pool:
    """Idle sessions by key; the one given last is taken first, so that those not needed grow old and close."""

    def __init__(self, clock: Clock, *, max_idle: int = 1000) -> None:
        self._clock = clock
        self._max_idle = max_idle
        self._idle: dict[SessionKey, deque[_Idle]] = {}  # in each queue the first one has waited longest
        self._count = 0
        self._is_open = True

    def __len__(self) -> int:
        """How many sessions wait."""
        return self._count

    def take(self, key: SessionKey) -> Session | None:
        """Return a session that can carry a message now, or None. Those found dead, spoken to or too old are closed."""
        waiting = self._idle.get(key)
        now = self._clock.monotonic()
        while waiting:
            idle = waiting.pop()
            self._count -= 1
            if not waiting:
                del self._idle[key]
            if now < idle.until and idle.session.is_usable(self._clock):
                return idle.session
            idle.session.quit()
        return None

    def give(self, key: SessionKey, session: Session) -> None:
        """Keep a session for the next message; it is closed at once if it can carry none or there is no room."""
        if not self._is_open or self._count >= self._max_idle or not session.is_worth_keeping(self._clock):
            session.quit()
            return
        until = self._clock.monotonic() + session.reuse.idle.total_seconds()
        until = min(until, session.opened_at + session.reuse.lifetime.total_seconds())
        self._idle.setdefault(key, deque()).append(_Idle(session, until))
        self._count += 1

    def close_idle(self) -> None:
        """Close the sessions that have waited long enough, and those their peer has ended or spoken to."""
        now = self._clock.monotonic()
        for key in list(self._idle):
            kept: deque[_Idle] = deque()
            for idle in self._idle[key]:
                if now < idle.until and idle.session.is_usable(self._clock):
                    kept.append(idle)
                else:
                    idle.session.quit()
            self._count += len(kept) - len(self._idle[key])
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]

    async def run(self) -> None:
        """Close idle sessions as their time comes, until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            self.close_idle()

    async def close_all(self) -> None:
        """Close every waiting session, and from now on each one given."""
        self._is_open = False
        waiting = [idle.session for queue in self._idle.values() for idle in queue]
        self._idle.clear()
        self._count = 0
        for session in waiting:
            session.quit()
        for session in waiting:
            await session.close()
