"""The sentry's port on SQLite or PostgreSQL: `SentryStore`.

Owns reading the event log as sightings, and the commits by which a campaign is stopped, warned of, or let go behind its
canary.  Two daemons that come to the same end at once do it once: whoever is second finds it done, under the lock of
the campaign's row.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from tierii_mta.campaigns.guards import Judgement, Sight, Sighting
from tierii_mta.campaigns.sentry import Page, Running, sight_of
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.clock import Clock, Instant
from tierii_mta.errors import NotFound
from tierii_mta.events import Event, EventType
from tierii_mta.queue.delivery import Json
from tierii_mta.queue.store import ChangeKind
from tierii_mta.storage import recipients, records
from tierii_mta.storage.codes import CAMPAIGN_STATE, EVENT, EVENT_OF
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.history import as_event
from tierii_mta.storage.ledger import Ledger
from tierii_mta.storage.tables import AnyRow, campaign, event

_WINDOW = 20_000  # events looked at in one read
_STEP_MS = 1_000  # what is delivered in one is counted as one sighting
_SEEN = [
    EVENT[kind]
    for kind in (
        EventType.SENT,
        EventType.DEFERRED,
        EventType.BOUNCED,
        EventType.FAILED,
        EventType.COMPLAINED,
        EventType.CAMPAIGN_GUARD_TRIPPED,
    )
]
_DELIVERED = EVENT[EventType.DELIVERED]
_BEGINS = [EVENT[EventType.CAMPAIGN_RESUMED], EVENT[EventType.CAMPAIGN_STARTED]]  # counting, anew
_TRIPPED = EVENT[EventType.CAMPAIGN_GUARD_TRIPPED]
_RUNNING = CAMPAIGN_STATE[CampaignState.RUNNING]


class StoredSentry:
    """`SentryStore` on one database."""

    def __init__(self, connections: Connections, clock: Clock, node: str) -> None:
        self._connections, self._clock, self._node = connections, clock, node

    def _ledger(self) -> Ledger:
        return Ledger(self._clock, self._node)

    async def running(self) -> Sequence[Running]:
        return await self._connections.read(_running)

    async def kept(self, campaign: str) -> Mapping[str, Json]:
        row = await self._connections.read(_specification, campaign)
        kept: Mapping[str, Json] = json.loads(row)
        return kept

    async def seq_at(self, at: Instant) -> int:
        return await self._connections.read(_seq_at, at)

    async def read(self, after: int) -> Page:
        return await self._connections.read(_page, after)

    async def stop(self, campaign: str, judgement: Judgement, *, read_to: int, now: Instant) -> bool:
        return await self._written(_stop, campaign, judgement, read_to, now)

    async def warn(self, campaign: str, judgement: Judgement, *, read_to: int, now: Instant) -> bool:
        return await self._written(_warn, campaign, judgement, read_to, now)

    async def release(self, campaign: str, *, now: Instant) -> bool:
        return await self._written(_release, campaign, now)

    async def _written(self, work: Any, *arguments: Any) -> bool:
        is_done: bool = await self._connections.write(
            lambda connection: work(connection, *arguments, ledger=self._ledger())
        )
        self._connections.touch()
        return is_done


# -- reading


def _running(connection: Connection) -> Sequence[Running]:
    wanted = select(campaign.c.number, campaign.c.id, campaign.c.canary, campaign.c.started_at).where(
        campaign.c.state == _RUNNING
    )
    rows = connection.execute(wanted.order_by(campaign.c.number)).all()
    return [
        Running(
            campaign=row.id,
            started_at=Instant(row.started_at or 0),
            canary=row.canary,
            ended=recipients.canary(connection, row.number)[1] if row.canary is not None else 0,
        )
        for row in rows
    ]


def _specification(connection: Connection, campaign_id: str) -> str:
    kept = connection.execute(select(campaign.c.specification).where(campaign.c.id == campaign_id)).scalar()
    if kept is None:
        raise NotFound(f"there is no campaign {campaign_id}")
    return str(kept)


def _seq_at(connection: Connection, at: Instant) -> int:
    """Halve the log until the place is found: no index has the time of events, and none is worth its writes.

    The times of a log that several machines write are in order but for their clocks' difference, so a minute is added.
    """
    wanted = at - 60_000
    low, high = connection.execute(
        select(func.coalesce(func.min(event.c.seq), 0), func.coalesce(func.max(event.c.seq), 0))
    ).one()
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(select(event.c.at).where(event.c.seq >= middle).order_by(event.c.seq).limit(1))
        if found.scalar_one() < wanted:
            low = middle + 1
        else:
            high = middle
    return max(0, int(low) - 1)


def _page(connection: Connection, after: int) -> Page:
    newest = int(connection.execute(select(func.coalesce(func.max(event.c.seq), 0))).scalar_one())
    last = min(newest, after + _WINDOW)
    resumed = connection.execute(
        select(event.c.seq, event.c.campaign)
        .where(event.c.seq > after, event.c.seq <= last, event.c.type.in_(_BEGINS))
        .order_by(event.c.seq)
        .limit(1)
    ).one_or_none()
    if resumed is not None:
        last = resumed.seq
    inside = event.c.seq > after, event.c.seq <= last, event.c.campaign.is_not(None)
    rows = connection.execute(select(event).where(*inside, event.c.type.in_(_SEEN)).order_by(event.c.seq)).all()
    others = _sightings(connection, [row for row in rows if row.type != _TRIPPED])
    return Page(
        sightings=[*_delivered(connection, inside), *others],
        told=_told(rows),
        resumed=[resumed.campaign] if resumed is not None else [],
        seq=max(last, after),
        is_last=last >= newest,
    )


def _told(rows: Sequence[AnyRow]) -> Mapping[str, Sequence[Event]]:
    told: dict[str, list[Event]] = {}
    for row in rows:
        if row.type == _TRIPPED:
            told.setdefault(row.campaign, []).append(as_event(row))
    return told


def _delivered(connection: Connection, inside: Sequence[Any]) -> Iterator[Sighting]:
    """Count what was delivered in the database: it is nearly all there is."""
    step = (event.c.at - event.c.at % _STEP_MS).label("step")
    counted = select(event.c.campaign, event.c.provider, step, func.count().label("size"))
    counted = counted.where(*inside, event.c.type == _DELIVERED).group_by(event.c.campaign, event.c.provider, "step")
    for row in connection.execute(counted.order_by("step")):
        yield Sighting(
            campaign=row.campaign,
            provider=row.provider,
            at=Instant(row.step),
            sight=Sight.DELIVERED,
            count=row.size,
        )


def _sightings(connection: Connection, rows: Sequence[AnyRow]) -> Iterator[Sighting]:
    providers = _providers(connection, {row.delivery for row in rows if row.provider is None and row.delivery})
    for row in rows:
        sight = sight_of(EVENT_OF[row.type], json.loads(row.data))
        if sight is not None:
            provider = row.provider or providers.get(row.delivery)
            yield Sighting(campaign=row.campaign, provider=provider, at=Instant(row.at), sight=sight)


def _providers(connection: Connection, deliveries: Iterable[int]) -> Mapping[int, str]:
    """Return who had taken the mails about which something came back later."""
    ids = sorted(deliveries)
    if not ids:
        return {}
    taken = select(event.c.delivery, event.c.provider).where(event.c.delivery.in_(ids), event.c.type == _DELIVERED)
    return {row.delivery: row.provider for row in connection.execute(taken) if row.provider is not None}


# -- what follows


def _stop(
    connection: Connection, campaign_id: str, judgement: Judgement, read_to: int, now: Instant, *, ledger: Ledger
) -> bool:
    row = records.existing(connection, campaign_id, lock=True)
    if row.state != _RUNNING or any(_begins(one) for one in _since(connection, row, read_to)):
        return False
    reason = judgement.sentence
    _tell(ledger, campaign_id, judgement, now, action="pause", command=f"tierii-mta resume {campaign_id}")
    ledger.happened(EventType.CAMPAIGN_PAUSED, now, campaign_id=campaign_id, data={"reason": reason, "by": "guard"})
    values = {"state": CAMPAIGN_STATE[CampaignState.PAUSED], "reason": reason}
    records.write(connection, row, values, ChangeKind.STREAM, ledger)
    return True


def _warn(
    connection: Connection, campaign_id: str, judgement: Judgement, read_to: int, now: Instant, *, ledger: Ledger
) -> bool:
    row = records.existing(connection, campaign_id, lock=True)
    behind = _since(connection, row, read_to)
    if row.state != _RUNNING or any(_begins(one) or _is_same(one, judgement) for one in behind):
        return False
    _tell(ledger, campaign_id, judgement, now, action="warn")
    ledger.write(connection)
    return True


def _since(connection: Connection, row: AnyRow, read_to: int) -> Sequence[Event]:
    """Return what was told of a campaign, and whether it went on or began anew, behind a place in the log."""
    wanted = select(event).where(
        event.c.seq > read_to, event.c.campaign == row.id, event.c.type.in_([*_BEGINS, _TRIPPED])
    )
    return [as_event(one) for one in connection.execute(wanted)]


def _begins(told: Event) -> bool:
    return EVENT[told.type] in _BEGINS


def _is_same(told: Event, judgement: Judgement) -> bool:
    same = {"guard": str(judgement.guard), "level": str(judgement.level)}
    is_same = all(told.data.get(name) == value for name, value in same.items())
    return is_same and told.data.get("provider") == judgement.provider


def _tell(ledger: Ledger, campaign_id: str, judgement: Judgement, now: Instant, **more: str) -> None:
    data = {
        "guard": str(judgement.guard),
        "level": str(judgement.level),
        "provider": judgement.provider,
        "count": judgement.part,
        "sample": judgement.whole,
        "share": round(judgement.share, 6),
        "threshold": round(judgement.threshold, 6),
        "reason": judgement.sentence,
        **more,
    }
    kept = {name: value for name, value in data.items() if value is not None}
    ledger.happened(EventType.CAMPAIGN_GUARD_TRIPPED, now, campaign_id=campaign_id, data=kept)


def _release(connection: Connection, campaign_id: str, now: Instant, *, ledger: Ledger) -> bool:
    row = records.existing(connection, campaign_id, lock=True)
    if row.state != _RUNNING or row.canary is None:
        return False
    data = {"size": row.canary, "ended": recipients.canary(connection, row.number)[1]}
    ledger.happened(EventType.CAMPAIGN_CANARY_PASSED, now, campaign_id=campaign_id, data=data)
    records.write(connection, row, {"canary": None}, ChangeKind.STREAM, ledger)
    return True
