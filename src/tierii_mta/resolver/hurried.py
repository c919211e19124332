"""Look-ups that end together: what is not known by a moment is a Tempfail.

Owns the one deadline of a check that asks many things; not how long a single look-up may take (resolver.stub).
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from tierii_mta.resolver.answer import Answer, MxRecord, Resolver, Tempfail

Record = TypeVar("Record")


class HurriedResolver:
    """The `Resolver` port over another one, from now on for so long. Use it from one event loop."""

    def __init__(self, resolver: Resolver, *, within: timedelta) -> None:
        self._resolver = resolver
        self._end = asyncio.get_running_loop().time() + within.total_seconds()

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """Return what the other resolver returns, or a Tempfail."""
        return await self._in_time(self._resolver.mx(domain))

    async def a(self, host: str) -> Answer[str]:
        """Return what the other resolver returns, or a Tempfail."""
        return await self._in_time(self._resolver.a(host))

    async def aaaa(self, host: str) -> Answer[str]:
        """Return what the other resolver returns, or a Tempfail."""
        return await self._in_time(self._resolver.aaaa(host))

    async def txt(self, name: str) -> Answer[bytes]:
        """Return what the other resolver returns, or a Tempfail."""
        return await self._in_time(self._resolver.txt(name))

    async def ptr(self, address: str) -> Answer[str]:
        """Return what the other resolver returns, or a Tempfail."""
        return await self._in_time(self._resolver.ptr(address))

    async def _in_time(self, look_up: Coroutine[Any, Any, Answer[Record]]) -> Answer[Record]:
        try:
            async with asyncio.timeout_at(self._end):
                return await look_up
        except TimeoutError:
            return Tempfail("no time left")
