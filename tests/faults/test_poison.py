"""Poison: what breaks a stage is set aside after three times, and the queue goes on.

The daemon is real.  A row is damaged in the database; a fault of ours is built in by `poisons.py`, which starts the
program with one function replaced.  The controls take the product's protection away in the same way.
"""

import asyncio
import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.scenarios.stage import Stage, open_stage
from tierii_mta.storage.backend import SQLITE_FILE

GOOD = [{"email": f"p{number}@plain.example", "first_name": f"P{number}"} for number in range(20)]
STAGES = ("content", "sign", "session", "interpret", "settle")


def with_one(name: str) -> list[dict[str, str]]:
    """Return the good people with a bad one among them."""
    return [*GOOD[:10], {"email": f"{name}@plain.example", "first_name": f"signature-of {name}"}, *GOOD[10:]]


COMPLETED, FAILED, FINAL = 5, 6, (5, 6)
_MOST_DEATHS = 6


def poisoned(*poisons: str) -> Sequence[str]:
    """Return how to start a daemon with these poisons in it."""
    return (sys.executable, str(Path(__file__).with_name("poisons.py")), *(f"--with={one}" for one in poisons))


def ask(stage: Stage, query: str) -> list[Any]:
    with sqlite3.connect(stage.folder / "data" / SQLITE_FILE) as database:
        return database.execute(query).fetchall()


async def metric(stage: Stage, name: str) -> float:
    """Return the sum of a metric's series."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{stage.base_url}/metrics")).text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


async def dies(stage: Stage, program: Sequence[str]) -> bool:
    """Run the daemon until it dies by itself, which is True, or every delivery has ended."""
    with (stage.folder / "daemon.log").open("ab") as log:
        daemon = await asyncio.create_subprocess_exec(
            *program, "--config", str(stage.config), "serve", stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
        )
    ended = asyncio.create_task(daemon.wait())
    try:
        while not ended.done():
            if not ask(stage, f"SELECT 1 FROM delivery WHERE state NOT IN {FINAL} LIMIT 1"):
                return False
            await asyncio.wait((ended,), timeout=0.1)
        return True
    finally:
        if not ended.done():
            daemon.terminate()
        await ended


async def test_a_fault_in_any_stage_ends_its_delivery_at_the_third_attempt_and_nobody_elses(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        stage.settings["outbound"]["in_doubt"] = {"wait": "1s"}
        stage.save_settings()
        sink = await stage.sink("plain.example", "127.0.0.2")
        people = [{"email": f"{name}@plain.example", "first_name": name} for name in STAGES]
        people[1]["first_name"] = "signature-of"
        await stage.run("enqueue", stage.campaign("poison", [*GOOD[:10], *people, *GOOD[10:]]))
        await stage.start_daemon(poisoned(*STAGES))
        await stage.settled("poison", completed=20, failed=5)
        events = [json.loads(data) for (data,) in ask(stage, "SELECT data FROM event WHERE type = 5")]
        assert [(facts["class"], facts["reason"], facts["attempt"]) for facts in events] == [("error", "error", 3)] * 5
        assert await metric(stage, "tierii_crashes_total") == 15
        assert await metric(stage, "tierii_set_aside_total") == 5
        log = stage.daemon_log()
        assert log.count("Traceback (most") == 1, "a kind is told once with its traceback"
        assert log.count("delivery.set_aside") == 5
        copies = Counter(message.recipients[0].partition("@")[0] for message in sink.received)
        assert [copies[name] for name in STAGES] == [0, 0, 0, 3, 3]
        assert await stage.stop_daemon() == 0


async def test_control_a_fault_that_is_let_out_ends_the_daemon(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("plain.example", "127.0.0.2")
        await stage.run("enqueue", stage.campaign("poison", with_one("content")))
        assert await dies(stage, poisoned("content", "let-out"))
        assert ask(stage, f"SELECT 1 FROM delivery WHERE state NOT IN {FINAL}")


async def test_a_delivery_that_kills_the_process_is_set_aside_and_its_neighbours_arrive(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("plain.example", "127.0.0.2")
        await stage.run("enqueue", stage.campaign("poison", with_one("death")))
        deaths = 0
        while await dies(stage, poisoned("death")):
            deaths += 1
            assert deaths <= _MOST_DEATHS, stage.daemon_log()
        assert deaths in (3, 4), "three, two of them alone"
        assert ask(stage, f"SELECT recipient, reason FROM delivery WHERE state = {FAILED}") == [
            ("death@plain.example", 6)
        ]
        assert ask(stage, f"SELECT count(*) FROM delivery WHERE state = {COMPLETED}") == [(20,)]
        assert ask(stage, "SELECT count(*) FROM event WHERE type = 5") == [(1,)]
        assert "delivery.set_aside" in stage.daemon_log()
        assert ask(stage, "SELECT * FROM crash") == []


async def test_control_deaths_that_nobody_counts_go_on_for_ever(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("plain.example", "127.0.0.2")
        await stage.run("enqueue", stage.campaign("poison", with_one("death")))
        for _ in range(4):
            assert await dies(stage, poisoned("death", "uncounted"))


async def test_a_damaged_row_stops_nobody_else(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("plain.example", "127.0.0.2")
        await stage.run("enqueue", stage.campaign("whole", with_one("torn")))
        with sqlite3.connect(stage.folder / "data" / SQLITE_FILE) as database:
            torn = "UPDATE delivery SET contact = '{\"first_na' WHERE recipient = 'torn@plain.example'"
            assert database.execute(torn).rowcount == 1
        await stage.start_daemon()
        await stage.settled("whole", completed=20, failed=1)
        assert ask(stage, f"SELECT recipient, reason FROM delivery WHERE state = {FAILED}") == [
            ("torn@plain.example", 6)
        ]
        assert await metric(stage, "tierii_set_aside_total") == 1
        assert await stage.stop_daemon() == 0
