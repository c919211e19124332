"""Durable intake: how many 4 KB messages a second are taken in and synced before their 250, beside Postfix.

`python -m benchmarks intake [--messages N] [--connections N] [--rounds N] [--json]`.  Root is needed for Postfix, and
`apt-get install postfix`.  The data lies where TMPDIR says: it should be a disk, not memory.

Only intake is measured.  Our daemon runs without its queue and has time to process what it received before the other's
turn; Postfix puts every message on hold (benchmarks.postfix), which costs it least.  Both sync as they ship,
`in_flow_delay` is 0.  Three ways in, each beside Postfix at once:

1. `smtp-source, reuse`: port 25, every session hands in many messages.  Ours stores them in the Inbox.
2. `smtp-source, a connection each`: the same with a session a message.
3. `submission, reuse`: smtp-source cannot log in, so both are fed by benchmarks.source, which pipelines.  Ours
   demands AUTH once a session, before the clock runs; Postfix does not.

The systems take turns.  Time runs from the start of the source to its end, when the last 250 is in; a rate counts only
if every message is then found in the store: Postfix's files on hold, our rows joined from message to content and
recipient, with at least 4 KB each.  Of several rounds the median is printed.  Flushes are those of the disk, whoever
asked.
"""

import argparse
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import machine, postfix, report
from benchmarks.front_door import MAILBOX_DOMAIN, FrontDoor, addresses
from benchmarks.postfix import Postfix
from benchmarks.processes import MemoryWatch
from benchmarks.sink import SOURCE
from benchmarks.source import SENDER, hand_in
from benchmarks.testbed import Testbed, open_testbed

_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One way in, of both systems: `feed` hands in so many messages and returns the seconds it took."""

    name: str
    ours: Callable[[int], float]
    kept: Callable[[], tuple[int, int]]  # messages and octets in our store
    postfix: Callable[[int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One round of one system."""

    contest: str
    system: str
    rate: float
    cpu_ms: Mapping[str, float]  # a message, by part
    peak_mb: float
    flushes: int | None


def main(arguments: list[str]) -> int:
    """Run it; exit 69 where Postfix cannot run."""
    options = argparse.ArgumentParser(prog="python -m benchmarks intake")
    options.add_argument("--messages", type=int, default=10_000)
    options.add_argument("--connections", type=int, default=20)
    options.add_argument("--rounds", type=int, default=1, help="rounds of each system and way in, taken in turn")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    if reason := postfix.reason_to_skip():
        report.note(reason)
        return 69
    with open_testbed(connections=chosen.connections, domains=20) as testbed, ExitStack() as stack:
        facts = {
            "messages": chosen.messages,
            "connections": chosen.connections,
            "fsyncs_per_s": machine.fsyncs_per_s(testbed.folder),
        }
        peer = Postfix(testbed, postfix.PLAIN, holds=True)
        stack.enter_context(peer.running())
        ours = FrontDoor(testbed, roles="inbound,submission,web")
        ours.start()
        stack.callback(ours.stop)
        ours.add_user()
        contests = _contests(testbed, ours, peer)
        for contest in contests:
            _take_turn(contest, testbed, ours, peer, min(200, chosen.messages))  # warms up, and shows that it works
        rounds = [
            result
            for _ in range(chosen.rounds)
            for contest in contests
            for result in _take_turn(contest, testbed, ours, peer, chosen.messages)
        ]
    results = _medians(rounds)
    report.tell(facts, [_row(result) for result in results], _ratios(results), as_json=chosen.json)
    return 0


def _contests(testbed: Testbed, ours: FrontDoor, peer: Postfix) -> Sequence[Contest]:
    sessions = testbed.connections

    def submit(messages: int) -> float:
        ours.take("submitted", messages)
        return ours.handed_in_s

    def submit_to_postfix(messages: int) -> float:
        return hand_in(peer.port, addresses("submitted", messages, domains=testbed.domains), sessions=sessions)

    return [
        Contest(
            name=f"smtp-source, {name}",
            ours=lambda messages, options=options: _run_source(ours.inbound, messages, sessions, options),  # type: ignore[misc]
            kept=ours.received,
            postfix=lambda messages, options=options: _run_source(peer.port, messages, sessions, options),  # type: ignore[misc]
        )
        for name, options in (("reuse", ["-d"]), ("a connection each", []))
    ] + [Contest(name="submission, reuse", ours=submit, kept=ours.queued, postfix=submit_to_postfix)]


def _run_source(port: int, messages: int, sessions: int, options: Sequence[str]) -> float:
    """Hand in with one smtp-source; it ends in error at the first reply that it does not expect."""
    command = [str(SOURCE), *options, "-s", str(sessions), "-m", str(messages), "-l", str(_BYTES), "-N", "-C", "10"]
    command += ["-f", SENDER, "-t", f"user@{MAILBOX_DOMAIN}", f"127.0.0.1:{port}"]
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def _take_turn(
    contest: Contest, testbed: Testbed, ours: FrontDoor, peer: Postfix, messages: int
) -> tuple[Result, Result]:
    """Feed both systems one after the other and see that each keeps every message."""
    count, size = contest.kept()
    mine = _time(contest, testbed, ours, contest.ours, messages)
    count_now, size_now = contest.kept()
    if count_now - count != messages or size_now - size < messages * _BYTES:
        raise SystemExit(f"tierii-mta keeps {count_now - count} of {messages} messages, {size_now - size} octets")
    ours.rest()
    theirs = _time(contest, testbed, peer, contest.postfix, messages)
    if (held := peer.held()) != messages:
        raise SystemExit(f"Postfix keeps {held} of {messages} messages")
    peer.forget_held()
    return mine, theirs


def _time(
    contest: Contest, testbed: Testbed, system: FrontDoor | Postfix, feed: Callable[[int], float], messages: int
) -> Result:
    with MemoryWatch(system.trees) as memory:
        used, flushed = system.cpu_s(), machine.flushes(testbed.folder)
        seconds = feed(messages)
        spent, flushed_now = system.cpu_s(), machine.flushes(testbed.folder)
    rate = messages / seconds
    report.note(f"{contest.name}: {system.name}: {messages} messages, {rate:,.0f} msg/s")
    return Result(
        contest=contest.name,
        system=system.name,
        rate=rate,
        cpu_ms={part: 1000 * (spent[part] - used[part]) / messages for part in spent},
        peak_mb=memory.peak_mb,
        flushes=None if flushed is None or flushed_now is None else flushed_now - flushed,
    )


# -- the figures ---------------------------------------------------------------------------------------------------


def _medians(results: Sequence[Result]) -> Sequence[Result]:
    """Return the median round of each system and way in."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.contest, result.system), []).append(result)
    medians = []
    for group in groups.values():
        middle = statistics.median_low(result.rate for result in group)
        medians.append(next(result for result in group if result.rate == middle))
    return medians


def _row(result: Result) -> report.Row:
    return {
        "way in": result.contest,
        "system": result.system,
        "msg/s": round(result.rate),
        "CPU s/1000": round(sum(result.cpu_ms.values()), 2),
        "PSS MB": round(result.peak_mb),
        "flushes": result.flushes,
        "CPU ms a message": {part: round(value, 3) for part, value in result.cpu_ms.items() if part != "enqueue"},
    }


def _ratios(results: Sequence[Result]) -> dict[str, float]:
    rates = {(result.contest, result.system): result.rate for result in results}
    return {
        f"ours / Postfix, {contest}": round(rate / rates[contest, postfix.PLAIN], 2)
        for (contest, system), rate in rates.items()
        if system != postfix.PLAIN
    }
