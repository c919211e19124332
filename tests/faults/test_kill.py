"""Whatever is killed and whenever: everybody has the mail, and doubles are at most what was active.

The short runs stand in the gate.  `python -m tests.faults kills` runs the long ones and prints the table that
docs/reference/reliability.md quotes.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import runs
from tests.faults.kills import open_world
from tests.faults.ledger import Fault
from tests.faults.mx import Moment
from tierii_mta.storage.backend import SQLITE_FILE


async def test_killed_anywhere_nobody_is_lost_and_doubles_were_active(tmp_path: Path) -> None:
    async with open_world(tmp_path, seed=11) as world:
        await world.enqueue(500)
        await runs.at_points(world, 1, ["settlement-uncommitted", Moment.DOT], busy=0)
        await runs.enqueues(world, 1, size=300)
        await runs.judge("gate: daemon and enqueue", world)
        assert world.ledger.crashes == 2


async def test_a_killed_press_worker_or_web_child_doubles_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path, roles="outbound,web") as world:
        await world.enqueue(500)
        await world.start()
        await world.kill_press_worker()
        await world.kill_web_child()
        await world.stop()
        await runs.judge("gate: children", world)
        assert world.tally == {"press worker": 1, "web child": 1}
        assert world.ledger.copies == 0


async def test_the_ledger_finds_each_fault_that_is_built_in(tmp_path: Path) -> None:
    """The control: were a promise broken, these assertions would say so."""
    broken = ("answered-uncommitted", "stranger", "message-id-of-the-attempt", "reason-invented", "tally-skipped")
    async with open_world(tmp_path, faults=(*broken, "active-uncommitted")) as world:
        await world.enqueue(1200)
        await world.start()
        world.lay_trap(Moment.REPLIED, 40)
        await world.buried()
        found = {fault for fault, _ in await world.finish()}
        damage(tmp_path / "data")
        found |= {fault for fault, _ in world.ledger.audit(await world.store.picture())}
    assert found == set(Fault)


@pytest.mark.soak
async def test_the_daemon_is_killed_at_random(tmp_path: Path) -> None:
    async with open_world(tmp_path, seed=1) as world:
        await runs.at_random(world, 100)
        await runs.judge("daemon, at random", world)


@pytest.mark.soak
async def test_the_daemon_is_killed_at_named_points(tmp_path: Path) -> None:
    async with open_world(tmp_path, seed=2) as world:
        await runs.at_points(world, 3)
        await runs.judge("daemon, at 14 named points", world)


@pytest.mark.soak
async def test_the_daemon_and_its_children_are_killed(tmp_path: Path) -> None:
    async with open_world(tmp_path, seed=3, roles="outbound,web") as world:
        await runs.children(world, 30)
        await runs.judge("press worker, web child, daemon", world)


@pytest.mark.soak
async def test_enqueue_is_killed_and_rerun(tmp_path: Path) -> None:
    async with open_world(tmp_path, seed=4) as world:
        await runs.enqueues(world, 40)
        await runs.judge("enqueue, killed and rerun", world)


@pytest.mark.soak
async def test_enqueue_and_the_daemon_are_killed_in_each_others_midst(tmp_path: Path) -> None:
    async with open_world(tmp_path, seed=5) as world:
        await runs.resumes(world, 12)
        await runs.judge("enqueue and daemon, each in the midst of the other's work", world)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("answered-uncommitted", Fault.LOST),
        ("settled-first", Fault.LOST),
        ("active-uncommitted", Fault.DOUBLED),
        ("message-id-of-the-attempt", Fault.MESSAGE_ID),
        ("reason-invented", Fault.ENDING),
        ("stranger", Fault.UNINVITED),
        ("tally-skipped", Fault.TALLY),
    ],
)
async def test_a_single_fault_is_found_under_its_name(tmp_path: Path, fault: str, found: Fault) -> None:
    async with open_world(tmp_path, faults=(fault,)) as world:
        await world.enqueue(1500)
        for _ in range(2):
            await world.start()
            world.lay_trap(Moment.REPLIED, 60)
            await world.buried()
        faults = await world.finish()
        runs.save(runs.result_of(f"control: {fault}", world, faults))
        assert found in {one for one, _ in faults}


def damage(data: Path) -> None:
    """Overwrite the middle of a table's page, as a disk or a lost write does."""
    path = data / SQLITE_FILE
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'lane'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)
