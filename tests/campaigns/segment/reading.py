"""Expressions over plain mappings: what `domain` and `provider` are is written in them too."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from tierii_mta.campaigns.segment import Field, read
from tierii_mta.queue.delivery import Json

NOW = datetime(2026, 3, 20, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))  # the 20th there, the 19th in Los Angeles
TYPES = {
    "age": "int",
    "score": "float",
    "wants_news": "bool",
    "since": "date",
    "until": "date",
    "last_order": "datetime",
    "home": "url",
}


def reader(field: Field) -> Callable[[Mapping[str, Json]], Json]:
    return lambda contact: contact.get(field.name)


def holds(expression: str, contact: Mapping[str, Json]) -> bool:
    """Return whether an expression holds for a contact."""
    return _compiled(expression)(contact)


@cache
def _compiled(expression: str) -> Callable[[Any], bool]:
    return read(expression, TYPES).predicate(reader, now=NOW)
