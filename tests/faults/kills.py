"""A world in which processes are killed: one daemon under load, receiving hosts, a ledger, and SIGKILL.

Owns starting, killing and looking; what must hold is `ledger`, which run consists of what is in `runs`.  The daemon,
its children and `enqueue` are real processes; the receiving hosts run in ours and survive.  Touches processes, the
database (read-only: closing a reader that may write would tidy up what the crash left), and folders of its own.
"""

import asyncio
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import psutil
import yaml

from tests.faults.ledger import Fate, Fault, Ledger, Picture, Row
from tests.faults.mx import Moment, Mx, Trap
from tests.scenarios.stage import Stage, open_stage
from tests.support.program import Process, comes_true, start
from tierii_mta.errors import ExitCode
from tierii_mta.storage.backend import SQLITE_FILE
from tierii_mta.storage.codes import MARK_KIND_BASE, REASON_OF, STATE_OF

DOMAINS: dict[str, Fate] = {
    "plain.example": Fate.DELIVERED,
    "calm.example": Fate.DELIVERED,
    "grey.example": Fate.GREYLISTED,
    "gone.example": Fate.REFUSED,
}
_SHARES = ("plain.example",) * 5 + ("calm.example",) * 3 + ("grey.example", "gone.example")
_LIMIT_S = 180  # of any one wait; a hang is reported, no speed is asserted
_SABOTAGE = str(Path(__file__).with_name("sabotage.py"))
_PRESS, _WEB = "pressroom.worker", "daemon.webchild"

ROWS = "SELECT recipient, state, reason FROM delivery"
LEFT = "SELECT count(*) FROM delivery WHERE finished_at IS NULL"
COUNTED = (
    "SELECT lane.stream, delivery.priority, delivery.state, count(*) FROM delivery "
    "JOIN lane ON lane.id = delivery.lane GROUP BY 1, 2, 3"
)
TALLIED = f"SELECT stream, priority, kind, sum(count) FROM tally WHERE kind < {MARK_KIND_BASE} GROUP BY 1, 2, 3"


class Store(Protocol):
    """How the database is looked at from outside."""

    async def picture(self) -> Picture:
        """Return what it says now."""

    async def left(self) -> int:
        """Return how many deliveries have not ended."""

    async def bury(self) -> None:
        """Make the owners of dead processes look dead at once, where that takes time."""


def picture_of(
    rows: Sequence[Sequence[Any]], counted: Sequence[Sequence[Any]], tallied: Sequence[Sequence[Any]], integrity: str
) -> Picture:
    """Return a picture from the answers to `ROWS`, `COUNTED` and `TALLIED`."""
    return Picture(
        rows=tuple(
            Row(recipient=recipient, state=STATE_OF[state], reason=REASON_OF.get(reason))
            for recipient, state, reason in rows
        ),
        integrity=integrity,
        counted={(int(a), int(b), int(c)): int(n) for a, b, c, n in counted},
        tallied={(int(a), int(b), int(c)): int(n) for a, b, c, n in tallied if n},
    )


@dataclass(frozen=True)
class SqliteStore:
    """The file in `data_dir`."""

    data: Path

    async def picture(self) -> Picture:
        return await asyncio.to_thread(self._look)

    async def left(self) -> int:
        def count() -> int:
            with closing(self._connected()) as database:
                return int(database.execute(LEFT).fetchone()[0])

        return await asyncio.to_thread(count)

    async def bury(self) -> None:
        """Nothing to do: who takes `daemon.lock` knows that the others are dead."""

    def _look(self) -> Picture:
        database = self._connected()
        try:
            database.execute("BEGIN")
            answers = [database.execute(query).fetchall() for query in (ROWS, COUNTED, TALLIED)]
            integrity = "; ".join(line for (line,) in database.execute("PRAGMA integrity_check").fetchall())
        except sqlite3.DatabaseError as error:
            return picture_of([], [], [], str(error))
        finally:
            database.close()
        return picture_of(answers[0], answers[1], answers[2], integrity)

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.data / SQLITE_FILE}?mode=ro", uri=True, timeout=60)


@dataclass
class World:
    """One run's world."""

    stage: Stage
    mx: Mx
    ledger: Ledger
    store: Store
    chance: random.Random
    faults: tuple[str, ...] = ()  # of sabotage, built into every daemon and enqueue
    roles: str = "outbound"
    daemon: Process | None = None
    tally: dict[str, int] = field(default_factory=dict)  # kills by victim
    campaigns: int = 0

    # -- the program

    async def run(self, log: str, *arguments: str, die: str | None = None) -> Process:
        """Start a command; what it says goes to a file of the stage's folder."""
        built_in = [part for fault in self.faults for part in ("--with", fault)]
        trap = ["--die", die] if die else []
        program = (sys.executable, _SABOTAGE, *trap, *built_in, "--config", str(self.stage.config))
        said = self.stage.folder / log
        return await start(program, arguments, folder=self.stage.folder, out=said, err=said)

    async def start(self, *, die: str | None = None) -> Process:
        """Start the daemon and return at once."""
        self.daemon = self.stage.daemon = await self.run("daemon.log", "serve", "--role", self.roles, die=die)
        return self.daemon

    async def stop(self) -> None:
        """End the daemon as an operator would."""
        assert self.daemon is not None
        self.daemon.terminate()
        assert await self.within(self.daemon.wait()) == 0, self.stage.daemon_log()[-3000:]
        self.daemon = self.stage.daemon = None

    async def within(self, waiting: Any) -> Any:
        """Wait, but not for ever."""
        try:
            async with asyncio.timeout(_LIMIT_S):
                return await waiting
        except TimeoutError:
            raise AssertionError(f"nothing happens any more\n{self.stage.daemon_log()[-3000:]}") from None

    # -- mail

    def campaign(self, size: int) -> tuple[str, Path, dict[str, Fate]]:
        """Write a campaign file and its contacts, nobody of whom was offered before."""
        self.campaigns += 1
        name = f"c{self.campaigns}"
        people = {f"{name}.{number}@{self.chance.choice(_SHARES)}" for number in range(size)}
        fates = {person: DOMAINS[person.rpartition("@")[2]] for person in sorted(people)}
        self.stage.write(f"{name}.csv", "email,first_name\n" + "".join(f"{one},Kim\n" for one in fates))
        file = self.stage.campaign(name, [], guards={"action": "warn"})  # a quarter of them are gone
        specification = yaml.safe_load(file.read_text()) | {"contacts": [{"type": "csv", "path": f"{name}.csv"}]}
        return name, self.stage.write(file.name, yaml.safe_dump(specification)), fates

    async def enqueue(self, size: int) -> None:
        """Have a campaign accepted."""
        _, file, fates = self.campaign(size)
        process = await self.begin_enqueue(file)
        code = await self.within(process.wait())
        assert code == 0, f"enqueue ended with {code}"
        self.ledger.accepted.update(fates)

    async def begin_enqueue(self, file: Path, *, die: str | None = None) -> Process:
        return await self.run("enqueue.log", "--quiet", "enqueue", str(file), die=die)

    async def kill_enqueue(self, file: Path, point: str | None) -> None:
        """Kill an enqueue at a named point or anywhere; a quick one may have ended by itself, and is not counted."""
        process = await self.begin_enqueue(file, die=point)
        if point is None:
            await asyncio.sleep(self.chance.uniform(0.3, 2.0))
            if process.returncode is None:
                process.kill()
        if await self.within(process.wait()) == -signal.SIGKILL:
            self.count("enqueue")

    async def rerun_enqueue(self, file: Path) -> None:
        """Run an enqueue to its end. A campaign that was started before the kill may be over: that is said (7)."""
        code = await self.within((await self.begin_enqueue(file)).wait())
        assert code in (ExitCode.OK, ExitCode.CONFLICT), f"enqueue ended with {code}"

    async def moved(self, count: int) -> None:
        """Wait until so many more messages have been taken, or none are left."""
        wanted = self.mx.transactions + count

        async def reached() -> None:
            while self.mx.transactions < wanted and await self.store.left():
                await asyncio.sleep(0.02)

        await self.within(reached())

    # -- killing

    def victims(self, kind: str) -> list[int]:
        """Return the daemon's children of a kind that run."""
        if self.daemon is None or self.daemon.returncode is not None:
            return []
        try:
            children = psutil.Process(self.daemon.pid).children()
            return [child.pid for child in children if any(kind in part for part in child.cmdline())]
        except psutil.Error:
            return []

    async def crash(self) -> None:
        """Kill the daemon, wherever it is."""
        assert self.daemon is not None
        if self.daemon.returncode is None:
            self.daemon.send_signal(signal.SIGKILL)
        await self.buried()

    async def buried(self, cause: str = "daemon") -> None:
        """Wait for the end of a daemon that is being killed, and take down what it left."""
        assert self.daemon is not None
        code = await self.within(self.daemon.wait())
        assert code == -signal.SIGKILL, f"the daemon ended by itself, {code}\n{self.stage.daemon_log()[-3000:]}"
        self.daemon = self.stage.daemon = None
        self.mx.trap = None
        await self.within(self.mx.silent())
        self.ledger.enter_crash(await self.store.picture())
        await self.store.bury()
        self.count(cause)

    def count(self, victim: str) -> None:
        self.tally[victim] = self.tally.get(victim, 0) + 1

    def lay_trap(self, moment: Moment, number: int) -> None:
        """Have a receiving host kill the daemon at a point of a transaction."""
        assert self.daemon is not None
        pid = self.daemon.pid
        self.mx.trap = Trap(moment, number, lambda: psutil.Process(pid).kill())

    async def kill_press_worker(self) -> None:
        """Kill a press worker in the midst of its work, and wait until mail moves again, so that nobody is blamed."""
        pids = await comes_true(lambda: self.victims(_PRESS), "a press worker runs", self.stage.daemon_log)
        psutil.Process(self.chance.choice(pids)).kill()
        self.count("press worker")
        await self.moved(60)

    async def kill_web_child(self) -> None:
        """Kill the web child once it serves, and wait until another one does."""
        await self.within(self._web_serves())
        (pid,) = self.victims(_WEB)
        psutil.Process(pid).kill()
        self.count("web child")
        await comes_true(lambda: pid not in self.victims(_WEB), "the web child is gone", self.stage.daemon_log)
        await self.within(self._web_serves())

    async def _web_serves(self) -> None:
        async with httpx.AsyncClient(verify=False) as client:
            while True:
                try:
                    if (await client.get(f"{self.stage.base_url}/healthz")).status_code == 200 and self.victims(_WEB):
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    # -- the end

    async def finish(self) -> list[tuple[Fault, str]]:
        """Let a sound daemon do what is left, and return every fault of the run."""
        if await self.store.left():
            await self.start()
            await self.drained()
            await self.stop()
        return self.ledger.audit(await self.store.picture())

    async def drained(self) -> None:
        """Wait until the daemon has nothing left to do; as long as it takes, if only there is less and less of it."""
        while left := await self.store.left():
            await self.within(self._less_than(left))

    async def _less_than(self, left: int) -> None:
        while await self.store.left() >= left:
            assert self.daemon is not None
            assert self.daemon.returncode is None, self.stage.daemon_log()[-3000:]
            await asyncio.sleep(0.25)


@asynccontextmanager
async def open_world(
    folder: Path,
    *,
    seed: int = 1,
    faults: tuple[str, ...] = (),
    roles: str = "outbound",
    store: Store | None = None,
    latency_s: float = 0.01,
    **settings: Any,
) -> AsyncIterator[World]:
    """Set up hosts, settings and ledger; no daemon yet. Ends all it started."""
    ledger = Ledger()
    async with open_stage(folder, **settings) as stage, Mx(ledger, DOMAINS, latency_s=latency_s) as mx:
        for number, domain in enumerate(DOMAINS, start=2):
            address = f"127.0.0.{number}"
            await mx.listen(address, stage.port)
            stage.publish(domain, address)
        stage.write("shaping.yaml", "default: {rate: null, connections: 10}\n")
        stage.settings["outbound"] |= {"shaping": "shaping.yaml", "retry": {"intervals": ["1s"]}}  # nobody expires
        stage.save_settings()
        await stage.run("db", "migrate")
        yield World(
            stage=stage,
            mx=mx,
            ledger=ledger,
            store=store or SqliteStore(folder / "data"),
            chance=random.Random(seed),
            faults=faults,
            roles=roles,
        )
