"""Story: the daemon is killed in the middle of a campaign, again and again; everybody gets the mail."""

import signal
import sqlite3
from collections import Counter
from pathlib import Path

from tests.scenarios.stage import open_stage
from tests.support.program import within
from tierii_mta.storage.backend import SQLITE_FILE

RECIPIENTS = 600


async def test_nobody_is_lost_and_doubles_are_at_most_what_was_on_the_wire(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        sink = await stage.sink("plain.example", "127.0.0.2", "delay: {dot: 20ms}\nlimits: {keep: 5000}")
        file = stage.campaign("kill", [{"email": f"k{number}@plain.example"} for number in range(RECIPIENTS)])
        await stage.run("enqueue", file)
        active_at_kill = 0
        for _ in range(3):
            seen = len(sink.received)
            await stage.start_daemon(web=False)
            await within(sink.arrived(seen + 60), "60 more mails", stage.daemon_log)
            await stage.stop_daemon(signal.SIGKILL)
            with sqlite3.connect(stage.folder / "data" / SQLITE_FILE) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            active_at_kill += (await stage.counts("kill"))["active"]
        await stage.start_daemon(web=False)
        await stage.settled("kill", completed=RECIPIENTS)
        received = Counter(message.recipients[0] for message in sink.received)
        assert len(received) == RECIPIENTS, "everybody"
        assert sum(received.values()) - RECIPIENTS <= active_at_kill
        ids = {
            (m.recipients[0], next(line for line in m.data.split(b"\r\n") if line.startswith(b"Message-ID:")))
            for m in sink.received
        }
        assert len(ids) == RECIPIENTS, "one Message-ID each, however often"
