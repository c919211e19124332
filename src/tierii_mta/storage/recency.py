"""Who had mail of campaigns of late: `RecentMail`.

Owns the look-up: a seek of the unique index for each person, a batch a statement, whatever else the table holds.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from tierii_mta.campaigns.recency import LastMail
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Instant
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import OPEN, State
from tierii_mta.storage.bulk import select_joined
from tierii_mta.storage.codes import CAMPAIGN_STATE, STATE
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.tables import campaign, delivery

_OPEN = ", ".join(str(STATE[state]) for state in sorted(OPEN, key=STATE.__getitem__))
_LOADING = (CAMPAIGN_STATE[CampaignState.DRAFT], CAMPAIGN_STATE[CampaignState.FAILED])


class StoredRecentMail:
    """`RecentMail` on SQLite or PostgreSQL."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def find(self, persons: Sequence[PersonKey], *, since: Instant, but: str) -> Mapping[PersonKey, LastMail]:
        """Return the last mail of each person who had some."""
        return await self._connections.read(_find, persons, since, but)


def _find(
    connection: Connection, persons: Sequence[PersonKey], since: Instant, but: str
) -> Mapping[PersonKey, LastMail]:
    statement = (
        "delivery.recipient_key, delivery.campaign, delivery.finished_at "
        "FROM v CROSS JOIN delivery WHERE delivery.recipient_key = v.recipient_key AND delivery.campaign IS NOT NULL "
        f"AND (delivery.state IN ({_OPEN}) OR delivery.state = {STATE[State.COMPLETED]} "
        f"AND delivery.finished_at >= {int(since)})"
    )
    keys = [(key,) for key in sorted(set(persons))]
    rows = list(select_joined(connection, delivery, ("recipient_key",), keys, statement))
    names = _names(connection, {row.campaign for row in rows}, but)
    latest: dict[PersonKey, LastMail] = {}
    for row in sorted(rows, key=lambda row: (row.finished_at is None, row.finished_at or 0)):
        if row.campaign in names:
            at = Instant(row.finished_at) if row.finished_at is not None else None
            latest[PersonKey(row.recipient_key)] = LastMail(campaign=names[row.campaign], delivered_at=at)
    return latest


def _names(connection: Connection, numbers: set[int], but: str) -> Mapping[int, str]:
    """Return the ids of those campaigns that count."""
    if not numbers:
        return {}
    wanted = select(campaign.c.number, campaign.c.id).where(
        campaign.c.number.in_(sorted(numbers)), campaign.c.id != but, campaign.c.state.not_in(_LOADING)
    )
    return {row.number: row.id for row in connection.execute(wanted)}
