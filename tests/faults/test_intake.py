"""Killed in the midst of intake: what got its 250 is there once, what did not is not there by halves.

The short run stands in the gate.  `python -m tests.faults intake` runs the long ones and prints the table that
docs/reference/reliability.md quotes.
"""

import asyncio
from pathlib import Path

import pytest

from tests.faults import intake
from tests.faults.clients import Step
from tests.faults.offers import Answer, Flaw
from tests.faults.test_kill import damage
from tests.support.program import comes_true


async def test_killed_during_intake_what_got_its_250_is_there_once_and_nothing_by_halves(tmp_path: Path) -> None:
    async with intake.open_intake(tmp_path, seed=5) as world:
        for point in ("intake-uncommitted", "intake-committed", Step.DOT):
            await world.kill_at(point)
        result = await intake.judge("gate", world)
        assert sum(result.kills.values()) == 3
        assert result.found, "a kill between the commit and its answer leaves messages without a reply, whole"


async def test_the_offers_ledger_finds_each_fault_that_is_built_in(tmp_path: Path) -> None:
    """The control: were a promise of intake broken, these assertions would say so."""
    broken = ("accepted-unwritten", "accepted-twice", "kept-though-refused", "parts-forgotten")
    async with intake.open_intake(tmp_path, seed=6, faults=broken) as world:
        await world.start()
        await world.world.within(world.clients.accepted(80))
        await comes_true(lambda: world.offers.answered(Answer.REFUSED), "somebody is refused")
        world.kill()
        await world.buried("at random")
        await asyncio.to_thread(damage, world.data)
        await asyncio.to_thread(world.offers.judge, world.data)
    assert {flaw for flaw, _ in world.offers.flaws} == set(Flaw)


@pytest.mark.soak
async def test_killed_at_random_during_intake(tmp_path: Path) -> None:
    async with intake.open_intake(tmp_path, seed=21) as world:
        for _ in range(120):
            await world.kill_at_random()
        await intake.judge("daemon that takes in", world)


@pytest.mark.soak
async def test_killed_at_random_while_mail_comes_in_and_goes_out(tmp_path: Path) -> None:
    async with intake.open_intake(tmp_path, seed=22, roles=intake.WITH_DELIVERY) as world:
        for _ in range(90):
            await world.kill_at_random()
        await intake.judge("daemon that takes in and delivers", world)


@pytest.mark.soak
async def test_killed_at_named_points_of_intake(tmp_path: Path) -> None:
    async with intake.open_intake(tmp_path, seed=23, roles=intake.WITH_DELIVERY) as world:
        for _ in range(15):
            for point in intake.POINTS:
                await world.kill_at(point)
        await intake.judge(f"daemon, at {len(intake.POINTS)} named points of intake", world)
