"""No hostage: black holes, a dead destination and a paused campaign delay nobody else.

The daemon is real, and the black holes are: a listener whose queue is full, to which every connection waits for its
time-out.  What is asserted depends on no time: who ends while whom still waits, and how much the hostages have in hand.
The long version prints the rates of `python -m benchmarks hostages` as well.
"""

import asyncio
import csv
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks.hostages import ALONE, Sizes, figures, measure

from benchmarks import report
from tests.faults.test_poison import ask, poisoned
from tests.scenarios.stage import PROGRAM, Stage, open_stage
from tests.support.program import comes_true, within

HOLE, SILENT, GOOD = "127.0.0.7", "127.0.0.6", "127.0.0.2"
PENDING, RETRY, QUEUED, COMPLETED = 0, 1, 2, 5


@contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """Listen with a queue that is full: the kernel answers no further SYN."""
    with socket.create_server((address, port), backlog=0) as listener:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            yield
        finally:
            for filler in fillers:
                filler.close()


@asynccontextmanager
async def silence(address: str, port: int) -> AsyncIterator[list[int]]:
    """Accept and never say a word; yields how many were open at most."""
    counts = [0, 0]

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts[0] += 1
        counts[1] = max(counts)
        await reader.read()
        counts[0] -= 1
        writer.close()

    async with await asyncio.start_server(keep, address, port):
        yield counts


def people(stage: Stage, name: str, domains: Sequence[str], each: int) -> Path:
    """Write a campaign to so many people at each domain, all domains in turn."""
    with (stage.folder / f"{name}.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["email", "first_name"])
        rows.writerows([f"{name}{number}@{domain}", f"P{number}"] for number in range(each) for domain in domains)
    campaign = stage.campaign(name, [], guards={"action": "warn"})
    specification = yaml.safe_load(campaign.read_text()) | {"contacts": [{"type": "csv", "path": f"{name}.csv"}]}
    campaign.write_text(yaml.safe_dump(specification))
    return campaign


def count(stage: Stage, campaign: str, *states: int) -> int:
    """Count a campaign's deliveries in these states, as the tally says."""
    kinds = ", ".join(map(str, states))
    query = (
        "SELECT COALESCE(SUM(tally.count), 0) FROM tally JOIN stream ON stream.id = tally.stream "
        f"JOIN campaign ON campaign.number = stream.campaign WHERE campaign.id = '{campaign}' AND kind IN ({kinds})"
    )
    return int(ask(stage, query)[0][0])


@asynccontextmanager
async def hostages(folder: Path, *, holes: int, dead: int, paused: int, each: int) -> AsyncIterator[Stage]:
    """Set the stage with everything that holds hostages queued, the daemon not started."""
    async with open_stage(folder) as stage:
        stage.settings["outbound"]["retry"] = {"intervals": ["1h"], "lifetime": "5d"}
        stage.settings["dns"]["timeout"] = "30s"  # a slow machine is no hostage
        stage.settings["log"] = {"level": "warning"}
        stage.save_settings()
        domains = [f"hole{number}.example" for number in range(holes)]
        for domain in domains:
            stage.publish(domain, HOLE)
        stage.publish("dead.example", SILENT)
        if paused:
            await stage.run(
                "enqueue", people(stage, "paused", [f"good{number}.example" for number in range(10)], paused)
            )
            await stage.run("pause", "paused")
        if dead:
            await stage.run("enqueue", people(stage, "dead", ["dead.example"], dead))
        if holes:
            await stage.run("enqueue", people(stage, "holes", domains, each))
        yield stage


async def good_mail(stage: Stage, name: str, each: int) -> int:
    """Enqueue mail to ten domains that answer; return how much."""
    domains = [f"good{number}.example" for number in range(10)]
    for domain in domains:
        if domain not in stage.sinks:
            stage.publish(domain, GOOD)
    await stage.run("enqueue", people(stage, name, domains, each))
    return 10 * each


@asynccontextmanager
async def stage_sink(stage: Stage) -> AsyncIterator[None]:
    """Run the host of all good domains, in a process of its own."""
    sink = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "sink",
        "--listen",
        f"{GOOD}:{stage.port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await comes_true(lambda: is_open(GOOD, stage.port), "the sink listens")
        yield
    finally:
        sink.terminate()
        await within(sink.wait(), "the end of the sink")


def is_open(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


async def until(condition: Any) -> None:
    for _ in range(2_400):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the condition never came to hold")


async def test_good_mail_is_done_while_every_hostage_still_waits(tmp_path: Path) -> None:
    async with hostages(tmp_path, holes=120, dead=5_000, paused=2_000, each=12) as stage:
        total = await good_mail(stage, "good", 20)
        with black_hole(HOLE, stage.port):
            async with silence(SILENT, stage.port) as open_at_dead, stage_sink(stage):
                await stage.start_daemon(web=False)
                await until(lambda: count(stage, "good", COMPLETED) == total)
                # Nothing of the others has ended: their time-outs are longer than this took, or it would show here.
                assert count(stage, "holes", PENDING, QUEUED) == 120 * 12
                assert count(stage, "dead", PENDING, QUEUED) == 5_000
                assert count(stage, "paused", PENDING) == 20_000
                await until(lambda: count(stage, "holes", QUEUED) >= 120)
                assert count(stage, "holes", QUEUED) + count(stage, "dead", QUEUED) <= 250, "hardly more than one each"
                assert open_at_dead[1] <= 5, "the window of a site that was never reached"
                assert ask(stage, "SELECT count(*) FROM delivery WHERE attempts > 0 AND state <> 5") == [(0,)]
                await stage.stop_daemon(signal.SIGKILL)


async def test_a_failed_look_up_takes_only_a_few_and_the_domain_goes_on_once_it_succeeds(tmp_path: Path) -> None:
    async with hostages(tmp_path, holes=0, dead=0, paused=0, each=0) as stage:
        stage.publish("lost.example", GOOD)
        stage.dns.fail("lost.example", "SERVFAIL")
        await stage.run("enqueue", people(stage, "lost", ["lost.example"], 400))
        total = await good_mail(stage, "good", 5)
        async with stage_sink(stage):
            await stage.start_daemon(web=False)
            await until(lambda: count(stage, "good", COMPLETED) == total and count(stage, "lost", RETRY) > 0)
            assert count(stage, "lost", PENDING, QUEUED) >= 370, "a failed look-up fails those in hand, two at a time"
            stage.dns.mend("lost.example")
            await until(lambda: count(stage, "lost", PENDING, QUEUED) == 0)
            assert count(stage, "lost", COMPLETED) >= 370
            assert await stage.stop_daemon() == 0


async def test_control_without_a_pause_one_failed_look_up_takes_all_mail_of_its_domain(tmp_path: Path) -> None:
    async with hostages(tmp_path, holes=0, dead=0, paused=0, each=0) as stage:
        stage.publish("lost.example", GOOD)
        stage.dns.fail("lost.example", "SERVFAIL")
        await stage.run("enqueue", people(stage, "lost", ["lost.example"], 400))
        await stage.start_daemon(poisoned("restless"), web=False)
        await until(lambda: count(stage, "lost", PENDING, QUEUED) < 100)
        await stage.stop_daemon(signal.SIGKILL)


async def test_control_without_their_bound_black_holes_take_the_whole_hand(tmp_path: Path) -> None:
    async with hostages(tmp_path, holes=150, dead=100, paused=0, each=12) as stage:
        total = await good_mail(stage, "good", 300)
        with black_hole(HOLE, stage.port):
            async with silence(SILENT, stage.port), stage_sink(stage):
                await stage.start_daemon(poisoned("shared-hand"), web=False)
                await until(lambda: count(stage, "holes", QUEUED) + count(stage, "dead", QUEUED) >= 900)
                assert count(stage, "good", COMPLETED) < total, "good mail waits, though nothing else can end"
                await stage.stop_daemon(signal.SIGKILL)


@pytest.mark.soak
def test_at_full_size_all_good_mail_arrives_and_every_hostage_still_waits() -> None:
    sizes = Sizes(messages=20_000, domains=20, holes=20, dead=100_000, paused=500_000, rounds=3)
    turns = measure(sizes)  # ends with an error where good mail is missing, or a hostage's went
    rows = list(figures(turns))
    report.tell({}, rows, {}, as_json=False)
    at_holes = sizes.rounds * 22_000
    assert {row["beside"]: row["hostages waiting"] for row in rows} == {
        ALONE: 0,
        "holes": at_holes,
        "refusing": 100_000,
        "silent": 100_000,
        "paused": 500_000,
        "all": at_holes + 700_000,
    }
