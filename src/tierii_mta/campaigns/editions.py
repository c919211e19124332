"""Editions in memory: campaigns ready to be printed, least recently used first out, within a bound in octets.

Owns who loads one (those who need the same wait for one loading) and how long a damaged one is left alone.
"""

import asyncio
import logging
from collections import OrderedDict
from typing import Protocol

from tierii_mta.campaigns.press import Edition, EditionUnusable, Press
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.clock import Clock
from tierii_mta.errors import TieriiError

_MAX_BYTES = 128_000_000
_MAX_EDITIONS = 64
_DAMAGED_S = 60.0  # until what is damaged is read again: not once for each of a million deliveries

_log = logging.getLogger(__name__)


class Snapshots(Protocol):
    """What is needed of the campaign store."""

    async def snapshot(self, campaign: str) -> Snapshot:
        """Return what the campaign sends; raises `NotFound`."""


class Editions:
    """The editions of one press."""

    def __init__(self, store: Snapshots, press: Press, clock: Clock, *, max_bytes: int = _MAX_BYTES) -> None:
        self._store, self._press, self._clock, self._max_bytes = store, press, clock, max_bytes
        self._kept: OrderedDict[str, Edition] = OrderedDict()
        self._mounting: dict[str, asyncio.Lock] = {}
        self._unusable: dict[str, tuple[float, str]] = {}  # campaigns that were damaged when last looked at

    async def get(self, campaign: str) -> Edition:
        """Return a campaign's edition; raises `EditionUnusable`, or what the store raises."""
        if campaign in self._kept:
            self._kept.move_to_end(campaign)
            return self._kept[campaign]
        async with self._mounting.setdefault(campaign, asyncio.Lock()):
            edition = self._kept.get(campaign)
            if edition is None:
                edition = self._kept[campaign] = await self._mounted(campaign)
                self._evict()
        self._mounting.pop(campaign, None)
        return edition

    async def _mounted(self, campaign: str) -> Edition:
        until, why = self._unusable.pop(campaign, (0.0, ""))
        if self._clock.monotonic() < until:
            self._unusable[campaign] = until, why
            raise EditionUnusable(why)
        try:
            return await self._press.mount(campaign, await self._store.snapshot(campaign))
        except TieriiError:
            raise
        except Exception as fault:
            why = f"what the campaign {campaign} sends is damaged in the store: {fault!r}"
            self._unusable[campaign] = self._clock.monotonic() + _DAMAGED_S, why
            _log.error(why)
            raise EditionUnusable(why) from fault

    def _evict(self) -> None:
        while len(self._kept) > 1 and (
            len(self._kept) > _MAX_EDITIONS or sum(e.size_bytes for e in self._kept.values()) > self._max_bytes
        ):
            self._kept.popitem(last=False)
