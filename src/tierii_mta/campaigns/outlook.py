"""What is to come of a campaign: when it starts, whether its window is open, when its last mail goes out.

Owns the forecast that `plan` and `status` show, from the plan's rates, batches and windows and from how it went so far.
What receivers defer is not in it, nor, with windows by the recipients' clocks, the spread of their zones.  Pure.
"""

from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant, rfc3339
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.pacing import StreamPlan

_ENOUGH = 50  # mails that say how quick it goes
_OVER = frozenset({CampaignState.COMPLETED, CampaignState.CANCELLED, CampaignState.FAILED, CampaignState.DRAINING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """As it stands now."""

    starts_at: Instant | None  # None: it has started, or starts at once
    is_open: bool  # mail may go now, as far as the calendar goes
    next_opening: Instant | None  # None: it is open, or never opens again
    finishes_at: Instant | None  # None: nobody can tell
    because: str  # what the finish depends on

    def as_json(self) -> dict[str, Json]:
        """Return it as `status` and `plan` print it."""
        return {
            "starts_at": _shown(self.starts_at),
            "is_open": self.is_open,
            "next_opening": _shown(self.next_opening),
            "finishes_at": _shown(self.finishes_at),
            "because": self.because,
        }

    def lines(self) -> list[tuple[str, str]]:
        """Return it in words: a name and what is to be said, where there is something."""
        told = [("starts", rfc3339(self.starts_at))] if self.starts_at is not None else []
        if self.next_opening is not None and self.next_opening != self.starts_at:
            told.append(("window", f"shut until {rfc3339(self.next_opening)}"))
        if self.finishes_at is not None:
            told.append(("last mail", f"{rfc3339(self.finishes_at)} ({self.because})"))
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Pastime:
    """How it went so far."""

    done: int = 0  # mails that came to an end
    takes: timedelta = timedelta(0)  # since it started


def outlook(
    plan: StreamPlan,
    state: CampaignState,
    *,
    left: int,
    now: Instant,
    past: Pastime | None = None,
    shaped: tuple[timedelta, str] = (timedelta(0), "nothing holds it up"),
) -> Outlook:
    """Return what is to come of `left` mails; `shaped` is what shaping makes of it, where that is known."""
    table = plan.timetable
    starts_at = table.start if table.start is not None and table.start > now else None
    opening = table.opening(now)
    finishes_at, because = None, "it does not run"
    if state not in _OVER and state is not CampaignState.PAUSED:
        work, because = max([shaped, *_work(plan, left), *_observed(plan, left, past or Pastime())])
        finishes_at = now if left <= 0 else table.advance(opening, work) if opening is not None else None
        if finishes_at is None:
            because = "it does not come to its end before schedule.end"
    return Outlook(
        starts_at=starts_at,
        is_open=opening == now,
        next_opening=opening if opening != now else None,
        finishes_at=finishes_at,
        because=because,
    )


def _work(plan: StreamPlan, left: int) -> list[tuple[timedelta, str]]:
    found = []
    if plan.rate is not None:
        found.append((_time(max(0, left - 1), plan.rate.per_second), f"rate.max {plan.rate}"))
    if plan.batch_size is not None:
        pauses = max(0, left - 1) // plan.batch_size
        found.append((plan.batch_delay * pauses, f"batches of {plan.batch_size}"))
    return found


def _observed(plan: StreamPlan, left: int, past: Pastime) -> list[tuple[timedelta, str]]:
    seconds = past.takes.total_seconds()
    if past.done < _ENOUGH or seconds <= 0 or plan.timetable.window is not None:
        return []
    return [(_time(left, past.done / seconds), "as it went so far")]


def _time(count: int, per_second: float) -> timedelta:
    return timedelta(seconds=round(count / per_second)) if per_second > 0 else timedelta(0)


def _shown(moment: Instant | None) -> str | None:
    return rfc3339(moment) if moment is not None else None
