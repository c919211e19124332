"""Child processes: what they are told, when they are restarted, and that they never outlive us."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import ManualClock
from tierii_mta.clock import SystemClock
from tierii_mta.daemon.children import Child
from tierii_mta.errors import ConfigurationError

RAGGED = ("-m", "tests.daemon.ragged_child")


def child(tell: Callable[[], Any], clock: ManualClock | SystemClock | None = None, grace: float = 10.0) -> Child:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "NOTIFY_SOCKET": "/not/for/children"}
    return Child("ragged", RAGGED, tell, clock or ManualClock(), environ=environ, grace=grace)


def lives(pid: int) -> bool:
    """Return whether a process runs; one that ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_child_is_told_through_its_input_and_announces_that_it_serves() -> None:
    ragged = child(lambda: {"verb": "serve", "secret": "hunter2"})
    stop = asyncio.Event()
    running = asyncio.create_task(ragged.run(stop))
    said = await ragged.announced()
    assert said["told"] == {"verb": "serve", "secret": "hunter2"}
    assert said["pid"] == ragged.pid
    assert said["notify"] is None
    process = Path(f"/proc/{said['pid']}")
    assert b"ragged_child" in (process / "cmdline").read_bytes()
    assert b"hunter2" not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    stop.set()
    await running
    assert not lives(said["pid"])
    assert ragged.pid is None


async def test_a_child_that_dies_is_started_again_after_a_wait_that_grows() -> None:
    clock = ManualClock()
    ragged = child(lambda: {"verb": "exit", "code": 1}, clock)
    stop = asyncio.Event()
    running = asyncio.create_task(ragged.run(stop))
    for starts, wait in ((1, 1), (2, 2), (3, 4)):
        while clock.sleepers == 0 or ragged.starts < starts:
            await asyncio.sleep(0.001)
        clock.advance(timedelta(seconds=wait - 0.1))
        await clock.settle()
        assert ragged.starts == starts
        clock.advance(timedelta(seconds=0.1))
        while ragged.starts == starts:
            await asyncio.sleep(0.001)
    stop.set()
    await running


async def test_a_killed_child_announces_itself_anew() -> None:
    clock = ManualClock()
    ragged = child(lambda: {"verb": "serve"}, clock)
    stop = asyncio.Event()
    running = asyncio.create_task(ragged.run(stop))
    first = (await ragged.announced())["pid"]
    os.kill(first, signal.SIGKILL)
    while not clock.sleepers:
        await asyncio.sleep(0.001)
    clock.advance(timedelta(seconds=1))
    while (await ragged.announced())["pid"] == first:
        await asyncio.sleep(0.001)
    assert ragged.starts == 2
    stop.set()
    await running


async def test_a_restart_tells_the_child_what_is_so_now() -> None:
    told = {"verb": "serve", "round": 1}
    ragged = child(lambda: dict(told))
    stop = asyncio.Event()
    running = asyncio.create_task(ragged.run(stop))
    assert (await ragged.announced())["told"]["round"] == 1
    told["round"] = 2
    ragged.restart()
    while (await ragged.announced())["told"]["round"] == 1:
        await asyncio.sleep(0.001)
    stop.set()
    await running


async def test_a_first_start_that_cannot_be_mended_by_trying_again_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="the ragged process could not start"):
        await child(lambda: {"verb": "exit", "code": 78}).run(asyncio.Event())


async def test_a_child_that_ignores_the_request_to_end_is_killed() -> None:
    clock = ManualClock()
    ragged = child(lambda: {"verb": "stubborn"}, clock, grace=10)
    stop = asyncio.Event()
    running = asyncio.create_task(ragged.run(stop))
    pid = (await ragged.announced())["pid"]
    stop.set()
    while not clock.sleepers:
        await asyncio.sleep(0.001)
    assert lives(pid)
    clock.advance(timedelta(seconds=10))
    await running
    assert not lives(pid)


async def test_cancelling_leaves_no_child_behind() -> None:
    ragged = child(lambda: {"verb": "stubborn"})
    running = asyncio.create_task(ragged.run(asyncio.Event()))
    pid = (await ragged.announced())["pid"]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not lives(pid)


async def test_a_child_dies_with_a_parent_that_is_killed() -> None:
    parent = (
        "import asyncio, os, sys\n"
        "from tierii_mta.clock import SystemClock\n"
        "from tierii_mta.daemon.children import Child\n"
        "async def main():\n"
        "    arguments, tell = ('-m', 'tests.daemon.ragged_child'), lambda: {'verb': 'serve'}\n"
        "    child = Child('ragged', arguments, tell, SystemClock(), environ=os.environ)\n"
        "    running = asyncio.create_task(child.run(asyncio.Event()))\n"
        "    print('pid', (await child.announced())['pid'], flush=True)\n"
        "    await running\n"
        "asyncio.run(main())\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE, env=environ
    )
    assert process.stdout is not None
    pid = 0
    async for line in process.stdout:
        if line.startswith(b"pid "):
            pid = int(line.split()[1])
            break
    process.kill()
    await process.wait()
    async with asyncio.timeout(20):
        while lives(pid):
            await asyncio.sleep(0.01)
