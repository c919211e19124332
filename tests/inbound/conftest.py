"""The loop of the product: its transports are what the listener is built on."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Have pytest-asyncio run the tests of this folder on uvloop."""
    return {"uvloop": uvloop.new_event_loop}
