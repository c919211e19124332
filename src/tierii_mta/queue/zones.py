"""The recipient's time zone, as a contact names it.

Owns the contact's field and which names are zones; the data is the system's, or the package tzdata's.
"""

from collections.abc import Mapping
from functools import cache
from zoneinfo import available_timezones

from tierii_mta.queue.delivery import Json

ZONE_FIELD = "timezone"
"""The field of a contact that names its zone, e.g. America/Denver."""


def zone_of(contact: Mapping[str, Json]) -> str | None:
    """Return a contact's zone; None: it names none, or one that nobody knows."""
    name = contact.get(ZONE_FIELD)
    return name if isinstance(name, str) and is_zone(name) else None


def is_zone(name: str) -> bool:
    """Whether the name is that of a time zone."""
    return name in _names()


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())
