"""What the queue itself costs per message: claim, activate, settle on real SQLite, with a way out that does nothing.

Owns a measurement, not a gate: `python benchmarks/queue_cost.py [messages] [domains] [--profile]`. Prints messages a
second from the first claim to the last settlement, commits, rows a commit, and the peak of resident memory.
"""

import asyncio
import cProfile
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import uvloop

from tierii_mta.clock import Instant, SystemClock, later
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.reply import Reply
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Attempt, Delivered, Delivery, Lane, Outcome, Priority, Stage
from tierii_mta.queue.hand import Ending
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.manager import QueueManager
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.queue.settlement import Settlement, SettlementPolicy
from tierii_mta.queue.store import Accept, NewDelivery
from tierii_mta.storage.database import Database

_ROOM = 100


class NoWayOut:
    """Takes everything and answers 250 at once."""

    def __init__(self) -> None:
        self._attempt = Attempt(
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

    def room(self, lane: Lane, priority: Priority) -> int:
        return _ROOM

    async def deliver(self, delivery: Delivery, activate: Callable[[], Awaitable[bool]]) -> Outcome:
        await activate()
        return Delivered(attempt=self._attempt)


async def _fill(database: Database, messages: int, domains: int, now: Instant) -> float:
    started = time.perf_counter()
    for start in range(0, messages, 1_000):
        numbers = range(start, min(start + 1_000, messages))
        accept = Accept(
            stream="bulk",
            priority=Priority.NORMAL,
            reverse_path="a@example.com",
            message_id="<bulk@example.com>",
            parts=(b"Subject: hello\r\n\r\nHello.\r\n",),
            deliveries=[
                NewDelivery(
                    recipient=f"p{number}@d{number % domains}.example",
                    recipient_key=PersonKey(number.to_bytes(16, "big")),
                    domain=f"d{number % domains}.example",
                )
                for number in numbers
            ],
            accepted_at=now,
            expires_at=later(now, timedelta(days=5)),
        )
        await database.queue.apply([accept])
    return time.perf_counter() - started


async def _measure(folder: Path, messages: int, domains: int, profiler: cProfile.Profile | None) -> None:
    clock = SystemClock()
    database = await Database.open("sqlite", data_dir=folder, clock=clock, node="bench", upgrade=True)
    filled = await _fill(database, messages, domains, clock.now())
    epoch = await database.queue.register(name="bench", role="outbound", pid=1, now=clock.now())
    schedule = RetrySchedule(intervals=(timedelta(minutes=5),), lifetime=timedelta(days=5))
    committer = Committer(database.queue, clock)
    committing = asyncio.create_task(committer.run())
    done, everything = 0, asyncio.Event()

    def observe(_: Ending) -> None:
        nonlocal done
        done += 1
        if done == messages:
            everything.set()

    manager = QueueManager(
        store=database.queue,
        committer=committer,
        directory=LaneDirectory(),
        deliver=NoWayOut(),
        settlement=Settlement(SettlementPolicy(schedule=schedule), epoch),
        clock=clock,
        observe=observe,
    )
    if profiler is not None:
        profiler.enable()
    started, cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(manager.run())
    await everything.wait()
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    if profiler is not None:
        profiler.disable()
    await manager.drain(timedelta(seconds=1))
    await running
    committer.close()
    await committing
    await database.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{messages} messages to {domains} domains: {messages / took:,.0f} msg/s, "
        f"{cpu / messages * 1e6:.0f} us CPU a message, {committer.commits} commits of "
        f"{committer.rows / committer.commits:.0f} rows, accept {messages / filled:,.0f} rows/s, peak {peak} MB"
    )


def main() -> None:
    """Run it once."""
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    messages, domains = (numbers + [20_000, 200][len(numbers) :])[:2]
    profiler = cProfile.Profile() if "--profile" in sys.argv else None
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_measure(Path(folder), messages, domains, profiler))
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
