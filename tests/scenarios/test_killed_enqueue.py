"""Story: an enqueue is killed half-way; nothing of it is sent, whatever the operator says, until it is run again."""

import asyncio
import sqlite3
from pathlib import Path

from tests.scenarios.stage import PROGRAM, Stage, open_stage
from tests.support.program import comes_true, within
from tierii_mta.storage.backend import SQLITE_FILE

CONTACTS = 12_000


async def test_a_half_loaded_campaign_is_neither_resumed_nor_sent_and_may_be_cancelled(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        sink = await stage.sink("plain.example", "127.0.0.2")
        await stage.start_daemon(web=False)
        stage.write("half.csv", "email\n" + "".join(f"h{number}@plain.example\n" for number in range(CONTACTS)))
        file = stage.campaign("half", [])
        file.write_text(file.read_text().replace("type: inline\n  items: []", "type: csv\n  path: half.csv"))
        loading = await asyncio.create_subprocess_exec(*PROGRAM, "--config", stage.config, "--quiet", "enqueue", file)
        await comes_true(lambda: _rows(stage), "rows are written", stage.daemon_log)
        loading.kill()
        await within(loading.wait(), "the end of an enqueue that was killed")
        assert 0 < _rows(stage) < CONTACTS
        refused = await stage.run("resume", "half", code=7)
        assert "draft" in refused.err
        await stage.run("cancel", "half", "--yes")
        done = await stage.run("status", "half", "--json")
        assert done.summary["state"] == "cancelled"
        assert sum(done.summary["counts"].values()) == _rows(stage) == 0
        assert await stage.stop_daemon() == 0
        assert list(sink.received) == []


def _rows(stage: Stage) -> int:
    with sqlite3.connect(stage.folder / "data" / SQLITE_FILE, timeout=10) as database:
        (count,) = database.execute("SELECT count(*) FROM delivery").fetchone()
    return int(count)
