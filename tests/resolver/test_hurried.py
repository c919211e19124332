"""A check with one deadline: answers in time are passed on, the others are not known now."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tierii_mta.resolver.answer import Absent, Answer, Found, MxRecord, Resolver, Tempfail
from tierii_mta.resolver.hurried import HurriedResolver


class Slow:
    """Knows one thing at once, and everything else never."""

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return await self._never()

    async def a(self, host: str) -> Answer[str]:
        return Found(("192.0.2.1",)) if host == "example.com" else await self._never()

    async def aaaa(self, host: str) -> Answer[str]:
        return await self._never()

    async def txt(self, name: str) -> Answer[bytes]:
        return await self._never()

    async def ptr(self, address: str) -> Answer[str]:
        return await self._never()

    async def _never(self) -> Absent:
        await asyncio.Event().wait()
        raise AssertionError("it was set")


async def test_an_answer_in_time_is_passed_on() -> None:
    assert await HurriedResolver(Slow(), within=timedelta(seconds=60)).a("example.com") == Found(("192.0.2.1",))


@pytest.mark.parametrize(
    "ask",
    [
        lambda resolver: resolver.mx("example.com"),
        lambda resolver: resolver.a("example.net"),
        lambda resolver: resolver.aaaa("example.com"),
        lambda resolver: resolver.txt("example.com"),
        lambda resolver: resolver.ptr("192.0.2.1"),
    ],
    ids=["mx", "a", "aaaa", "txt", "ptr"],
)
async def test_what_takes_longer_is_not_known_now(ask: Callable[[Resolver], Awaitable[object]]) -> None:
    resolver = HurriedResolver(Slow(), within=timedelta(milliseconds=10))
    assert await ask(resolver) == Tempfail("no time left")


async def test_all_look_ups_share_the_deadline() -> None:
    resolver = HurriedResolver(Slow(), within=timedelta(milliseconds=10))
    await resolver.txt("example.com")
    assert await resolver.txt("example.com") == Tempfail("no time left")


async def test_a_caller_who_gives_up_is_cancelled() -> None:
    task = asyncio.create_task(HurriedResolver(Slow(), within=timedelta(seconds=60)).txt("example.com"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
