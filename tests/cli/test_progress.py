"""Waiting for a campaign."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.support.clock import ManualClock
from tierii_mta.campaigns.store import CampaignState
from tierii_mta.cli.output import Output
from tierii_mta.cli.progress import Progress, follow
from tierii_mta.daemon.installation import Installation, open_installation
from tierii_mta.daemon.settings import load_settings
from tierii_mta.errors import Refused, Unavailable
from tierii_mta.queue.delivery import State


@pytest.fixture
async def installation(cli: CommandLine, settings_file: Path, campaign_file: Path) -> AsyncIterator[Installation]:
    """The welcome campaign, accepted, under a clock of ours."""
    await asyncio.to_thread(cli, "enqueue", campaign_file)
    async with open_installation(load_settings(settings_file), role="cli", clock=ManualClock()) as opened:
        yield opened


async def waited(task: "asyncio.Task[object]", clock: ManualClock) -> None:
    """Advance the clock until the task has ended."""
    while not task.done():
        if clock.sleepers:
            clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0)


async def test_waiting_without_a_daemon_ends_after_ten_seconds(installation: Installation) -> None:
    clock = installation.clock
    assert isinstance(clock, ManualClock)
    with Progress(Output(is_quiet=True), "welcome") as progress:
        task: asyncio.Task[object] = asyncio.create_task(follow(installation, "welcome", progress, needs_daemon=True))
        await waited(task, clock)

    with pytest.raises(Unavailable, match="no daemon sends it"):
        task.result()
    assert 10 <= clock.monotonic() <= 12


async def test_waiting_for_a_paused_campaign_is_refused(installation: Installation) -> None:
    await installation.campaigns.move(
        "welcome", CampaignState.PAUSED, reason="a guard tripped", now=installation.clock.now()
    )

    with Progress(Output(is_quiet=True), "welcome") as progress, pytest.raises(Refused, match="a guard tripped"):
        await follow(installation, "welcome", progress, needs_daemon=True)


async def test_watching_needs_no_daemon_and_ends_with_the_campaign(installation: Installation) -> None:
    clock = installation.clock
    assert isinstance(clock, ManualClock)
    with Progress(Output(is_quiet=True), "welcome") as progress:
        task: asyncio.Task[object] = asyncio.create_task(follow(installation, "welcome", progress))
        while not clock.sleepers:
            await asyncio.sleep(0)
        assert not task.done()
        await installation.campaigns.move("welcome", CampaignState.DRAINING, reason=None, now=clock.now())
        while "welcome" not in await installation.queue.finish_streams(clock.now()):
            pass
        await waited(task, clock)

    assert task.result() == {state: 10 if state is State.CANCELLED else 0 for state in State}


def test_without_a_terminal_progress_is_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(Output(), "welcome") as progress:
        for second in range(25):
            progress.show(second, 25, "", now=float(second))

    assert capsys.readouterr().err.splitlines() == ["welcome: 0 of 25", "welcome: 10 of 25", "welcome: 20 of 25"]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(Output(is_quiet=True), "welcome") as progress:
        progress.show(1, 2, "", now=0.0)

    assert capsys.readouterr() == ("", "")
