"""Contacts of a list that is kept here.

Owns what a feed sees of `campaigns.lists`, and the numbers of the rows: places in the order in which a list is read,
which is always the same.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from tierii_mta.campaigns.feeds.feed import Row, in_batches
from tierii_mta.campaigns.feeds.items import ITEM_COLUMNS
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.queue.delivery import Json


class Listed(Protocol):
    """Somebody in a list."""

    @property
    def fields(self) -> Mapping[str, Json]:
        """What is known of the person, the address included."""


class Lists(Protocol):
    """The lists that are kept here."""

    async def names(self) -> Sequence[str]:
        """Return the lists there are."""

    def members(self, name: str) -> AsyncIterator[Sequence[Listed]]:
        """Yield the persons of a list a page at a time, always in one order."""


class StoredContacts:
    """The persons of a list."""

    columns = ITEM_COLUMNS
    notices: Sequence[str] = ()

    def __init__(self, name: str, pages: AsyncIterator[Sequence[Listed]], meter: Meter) -> None:
        self.name = f"list {name}"
        self._pages, self._meter = pages, meter

    async def batches(self) -> AsyncIterator[Sequence[Row]]:
        number = 0
        while True:
            with self._meter.timing(Stage.INGEST):
                page = await anext(self._pages, None)
            if page is None:
                return
            for batch in in_batches(
                Row(at, one.fields, (dict(one.fields),)) for at, one in enumerate(page, number + 1)
            ):
                yield batch
            number += len(page)
