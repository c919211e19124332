"""The rate of the destinations that answer, beside those that hold mail hostage, in one run.

`python -m benchmarks hostages [--messages N] [--domains N] [--holes N] [--dead N] [--paused N] [--rounds N] [--json]`

The good mail is alike everywhere: to `--domains` domains, each with an MX of its own, all at one `smtp-sink`.  It goes
out alone, and beside

- *holes*: as many domains again (or `--holes`) that are black holes, in the same campaign, with as much mail each;
- *refusing*: one destination with `--dead` messages that refuses every connection;
- *silent*: one destination with `--dead` messages that is a black hole;
- *paused*: a campaign of `--paused` rows to the same domains, paused;
- *all*: all of these at once.

Each is an installation of its own.  Their daemons take turns, `--rounds` times each: started, 1,000 good messages to
warm up, `--messages` timed, and 1,000 more, so that the end of the campaign is not timed.  A daemon knows nothing of
the last round, so it meets every hostage anew.  Rates are counted at the sink, CPU seconds are those of the daemon and
its children; a ratio is that to the daemon alone in the same round, and the median of the rounds is given.

A black hole is a listener whose queue is full: the kernel drops every SYN, and a connection waits for its time-out.
Time-outs and retries are the shipped ones.  A run ends with an error if a good message is missing or a hostage's went.
"""

import argparse
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, processes, report
from benchmarks.ours import Ours
from benchmarks.sink import MISSING, SINK, Arrivals, counting_sink
from benchmarks.testbed import Testbed, open_testbed
from tierii_mta.queue.delivery import State
from tierii_mta.storage.codes import STATE, STATE_OF

ALONE = "nothing"
BESIDE = ("holes", "refusing", "silent", "paused", "all")
_SINK, _HOLE, _REFUSING = "127.0.0.1", "127.0.0.7", "127.0.0.8"
_CONNECTIONS = 20
_BEFORE = _AFTER = 1_000
_PATIENCE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything."""

    messages: int
    domains: int
    holes: int
    dead: int
    paused: int
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One run of one daemon."""

    first_s: float  # from the start until the first arrival
    per_s: float
    per_cpu_s: float
    waiting: int  # of the hostages, queued or in hand at the end


def main(arguments: list[str]) -> int:
    """Run it; exit 69 where smtp-sink is missing."""
    options = argparse.ArgumentParser(prog="python -m benchmarks hostages")
    options.add_argument("--messages", type=int, default=20_000, help="timed in each round")
    options.add_argument("--domains", type=int, default=20, help="that answer")
    options.add_argument("--holes", type=int, help="domains that are black holes; as many as answer")
    options.add_argument("--dead", type=int, default=100_000, help="messages to the one dead destination")
    options.add_argument("--paused", type=int, default=500_000, help="rows of the paused campaign")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--beside", default=",".join(BESIDE), help="which hostages, separated by commas")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    beside = tuple(chosen.beside.split(","))
    if unknown := set(beside).difference(BESIDE):
        options.error(f"--beside knows {', '.join(BESIDE)} and not {', '.join(sorted(unknown))}")
    if not SINK:
        report.note(MISSING)
        return 69
    holes = chosen.domains if chosen.holes is None else chosen.holes
    given = {name: getattr(chosen, name) for name in ("messages", "domains", "dead", "paused", "rounds")}
    sizes = Sizes(holes=holes, **given)
    with tempfile.TemporaryDirectory() as folder:
        facts = {**given, "holes": holes, "fsyncs_per_s": machine.fsyncs_per_s(Path(folder))}
    turns = measure(sizes, beside)
    report.tell(facts, list(figures(turns)), {}, as_json=chosen.json)
    return 0


def measure(sizes: Sizes, beside: Sequence[str] = BESIDE) -> Mapping[str, Sequence[Turn]]:
    """Return the turns of the daemon alone (`ALONE`) and beside each kind of hostage; SystemExit if mail is missing."""
    good = dict.fromkeys(_names("good", sizes.domains), _SINK)
    hostages = {"refusing.example": _REFUSING, **dict.fromkeys(["silent.example", *_names("hole", sizes.holes)], _HOLE)}
    turns: dict[str, list[Turn]] = {name: [] for name in (ALONE, *beside)}
    with ExitStack() as stack:
        testbed = stack.enter_context(open_testbed(connections=_CONNECTIONS, domains=0, others={**good, **hostages}))
        stack.enter_context(_black_hole(testbed.sink))
        arrivals = stack.enter_context(counting_sink(testbed.sink, testbed.folder))
        systems = {name: _filled(testbed, name, sizes) for name in turns}
        for number in range(sizes.rounds):
            for name, system in systems.items():
                stack.callback(system.stop)
                turns[name].append(_turn(system, arrivals, sizes, number))
    return turns


def figures(turns: Mapping[str, Sequence[Turn]]) -> Iterator[report.Row]:
    """Yield a row for each kind of hostage: medians of the rounds."""
    alone = turns[ALONE]
    for name, rounds in turns.items():
        pairs = list(zip(rounds, alone, strict=True))
        yield {
            "beside": name,
            "msg/s": round(statistics.median(turn.per_s for turn in rounds)),
            "msg/CPU s": round(statistics.median(turn.per_cpu_s for turn in rounds)),
            "first arrival, s": round(statistics.median(turn.first_s for turn in rounds), 2),
            "ratio": round(statistics.median(turn.per_s / base.per_s for turn, base in pairs), 2),
            "ratio by CPU": round(statistics.median(turn.per_cpu_s / base.per_cpu_s for turn, base in pairs), 2),
            "hostages waiting": rounds[-1].waiting,
        }


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}.example" for number in range(count)]


def _addresses(count: int, domains: Sequence[str]) -> Iterator[str]:
    return (f"user{number}@{domains[number % len(domains)]}" for number in range(count))


@contextmanager
def _black_hole(port: int) -> Iterator[None]:
    """Listen with a queue that is full."""
    with socket.create_server((_HOLE, port), backlog=0) as listener, ExitStack() as stack:
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield


def _filled(testbed: Testbed, name: str, sizes: Sizes) -> Ours:
    """Return an installation with its hostages queued, but for the holes, which come with each campaign."""
    system = Ours(testbed, name)
    if name in ("refusing", "silent", "all"):
        for dead in ("refusing", "silent") if name == "all" else (name,):
            report.note(f"{name}: enqueueing {sizes.dead:,} messages to {dead}.example")
            system.enqueue(dead, _addresses(sizes.dead, [f"{dead}.example"]))
    if name in ("paused", "all"):
        report.note(f"{name}: enqueueing {sizes.paused:,} rows to be paused")
        system.enqueue("paused", _addresses(sizes.paused, _names("good", sizes.domains)))
        system.run("pause", "paused")
    return system


def _turn(system: Ours, arrivals: Arrivals, sizes: Sizes, number: int) -> Turn:
    """Send one campaign to those who answer, and to the holes if it goes beside them."""
    name, before = system.folder.name, arrivals.count
    each = -(-(_BEFORE + sizes.messages + _AFTER) // sizes.domains)
    domains = _names("good", sizes.domains) + (_names("hole", sizes.holes) if name in ("holes", "all") else [])
    system.enqueue(f"campaign{number}", _addresses(each * len(domains), domains))
    started = time.monotonic()
    system.start()
    moments = []
    for count in (1, _BEFORE, _BEFORE + sizes.messages, each * sizes.domains):
        arrivals.wait_for(before + count, patience_s=_PATIENCE_S, is_hopeless=system.complaint)
        moments.append((arrivals.changes[-1][0], processes.cpu_s(system.pid)))
    system.stop()
    (first, _), (begun, cpu_begun), (ended, cpu_ended), _ = moments
    turn = Turn(
        first_s=first - started,
        per_s=arrivals.rate(begun, ended),
        per_cpu_s=sizes.messages / (cpu_ended - cpu_begun),
        waiting=_waiting(system, each * sizes.domains * (number + 1)),
    )
    report.note(f"beside {name}: {turn.per_s:,.0f} msg/s, {turn.per_cpu_s:,.0f} msg/CPU s")
    return turn


def _waiting(system: Ours, completed: int) -> int:
    """Return how many rows wait; SystemExit unless every other one is a good message that was completed."""
    counts: dict[int, int] = dict(system.query("SELECT state, COUNT(*) FROM delivery GROUP BY state"))
    waiting = sum(counts.pop(STATE[state], 0) for state in (State.PENDING, State.RETRY))
    if counts != {STATE[State.COMPLETED]: completed}:
        names = {str(STATE_OF[state]): count for state, count in counts.items()}
        raise SystemExit(f"{completed} good messages should be completed and all others wait: {names}")
    return waiting
