"""The record of a campaign: found, locked, and written together with the streams that follow it.

Owns what every change of a campaign's state comes through: the row, its streams' states, the change rows that daemons
read, the ledger.  Which change is allowed is `campaigns`' and `sentry`'s.
"""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, case, select, update

from tierii_mta.campaigns.agenda import next_look
from tierii_mta.campaigns.store import CampaignRecord
from tierii_mta.clock import Instant
from tierii_mta.errors import Conflict, NotFound
from tierii_mta.queue.delivery import Priority, StreamId
from tierii_mta.queue.pacing import StreamPlan, read_plan
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage.codes import CAMPAIGN_STATE_OF, CANARY_STEP, STREAM_STATE, StreamState
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.tables import AnyRow, campaign, stream


def find(connection: Connection, campaign_id: str, *, lock: bool = False, share: bool = False) -> AnyRow | None:
    """Return the record of an id, or None; locked to change it, or (`share`) so that nobody else does."""
    wanted = select(campaign).where(campaign.c.id == campaign_id)
    if lock or share:
        wanted = wanted.with_for_update(read=share)
    return connection.execute(wanted).one_or_none()


def existing(connection: Connection, campaign_id: str, *, lock: bool = False, share: bool = False) -> AnyRow:
    """Return the record of an id; raises `NotFound`."""
    row = find(connection, campaign_id, lock=lock, share=share)
    if row is None:
        raise NotFound(f"there is no campaign {campaign_id}", remedy="`tierii-mta status` lists them")
    return row


def conflict(row: AnyRow, what: str, remedy: str | None = None) -> Conflict:
    """Return the error that names the state a campaign is in."""
    return Conflict(f"campaign {row.id} is {CAMPAIGN_STATE_OF[row.state]} and {what}", remedy=remedy)


def write(connection: Connection, row: AnyRow, values: Mapping[str, Any], kind: ChangeKind, ledger: Ledger) -> AnyRow:
    """Write the record, bring its streams along, tell the daemon, and return the record as it is now."""
    here = campaign.c.number == row.number
    if values.keys() & {"state", "plan"}:
        plan = plan_of(values.get("plan", row.plan))
        becomes = CAMPAIGN_STATE_OF[values.get("state", row.state)]
        values = {**values, "wakes_at": next_look(plan, becomes, ledger.now())}
    if values:
        row = connection.execute(update(campaign).where(here).values(values).returning(campaign)).one()
    state = STREAM_STATE[CAMPAIGN_STATE_OF[row.state]]
    behind = StreamState.WAITING if state is StreamState.OPEN and row.canary is not None else state
    each = case((stream.c.step == CANARY_STEP, int(state)), else_=int(behind))
    streams = update(stream).where(stream.c.campaign == row.number).values(state=each)
    for stream_id in connection.execute(streams.returning(stream.c.id)).scalars().all():
        ledger.announce(kind, stream=StreamId(stream_id))
    ledger.write(connection)
    return row


def plan_of(kept: str | None) -> StreamPlan | None:
    """Return the plan that is kept with a campaign."""
    return read_plan(json.loads(kept)) if kept is not None else None


def as_record(row: AnyRow) -> CampaignRecord:
    """Return a row as a value."""
    return CampaignRecord(
        id=row.id,
        name=row.name,
        state=CAMPAIGN_STATE_OF[row.state],
        is_marketing=bool(row.is_marketing),
        priority=Priority(row.priority),
        list_id=row.list_id,
        fingerprint=row.fingerprint,
        created_at=Instant(row.created_at),
        started_at=Instant(row.started_at) if row.started_at is not None else None,
        finished_at=Instant(row.finished_at) if row.finished_at is not None else None,
        reason=row.reason,
        canary=row.canary,
        plan=plan_of(row.plan),
        report=json.loads(row.report),
    )
