"""Feeds: where contacts come from.

feed         the port, its bounds            csv_file     CSV
json_file    JSON and JSON Lines             json_stream  a large JSON document piece by piece
items        rows from mappings, inline      table        SQL, and the port to databases
pages        HTTP, page by page              fetch        one page, with patience
reach        which servers may be asked      foreign      feeds that packages bring
stored       lists that are kept here

Owns opening them in the order of the campaign file, all before the first row is read: a wrong password is told at once.
"""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

import httpx

from tierii_mta.campaigns.charset import Charset, find_charset
from tierii_mta.campaigns.feeds.csv_file import CsvFile, delimiter_of
from tierii_mta.campaigns.feeds.feed import BATCH, Feed, Row
from tierii_mta.campaigns.feeds.fetch import check_url, open_fetcher
from tierii_mta.campaigns.feeds.foreign import ForeignItems, find_opener
from tierii_mta.campaigns.feeds.items import InlineItems
from tierii_mta.campaigns.feeds.json_file import JsonFile
from tierii_mta.campaigns.feeds.pages import HttpPages
from tierii_mta.campaigns.feeds.reach import Reach
from tierii_mta.campaigns.feeds.stored import Lists, StoredContacts
from tierii_mta.campaigns.feeds.table import Databases, TableRows
from tierii_mta.campaigns.specification import (
    Campaign,
    CsvFeed,
    ForeignFeed,
    HttpFeed,
    InlineFeed,
    JsonFeed,
    ListFeed,
    SqlFeed,
)
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.clock import Clock
from tierii_mta.errors import CheckFailed
from tierii_mta.yaml12 import nearest

__all__ = ["Databases", "Feed", "Reach", "Row", "Sources", "open_feeds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What feeds need of the installation."""

    databases: Databases | None = None  # None: no sql feed can be read
    lists: Lists | None = None  # None: none are kept
    reach: Reach = field(default_factory=Reach)
    tls: ssl.SSLContext | None = None  # whom https feeds trust; None: whom the system trusts


@asynccontextmanager
async def open_feeds(
    campaign: Campaign, sources: Sources, *, clock: Clock, meter: Meter
) -> AsyncIterator[Sequence[Feed]]:
    """Open the campaign's feeds in order.

    Raises `CheckFailed` for one that cannot be read as contacts, `Refused` for a server we may not ask, `Unavailable`
    for one that does not answer.
    """
    async with AsyncExitStack() as stack:
        opening = _Opening(campaign, sources, clock, meter, stack)
        yield [await opening.open(number) for number in range(len(campaign.specification.contacts))]


@dataclass(frozen=True, slots=True)
class _Opening:
    campaign: Campaign
    sources: Sources
    clock: Clock
    meter: Meter
    stack: AsyncExitStack  # what is open until the feeds were read

    async def open(self, number: int) -> Feed:
        feed = self.campaign.specification.contacts[number]
        match feed:
            case CsvFeed():
                path, charset = self._file(number, feed.path, feed.encoding)
                where = self.campaign.document.where(("contacts", number, "delimiter"))
                with self.meter.timing(Stage.DETECT):
                    return CsvFile(path, charset, delimiter_of(feed.delimiter, where=where), feed.map)
            case JsonFeed():
                path, charset = self._file(number, feed.path, feed.encoding)
                return JsonFile(path, charset, feed.items, feed.map)
            case InlineFeed():
                known, items = self.campaign.document.lines, range(len(feed.items))
                lines = [known.get(("contacts", number, "items", item), 0) for item in items]
                return InlineItems(str(self.campaign.path), feed.items, lines)
            case SqlFeed():
                return await self._table(feed)
            case HttpFeed():
                return await self._pages(feed)
            case ForeignFeed():
                return self._foreign(feed, number)
            case ListFeed():
                return await self._list(feed, number)
            case _:
                assert_never(feed)

    async def _list(self, feed: ListFeed, number: int) -> Feed:
        lists = self.sources.lists
        with self.meter.timing(Stage.INGEST):
            known = await lists.names() if lists is not None else ()
        if lists is None or feed.name not in known:
            meant = nearest(feed.name, known)
            raise CheckFailed(
                f"there is no list {feed.name!r}",
                where=self.campaign.document.where(("contacts", number, "name")),
                remedy=f"did you mean {meant!r}?" if meant else "`tierii-mta list import` makes one",
            )
        return StoredContacts(feed.name, lists.members(feed.name), self.meter)

    def _file(self, number: int, name: str, encoding: str) -> tuple[Path, Charset]:
        path = self.campaign.file(name)
        if not path.is_file():
            what = "is not a file" if path.exists() else "there is no such file"
            raise CheckFailed(
                f"{path}: {what}",
                where=self.campaign.document.where(("contacts", number, "path")),
                remedy="check the path; it counts from the campaign file",
            )
        with self.meter.timing(Stage.DETECT):
            return path, find_charset(path, encoding)

    async def _table(self, feed: SqlFeed) -> Feed:
        if self.sources.databases is None:
            raise CheckFailed("databases cannot be read here", where=str(self.campaign.path))
        url, query = self.campaign.resolve(feed.url), self.campaign.resolve(feed.query)
        opened = self.sources.databases.query(url, query, folder=self.campaign.folder, batch=BATCH)
        with self.meter.timing(Stage.INGEST):
            result = await self.stack.enter_async_context(opened)
        return TableRows(result, feed.map, self.meter, batch=BATCH)

    async def _pages(self, feed: HttpFeed) -> Feed:
        try:
            start = httpx.URL(self.campaign.resolve(feed.url))
        except httpx.InvalidURL as cause:
            raise CheckFailed(f"the url of a feed is none: {cause}", where=str(self.campaign.path)) from cause
        check_url(start)
        auth = self.campaign.resolve(feed.auth) if feed.auth else None
        if auth is not None and not (auth.isascii() and auth.isprintable()):
            raise CheckFailed("auth holds characters that no header may", where=str(self.campaign.path))
        opened = open_fetcher(start, auth, self.sources.reach, self.clock, self.sources.tls)
        return HttpPages(start, feed, await self.stack.enter_async_context(opened), self.meter)

    def _foreign(self, feed: ForeignFeed, number: int) -> Feed:
        where = self.campaign.document.where(("contacts", number, "type"))
        opener = find_opener(feed.type)
        if opener is None:
            raise CheckFailed(f"no installed package brings feeds of type {feed.type!r}", where=where)
        keys = {
            key: self.campaign.resolve(value) if isinstance(value, str) else value
            for key, value in (feed.model_extra or {}).items()
        }
        return ForeignItems(feed.type, opener, keys, feed.map, self.campaign.folder)
