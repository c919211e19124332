"""What campaigns send, kept once: specification as JSON, expanded sources and attachments by their SHA-256.

Owns the rows of `content` and how a draft's record is written; contents nobody uses any more go with the draft that
did.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from tierii_mta.campaigns.store import CampaignState, Draft, Snapshot
from tierii_mta.storage.bulk import insert_rows
from tierii_mta.storage.codes import CAMPAIGN_STATE, StreamState
from tierii_mta.storage.ledger import compact_json
from tierii_mta.storage.tables import AnyRow, campaign, campaign_content, content, stream


def write_draft(connection: Connection, draft: Draft, *, number: int | None) -> AnyRow:
    """Write a draft's record and content: a new one, or over the record `number`; return the record."""
    values = {
        "id": draft.id,
        "name": draft.name,
        "state": CAMPAIGN_STATE[CampaignState.DRAFT],
        "ends_as": None,
        "is_marketing": draft.is_marketing,
        "priority": int(draft.priority),
        "list_id": draft.list_id,
        "sender": draft.sender,
        "fingerprint": draft.fingerprint,
        "specification": compact_json(draft.snapshot.specification),
        "report": "{}",
        "reason": None,
        "canary": None,
        "created_at": draft.created_at,
        "started_at": None,
        "finished_at": None,
    }
    if number is None:
        row = connection.execute(insert(campaign).values(values).returning(campaign)).one()
        name = f"campaign:{draft.id}:0"
        connection.execute(insert(stream).values(name=name, campaign=row.number, step=0, state=StreamState.LOADING))
    else:
        row = connection.execute(
            update(campaign).where(campaign.c.number == number).values(values).returning(campaign)
        ).one()
        _forget_contents(connection, row.number)
    _write_contents(connection, row.number, draft.snapshot.contents)
    return row


def _write_contents(connection: Connection, number: int, contents: Mapping[str, bytes]) -> None:
    for digest, body in sorted(contents.items()):
        if hashlib.sha256(body).hexdigest() != digest:
            raise ValueError(f"content {digest} does not have that SHA-256")
        insert_rows(connection, content, ("sha256", "body"), [(digest, body)], conflict="ON CONFLICT DO NOTHING")
        connection.execute(insert(campaign_content).values(campaign=number, sha256=digest))


def _forget_contents(connection: Connection, number: int) -> None:
    gone = delete(campaign_content).where(campaign_content.c.campaign == number)
    digests = list(connection.execute(gone.returning(campaign_content.c.sha256)).scalars())
    if digests:
        is_used = exists().where(campaign_content.c.sha256 == content.c.sha256)
        connection.execute(delete(content).where(content.c.sha256.in_(digests), ~is_used))


def load(connection: Connection, row: AnyRow) -> Snapshot:
    """Return what the campaign of a record sends."""
    wanted = (
        select(content)
        .join(campaign_content, campaign_content.c.sha256 == content.c.sha256)
        .where(campaign_content.c.campaign == row.number)
    )
    specification: dict[str, Any] = json.loads(row.specification)
    return Snapshot(specification=specification, contents={one.sha256: one.body for one in connection.execute(wanted)})
