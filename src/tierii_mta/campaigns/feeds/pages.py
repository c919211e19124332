"""Contacts from an HTTP API, page by page.

Owns how pages hang together: the key or Link field that leads on, and that it leads on to an end.
"""

import json
from collections.abc import AsyncIterator, Sequence

import httpx

from tierii_mta.campaigns.feeds.feed import BATCH, Row
from tierii_mta.campaigns.feeds.fetch import Fetcher, Page, shown
from tierii_mta.campaigns.feeds.items import ITEM_COLUMNS, ItemReader
from tierii_mta.campaigns.feeds.json_stream import DECODER
from tierii_mta.campaigns.specification import HttpFeed
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.errors import CheckFailed
from tierii_mta.queue.delivery import Json

_MAX_PAGES = 100_000


class HttpPages:
    """The items of a chain of pages."""

    columns = ITEM_COLUMNS
    notices: tuple[str, ...] = ()

    def __init__(self, start: httpx.URL, feed: HttpFeed, fetcher: Fetcher, meter: Meter) -> None:
        """`items` and `next` of the feed are keys joined by dots; without them the page is the array, its Link field
        leads on.
        """
        self.name = shown(start)
        self._start, self._fetcher, self._meter = start, fetcher, meter
        self._reader = ItemReader(feed.map)
        self._items = feed.items.split(".") if feed.items else []
        self._next = feed.next.split(".") if feed.next else []

    async def batches(self) -> AsyncIterator[Sequence[Row]]:
        number = 0
        async for items in self._pages():
            for first in range(0, len(items), BATCH):
                batch = items[first : first + BATCH]
                yield [self._reader.row(number + place, item) for place, item in enumerate(batch, 1)]
                number += len(batch)

    async def _pages(self) -> AsyncIterator[list[Json]]:
        url: httpx.URL | None = self._start
        seen: set[int] = set()
        while url is not None:
            seen.add(hash(url))
            with self._meter.timing(Stage.INGEST):
                page = await self._fetcher.get(url)
            document = self._decode(page)
            items = _at(document, self._items)
            if not isinstance(items, list):
                what = f"{'.'.join(self._items) or 'the page'} is not an array"
                raise CheckFailed(what, where=shown(page.url), remedy="name the array with items")
            yield items
            url = self._following(page, document)
            if url is not None and (hash(url) in seen or len(seen) >= _MAX_PAGES):
                raise CheckFailed("the pages lead round in a circle, or on without end", where=shown(url))

    def _following(self, page: Page, document: Json) -> httpx.URL | None:
        found = _at(document, self._next) if self._next else page.next
        if found in (None, "", False):
            return None
        if not isinstance(found, str):
            raise CheckFailed(
                f"{'.'.join(self._next)} is not a text", where=shown(page.url), remedy="name the address with next"
            )
        try:
            return page.url.join(found)
        except httpx.InvalidURL as cause:
            raise CheckFailed(f"the address of the next page is none: {cause}", where=shown(page.url)) from cause

    def _decode(self, page: Page) -> Json:
        try:
            return DECODER.decode(page.body.decode("utf-8-sig"))  # type: ignore[no-any-return]  # it is Json
        except json.JSONDecodeError as fault:
            why = f"{fault.msg} (line {fault.lineno})"
        except RecursionError:
            why = "it is nested too deeply"
        except ValueError as fault:
            why = str(fault)
        raise CheckFailed(f"the page is no JSON: {why}", where=shown(page.url), remedy="check the address")


def _at(document: Json, keys: Sequence[str]) -> Json:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document
