"""What becomes of a campaign by the clock alone: its start, an opening of its window, its end.

Owns when something is next to be decided, and the decision: on time, missed, or over.  A start or an opening that
nobody attended for longer than `schedule.misfire`, because no daemon ran, does not count: the campaign is paused, and
the operator says whether it still makes sense.  Not who writes it down (storage.agenda).  Pure.
"""

from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant, elapsed, rfc3339
from tierii_mta.quantities import format_duration
from tierii_mta.queue.pacing import StreamPlan

_GOING = frozenset({CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The state to go to, and why, where it is not its time alone."""

    to_state: CampaignState
    reason: str | None = None


def first_state(plan: StreamPlan | None, now: Instant) -> CampaignState:
    """Return the state of a campaign whose rows are all there."""
    start = plan.timetable.start if plan is not None else None
    return CampaignState.SCHEDULED if start is not None and start > now else CampaignState.RUNNING


def next_look(plan: StreamPlan | None, state: CampaignState, now: Instant) -> Instant | None:
    """Return when something is to be decided next; None: nothing ever is."""
    if plan is None or state not in _GOING:
        return None
    table = plan.timetable
    times = [table.end]
    if state is CampaignState.SCHEDULED:
        times.append(table.start)
    if state is CampaignState.RUNNING and plan.misfire is not None and not table.is_local:
        times.append(table.next_opening(now))
    return min((each for each in times if each is not None), default=None)


def decide(campaign: str, plan: StreamPlan, state: CampaignState, *, due: Instant, now: Instant) -> Decision:
    """Return what becomes of a campaign whose moment `due` has come, at `now`."""
    if state not in _GOING:
        return Decision(to_state=state)
    end = plan.timetable.end
    if end is not None and now >= end:
        return Decision(to_state=CampaignState.DRAINING, reason=f"window closed: schedule.end was {rfc3339(end)}")
    if state is CampaignState.PAUSED:
        return Decision(to_state=state)
    late = elapsed(due, now)
    if plan.misfire is not None and late > plan.misfire:
        what = "start" if state is CampaignState.SCHEDULED else "opening"
        return Decision(
            to_state=CampaignState.PAUSED,
            reason=f"its {what} at {rfc3339(due)} was missed by {_rounded(late)} (schedule.misfire is "
            f"{format_duration(plan.misfire)}); to send all the same: tierii-mta resume {campaign}",
        )
    return Decision(to_state=CampaignState.RUNNING)


def _rounded(late: timedelta) -> str:
    return format_duration(timedelta(minutes=max(1, late // timedelta(minutes=1))))
