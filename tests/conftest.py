"""What every test shares: each wait of it has an end, and hypothesis draws the same few examples each time.

The gate depends neither on luck nor on patience: a test that hangs fails, and shows what it was waiting for.

`HYPOTHESIS_PROFILE=explore pytest …` draws new ones, and more of them; what it finds becomes a named test.
"""

import asyncio
import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings

LIMIT_S = 480.0  # many times what the longest test needs; the guard of the whole run, which shows less, comes later

# A shell in the background ignores SIGINT for all it starts; the programs under test are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Programs under test start hundreds of times: without compiled modules each start would compile all of them again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile("gate", derandomize=True, deadline=None, print_blob=True, max_examples=30)
settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test that waits, apart from the soak runs, its end."""
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.timeout(0))
        elif isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _bounded(item.obj)


def _bounded(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(test)
    async def with_an_end(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        async with asyncio.timeout(LIMIT_S):
            await test(*args, **kwargs)

    return with_an_end
