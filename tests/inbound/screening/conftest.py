"""A real DNS server, and the resolver of the product that asks it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.dns import DnsServer
from tierii_mta.clock import SystemClock
from tierii_mta.resolver.stub import StubResolver


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer() as server:
        yield server


@pytest.fixture
async def resolver(dns: DnsServer) -> AsyncIterator[StubResolver]:
    stub = StubResolver(SystemClock(), nameservers=[dns.address], timeout=timedelta(seconds=2))
    yield stub
    await stub.close()
