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
import pytest

from tests.scenarios.stage import Stage, open_stage
from tests.support.program import start, within
from tierii_mta.storage.backend import SQLITE_FILE

GOOD = [{"email": f"p{number}@plain.example", "first_name": f"P{number}"} for number in range(20)]
STAGES = ("content", "sign", "session", "interpret", "settle")


def with_one(name: str) -> list[dict[str, str]]:
    """Return the good people with a bad one among them."""
    return [*GOOD[:10], {"email": f"{name}@plain.example", "first_name": f"signature-of {name}"}, *GOOD[10:]]


DAMAGES = {
    "emptied": "UPDATE campaign SET specification = '{{}}' WHERE number = {number}",
    "altered": "UPDATE content SET body = 'x' WHERE sha256 IN (SELECT sha256 FROM campaign_content WHERE campaign = "
    "{number} AND sha256 NOT IN (SELECT sha256 FROM campaign_content WHERE campaign <> {number}))",
    "bereft": "DELETE FROM campaign_content WHERE campaign = {number}",
}
COMPLETED, FAILED, FINAL = 5, 6, (5, 6)
_MOST_DEATHS = 6


def poisoned(*poisons: str) -> Sequence[str]:
    """Return how to start a daemon with these poisons in it."""
    return (sys.executable, str(Path(__file__).with_name("poisons.py")), *(f"--with={one}" for one in poisons))


def ask(stage: Stage, query: str) -> list[Any]:
    with sqlite3.connect(stage.folder / "data" / SQLITE_FILE) as database:
        return database.execute(query).fetchall()


def damage(stage: Stage, query: str) -> None:
    with sqlite3.connect(stage.folder / "data" / SQLITE_FILE) as database:
        assert database.execute(query).rowcount > 0, query


async def metric(stage: Stage, name: str) -> float:
    """Return the sum of a metric's series."""
    async with httpx.AsyncClient(verify=False) as client:
        text = (await client.get(f"{stage.base_url}/metrics")).text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


async def dies(stage: Stage, program: Sequence[str]) -> bool:
    """Run the daemon until it dies by itself, which is True, or every delivery has ended."""
    line, log = ("--config", str(stage.config), "serve", "--role", "outbound"), stage.folder / "daemon.log"
    daemon = await start(program, line, folder=stage.folder, out=log, err=log)
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
        await within(ended, "the end of the daemon", stage.daemon_log)


async def test_poison_in_any_stage_is_set_aside_and_all_else_arrives(tmp_path: Path) -> None:
    """Five faults built in, a damaged row, and three damaged campaigns, in one daemon beside a sound campaign."""
    async with open_stage(tmp_path) as stage:
        stage.settings["outbound"]["in_doubt"] = {"wait": "1s"}
        stage.save_settings()
        sink = await stage.sink("plain.example", "127.0.0.2")
        people = [{"email": f"{name}@plain.example", "first_name": name} for name in (*STAGES, "torn")]
        people[1]["first_name"] = "signature-of"
        await stage.run("enqueue", stage.campaign("poison", [*GOOD[:10], *people, *GOOD[10:]]))
        for name in DAMAGES:
            await stage.run("enqueue", stage.campaign(name, GOOD[:3], subject=f"{name} {{{{ first_name }}}}"))
        damage(stage, "UPDATE delivery SET contact = '{\"first_na' WHERE recipient = 'torn@plain.example'")
        for name, query in DAMAGES.items():
            damage(stage, query.format(number=f"(SELECT number FROM campaign WHERE id = '{name}')"))
        await stage.start_daemon(poisoned(*STAGES))
        await stage.settled("poison", completed=20, failed=6)
        for name in DAMAGES:
            await stage.settled(name, failed=3)
        events = Counter(
            (campaign, facts["class"], facts["reason"], facts["attempt"])
            for campaign, facts in (
                (campaign, json.loads(data))
                for campaign, data in ask(stage, "SELECT campaign, data FROM event WHERE type = 5")
            )
        )
        assert events == {
            ("poison", "error", "error", 3): 5,
            ("poison", "error", "error", 0): 1,  # nothing could be tried
            **{(name, "error", "error", 3): 3 for name in DAMAGES},
        }
        assert await metric(stage, "tierii_crashes_total") == 3 * (5 + 3 * len(DAMAGES))
        assert await metric(stage, "tierii_set_aside_total") == 6 + 3 * len(DAMAGES)
        log = stage.daemon_log()
        assert log.count("delivery.set_aside") == 6 + 3 * len(DAMAGES)
        for name in DAMAGES:
            assert f"what the campaign {name} sends is damaged in the store" in log
        copies = Counter(message.recipients[0].partition("@")[0] for message in sink.received)
        assert [copies[name] for name in (*STAGES, "torn")] == [0, 0, 0, 3, 3, 0]
        assert [copies[f"p{number}"] for number in range(20)] == [1] * 20
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
        of_it = "(SELECT id FROM delivery WHERE recipient = 'death@plain.example')"
        assert ask(stage, f"SELECT * FROM crash WHERE delivery = {of_it}") == []


@pytest.mark.soak
async def test_control_deaths_that_nobody_counts_go_on_for_ever(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.sink("plain.example", "127.0.0.2")
        await stage.run("enqueue", stage.campaign("poison", with_one("death")))
        for _ in range(4):
            assert await dies(stage, poisoned("death", "uncounted"))
