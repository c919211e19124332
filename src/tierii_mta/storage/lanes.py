"""Streams and lanes: found, or made when first needed.

Owns the look-up of ids in bulk inside a transaction; both kinds of row are never changed into another one.
"""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, select

from tierii_mta.storage.bulk import insert_rows, of_ids, select_rows
from tierii_mta.storage.codes import StreamState
from tierii_mta.storage.tables import AnyRow, lane, stream

_PAGE = 1000


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
    columns = select(stream.c.name, stream.c.id).where(stream.c.name.in_(sorted(names)))
    return {row.name: row.id for row in connection.execute(columns)}


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
    """Return lanes by id, each with what its stream and campaign say of it: domain, suspended_until, stream,
    stream_state, step, campaign (its id, None for submitted mail), is_marketing, list_id.
    """
    found: dict[int, AnyRow] = {}
    ordered = sorted(ids)
    for start in range(0, len(ordered), _PAGE):
        rows = of_ids(connection, _PLACES, ordered[start : start + _PAGE])
        found.update((row.id, row) for row in rows.all())
    return found


_PLACES = (
    "SELECT lane.id, lane.domain, lane.suspended_until, lane.stream, stream.state AS stream_state, stream.step, "
    "campaign.id AS campaign, campaign.is_marketing, campaign.list_id "
    "FROM lane JOIN stream ON stream.id = lane.stream LEFT JOIN campaign ON campaign.number = stream.campaign "
    "WHERE lane.id IN {ids}"
)
