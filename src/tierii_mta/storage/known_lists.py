"""Lists in the database: they are known by the campaigns that were sent to them.

Owns the port `consent.preferences.KnownLists`.  A person's deliveries lead to campaigns, campaigns to lists; a list's
name is that of its newest campaign.
"""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from tierii_mta.campaigns.store import CampaignState
from tierii_mta.consent.preferences import MailingList
from tierii_mta.mail.person import PersonKey
from tierii_mta.storage.codes import CAMPAIGN_STATE
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.tables import campaign, delivery

_MOST = 50
_UNSENT = [CAMPAIGN_STATE[CampaignState.DRAFT], CAMPAIGN_STATE[CampaignState.FAILED]]


class StoredKnownLists:
    """`KnownLists` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def of_person(self, person: PersonKey, sender: str, *, also: Collection[str]) -> Sequence[MailingList]:
        return await self._connections.read(_of_person, person, sender, sorted(also)[:_MOST])


def _of_person(connection: Connection, person: PersonKey, sender: str, also: Sequence[str]) -> Sequence[MailingList]:
    theirs = select(delivery.c.campaign).where(delivery.c.recipient_key == person, delivery.c.campaign.is_not(None))
    newest = _newest(connection, sender, campaign.c.number.in_(theirs))
    if also:
        newest |= _newest(connection, sender, campaign.c.list_id.in_(also))
    numbers = sorted(newest.values(), reverse=True)[:_MOST]
    kept = select(campaign.c.list_id, campaign.c.specification).where(campaign.c.number.in_(numbers))
    rows = connection.execute(kept.order_by(campaign.c.number.desc())).all()
    return [MailingList(id=row.list_id, name=_name(row.specification) or row.list_id) for row in rows]


def _newest(connection: Connection, sender: str, which: ColumnElement[bool]) -> dict[str, int]:
    """Return, of some campaigns of the sender, the newest of each list."""
    wanted = select(campaign.c.list_id, func.max(campaign.c.number).label("number")).where(
        which,
        campaign.c.sender == sender,
        campaign.c.is_marketing.is_(True),
        campaign.c.list_id.is_not(None),
        campaign.c.state.not_in(_UNSENT),
    )
    return {row.list_id: row.number for row in connection.execute(wanted.group_by(campaign.c.list_id))}


def _name(specification: str) -> str:
    made = json.loads(specification).get("campaign")
    listing = made.get("list") if isinstance(made, dict) else None
    return str(listing.get("name") or "") if isinstance(listing, dict) else ""
