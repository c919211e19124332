"""Streams and lanes: found, or made when first needed.

Owns the look-up of ids in bulk inside a transaction; both kinds of row are never changed into another one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection, func, select

from tierii_mta.clock import Instant
from tierii_mta.queue.delivery import State
from tierii_mta.queue.operator import Scope
from tierii_mta.storage.bulk import insert_rows, of_ids, select_rows
from tierii_mta.storage.codes import SCOPE, STATE, StreamState
from tierii_mta.storage.tables import AnyRow, lane, stream, tally

_PAGE = 1000
FOREVER = 0x7FFF_FFFF_FFFF_FFFF
"""The end of a suspension without one."""

SHUT_UNTIL_SQL = (
    f"(SELECT max(coalesce(suspension.until, {FOREVER})) FROM suspension "  # noqa: S608 our own numbers
    f"WHERE suspension.kind = {SCOPE[Scope.ALL]} "
    f"OR (suspension.kind = {SCOPE[Scope.DOMAIN]} AND suspension.value = lane.domain) "
    f"OR (suspension.kind = {SCOPE[Scope.CAMPAIGN]} "
    "AND stream.name = 'campaign:' || suspension.value || ':' || stream.step) "
    f"OR (suspension.kind = {SCOPE[Scope.USER]} AND stream.name = 'user:' || suspension.value))"
)
"""Until when the operator has suspended a lane of a stream, NULL if not; there are few suspensions."""


def submission_streams(connection: Connection, names: Collection[str]) -> Mapping[str, int]:
    """Return the ids of streams of submitted mail by name, making what is missing."""
    found = _streams(connection, names)
    missing = sorted(set(names) - found.keys())
    if missing:
        rows = [(name, 0, int(StreamState.OPEN)) for name in missing]
        insert_rows(connection, stream, ("name", "step", "state"), rows, conflict="ON CONFLICT DO NOTHING")
        found |= _streams(connection, missing)
    return found


def _streams(connection: Connection, names: Collection[str]) -> dict[str, int]:
    keys = [(name,) for name in sorted(names)]
    return {row.name: row.id for row in select_rows(connection, stream, ("name",), keys)}


def lane_ids(connection: Connection, stream_id: int, domains: Collection[str]) -> Mapping[str, int]:
    """Return the ids of a stream's lanes by domain, making what is missing."""
    found = _lanes(connection, stream_id, sorted(domains))
    missing = sorted(set(domains) - found.keys())
    if missing:
        rows = [(stream_id, domain) for domain in missing]
        insert_rows(connection, lane, ("stream", "domain"), rows, conflict="ON CONFLICT DO NOTHING")
        found |= _lanes(connection, stream_id, missing)
    return found


def _lanes(connection: Connection, stream_id: int, domains: Sequence[str]) -> dict[str, int]:
    keys = [(stream_id, domain) for domain in domains]
    return {row.domain: row.id for row in select_rows(connection, lane, ("stream", "domain"), keys)}


def places(connection: Connection, ids: Collection[int]) -> Mapping[int, AnyRow]:
    """Return lanes by id, each with what its stream and campaign say of it: domain, suspended_until, shut_until (by
    the operator), stream, stream_name, stream_state, step, campaign (its id, None for submitted mail), is_marketing,
    list_id, sender.
    """
    found: dict[int, AnyRow] = {}
    ordered = sorted(ids)
    for start in range(0, len(ordered), _PAGE):
        rows = of_ids(connection, _PLACES, ordered[start : start + _PAGE])
        found.update((row.id, row) for row in rows.all())
    return found


_PLACES = (
    "SELECT lane.id, lane.domain, lane.suspended_until, lane.stream, stream.name AS stream_name, "
    "stream.state AS stream_state, stream.step, {shut} AS shut_until, "
    "campaign.id AS campaign, campaign.is_marketing, campaign.list_id, campaign.sender "
    "FROM lane JOIN stream ON stream.id = lane.stream LEFT JOIN campaign ON campaign.number = stream.campaign "
    "WHERE lane.id IN {ids}"
).replace("{shut}", SHUT_UNTIL_SQL)


def closed_until(place: AnyRow, now: Instant) -> int | None:
    """Return until when a lane is suspended, by a refusal of us or by the operator (`FOREVER`: without an end); None:
    it is not.
    """
    until = max(place.suspended_until or 0, place.shut_until or 0)
    return until if until > now else None


def busy_streams(connection: Connection, states: Iterable[State]) -> list[int]:
    """Return the streams that have deliveries in one of these states, as the tally has it."""
    kinds = [STATE[state] for state in states]
    counted = select(tally.c.stream).where(tally.c.kind.in_(kinds)).group_by(tally.c.stream)
    return sorted(connection.execute(counted.having(func.sum(tally.c.count) > 0)).scalars())
