"""The press: where mails are rendered and signed, away from the event loop.

Owns the port `Press` and its implementation on a few threads: signing releases the interpreter lock, rendering is
short.  Worker processes can take the same orders later: an edition's snapshot and a job are plain values, and only
signing needs keys.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from tierii_mta.authentication.dkim import DkimKey, sign
from tierii_mta.campaigns.plate import Job, Plate, Sheet
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.clock import Clock


@dataclass(frozen=True, slots=True)
class Edition:
    """One campaign, ready to be printed."""

    campaign: str
    snapshot: Snapshot
    plate: Plate = field(compare=False)

    @property
    def specification(self) -> Specification:
        return self.plate.specification

    @property
    def public_url(self) -> str | None:
        return self.plate.public_url

    @property
    def size_bytes(self) -> int:
        """Roughly what it holds in memory."""
        return 65_536 + 2 * sum(map(len, self.snapshot.contents.values()))


@dataclass(frozen=True, slots=True)
class Print:
    """A mail as it goes out: `signature` stands in front of `sheet.data`."""

    sheet: Sheet
    signature: bytes

    @property
    def data(self) -> bytes:
        return self.signature + self.sheet.data


class Press(Protocol):
    """Prints and signs mails."""

    async def mount(self, campaign: str, snapshot: Snapshot) -> Edition:
        """Return the edition of a campaign, compiled."""

    async def produce(self, edition: Edition, job: Job, keys: Sequence[DkimKey]) -> Print:
        """Return one mail, signed with every key; raises `RenderFailed`. Cancelling changes nothing."""


class RenderPool:
    """A press on threads. `close` ends them once their work is done."""

    def __init__(self, clock: Clock, *, threads: int = 2, signature_lifetime: timedelta | None = None) -> None:
        self._clock, self._lifetime = clock, signature_lifetime
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="press")

    async def mount(self, campaign: str, snapshot: Snapshot) -> Edition:
        plate = await asyncio.get_running_loop().run_in_executor(self._threads, Plate, snapshot)
        return Edition(campaign, snapshot, plate)

    async def produce(self, edition: Edition, job: Job, keys: Sequence[DkimKey]) -> Print:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._print, edition.plate, job, keys)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _print(self, plate: Plate, job: Job, keys: Sequence[DkimKey]) -> Print:
        sheet = plate.print(job)
        if not keys:
            return Print(sheet, b"")
        return Print(sheet, sign(sheet.data, keys, now=self._clock.now(), expires=self._lifetime))
