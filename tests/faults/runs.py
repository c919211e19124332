"""The runs: what is killed when, how often, and what came of it.

Owns the shape of each run, short in the gate and long in a soak, and its result: a line of JSON, a row of a table.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.faults.kills import World
from tests.faults.ledger import Fault
from tests.faults.mx import Moment
from tests.faults.sabotage import DAEMON_POINTS, ENQUEUE_POINTS

_PASSINGS = {"registered": 1, "dead-owners-freed": 1, "before-checkpoint": 3, "after-checkpoint": 3}
POINTS: tuple[str | Moment, ...] = (*DAEMON_POINTS, *Moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to: a row of docs/reference/reliability.md."""

    what: str
    kills: dict[str, int]
    accepted: int
    received: int
    lost: int
    doubles: int  # copies beyond the first
    active_at_crashes: int  # the bound of `doubles`
    other_faults: list[str]

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_row(self) -> str:
        kills = ", ".join(f"{victim} {number}" for victim, number in self.kills.items())
        others = "; ".join(self.other_faults) or "none"
        return (
            f"| {self.what} | {kills} | {self.accepted:,} | {self.lost} | {self.doubles} | {self.active_at_crashes} "
            f"| {others} |"
        )


HEADING = (
    "| run | cycles | accepted | lost | doubles | active at the crashes | other faults |\n|---|---|---|---|---|---|---|"
)


def result_of(what: str, world: World, faults: Sequence[tuple[Fault, str]]) -> Result:
    """Return a run's result; the ledger's other faults are counted by kind."""
    lost = {text.split()[0].rstrip(":") for fault, text in faults if fault is Fault.LOST}  # a person may be named twice
    others = sorted({fault for fault, _ in faults if fault is not Fault.LOST})
    return Result(
        what=what,
        kills=dict(world.tally),
        accepted=len(world.ledger.accepted),
        received=len(world.ledger.received),
        lost=len(lost),
        doubles=world.ledger.copies,
        active_at_crashes=world.ledger.active.total(),
        other_faults=[f"{fault}: {sum(one is fault for one, _ in faults)}" for fault in others],
    )


async def keep_busy(world: World, least: int = 400, more: int = 1500) -> None:
    """Have mail wait for whoever is to be killed."""
    if await world.store.left() < least:
        await world.enqueue(more)


async def at_random(world: World, cycles: int) -> None:
    """Kill the daemon anywhere: in its start, in what it does about the last crash, or in full flight."""
    for _ in range(cycles):
        await keep_busy(world)
        await world.start()
        if world.chance.random() < 0.3:
            await asyncio.sleep(world.chance.uniform(0.2, 3))
        else:
            await world.moved(world.chance.randint(1, 120))
        await world.crash()


async def at_points(world: World, rounds: int, points: Sequence[str | Moment] = POINTS, *, busy: int = 400) -> None:
    """Kill the daemon at each point by name, while at least `busy` mails wait."""
    for _ in range(rounds):
        for point in points:
            await keep_busy(world, busy)
            if isinstance(point, Moment):
                await world.start()
                world.lay_trap(point, world.chance.randint(1, 60))
            else:
                await world.start(die=f"{point}:{world.chance.randint(1, _PASSINGS.get(point, 12))}")
            await world.within(_passes_there(world, min(busy, 50)))
            await world.buried()


async def _passes_there(world: World, busy: int) -> None:
    """Wait for a daemon's end. One that has nothing left to do would never come to its point: it gets more."""
    while world.daemon is not None and world.daemon.returncode is None:
        await keep_busy(world, max(busy, 1), more=300)
        await asyncio.sleep(0.1)


async def children(world: World, cycles: int) -> None:
    """Kill a press worker and the web child, then the daemon: each cycle is three kills."""
    for _ in range(cycles):
        await keep_busy(world, 800, 2000)
        await world.start()
        await world.kill_press_worker()
        await keep_busy(world, 400)
        await world.kill_web_child()
        await world.crash()


async def enqueues(world: World, cycles: int, *, size: int = 1500) -> None:
    """Kill `enqueue` at random and at its points, and run it again, while the daemon sends."""
    await world.start()
    for number in range(cycles):
        _, file, fates = world.campaign(size)
        point = (*ENQUEUE_POINTS, None)[number % (len(ENQUEUE_POINTS) + 1)]
        nth = world.chance.randint(1, 2) if point == "contacts-committed" else 1
        await world.kill_enqueue(file, f"{point}:{nth}" if point else None)
        await world.rerun_enqueue(file)
        world.ledger.accepted.update(fates)
    await world.stop()


async def resumes(world: World, cycles: int, *, size: int = 1000) -> None:
    """Kill `enqueue` and the daemon at random, each in the midst of the other's work, and let both go on."""
    await world.start()
    for _ in range(cycles):
        _, file, fates = world.campaign(size)
        async with asyncio.TaskGroup() as group:
            group.create_task(world.kill_enqueue(file, None))
            await asyncio.sleep(world.chance.uniform(0.2, 3))
            await world.crash()
        await world.start()
        await world.rerun_enqueue(file)
        world.ledger.accepted.update(fates)
        await world.moved(world.chance.randint(1, size))
    await world.stop()


def save(result: Result) -> None:
    """Print a result as a line of JSON; `python -m tests.faults` makes a table of them."""
    print(result.as_json(), flush=True)


async def judge(what: str, world: World) -> None:
    """End a run and assert that nothing was wrong."""
    faults = await world.finish()
    save(result_of(what, world, faults))
    assert faults == []
    assert world.ledger.copies <= world.ledger.active.total()
