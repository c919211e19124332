"""Our daemon with a million rows queued, beside itself with ten thousand, in one run.

`python -m benchmarks standing [--rows N] [--few N] [--messages N] [--rounds N] [--sends N] [--contacts N] [--json]`

The large installation holds `--rows`: a quarter in a paused campaign spread over 5,000 domains, a quarter in lanes that
are suspended, half in a campaign that moves.  The small one holds `--few`, all of which move.  The moving campaigns
are alike, to the same 20 domains and the same `smtp-sink`; rates are counted there (benchmarks.sink).

1. Throughput: the daemons take turns, `--rounds` times each: started, 1,000 messages to warm up, `--messages` timed,
   stopped.  Each start of the large one gives the time until /healthz answers, and until the first message arrived.
2. `send`: with the large campaign at full speed, `--sends` single messages are accepted at ten a second, as the command
   does it, but from a process that is already running; the database says when each was accepted and when its first
   attempt began (the event's time less its `elapsed_ms`) and was done.
3. `enqueue`: with the large campaign at full speed, the real command reads `--contacts` from a CSV file; the daemon's
   rate meanwhile is set against that of the ten seconds before.  If the campaign ran dry before, no rate is given.

Memory is PSS: of the large daemon and all its children over the whole run, and of the command `enqueue`.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from benchmarks import machine, report
from benchmarks.ours import Ours
from benchmarks.processes import MemoryWatch
from benchmarks.sink import MISSING, SINK, Arrivals, counting_sink
from benchmarks.testbed import SENDER_DOMAIN, open_testbed
from tierii_mta.clock import SystemClock, later
from tierii_mta.daemon.installation import open_installation
from tierii_mta.daemon.settings import load_settings
from tierii_mta.events import EventType
from tierii_mta.mail.address import Address
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import LaneId, State
from tierii_mta.queue.intake import Submission
from tierii_mta.queue.store import SuspendLane
from tierii_mta.smtp.requests import Recipient
from tierii_mta.storage.codes import EVENT

_MOVING, _PAUSED, _BLOCKED = "moving", "paused", "blocked"
_CONNECTIONS = _DOMAINS = 20
_PAUSED_DOMAINS = 5_000
_ALONE_S = 10.0
_PATIENCE_S = 120
_SEND_EVERY_S = 0.1


def main(arguments: list[str]) -> int:
    """Run it; exit 69 where smtp-sink is missing."""
    options = argparse.ArgumentParser(prog="python -m benchmarks standing")
    options.add_argument("--rows", type=int, default=1_000_000, help="queued in the large installation")
    options.add_argument("--few", type=int, default=10_000, help="queued in the small one, anew for each round")
    options.add_argument("--messages", type=int, default=8_000, help="timed in each round; fewer than --few by 1,000")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--sends", type=int, default=200)
    options.add_argument("--contacts", type=int, default=1_000_000)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    warm = min(1_000, chosen.few - chosen.messages)
    if warm <= 0:
        options.error("--messages must be fewer than --few")
    if not SINK:
        report.note(MISSING)
        return 69
    with open_testbed(connections=_CONNECTIONS, domains=_DOMAINS) as testbed:
        fsyncs = machine.fsyncs_per_s(testbed.folder)
        small, large = Ours(testbed, "small"), Ours(testbed, "large")
        with counting_sink(testbed.sink, testbed.folder) as arrivals:
            try:
                figures = _measure(small, large, arrivals, chosen, warm=warm)
            finally:
                small.stop()
                large.stop()
    facts = {"rows": chosen.rows, "few": chosen.few, "messages": chosen.messages, "fsyncs_per_s": fsyncs}
    report.tell(facts, figures.rows, figures.ratios, as_json=chosen.json)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    rows: Sequence[report.Row]
    ratios: report.Row


def _measure(small: Ours, large: Ours, arrivals: Arrivals, chosen: argparse.Namespace, *, warm: int) -> _Figures:
    _fill(large, chosen.rows)
    with MemoryWatch(lambda: large.trees() if large.is_running else []) as memory:
        few, many = [], []
        for number in range(chosen.rounds):
            small.enqueue(f"{_MOVING}{number}", _addresses(chosen.few))
            few.append(_throughput(small, arrivals, chosen.messages, warm=warm))
            many.append(_throughput(large, arrivals, chosen.messages, warm=warm))
        large.start()
        arrivals.wait_for(arrivals.count + warm, patience_s=_PATIENCE_S, is_hopeless=large.complaint)
        latencies = asyncio.run(_send(large, chosen.sends))
        enqueue = _enqueue_meanwhile(large, arrivals, chosen.contacts, half=chosen.rows // 2)
        large.stop()
    if leaked := large.count(State.COMPLETED, _PAUSED) + large.count(State.COMPLETED, _BLOCKED):
        raise SystemExit(f"{leaked} messages of the paused campaign or the suspended lanes were sent")
    rates = {name: statistics.mean(one.rate for one in turns) for name, turns in (("few", few), ("many", many))}
    rows = [
        {"what": f"msg/s with {chosen.few:,} rows", "measured": round(rates["few"])},
        {"what": f"msg/s with {chosen.rows:,} rows", "measured": round(rates["many"])},
        {"what": "start until /healthz answers, s", "measured": _worst(many, "ready_s"), "wanted": "≤ 10"},
        {"what": "start until the first arrival, s", "measured": _worst(many, "first_s"), "wanted": "≤ 10"},
        {"what": "memory of all processes, PSS MB", "measured": round(memory.peak_mb), "wanted": "≤ 300"},
        *latencies,
        *enqueue.rows,
    ]
    ratios = {"many rows / few rows (wanted ≥ 0.9)": round(rates["many"] / rates["few"], 2), **enqueue.ratios}
    return _Figures(rows=rows, ratios=ratios)


def _worst(turns: Sequence["_Turn"], name: str) -> float:
    return round(max(float(getattr(turn, name)) for turn in turns), 2)


# -- what stands in the queue --------------------------------------------------------------------------------------


def _addresses(count: int, prefix: str = "d", domains: int = _DOMAINS) -> list[str]:
    return [f"user{number}@{prefix}{number % domains}.example" for number in range(count)]


def _fill(large: Ours, rows: int) -> None:
    """Load the large installation; the daemon is off, so nothing of it moves yet."""
    report.note(f"enqueueing {rows:,} rows")
    large.enqueue(_PAUSED, _addresses(rows // 4, "p", _PAUSED_DOMAINS))
    large.run("pause", _PAUSED)
    large.enqueue(_BLOCKED, _addresses(rows // 4, "b"))
    asyncio.run(_suspend(large))
    large.enqueue(_MOVING, _addresses(rows // 2))


async def _suspend(large: Ours) -> None:
    """Suspend every lane of the blocked campaign, as the daemon does when a destination refuses us."""
    query = """SELECT lane.id FROM lane JOIN stream ON stream.id = lane.stream
        JOIN campaign ON campaign.number = stream.campaign WHERE campaign.id = ?"""
    clock = SystemClock()
    async with open_installation(load_settings(large.config), role="cli") as installation:
        committer = Committer(installation.queue, clock)
        until = later(clock.now(), timedelta(days=1))
        async with asyncio.TaskGroup() as group:
            group.create_task(committer.run())
            for (lane,) in large.query(query, _BLOCKED):
                await committer.submit(SuspendLane(lane=LaneId(lane), until=until, reason="451 4.7.1 try later"))
            committer.close()


# -- throughput and start-up ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One run of one daemon."""

    rate: float
    ready_s: float
    first_s: float


def _throughput(ours: Ours, arrivals: Arrivals, messages: int, *, warm: int) -> _Turn:
    before, started = arrivals.count, time.monotonic()
    ready_s = ours.start()
    moments = []
    for count in (1, warm, warm + messages):
        arrivals.wait_for(before + count, patience_s=_PATIENCE_S, is_hopeless=ours.complaint)
        moments.append(arrivals.changes[-1][0])
    ours.stop()
    first, begun, ended = moments
    turn = _Turn(rate=arrivals.rate(begun, ended), ready_s=ready_s, first_s=first - started)
    report.note(f"{ours.folder.name}: {turn.rate:,.0f} msg/s, up after {ready_s:.1f} s")
    return turn


# -- one message while a campaign runs -----------------------------------------------------------------------------


async def _send(large: Ours, sends: int) -> Sequence[report.Row]:
    """Accept single messages at an even pace; return how long each waited for its first attempt."""
    report.note(f"sending {sends} single messages")
    sender = Address.parse(f"shop@{SENDER_DOMAIN}")
    async with open_installation(load_settings(large.config), role="cli") as installation:
        for number in range(sends):
            began = time.monotonic()
            recipient = Address.parse(f"single{number}@d{number % _DOMAINS}.example")
            message_id = f"<single{number}@{SENDER_DOMAIN}>"
            header = f"From: {sender}\r\nTo: {recipient}\r\nSubject: Your order\r\nMessage-ID: {message_id}\r\n\r\n"
            content = header.encode() + b"Thank you for your order.\r\n" * 150
            await installation.accept(
                Submission(
                    stream="send",
                    reverse_path=sender,
                    recipients=(Recipient(forward_path=recipient),),
                    content=content,
                    message_id=message_id,
                )
            )
            await asyncio.sleep(max(0.0, began + _SEND_EVERY_S - time.monotonic()))
    waits = await _first_attempts(large, sends)
    rows: list[report.Row] = []
    for column, what in enumerate(("first attempt began", "first attempt was done")):
        values = sorted(wait[column] / 1000 for wait in waits)
        p99 = values[max(0, -(-99 * len(values) // 100) - 1)]
        rows.append(
            {"what": f"send: accepted until {what}, s, median", "measured": round(statistics.median(values), 3)}
        )
        rows.append({"what": f"send: accepted until {what}, s, p99", "measured": round(p99, 3), "wanted": "≤ 1"})
    return rows


async def _first_attempts(large: Ours, sends: int) -> list[tuple[float, float]]:
    """Return milliseconds from acceptance to the begin and the end of each single message's first attempt."""
    query = f"""SELECT delivery.id, delivery.accepted_at, MIN(event.at), event.data FROM delivery
        JOIN event ON event.delivery = delivery.id WHERE delivery.campaign IS NULL
        AND event.type IN ({EVENT[EventType.DELIVERED]}, {EVENT[EventType.DEFERRED]}) GROUP BY delivery.id"""
    deadline = time.monotonic() + _PATIENCE_S
    while len(found := large.query(query)) < sends:
        if large.complaint() or time.monotonic() > deadline:
            raise SystemExit(f"{len(found)} of {sends} single messages were attempted: {large.complaint()}")
        await asyncio.sleep(0.5)
    return [(at - json.loads(data)["elapsed_ms"] - accepted_at, at - accepted_at) for _, accepted_at, at, data in found]


# -- a million contacts while a campaign runs ----------------------------------------------------------------------


def _enqueue_meanwhile(large: Ours, arrivals: Arrivals, contacts: int, *, half: int) -> _Figures:
    path = large.write_campaign("added", _addresses(contacts))
    begun = time.monotonic()
    time.sleep(_ALONE_S)
    started = time.monotonic()
    report.note(f"enqueueing {contacts:,} contacts meanwhile")
    done = large.run("enqueue", path)
    ended = started + done.seconds
    alone, meanwhile = arrivals.rate(begun, started), arrivals.rate(started, ended)
    is_dry = large.count(State.COMPLETED, _MOVING) >= half
    if is_dry:
        report.note("the moving campaign ran dry before enqueue ended: choose more --rows or fewer --contacts")
    rows: list[report.Row] = [
        {"what": f"enqueue of {contacts:,} contacts meanwhile, rows/s", "measured": round(contacts / done.seconds)},
        {"what": "its memory, PSS MB", "measured": done.peak_mb, "wanted": "≤ 200"},
        {"what": "msg/s just before", "measured": None if is_dry else round(alone)},
        {"what": "msg/s meanwhile", "measured": None if is_dry else round(meanwhile)},
    ]
    ratios = {} if is_dry else {"meanwhile / just before (wanted ≥ 0.8)": round(meanwhile / alone, 2)}
    return _Figures(rows=rows, ratios=ratios)
