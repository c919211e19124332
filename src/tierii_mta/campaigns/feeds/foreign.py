"""Feeds of other people: installed packages that bring a function under the entry-point group `tierii_mta.feeds`.

Owns how they are found and called.  The name of the entry point is the feed's `type`.  The function gets the feed's
keys as the campaign file has them (references resolved, `type` and `map` left out) and `folder`, where relative paths
count from; it returns an iterable, or an asynchronous one, of mappings from column to value.  What it raises refuses
the campaign.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from itertools import islice
from pathlib import Path
from typing import Any

from tierii_mta.campaigns.feeds.feed import BATCH, Row
from tierii_mta.campaigns.feeds.items import ITEM_COLUMNS, ItemReader
from tierii_mta.campaigns.specification.availability import FEED_GROUP
from tierii_mta.errors import CheckFailed, TieriiError
from tierii_mta.queue.delivery import Json

Items = Iterable[Mapping[str, Json]] | AsyncIterable[Mapping[str, Json]]
Opener = Callable[..., Items]


def find_opener(kind: str) -> Opener | None:
    """Return the function of an installed feed type, or None; raises `CheckFailed` if it cannot be loaded."""
    found: EntryPoint | None = next(iter(entry_points(group=FEED_GROUP, name=kind)), None)
    if found is None:
        return None
    try:
        return found.load()  # type: ignore[no-any-return]  # what an entry point names is its author's word
    except Exception as fault:
        raise CheckFailed(
            f"the feed type {kind} cannot be loaded: {type(fault).__name__}: {fault}",
            where=found.value,
            remedy="reinstall the package that brings it",
        ) from fault


class ForeignItems:
    """What a foreign feed returns."""

    columns = ITEM_COLUMNS
    notices: tuple[str, ...] = ()

    def __init__(
        self, kind: str, opener: Opener, keys: Mapping[str, Any], mapping: Mapping[str, str], folder: Path
    ) -> None:
        self.name = kind
        self._open, self._keys, self._folder, self._reader = opener, keys, folder, ItemReader(mapping)

    async def batches(self) -> AsyncIterator[Sequence[Row]]:
        number = 0
        try:
            async for batch in _batches(self._open(**self._keys, folder=self._folder)):
                yield [self._reader.row(number + place, dict(item)) for place, item in enumerate(batch, 1)]
                number += len(batch)
        except TieriiError:
            raise
        except Exception as fault:
            raise CheckFailed(
                f"the feed ends with an error behind item {number}: {type(fault).__name__}: {fault}",
                where=self.name,
                remedy="see the documentation of the package that brings it",
            ) from fault


async def _batches(items: Items) -> AsyncIterator[list[Mapping[str, Json]]]:
    if not isinstance(items, AsyncIterable):
        iterator = iter(items)
        while batch := await asyncio.to_thread(lambda: list(islice(iterator, BATCH))):
            yield batch
        return
    batch = []
    async for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
