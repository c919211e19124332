"""A power cut loses nothing that was acknowledged; with `synchronous=NORMAL` it would.

Needs root and loop devices, else it is skipped and says why.  `python -m tests.faults power` runs the long ones.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import runs
from tests.faults.kills import open_world
from tests.faults.ledger import Fault
from tests.faults.power import Disk, cut, cuts, hindrance


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """The disk under the world's `data_dir`."""
    if (why := hindrance()) is not None:
        pytest.skip(why)
    with Disk(tmp_path, tmp_path / "world" / "data") as made:
        yield made


async def test_what_was_acknowledged_before_a_power_cut_is_there_after_it(tmp_path: Path, disk: Disk) -> None:
    await sound(tmp_path, disk, 1, "gate: power")


async def test_without_a_sync_at_each_commit_the_same_cut_loses_rows(tmp_path: Path, disk: Disk) -> None:
    await unsound(tmp_path, disk, 1, "control: synchronous=NORMAL")


@pytest.mark.soak
async def test_the_power_is_cut_again_and_again(tmp_path: Path, disk: Disk) -> None:
    await sound(tmp_path, disk, 50, "power cuts")


@pytest.mark.soak
async def test_without_a_sync_every_cut_loses_rows(tmp_path: Path, disk: Disk) -> None:
    await unsound(tmp_path, disk, 10, "control: synchronous=NORMAL")


async def sound(folder: Path, disk: Disk, cycles: int, what: str) -> None:
    """Cut, go on, finish, and find nothing wrong."""
    async with open_world(folder / "world", seed=5) as world:
        await cuts(world, disk, cycles)
        await runs.judge(what, world)
        assert world.tally["power"] == cycles


async def unsound(folder: Path, disk: Disk, cycles: int, what: str) -> None:
    """Cut under a store that does not wait for the disk; every cut must lose accepted rows."""
    async with open_world(folder / "world", seed=6, faults=("synchronous-normal",)) as world:
        accepted = 0
        for _ in range(cycles):
            before = len(world.ledger.faults)
            await world.start()
            await world.enqueue(300)
            await world.moved(20)
            await world.enqueue(200)
            await cut(world, disk)
            assert Fault.LOST in {fault for fault, _ in world.ledger.faults[before:]}
            accepted += len(world.ledger.accepted)
            world.ledger.accepted.clear()  # each cut is judged by itself
        runs.save(replace(runs.result_of(what, world, world.ledger.faults), accepted=accepted))
