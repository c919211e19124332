"""The press with real worker processes: what it prints, and that only the guilty fail."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from tests.campaigns.pressroom.room import BROKEN, HUNGRY, SLOW, SOUND, job, snapshot_of
from tests.campaigns.workshop import Workshop
from tests.support.clock import ManualClock
from tierii_mta.authentication.dkim import DkimKey, KeyKind, generate_key, sign
from tierii_mta.authentication.keys import load_private_key
from tierii_mta.campaigns.plate import Job, Plate
from tierii_mta.campaigns.press import Edition, EditionUnusable, Menace, Print
from tierii_mta.campaigns.pressroom.pool import PressPool
from tierii_mta.campaigns.store import Snapshot
from tierii_mta.errors import Unavailable
from tierii_mta.outbound.content import RenderFailed, WorkerKilled
from tierii_mta.queue.delivery import Priority
from tierii_mta.workers.pool import MAX_WAITING, worker_count
from tierii_mta.workers.process import Limits

KEYS = (DkimKey("example.com", "rsa", load_private_key(generate_key(KeyKind.RSA))),)
# Of computing time; a mail of ours takes a thousandth.  Silence is the clock's time: it must outlast a busy machine.
LIMITS = Limits(memory_bytes=256 << 20, computing=timedelta(seconds=0.5), silence=timedelta(seconds=30))
OBLIVIOUS = Limits(computing=timedelta(seconds=60), silence=timedelta(seconds=1))  # only the daemon's kill ends a mail

Outcome = Print | BaseException


@asynccontextmanager
async def press(limits: Limits = LIMITS, *, workers: int = 1) -> AsyncIterator[PressPool]:
    pool = PressPool(ManualClock(), workers=workers, limits=limits)
    try:
        async with asyncio.timeout(60):
            yield pool
    finally:
        await pool.close()


async def all_of(pool: PressPool, edition: Edition, jobs: Sequence[Job]) -> list[Outcome]:
    return await asyncio.gather(*(pool.produce(edition, each, ()) for each in jobs), return_exceptions=True)


def are_sound(outcomes: Mapping[int, Outcome], snapshot: Snapshot) -> bool:
    """Return whether each is the mail of the job of its number."""
    plate = Plate(snapshot)
    return all(isinstance(each, Print) and each.data == plate.print(job(n)).data for n, each in outcomes.items())


async def test_a_worker_prints_the_octets_that_the_plate_prints(workshop: Workshop) -> None:
    snapshot = snapshot_of(workshop)
    async with press() as pool:
        edition = await pool.mount("press", snapshot)
        made = await asyncio.gather(*(pool.produce(edition, job(number), KEYS) for number in range(60)))
    plate = Plate(snapshot)
    for number, one in enumerate(made):
        sheet = plate.print(job(number))
        assert one.data == sign(sheet.data, KEYS, now=ManualClock().now()) + sheet.data
        assert (one.body_hash, one.is_8bit) == (sheet.body_hash, sheet.is_8bit)


async def test_values_that_break_the_template_fail_alone_with_their_line(workshop: Workshop) -> None:
    async with press() as pool:
        edition = await pool.mount("press", snapshot_of(workshop))
        outcomes = await all_of(pool, edition, [job(1), job(2, BROKEN), job(3)])
        assert [type(each) for each in outcomes] == [Print, RenderFailed, Print]
        assert "mail.html.j2:4: division by zero" in str(outcomes[1])


async def test_a_mail_that_takes_too_much_time_fails_alone(workshop: Workshop) -> None:
    snapshot = snapshot_of(workshop)
    async with press() as pool:
        edition = await pool.mount("press", snapshot)
        outcomes = await all_of(pool, edition, [job(n, SLOW if n == 7 else SOUND) for n in range(40)])
        assert "mail.html.j2:2: takes more computing time" in str(outcomes.pop(7))
        assert all(isinstance(each, Print) for each in outcomes)
        assert len(pool.pids) == 1


async def test_a_mail_that_takes_too_much_memory_fails_alone(workshop: Workshop) -> None:
    snapshot = snapshot_of(workshop)
    async with press(replace(LIMITS, computing=timedelta(seconds=20))) as pool:
        edition = await pool.mount("press", snapshot)
        outcomes = await all_of(pool, edition, [job(n, HUNGRY if n == 7 else SOUND) for n in range(40)])
        assert isinstance(outcomes[7], RenderFailed)
        assert "memory" in str(outcomes[7])
        assert are_sound({n: each for n, each in enumerate(outcomes) if n != 7}, snapshot)


async def test_a_mail_that_no_worker_survives_fails_alone(workshop: Workshop) -> None:
    snapshot = snapshot_of(workshop)
    async with press(OBLIVIOUS) as pool:
        edition = await pool.mount("press", snapshot)
        outcomes = await all_of(pool, edition, [job(n, SLOW if n == 7 else SOUND) for n in range(40)])
        assert isinstance(outcomes[7], RenderFailed)
        assert "no worker survives it" in str(outcomes[7])
        assert are_sound({n: each for n, each in enumerate(outcomes) if n != 7}, snapshot)


async def test_a_campaign_whose_mails_kill_workers_is_a_menace_and_the_others_get_theirs(workshop: Workshop) -> None:
    snapshot = snapshot_of(workshop)
    async with press(OBLIVIOUS) as pool:
        menace, other = await pool.mount("menace", snapshot), await pool.mount("other", snapshot)
        killed, sound = await asyncio.gather(
            all_of(pool, menace, [job(n, SLOW) for n in range(20)]), all_of(pool, other, [job(n) for n in range(20)])
        )
        assert [type(each) for each in killed] == [WorkerKilled, WorkerKilled, Menace, *[Unavailable] * 17]
        assert are_sound(dict(enumerate(sound)), snapshot)
        again = await all_of(pool, menace, [job(1), *(job(n, SLOW) for n in (2, 3))])  # an operator has resumed it
        assert [type(each) for each in again] == [Print, Menace, Unavailable]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_killed_worker_costs_no_mail(workshop: Workshop, workers: int) -> None:
    snapshot = snapshot_of(workshop)
    async with press(workers=workers) as pool:
        edition = await pool.mount("press", snapshot)
        killed = []

        async def one(number: int) -> Print:
            made = await pool.produce(edition, job(number), ())
            if number in (30, 150):
                killed.extend(pool.pids)
                for pid in pool.pids:
                    os.kill(pid, signal.SIGKILL)
            return made

        outcomes = await asyncio.gather(*(one(number) for number in range(300)))
        assert are_sound(dict(enumerate(outcomes)), snapshot)
        assert len(set(killed)) >= 2


async def test_a_worker_that_hangs_is_replaced(workshop: Workshop) -> None:
    async with press(OBLIVIOUS) as pool:
        edition = await pool.mount("press", snapshot_of(workshop))
        await pool.produce(edition, job(0), ())
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        outcomes = await all_of(pool, edition, [job(number) for number in range(30)])
        assert all(isinstance(each, Print) for each in outcomes)
        assert pid not in pool.pids


async def test_high_priority_overtakes_what_waits(workshop: Workshop) -> None:
    async with press() as pool:
        edition = await pool.mount("press", snapshot_of(workshop))
        order: list[str] = []

        async def one(name: str, priority: Priority) -> None:
            await pool.produce(edition, job(1), (), priority=priority)
            order.append(name)

        bulk = [asyncio.ensure_future(one("bulk", Priority.LOW)) for _ in range(1000)]
        while len(order) < 10:
            await asyncio.sleep(0)
        seen = len(order)
        await one("high", Priority.HIGH)
        assert order.index("high") - seen < 200
        await asyncio.gather(*bulk)


async def test_callers_who_leave_change_nothing_for_the_others(workshop: Workshop) -> None:
    snapshot = snapshot_of(workshop)
    async with press() as pool:
        edition = await pool.mount("press", snapshot)
        callers = [asyncio.ensure_future(pool.produce(edition, job(number), ())) for number in range(100)]
        await callers[0]
        for caller in callers[1::2]:
            caller.cancel()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert are_sound({number: outcomes[number] for number in range(0, 100, 2)}, snapshot)


async def test_a_campaign_that_does_not_compile_is_a_fault_of_its_own(workshop: Workshop) -> None:
    sound = snapshot_of(workshop)
    broken = replace(sound, specification={**sound.specification, "html": "gone.html.j2"})
    async with press() as pool:
        one, other = await pool.mount("broken", broken), await pool.mount("sound", sound)
        first, second = await asyncio.gather(
            pool.produce(one, job(1), ()), pool.produce(other, job(2), ()), return_exceptions=True
        )
        assert isinstance(first, EditionUnusable)
        assert "gone.html.j2" in str(first)
        assert are_sound({2: second}, sound)


async def test_a_worker_forgets_campaigns_and_learns_them_again(workshop: Workshop) -> None:
    snapshot = snapshot_of(workshop, html="<p>{{ first_name }}</p>")
    async with press() as pool:
        editions = [await pool.mount(f"campaign {number}", snapshot) for number in range(70)]
        for edition in (*editions, editions[0]):
            assert isinstance(await pool.produce(edition, job(1), ()), Print)
        assert len(pool.pids) == 1


async def test_while_no_worker_can_start_mail_is_turned_away_and_later_taken(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with press() as pool:
        edition = await pool.mount("press", snapshot_of(workshop))
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", "/bin/false")
            with pytest.raises(Unavailable, match="no press worker can be started"):
                await pool.produce(edition, job(1), ())
            with pytest.raises(Unavailable, match="no press worker can be started"):
                await pool.produce(edition, job(1), ())
        made = None
        while made is None:
            try:
                made = await pool.produce(edition, job(1), ())
            except Unavailable:
                await asyncio.sleep(0.05)
        assert isinstance(made, Print)


async def test_a_worker_knows_nothing_of_ours(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERII_SECRET", "hidden")
    async with press() as pool:
        await pool.produce(await pool.mount("press", snapshot_of(workshop)), job(1), KEYS)
        (pid,) = pool.pids
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert {each.partition(b"=")[0] for each in variables if each} <= {b"PYTHONPATH", b"LC_CTYPE"}
        loaded = Path(f"/proc/{pid}/maps").read_text()
        assert "_rust" not in loaded  # cryptography
        assert "sqlite" not in loaded
        assert "uvloop" not in loaded


async def test_no_worker_runs_before_there_is_work_nor_after_the_end(workshop: Workshop) -> None:
    async with press() as pool:
        edition = await pool.mount("press", snapshot_of(workshop))
        assert pool.pids == []
        await pool.produce(edition, job(1), ())
        (pid,) = pool.pids
    assert not psutil.pid_exists(pid)
    with pytest.raises(Unavailable, match="closed"):
        await pool.produce(edition, job(1), ())


async def test_the_end_turns_away_who_still_waits(workshop: Workshop) -> None:
    async with press() as pool:
        edition = await pool.mount("press", snapshot_of(workshop))
        callers = [asyncio.ensure_future(pool.produce(edition, job(n, SLOW), ())) for n in range(3)]
        while not pool.pids:
            await asyncio.sleep(0)
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in outcomes)


async def test_the_queue_has_an_end(workshop: Workshop) -> None:
    async with press() as pool:
        edition = await pool.mount("press", snapshot_of(workshop))
        callers = [asyncio.ensure_future(pool.produce(edition, job(1), ())) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="jobs wait for the press"):
            await pool.produce(edition, job(1), ())
        for caller in callers:
            caller.cancel()


PARENT = """
import asyncio, sys
from pathlib import Path
from tests.campaigns.pressroom.room import job, snapshot_of
from tests.campaigns.workshop import Workshop
from tests.support.clock import ManualClock
from tierii_mta.campaigns.pressroom.pool import PressPool
from tierii_mta.workers.process import Limits
from dataclasses import replace
from datetime import timedelta

async def main():
    pool = PressPool(ManualClock(), limits=Limits(computing=timedelta(minutes=1), silence=timedelta(minutes=1)))
    edition = await pool.mount("press", snapshot_of(Workshop(Path(sys.argv[1]))))
    await pool.produce(edition, job(1), ())
    busy = asyncio.ensure_future(pool.produce(edition, job(2, sys.argv[2]), ()))
    await asyncio.sleep(0.1)
    print(*pool.pids, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("temper", [SOUND, SLOW])
def test_a_worker_dies_with_its_daemon(workshop: Workshop, temper: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(workshop.folder), temper],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    with parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 30
    while not is_gone(worker):
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.01)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 1), (3, 2), (4, 3), (64, 4)])
def test_one_core_is_left_to_the_event_loop(cores: int, workers: int) -> None:
    assert worker_count(cores) == workers
