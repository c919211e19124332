"""Whatever the disk does while a campaign runs: what was accepted is kept, what was refused is not there, and the
daemon goes on by itself when the disk does.

Each property is asserted by a function of its own, and a sabotaged program shows that it can fail.
"""

import asyncio
import fcntl
import os
import re
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.disk import BadDisk, Trouble, filled, sabotaged, small_disk
from tests.scenarios.stage import PROGRAM, SENDER_DOMAIN, Done, Stage, open_stage
from tests.support.program import comes_true
from tierii_mta.storage.backend import SQLITE_FILE

CONNECTIONS = 4
WHAT_IT_IS = {
    Trouble.FSYNC: "input/output error",
    Trouble.FULL: "full",
    Trouble.WRITE: "input/output error",
    Trouble.READ_ONLY: "input/output error",
}


@asynccontextmanager
async def campaign_running(folder: Path, recipients: int, **settings: Any) -> AsyncIterator[Stage]:
    """Set a stage where mail leaves slowly enough for a fault to strike in the middle; the daemon is the caller's."""
    async with open_stage(folder, **settings) as stage:
        stage.write("shaping.yaml", f"default: {{connections: {CONNECTIONS}, rate: 5/s}}\n")
        await stage.sink("plain.example", "127.0.0.2", "delay: {dot: 20ms}\nlimits: {keep: 20000}")
        contacts = [{"email": f"c{number}@plain.example"} for number in range(recipients)]
        await stage.run("enqueue", stage.campaign("spring", contacts))
        yield stage


def received(stage: Stage) -> Counter[str]:
    return Counter(one.recipients[0] for one in stage.sinks["plain.example"].received)


async def until(condition: Callable[[], Awaitable[bool]], what: str, stage: Stage, seconds: float = 30) -> None:
    for _ in range(int(seconds * 5)):
        if await condition():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"never: {what}\n{stage.daemon_log()}")


async def readiness(stage: Stage) -> dict[str, Any]:
    """Return what /readyz says; on a busy machine it may say that the daemon has not answered yet."""
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.get(f"{stage.base_url}/readyz", timeout=20)
    said: dict[str, Any] = answer.json()
    assert said["ready"] is (answer.status_code == 200)
    return said


async def metric(stage: Stage, name: str) -> float:
    async with httpx.AsyncClient(verify=False) as client:
        text = (await client.get(f"{stage.base_url}/metrics", timeout=20)).text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is missing in\n{text}"
    return float(found[1])


async def sends(stage: Stage, count: int) -> None:
    """Wait until so many more mails have arrived."""
    goal = len(stage.sinks["plain.example"].received) + count

    async def arrived() -> bool:
        return len(stage.sinks["plain.example"].received) >= goal

    await until(arrived, f"{count} more mails", stage)


async def hurry(stage: Stage) -> None:
    """Let the rest of the campaign go as fast as it can."""
    stage.write("shaping.yaml", f"default: {{connections: {CONNECTIONS}, rate: 1000/s}}\n")
    assert stage.daemon is not None
    stage.daemon.send_signal(signal.SIGHUP)


async def falls_sick(stage: Stage, seconds: float = 30) -> dict[str, Any]:
    said: dict[str, Any] = {}

    async def is_sick() -> bool:
        said.update(await readiness(stage))
        return said.get("store") == "sick"

    await until(is_sick, "the store falls sick", stage, seconds)
    return said


async def recovers(stage: Stage, seconds: float = 30) -> None:
    async def is_well() -> bool:
        said = await readiness(stage)
        return said.get("store") == "well"

    await until(is_well, "the store recovers", stage, seconds)


async def send(stage: Stage, name: str, **how: Any) -> Done:
    arguments = ("--from", f"shop@{SENDER_DOMAIN}", "--to", f"{name}@plain.example", "--subject", "Hello")
    return await stage.run("send", *arguments, "--text", stage.write("hello.txt", "Hello.\n"), **how)


def rows_to(database: Path, name: str) -> int:
    with closing(sqlite3.connect(database, timeout=30)) as opened:
        wanted = "SELECT count(*) FROM delivery WHERE recipient = ?"
        (count,) = opened.execute(wanted, (f"{name}@plain.example",)).fetchone()
    return int(count)


def assert_killed_now_leaves_nothing_of(stage: Stage, name: str, copy: Path) -> None:
    """What the files hold without the memory of a living process: as after `kill -9` of everybody."""
    copy.mkdir()
    for suffix in ("", "-wal"):
        if (path := stage.folder / "data" / (SQLITE_FILE + suffix)).exists():
            shutil.copy(path, copy)
    assert rows_to(copy / SQLITE_FILE, name) == 0, f"{name} was refused and is there after a crash"


async def assert_stands_still(stage: Stage, meanwhile: Awaitable[Any]) -> None:
    """Nothing leaves that cannot be recorded; what is on the wire may end."""
    before = len(stage.sinks["plain.example"].received)
    await meanwhile
    sent = len(stage.sinks["plain.example"].received) - before
    assert sent <= CONNECTIONS, f"{sent} mails went out while none could be recorded"


async def assert_exact(stage: Stage, recipients: int, *, kept: Sequence[str], refused: Sequence[str]) -> None:
    """Everybody once, the accepted ones too, the refused ones never."""
    database = stage.folder / "data" / SQLITE_FILE
    for name in kept:
        assert rows_to(database, name) == 1, f"{name} was accepted and is not there"
    await stage.settled("spring", completed=recipients)

    async def all_arrived() -> bool:
        return all(received(stage)[f"{name}@plain.example"] for name in kept)

    await until(all_arrived, f"mail to {kept}", stage)
    wanted = {f"c{number}@plain.example": 1 for number in range(recipients)}
    assert received(stage) == wanted | {f"{name}@plain.example": 1 for name in kept}
    assert [name for name in refused if rows_to(database, name)] == []
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# -- a disk that fails -------------------------------------------------------------------------------------------


async def strike(stage: Stage, disk: BadDisk, trouble: Trouble, name: str) -> None:
    """One fault from its begin to its end, while the campaign runs."""
    await sends(stage, 5)
    with disk.failing(trouble):
        said = await falls_sick(stage)
        assert WHAT_IT_IS[trouble] in said["store_reason"]
        assert said["intake"] == "closed"
        assert await metric(stage, "tierii_store_sick") == 1
        command = send(stage, f"{name}-refused", code=75, environ=disk.environ)
        await assert_stands_still(stage, refused := asyncio.ensure_future(command))
        assert "Traceback" not in refused.result().err
        assert re.search("full|error|Read-only", refused.result().err), refused.result().err
        if trouble is Trouble.FSYNC:
            assert_killed_now_leaves_nothing_of(stage, f"{name}-refused", stage.folder / "after-a-kill")
    await recovers(stage)


async def test_each_fault_of_the_disk_stops_the_mail_and_loses_and_doubles_none(tmp_path: Path) -> None:
    disk = BadDisk(tmp_path, tmp_path / "data")
    async with campaign_running(tmp_path, 250) as stage:
        await stage.start_daemon(environ=disk.environ)
        for trouble in WHAT_IT_IS:
            await strike(stage, disk, trouble, trouble.name.lower())
        await send(stage, "after", environ=disk.environ)
        await hurry(stage)
        refused = [f"{trouble.name.lower()}-refused" for trouble in WHAT_IT_IS]
        await assert_exact(stage, 250, kept=["after"], refused=refused)
        log = stage.daemon_log()
        assert log.count('"store.sick"') == log.count('"store.well"') == len(WHAT_IT_IS), "told once a fault"
        assert "Traceback" not in log
        assert await stage.stop_daemon() == 0


async def test_a_disk_that_cannot_be_read_ends_commands_in_words_and_the_daemon_goes_on(tmp_path: Path) -> None:
    disk = BadDisk(tmp_path, tmp_path / "data")
    async with campaign_running(tmp_path, 100) as stage:
        await stage.start_daemon(environ=disk.environ)
        await sends(stage, 10)
        await send(stage, "written-elsewhere")  # what the daemon has not read yet
        with disk.failing(Trouble.READ):
            for command in (("status", "spring"), ("pause", "spring"), ("why", "c1@plain.example")):
                failed = await stage.run(*command, code=75, environ=disk.environ)
                assert re.search("[Ii]nput/output error|disk fails to read", failed.err), failed.err
        await hurry(stage)
        await assert_exact(stage, 100, kept=["written-elsewhere"], refused=[])
        assert "Traceback" not in stage.daemon_log()


async def test_status_tells_of_a_sick_store_and_a_daemon_does_not_start_on_one(tmp_path: Path) -> None:
    disk = BadDisk(tmp_path, tmp_path / "data")
    async with campaign_running(tmp_path, 100) as stage:
        with disk.failing(Trouble.FULL):
            failed = await stage.run("serve", code=75, environ=disk.environ)
            assert "No space left" in failed.err or "full" in failed.err
        await stage.start_daemon(environ=disk.environ)
        await sends(stage, 5)
        with disk.failing(Trouble.FSYNC):
            await falls_sick(stage)
            done = await stage.run("status", "--json")
            assert done.summary["store"] == "sick"
            assert "input/output" in done.summary["store_reason"]
        await recovers(stage)
        await hurry(stage)
        await assert_exact(stage, 100, kept=[], refused=[])


async def test_control_a_believed_commit_is_found_missing(tmp_path: Path) -> None:
    disk = BadDisk(tmp_path, tmp_path / "data")
    async with campaign_running(tmp_path, 1) as stage:
        with disk.failing(Trouble.FSYNC):
            await send(stage, "believed", code=0, program=sabotaged("failed-commit-believed"), environ=disk.environ)
        with pytest.raises(AssertionError, match="believed was accepted and is not there"):
            await assert_exact(stage, 1, kept=["believed"], refused=[])


async def test_control_an_unburied_group_comes_back_after_a_kill(tmp_path: Path) -> None:
    disk = BadDisk(tmp_path, tmp_path / "data")
    database = tmp_path / "data" / SQLITE_FILE
    async with campaign_running(tmp_path, 1) as stage:
        with closing(sqlite3.connect(database)) as other, disk.failing(Trouble.FSYNC):
            assert other.execute("SELECT count(*) FROM delivery").fetchone() == (1,)
            await send(stage, "kept")  # into a WAL that stays, because another connection has it open
            await send(stage, "buried", code=75, environ=disk.environ)
            assert_killed_now_leaves_nothing_of(stage, "buried", tmp_path / "copy")
            unburied = sabotaged("lost-group-unburied")
            await send(stage, "unburied", code=75, program=unburied, environ=disk.environ)
            with pytest.raises(AssertionError, match="unburied was refused and is there"):
                assert_killed_now_leaves_nothing_of(stage, "unburied", tmp_path / "another-copy")


async def test_control_a_daemon_that_believes_never_falls_sick_and_one_that_never_probes_stays_it(
    tmp_path: Path,
) -> None:
    disk = BadDisk(tmp_path, tmp_path / "data")
    async with campaign_running(tmp_path, 400) as stage:
        await stage.start_daemon(program=sabotaged("failed-commit-believed"), environ=disk.environ)
        await sends(stage, 5)
        with disk.failing(Trouble.FSYNC), pytest.raises(AssertionError, match="never: the store falls sick"):
            await falls_sick(stage, seconds=2)
        await stage.stop_daemon(signal.SIGKILL)
        await stage.start_daemon(program=sabotaged("never-probed"), environ=disk.environ)
        await sends(stage, 5)
        with disk.failing(Trouble.FSYNC):
            await falls_sick(stage)
        with pytest.raises(AssertionError, match="never: the store recovers"):
            await recovers(stage, seconds=2)


# -- a database that others lock ---------------------------------------------------------------------------------


@asynccontextmanager
async def locked_by_a_stopped_command(data: Path) -> AsyncIterator[None]:
    """As when `enqueue` was stopped by Ctrl-Z in the middle of a commit."""
    descriptor = os.open(data / (SQLITE_FILE + "-write.lock"), os.O_RDWR)
    try:
        await comes_true(lambda: _flocked(descriptor), "the write lock is free")
        yield
    finally:
        os.close(descriptor)


def _flocked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def locked_by_a_stranger(data: Path) -> AsyncIterator[None]:
    """As when somebody left a transaction open in the `sqlite3` shell."""
    with closing(
        sqlite3.connect(data / SQLITE_FILE, timeout=30, isolation_level=None, check_same_thread=False)
    ) as opened:
        await asyncio.to_thread(opened.execute, "BEGIN IMMEDIATE")
        yield
        opened.execute("ROLLBACK")


async def locked_story(folder: Path, program: Sequence[str]) -> None:
    async with campaign_running(folder, 150) as stage:
        await stage.start_daemon(program=program)
        data = stage.folder / "data"
        for lock in (locked_by_a_stopped_command, locked_by_a_stranger):
            await sends(stage, 5)
            name = lock.__name__.replace("_", "-")
            async with lock(data):
                said = await falls_sick(stage, 60)
                assert "locked" in said["store_reason"]
                command = send(stage, name, code=75, program=program)
                await assert_stands_still(stage, refused := asyncio.ensure_future(command))
                assert "locked" in refused.result().err
            await recovers(stage, 60)
        await hurry(stage)
        refused_names = [one.__name__.replace("_", "-") for one in (locked_by_a_stopped_command, locked_by_a_stranger)]
        await assert_exact(stage, 150, kept=[], refused=refused_names)
        assert await stage.stop_daemon() == 0


async def test_a_database_that_others_lock_stops_the_mail_until_they_let_go(tmp_path: Path) -> None:
    await locked_story(tmp_path, sabotaged("impatient"))


@pytest.mark.soak
async def test_the_same_with_the_patience_of_the_product(tmp_path: Path) -> None:
    await locked_story(tmp_path, PROGRAM)


async def test_control_a_lock_that_is_taken_for_a_commit_loses_what_was_accepted(tmp_path: Path) -> None:
    async with campaign_running(tmp_path, 1) as stage:
        async with locked_by_a_stranger(tmp_path / "data"):
            await send(stage, "believed", code=0, program=sabotaged("impatient,failed-commit-believed"))
        with pytest.raises(AssertionError, match="believed was accepted and is not there"):
            await assert_exact(stage, 1, kept=["believed"], refused=[])


# -- a disk that is full -----------------------------------------------------------------------------------------


async def assert_intake_closes_first(stage: Stage, recipients: int) -> None:
    """While a little room is left nobody may fill it, and the campaign goes on."""
    refused = await send(stage, "too-much", code=None)
    assert refused.code == 75, "intake takes the last of the disk"
    assert "4.3.1" in refused.err
    contacts = [{"email": f"late{number}@plain.example"} for number in range(recipients)]
    refused = await stage.run("enqueue", stage.campaign("late", contacts), code=75)
    assert "storage.reserve" in refused.err
    said = await readiness(stage)
    assert (said["ready"], said["store"], said["intake"]) == (True, "well", "closed")
    assert "4.3.1" in said["intake_reason"]

    async def is_told() -> bool:
        return await metric(stage, "tierii_intake_open") == 0

    await until(is_told, "the metric says that intake is closed", stage)
    await sends(stage, 5)


async def test_a_full_disk_closes_intake_first_then_stops_the_mail_and_loses_none(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", 160):
        async with campaign_running(tmp_path, 250, storage={"reserve": "100MB"}) as stage:
            await stage.start_daemon()
            await sends(stage, 10)
            with filled(tmp_path / "data", leave_bytes=90_000_000):
                await assert_intake_closes_first(stage, 50)
                assert (await readiness(stage))["store"] == "well"
            with filled(tmp_path / "data"):
                said = await falls_sick(stage)
                assert "full" in said["store_reason"]
                await assert_stands_still(stage, send(stage, "when-full", code=75))
            await recovers(stage)
            await send(stage, "after")
            await hurry(stage)
            await assert_exact(stage, 250, kept=["after"], refused=["too-much", "when-full"])
            assert stage.daemon_log().count('"intake.closed"') in (1, 2), "once each time"
            assert await stage.stop_daemon() == 0


async def test_control_without_a_reserve_intake_takes_the_last_of_the_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", 160):
        async with campaign_running(tmp_path, 1, storage={"reserve": 0}) as stage:
            with filled(tmp_path / "data", leave_bytes=90_000_000), pytest.raises(AssertionError, match="the last of"):
                await assert_intake_closes_first(stage, 1)


# -- long runs ---------------------------------------------------------------------------------------------------


@pytest.mark.soak
async def test_a_disk_that_fails_again_and_again(tmp_path: Path) -> None:
    disk = BadDisk(tmp_path, tmp_path / "data")
    async with campaign_running(tmp_path, 4_000) as stage:
        await stage.start_daemon(environ=disk.environ)
        strikes = [
            (trouble, number) for number in range(12) for trouble in (Trouble.FSYNC, Trouble.FULL, Trouble.WRITE)
        ]
        for trouble, number in strikes:
            await sends(stage, 20)
            with disk.failing(trouble):
                await falls_sick(stage)
                if number % 3 == 0:
                    await send(stage, f"{trouble.name.lower()}{number}", code=75, environ=disk.environ)
            await recovers(stage)
        await hurry(stage)
        await stage.settled("spring", completed=4_000)
        await assert_exact(stage, 4_000, kept=[], refused=[f"{one.name.lower()}{number}" for one, number in strikes])


@pytest.mark.soak
async def test_a_stop_on_a_full_disk_doubles_at_most_what_was_on_the_wire(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", 24):
        async with campaign_running(tmp_path, 250, storage={"reserve": 0}) as stage:
            stage.settings["outbound"]["drain"] = "3s"
            stage.save_settings()
            await stage.start_daemon()
            await hurry(stage)
            await sends(stage, 40)
            with filled(tmp_path / "data"):
                await falls_sick(stage)
                assert await stage.stop_daemon() == 75, "it could not end as it should"
            active = (await stage.counts("spring"))["active"]
            await stage.start_daemon()
            await stage.settled("spring", completed=250)
            assert set(received(stage)) == {f"c{number}@plain.example" for number in range(250)}
            assert sum(received(stage).values()) - 250 <= active <= 2 * CONNECTIONS, "one on the wire, one standing by"
