"""Nonsense at every door of the whole daemon: no traceback, no session left, nothing by halves; mail still moves."""

import asyncio
import json
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import aiosmtplib
import psutil
import pytest

from tests.faults.noise import Noise
from tests.faults.offers import halves
from tests.scenarios.front_door import HOST, INBOX_DOMAIN, SENDER, USER, FrontDoor, furnish
from tests.scenarios.stage import Stage, open_stage
from tierii_mta.storage.backend import SQLITE_FILE

_LIMITS = {"auth_failures": 1_000_000, "command_timeout": "3s", "message_timeout": "20s"}


async def nobody_is_left(stage: Stage, door: FrontDoor) -> None:
    """Wait until no session of a client is open any more."""
    assert stage.daemon is not None
    process = psutil.Process(stage.daemon.pid)
    ports = {door.inbound, door.submission, door.submissions}
    for _ in range(300):
        left = [one for one in process.net_connections("tcp") if one.laddr.port in ports and one.status != "LISTEN"]
        if not left:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{len(left)} sessions stay open: {left[:5]}")


async def normal_mail_goes_through(stage: Stage, door: FrontDoor) -> None:
    to = "normal@plain.example"
    refused, _ = await aiosmtplib.send(
        f"From: {SENDER}\r\nTo: {to}\r\nSubject: normal\r\n\r\nAs ever.\r\n".encode(),
        sender=SENDER,
        recipients=[to],
        hostname=HOST,
        port=door.submissions,
        username=USER,
        password=door.password,
        use_tls=True,
        validate_certs=False,
    )
    assert not refused
    await aiosmtplib.send(
        b"Subject: normal\r\n\r\nAs ever.\r\n",
        sender="a@elsewhere.example",
        recipients=[f"normal@{INBOX_DOMAIN}"],
        hostname=HOST,
        port=door.inbound,
        start_tls=False,
    )
    for _ in range(300):
        if any(one.recipients[0] == to for one in stage.sinks["plain.example"].received):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"normal mail does not arrive\n{stage.daemon_log()[-3000:]}")


def assert_sound(stage: Stage) -> None:
    """Nothing of ours went wrong, and what is kept is whole."""
    log = stage.daemon_log()
    assert "Traceback" not in log, log[log.index("Traceback") - 3000 :][:6000]
    with closing(sqlite3.connect(stage.folder / "data" / SQLITE_FILE)) as database:
        assert halves(database) == []
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    left = [path for path in (stage.folder / "data").rglob("*") if path.is_file() and "spool" in str(path)]
    assert left == [], "no spool file outlives its session"


async def noise_story(folder: Path, seed: int, seconds: float) -> Noise:
    async with open_stage(folder) as stage:
        door = await furnish(stage)
        stage.settings["smtp"]["limits"] |= _LIMITS
        stage.save_settings()
        await stage.sink("plain.example", "127.0.0.2", "limits: {keep: 100000}")
        await stage.start_daemon()
        noise, end = Noise(door, random.Random(seed)), time.monotonic() + seconds
        await noise.make(lambda: time.monotonic() > end, at_once=20)
        await nobody_is_left(stage, door)
        await normal_mail_goes_through(stage, door)
        assert_sound(stage)
        assert noise.complaints == []
        assert await stage.stop_daemon() == 0
    return noise


async def test_nonsense_at_every_door_harms_nobody(tmp_path: Path) -> None:
    noise = await noise_story(tmp_path, seed=3, seconds=3)
    assert all(noise.said[kind] for kind in ("2yz", "3yz", "4yz", "5yz")), noise.said


@pytest.mark.soak
async def test_a_minute_of_nonsense_at_every_door_harms_nobody(tmp_path: Path) -> None:
    seed = int(time.time())
    print(f"seed {seed}")
    noise = await noise_story(tmp_path, seed=seed, seconds=60)
    print(json.dumps({"noise": dict(noise.said)}), flush=True)
