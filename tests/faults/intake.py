"""Runs in which the daemon is killed while mail comes in: at random, at named points of ours, at steps of a client's.

Owns the shape of each run and its result; what must hold is `offers`, who hands in is `clients`.  The daemon may
deliver meanwhile or not; in the end a sound one delivers everything, and every recipient must have the mail once.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tests.faults.clients import Clients, Step
from tests.faults.kills import World, open_world
from tests.faults.ledger import Fate
from tests.faults.offers import Answer, Door, Flaw, Offers
from tests.faults.sabotage import INTAKE_POINTS
from tests.scenarios.front_door import furnish
from tierii_mta.queue.crashes import SUSPECTED
from tierii_mta.storage.backend import SQLITE_FILE

ALONE, WITH_DELIVERY = "inbound,submission", "inbound,submission,outbound"
POINTS: tuple[str | Step, ...] = (*INTAKE_POINTS, *Step)
_DOMAINS = ("plain.example", "calm.example")
_SUSPECTS = (
    "SELECT count(*) FROM crash JOIN delivery ON delivery.id = crash.delivery "
    f"WHERE crash.crashes >= {SUSPECTED} AND delivery.finished_at IS NULL"
)


@dataclass
class IntakeWorld:
    """One run's world: a daemon that is killed, and those who hand in."""

    world: World
    offers: Offers
    clients: Clients

    @property
    def data(self) -> Path:
        return self.world.stage.folder / "data"

    async def start(self, *, die: str | None = None) -> None:
        """Start the daemon; the clients come by themselves."""
        await self.world.start(die=die)
        self.clients.go_on()

    async def kill_at_random(self) -> None:
        """Kill the daemon in its start, or in full flight."""
        await self.start()
        if self.world.chance.random() < 0.2:
            await asyncio.sleep(self.world.chance.uniform(0.2, 3))
        else:
            await self.world.within(self.clients.accepted(self.world.chance.randint(1, 120)))
            await asyncio.sleep(self.world.chance.uniform(0, 0.02))
        await self.world.within(self._nobody_is_suspected())
        self.kill()
        await self.buried("at random")

    async def kill_at(self, point: str | Step) -> None:
        """Kill the daemon at a point of its own, or at a step of a client's."""
        if isinstance(point, Step):
            await self.start()
            await self.world.within(self.clients.accepted(self.world.chance.randint(1, 60)))
            await self.world.within(self._nobody_is_suspected())
            self.clients.trap = (point, self.kill)
        else:
            await self.start(die=f"{point}:{self.world.chance.randint(20, 60)}")
        await self.buried(str(point))

    async def _nobody_is_suspected(self) -> None:
        """Wait until who was in hand at two kills has been tried alone: kills that meet somebody there again and again
        are taken for that mail's doing, rightly, and it is set aside. That rule has stories of its own (test_poison).
        """
        while await asyncio.to_thread(self._suspects):
            await asyncio.sleep(0.1)

    def _suspects(self) -> int:
        file = self.data / SQLITE_FILE
        if not file.exists():
            return 0
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=60)) as database:
            return int(database.execute(_SUSPECTS).fetchone()[0])

    def kill(self) -> None:
        assert self.world.daemon is not None
        psutil.Process(self.world.daemon.pid).kill()

    async def buried(self, cause: str) -> None:
        """Wait for the end of a daemon that is being killed, and judge what it left."""
        assert self.world.daemon is not None
        await self.world.within(self.world.daemon.wait())
        self.clients.pause()
        await self.world.within(self.clients.gone())
        self.clients.trap = None
        await asyncio.to_thread(self.offers.crashed, self.data)
        self._tell_ledger()
        await self.world.buried(cause)

    async def finish(self) -> None:
        """Let the clients go and a sound daemon deliver everything; judge the end."""
        await self.clients.stop()
        self._tell_ledger()
        self.world.roles = "outbound"
        for fault, text in await self.world.finish():
            self.offers.flaws.append((Flaw.LOST, f"at the end: {fault}: {text}"))
        await asyncio.to_thread(self.offers.judge, self.data)

    def _tell_ledger(self) -> None:
        """Whoever is to have the mail is on the ledger of deliveries."""
        for offer in (*self.offers.answered(Answer.KEPT), *self.offers.answered(Answer.FOUND)):
            if offer.door is Door.SUBMISSION:
                self.world.ledger.accepted.update(dict.fromkeys(offer.recipients, Fate.DELIVERED))


@asynccontextmanager
async def open_intake(
    folder: Path, *, seed: int, roles: str = ALONE, faults: Sequence[str] = (), clients_per_door: int = 6
) -> AsyncIterator[IntakeWorld]:
    """Set up hosts, settings, a user and clients who wait for a daemon to come up. Ends all it started."""
    async with open_world(folder, seed=seed, roles=roles, faults=tuple(faults)) as world:
        world.stage.settings["outbound"]["in_doubt"] = {"wait": "1s"}  # what was on the wire is resent within the run
        door = await furnish(world.stage)
        offers = Offers()
        clients = Clients(offers, door, world.chance, _DOMAINS)
        clients.start(clients_per_door)
        try:
            yield IntakeWorld(world, offers, clients)
        finally:
            await clients.stop()


# -- what came of it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeResult:
    """What a run came to: a row of docs/reference/reliability.md."""

    intake: str
    kills: dict[str, int]
    accepted: dict[str, int]  # by door
    refused: int
    open_at_kills: int  # the final dot was out, no reply was in
    found: int  # of those, there whole after the crash
    doubles: int  # mails delivered beyond the first
    flaws: dict[str, int]

    def as_row(self) -> str:
        kills = ", ".join(f"{cause} {number}" for cause, number in self.kills.items())
        accepted = ", ".join(f"{door} {number:,}" for door, number in self.accepted.items())
        flaws = "; ".join(f"{flaw}: {number}" for flaw, number in self.flaws.items()) or "none"
        return (
            f"| {self.intake} | {kills} | {accepted} | {self.open_at_kills} | {self.found} | {self.doubles} | {flaws} |"
        )


HEADING = (
    "| intake | kills | accepted | without a reply at a kill | of those there whole | doubles delivered | faults |\n"
    "|---|---|---|---|---|---|---|"
)


def result_of(what: str, intake: IntakeWorld) -> IntakeResult:
    """Return a run's result."""
    offers = intake.offers
    flaws = [flaw for flaw, _ in offers.flaws]
    return IntakeResult(
        intake=what,
        kills=dict(intake.world.tally),
        accepted={
            door.name.lower(): sum(offer.door is door for offer in offers.answered(Answer.KEPT)) for door in Door
        },
        refused=len(offers.answered(Answer.REFUSED)),
        open_at_kills=offers.open_at_kills,
        found=len(offers.answered(Answer.FOUND)),
        doubles=intake.world.ledger.copies,
        flaws={str(flaw): flaws.count(flaw) for flaw in Flaw if flaw in flaws},
    )


async def judge(what: str, intake: IntakeWorld) -> IntakeResult:
    """End a run, print its result, and assert that nothing was wrong."""
    await intake.finish()
    result = result_of(what, intake)
    print(json.dumps(asdict(result)), flush=True)
    assert intake.offers.flaws == []
    assert all(result.accepted.values()), "mail came in by every door"
    assert result.found <= result.open_at_kills
    assert result.doubles <= intake.world.ledger.active.total()
    refusals = {offer.reply for offer in intake.offers.answered(Answer.REFUSED)}
    assert not refusals, "nothing was wrong with what was offered"
    return result
