"""The agenda of campaigns: starts, openings and ends are written down, before and when their time comes.

Owns what a plan changes of a campaign's record, and the transaction behind `QueueStore.attend`, one campaign a commit;
what is decided is campaigns.agenda's.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from tierii_mta.campaigns.agenda import Decision, decide, first_state, next_look
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant, rfc3339
from tierii_mta.events import EventType
from tierii_mta.queue.pacing import StreamPlan
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage import records
from tierii_mta.storage.codes import CAMPAIGN_STATE, CAMPAIGN_STATE_OF
from tierii_mta.storage.ledger import Ledger, compact_json
from tierii_mta.storage.tables import AnyRow, campaign


def begin(row: AnyRow, plan: StreamPlan | None, *, now: Instant, ledger: Ledger, canary: int = 0) -> dict[str, Any]:
    """Return what is written of a campaign whose rows are all there: it starts, or is scheduled."""
    values: dict[str, Any] = {"plan": compact_json(plan.as_json()) if plan is not None else None}
    state = first_state(plan, now)
    if plan is not None and state is CampaignState.SCHEDULED:
        _scheduled(row, plan, now, ledger)
        return values | {"state": CAMPAIGN_STATE[state]}
    _started(row, now, ledger, **({"canary": canary} if canary else {}))
    return values | {"state": CAMPAIGN_STATE[state], "started_at": now}


def reschedule(row: AnyRow, plan: StreamPlan, *, now: Instant, ledger: Ledger) -> dict[str, Any]:
    """Return what is written of a campaign that has not started and gets another plan; a paused one stays paused."""
    if CAMPAIGN_STATE_OF[row.state] is CampaignState.SCHEDULED:
        return begin(row, plan, now=now, ledger=ledger, canary=row.canary or 0)
    _scheduled(row, plan, now, ledger)
    return {"plan": compact_json(plan.as_json())}


def resume(row: AnyRow, now: Instant) -> dict[str, Any]:
    """Return what is written of a campaign that shall run: a paused one whose start is to come waits for it, a
    scheduled one starts now.
    """
    plan = records.plan_of(row.plan)
    if plan is not None and first_state(plan, now) is CampaignState.SCHEDULED:
        if CAMPAIGN_STATE_OF[row.state] is CampaignState.PAUSED:
            return {"state": CAMPAIGN_STATE[CampaignState.SCHEDULED]}
        plan = replace(plan, timetable=replace(plan.timetable, start=now))
        return {"plan": compact_json(plan.as_json()), "started_at": now}
    return {"started_at": row.started_at or now}


def is_due(connection: Connection, now: Instant) -> bool:
    """Whether anything is to be decided."""
    wanted = select(campaign.c.number).where(campaign.c.wakes_at <= now).limit(1)
    return connection.execute(wanted).first() is not None


def attend(connection: Connection, now: Instant, ledger: Ledger) -> str | None:
    """Decide about the campaign whose moment came first, and return what became of it, empty if nothing did; None:
    there is none left.
    """
    wanted = select(campaign).where(campaign.c.wakes_at <= now).order_by(campaign.c.wakes_at).limit(1)
    row = connection.execute(wanted.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return None
    plan, state = records.plan_of(row.plan) or StreamPlan(), CAMPAIGN_STATE_OF[row.state]
    decision = decide(row.id, plan, state, due=Instant(row.wakes_at), now=now)
    if decision.to_state is state:
        here = update(campaign).where(campaign.c.number == row.number)
        connection.execute(here.values(wakes_at=next_look(plan, state, now)))
        return ""
    values = _values(row, decision, now)
    _tell(row, decision, now, ledger)
    records.write(connection, row, values, ChangeKind.STREAM, ledger)
    return f"campaign {row.id} is {decision.to_state}{f': {decision.reason}' if decision.reason else ''}"


def _values(row: AnyRow, decision: Decision, now: Instant) -> dict[str, Any]:
    values: dict[str, Any] = {"state": CAMPAIGN_STATE[decision.to_state], "reason": decision.reason}
    if decision.to_state is CampaignState.RUNNING:
        values["started_at"] = row.started_at or now
    if decision.to_state is CampaignState.DRAINING:
        values["ends_as"] = CAMPAIGN_STATE[CampaignState.COMPLETED]
    return values


def _tell(row: AnyRow, decision: Decision, now: Instant, ledger: Ledger) -> None:
    if decision.to_state is CampaignState.RUNNING:
        _started(row, now, ledger, **({"canary": row.canary} if row.canary else {}))
    elif decision.to_state is CampaignState.PAUSED:
        data = {"reason": decision.reason, "by": "calendar"}
        ledger.happened(EventType.CAMPAIGN_PAUSED, now, campaign_id=row.id, data=data)


def _started(row: AnyRow, now: Instant, ledger: Ledger, **data: Any) -> None:
    ledger.happened(EventType.CAMPAIGN_STARTED, now, campaign_id=row.id, data=data)


def _scheduled(row: AnyRow, plan: StreamPlan, now: Instant, ledger: Ledger) -> None:
    start = plan.timetable.start
    data = {"start": rfc3339(start)} if start is not None else {}
    ledger.happened(EventType.CAMPAIGN_SCHEDULED, now, campaign_id=row.id, data=data)
