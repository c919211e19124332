"""Which event loops the tests of this folder run on: sockets on asyncio's and on uvloop, decisions on one."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

SOCKET_MODULES = ("test_session", "test_pool")


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.stem in SOCKET_MODULES:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
