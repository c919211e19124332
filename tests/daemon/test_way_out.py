"""The way out's wiring: our own addresses, and shaping files that merge."""

import asyncio
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tierii_mta.daemon.settings import settings_from
from tierii_mta.daemon.way_out import Share, load_shaping, machine_addresses
from tierii_mta.errors import ConfigurationError
from tierii_mta.storage.database import Database


def test_the_addresses_of_this_machine_are_known_and_loopback_is_not_among_them() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; the kernel picks the address it would use
        except OSError:
            pytest.skip("this machine has no route beyond loopback")
        mine = probe.getsockname()[0]
    assert mine in machine_addresses()
    assert not any(address.startswith("127.") or address == "::1" for address in machine_addresses())


def test_the_operators_shaping_is_merged_over_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text("providers: {google: {connections: 2}}\n")
    loaded = settings_from({"outbound": {"shaping": "limits.yaml"}}, tmp_path)
    shaping = load_shaping(loaded.settings)
    ceilings = shaping.ceilings(source="default", domain="gmail.com", provider="google", site="s")
    assert any("limits.yaml:1" in ceiling.origin for ceiling in ceilings)
    assert any("shaping.yaml" in ceiling.origin for ceiling in ceilings)


def test_shaping_for_a_source_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text("sources: {min: {connections: 2}}\n")
    outbound = {"shaping": "limits.yaml", "sources": [{"name": "main", "address": "203.0.113.5"}]}
    with pytest.raises(ConfigurationError, match="did you mean main"):
        load_shaping(settings_from({"outbound": outbound}, tmp_path).settings)


async def test_a_rate_to_a_provider_is_shared_by_the_daemons_that_live(tmp_path: Path) -> None:
    clock = ManualClock()
    database = await Database.open("sqlite", data_dir=tmp_path, clock=clock, node="one")
    share = Share(database.queue, clock)
    assert share() == 1
    for name in ("one", "two"):
        await database.queue.register(name=name, role="outbound", pid=1, now=clock.now())
    counting = asyncio.create_task(share.run())
    try:
        await _comes(lambda: share() == 0.5)
        clock.advance(timedelta(seconds=61))  # neither says any more that it lives
        await _comes(lambda: share() == 1)
    finally:
        counting.cancel()
        await asyncio.wait({counting})
        await database.close()


async def _comes(condition: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the condition never came to hold")
