"""Rounds of several systems in turn: a checked one whose messages are looked at, timed ones that are counted.

Owns the run, what a round is, and which figures are printed; not which systems take part (benchmarks.outbound,
benchmarks.relay).  All are started and stay up.

1. The checked round: some messages through each system to a sink that keeps them.  All recipients must be there, once
   each, and dkimpy must verify every message of a system that signs.  No rate is taken; the systems warm up by it.
2. The timed rounds: the systems take turns to a sink that only counts, at a price which is the same for all
   (benchmarks.sink).  A round counts only if the sink took exactly N messages and the system itself says that it
   delivered N.  What cannot sign refuses the mail, so the signatures of step 1 hold here too.

Of several rounds the one with the median rate is printed.  msg/s is taken at the sink from the first to the last
arrival, `with intake` from the first message handed in, and so is CPU.  Flushes are those of the disk, whoever asked.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import machine, postfix, report, verification
from benchmarks.ours import Ours
from benchmarks.processes import MemoryWatch
from benchmarks.sink import MISSING, SINK, SOURCE, counting_sink, keeping_sink
from benchmarks.testbed import System, Testbed, open_testbed

OpenSystems = Callable[[Testbed, Sequence[str], ExitStack], Iterable[System]]
"""Starts our daemon and those of the named peers that can run here."""

_CHECKED = 200
_PATIENCE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One timed round of one system."""

    system: str
    signs: bool
    rate: float  # messages a second at the sink, from the first arrival to the last
    rate_with_intake: float
    cpu_ms: Mapping[str, float]  # a message, by part
    peak_mb: float
    flushes: int | None


def run(arguments: Sequence[str], open_systems: OpenSystems, *, name: str, peers: Sequence[str], messages: int) -> int:
    """Run `python -m benchmarks NAME`; exit 69 where smtp-sink is missing."""
    options = argparse.ArgumentParser(prog=f"python -m benchmarks {name}")
    options.add_argument("--messages", type=int, default=messages)
    options.add_argument("--connections", type=int, default=20, help="to the sink, for each system")
    options.add_argument("--domains", type=int, default=20, help="that the recipients are spread over")
    options.add_argument("--rounds", type=int, default=1, help="timed rounds of each system, taken in turn")
    options.add_argument("--peers", default=",".join(peers), help="beside ours; `ours`: none, the quickest run")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    wanted = [peer for peer in chosen.peers.split(",") if peer != "ours"]
    if unknown := set(wanted) - set(peers):
        options.error(f"--peers: {', '.join(unknown)}; there are {', '.join(peers)}, ours")
    if not SINK or not SOURCE:
        report.note(MISSING)
        return 69
    with open_testbed(connections=chosen.connections, domains=chosen.domains) as testbed, ExitStack() as stack:
        facts = {
            "messages": chosen.messages,
            "connections": chosen.connections,
            "domains": chosen.domains,
            "fsyncs_per_s": machine.fsyncs_per_s(testbed.folder),
        }
        systems = list(open_systems(testbed, wanted, stack))
        sizes = {system.name: _check(system, testbed) for system in systems}
        results = _take_turns(systems, testbed, chosen.messages, chosen.rounds)
        facts["rsa_2048_ms"] = machine.signature_ms()
    rows = [_row(result, sizes[result.system]) for result in results]
    report.tell(facts, rows, _ratios(results), as_json=chosen.json)
    return 0


def _check(system: System, testbed: Testbed) -> int:
    """Send a few messages to be looked at; return their mean size. SystemExit if one is missing or not signed."""
    with keeping_sink(testbed.sink, testbed.folder) as folder:
        with _blaming(system):
            system.take("checked", _CHECKED)
            system.settle("checked", _CHECKED)
        time.sleep(0.2)  # the sink closes its files after its reply
    kept = verification.read(folder, dkim_records=testbed.dkim_records)
    if kept.messages != _CHECKED or len(kept.recipients) != _CHECKED:
        raise SystemExit(f"{system.name}: {kept.messages} messages to {len(kept.recipients)} people, not {_CHECKED}")
    if system.signs and kept.verified != _CHECKED:
        raise SystemExit(f"{system.name}: dkimpy verifies {kept.verified} of {_CHECKED} messages")
    report.note(f"{system.name}: {kept.messages} messages arrived, {kept.verified} with a signature that verifies")
    return kept.mean_bytes


def _take_turns(systems: Sequence[System], testbed: Testbed, messages: int, rounds: int) -> list[Result]:
    """Time every system so many times; return the median round of each."""
    taken: dict[str, list[Result]] = {system.name: [] for system in systems}
    for number in range(rounds):
        for system in systems:
            result = _time(system, testbed, f"timed{number}", messages)
            taken[system.name].append(result)
            report.note(f"{system.name}: {result.rate:,.0f} msg/s")
    return [_median(results) for results in taken.values()]


def _median(results: Sequence[Result]) -> Result:
    middle = statistics.median_low(result.rate for result in results)
    return next(result for result in results if result.rate == middle)


def _time(system: System, testbed: Testbed, label: str, messages: int) -> Result:
    with counting_sink(testbed.sink, testbed.folder) as arrivals, MemoryWatch(system.trees) as memory:
        used, flushed, started = system.cpu_s(), machine.flushes(testbed.folder), time.monotonic()
        with _blaming(system):
            system.take(label, messages)
            arrivals.wait_for(messages, patience_s=_PATIENCE_S)
            system.settle(label, messages)
        spent, flushed_now = system.cpu_s(), machine.flushes(testbed.folder)
        arrivals.look()
    if arrivals.count != messages:
        raise SystemExit(f"{system.name}: {arrivals.count} messages arrived, not {messages}")
    first_at, first, last_at, _ = arrivals.span()
    return Result(
        system=system.name,
        signs=system.signs,
        rate=(messages - first) / max(last_at - first_at, 1e-3),
        rate_with_intake=messages / (last_at - started),
        cpu_ms={part: 1000 * (spent[part] - used[part]) / messages for part in spent},
        peak_mb=memory.peak_mb,
        flushes=None if flushed is None or flushed_now is None else flushed_now - flushed,
    )


@contextmanager
def _blaming(system: System) -> Iterator[None]:
    """Say whose fault it is when a run ends early."""
    try:
        yield
    except SystemExit as cause:
        raise SystemExit(f"{system.name}: {cause}") from cause


# -- the figures ---------------------------------------------------------------------------------------------------


def _row(result: Result, size: int) -> report.Row:
    """Return a system's line of the table."""
    cpu = {part: round(value, 3) for part, value in result.cpu_ms.items()}
    return {
        "system": result.system,
        "signs": "RSA-2048" if result.signs else "no",
        "bytes": size,
        "msg/s": round(result.rate),
        "with intake": round(result.rate_with_intake),
        "CPU s/1000": round(sum(cpu.values()), 2) if cpu else None,
        "PSS MB": round(result.peak_mb) if cpu else None,
        "flushes": result.flushes,
        "CPU ms a message": cpu,
    }


def _ratios(results: Sequence[Result]) -> dict[str, float]:
    """Return ours over plain Postfix, and over the best Postfix that signs."""
    ours = next(result for result in results if result.system == Ours.name)
    rivals = {"plain Postfix": [result for result in results if result.system == postfix.PLAIN]}
    rivals["the best signing Postfix"] = [result for result in results if result.signs and result is not ours]
    found: dict[str, float] = {}
    for name, peers in rivals.items():
        if peers:
            best = max(peers, key=lambda result: result.rate)
            found[f"ours / {name}"] = round(ours.rate / best.rate, 2)
            found[f"ours / {name}, with intake"] = round(ours.rate_with_intake / best.rate_with_intake, 2)
    return found
