"""What the tests of looked-up authentication share."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.resolver.stub import StubResolver


@pytest.fixture
async def resolver(server: DnsServer) -> AsyncIterator[StubResolver]:
    """Our resolver over the DNS server of the test's own module."""
    stub = StubResolver(ManualClock(), nameservers=[server.address], timeout=timedelta(seconds=2))
    yield stub
    await stub.close()
