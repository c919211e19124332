"""Crashes: attempts that broke off through a fault of ours, and whom to blame.

Owns the rule when a delivery is set aside, and how a fault reaches the log; not the counting (QueueStore.crashes).

An exception names its delivery: the crash is *certain*.  When the whole process dies, everything in hand may be the
cause; the crash is certain only for a delivery that was in hand alone.  Who was there twice is a *suspect* and is tried
alone at the next start.  A delivery is convicted by three crashes, two of them certain: the kernel, an operator or a
power cut may end a process once while an innocent one is alone.
"""

import logging
import traceback
from dataclasses import dataclass
from typing import NamedTuple

from tierii_mta.clock import Clock

FAULT = "error"
"""The class of an attempt that broke off, or of a delivery that was set aside: neither peer nor person is to blame."""

SUSPECTED = 2  # crashes
_CONVICTED, _CERTAIN = 3, 2
_QUIET_S = 60.0  # between two lines about the same kind of fault
_MAX_KINDS = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashes:
    """How often a delivery crashed; `certain`: and nothing else can be blamed."""

    count: int = 0
    certain: int = 0

    def more(self, *, is_certain: bool) -> "Crashes":
        """Return the numbers after one more."""
        return Crashes(count=self.count + 1, certain=self.certain + is_certain)

    @property
    def is_suspect(self) -> bool:
        """Whether the delivery is to be tried alone."""
        return self.count >= SUSPECTED

    @property
    def is_convicted(self) -> bool:
        """Whether it is to be set aside."""
        return self.count >= _CONVICTED and self.certain >= _CERTAIN


class Freed(NamedTuple):
    """How many rows of dead owners were found in each state, and how many of these were set aside."""

    queued: int
    active: int
    set_aside: int = 0


class FaultLog:
    """Tells faults: the first of a kind with its traceback, the others in one line, at most once a minute a kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}  # kind → when it may be told again, untold ones
        self.count = 0

    def tell(self, what: str, fault: BaseException) -> None:
        """Write down that `what` happened because of `fault`."""
        self.count += 1
        kind, now = _kind(fault), self._clock.monotonic()
        if kind not in self._kinds:
            if len(self._kinds) >= _MAX_KINDS:
                del self._kinds[next(iter(self._kinds))]
            self._kinds[kind] = (now + _QUIET_S, 0)
            _log.error("%s: %s", what, fault, exc_info=fault)
            return
        again, untold = self._kinds[kind]
        if now < again:
            self._kinds[kind] = (again, untold + 1)
            return
        self._kinds[kind] = (now + _QUIET_S, 0)
        _log.error("%s: %s (as told before, and %d times since)", what, kind, untold)


def _kind(fault: BaseException) -> str:
    """Return what a fault has in common with its like: its type, and where it was raised."""
    frames = traceback.extract_tb(fault.__traceback__, limit=-1)
    place = f" at {frames[0].name}:{frames[0].lineno}" if frames else ""
    return f"{type(fault).__name__}{place}"
