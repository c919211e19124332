"""The header of a received message, by name: what the rules of this package look things up in.

Owns the mapping and the reading of dates in it; not what a field means.  RFC 5322 §3.3 and §3.6.  Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tierii_mta.clock import Instant, from_datetime
from tierii_mta.mail.mime import Field

Header = Mapping[str, Sequence[str]]
"""Decoded values, in order, by the name of their field in lower case."""

_MAX_VALUE = 20_000
_MAX_DATE = 100


def header_of(fields: Iterable[Field]) -> Header:
    """Return the fields by name."""
    found: dict[str, list[str]] = {}
    for field in fields:
        found.setdefault(field.name.lower(), []).append(field.value[:_MAX_VALUE])
    return found


def first(header: Header, name: str) -> str | None:
    """Return the first value of a name that is not empty, stripped, or None."""
    return next((value.strip() for value in header.get(name, ()) if value.strip()), None)


def moment(text: str) -> Instant | None:
    """Return the date as a field tells it, None if it is none; without a zone it is UTC."""
    found = _datetime(text)
    try:
        return from_datetime(found if found.tzinfo else found.replace(tzinfo=UTC)) if found else None
    except (OverflowError, ValueError):  # a year that no time zone reaches
        return None


def zone(text: str) -> timedelta | None:
    """Return the zone of a date as its distance from UTC, None if it does not tell."""
    found = _datetime(text)
    return found.utcoffset() if found else None


def _datetime(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text.strip()[:_MAX_DATE])
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
