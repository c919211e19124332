"""Rows from mappings: contacts of a campaign file, JSON objects, the rows of a table.

Owns how the keys of an item become fields; each item may have keys of its own, so the meaning of every distinct set of
keys is worked out once.  Pure.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from tierii_mta.campaigns.columns import ColumnError, match_columns, normal_name
from tierii_mta.campaigns.feeds.feed import Row, in_batches
from tierii_mta.queue.delivery import Json

ITEM_COLUMNS = ("item",)
"""What a reject file shows of feeds without fixed columns: the item itself, as JSON."""

_MAX_DEPTH = 16
_REMEMBERED = 1000  # sets of keys


class ItemReader:
    """Makes rows of the items of one feed."""

    def __init__(self, mapping: Mapping[str, str] | None = None) -> None:
        """`mapping`: our field → their key. An item that lacks the key lacks the field."""
        self._mapping = mapping or {}
        self._known: dict[tuple[str, ...], tuple[str | None, ...] | ColumnError] = {}

    def row(self, number: int, item: Json, original: Sequence[Json] | None = None) -> Row:
        """Return the row of the item at a line or number. `original`: what the reject file shows instead of it."""
        shown = (item,) if original is None else original
        if not isinstance(item, dict):
            return Row(number, {}, shown, "is not an object of fields")
        keys = tuple(item)
        known = self._known.get(keys)
        if known is None:
            known = self._match(keys)
            if len(self._known) < _REMEMBERED:
                self._known[keys] = known
        if isinstance(known, ColumnError):
            return Row(number, {}, shown, known.what)
        if not all(_is_shallow(value) for value in item.values() if isinstance(value, (dict, list))):
            return Row(number, {}, shown, f"is nested deeper than {_MAX_DEPTH} levels")
        fields = {name: value for name, value in zip(known, item.values(), strict=True) if name is not None}
        return Row(number, fields, shown)

    def _match(self, keys: tuple[str, ...]) -> tuple[str | None, ...] | ColumnError:
        names = {normal_name(key) for key in keys}
        mapping = {field: key for field, key in self._mapping.items() if normal_name(key) in names}
        try:
            return match_columns(keys, mapping, needs_email=False).fields
        except ColumnError as problem:
            return problem


def _is_shallow(value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for each in level if isinstance(each, (dict, list)) for inner in _inside(each)]
        if not level:
            return True
    return False


def _inside(value: dict[str, Json] | list[Json]) -> list[Json]:
    return list(value.values()) if isinstance(value, dict) else value


class InlineItems:
    """Contacts written in the campaign file."""

    def __init__(self, name: str, items: Sequence[Mapping[str, Json]], lines: Sequence[int]) -> None:
        self.name = name
        self._items, self._lines = items, lines
        self.columns = tuple(dict.fromkeys(str(key) for item in items for key in item))
        self.notices: tuple[str, ...] = ()

    async def batches(self) -> AsyncIterator[Sequence[Row]]:
        reader = ItemReader()
        rows = (
            reader.row(line, dict(item), [item.get(name) for name in self.columns])
            for item, line in zip(self._items, self._lines, strict=True)
        )
        for batch in in_batches(rows):
            yield batch
