"""Campaign throughput: our daemon, Postfix, and Postfix signing through OpenDKIM and rspamd, side by side in one run.

`python -m benchmarks outbound [--messages N] [--connections N] [--domains N] [--rounds N] [--peers LIST] [--json]`;
`--peers ours` runs our daemon alone, the quickest comparison of two trees of ours.  Root is needed for the Postfixes,
and `apt-get install postfix opendkim rspamd`; a peer whose program is missing is named and left out.  The data lies
where TMPDIR says: it should be a disk, not memory.

1. All systems are started and stay up.  Each delivers to the same port of loopback, 4 KB a message, one recipient
   each, over the same number of connections; ours is rendered for every recipient and signed with RSA-2048.
2. The checked round: 200 messages through each system to a sink that keeps them.  All recipients must be there, once
   each, and dkimpy must verify every message of a system that signs.  No rate is taken; the systems warm up by it.
3. The timed rounds: the systems take turns, each `--rounds` times, to a sink that only counts, at a price which is the
   same for all (benchmarks.sink).  A round counts only if the sink took exactly N messages and the system itself says
   that it delivered N.  What cannot sign refuses the mail, so the signatures of step 2 hold here too.

Of several rounds the one with the median rate is printed.  msg/s is taken at the sink from the first to the last
arrival.  Ours enqueues before the first message leaves, Postfix takes in while it delivers: `with intake` counts from
the first message handed in, and so does CPU, our `enqueue` included.  Flushes are those of the disk, whoever asked.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import machine, postfix, report, verification
from benchmarks.milters import MILTERS
from benchmarks.ours import Ours
from benchmarks.processes import MemoryWatch
from benchmarks.sink import MISSING, SINK, SOURCE, counting_sink, keeping_sink
from benchmarks.testbed import System, Testbed, open_testbed

OURS, PLAIN, SOURCE_ALONE = Ours.name, "postfix", "smtp-source"
_PEERS = (SOURCE_ALONE, PLAIN, *MILTERS)
_CHECKED = 200
_PATIENCE_S = 120


def main(arguments: list[str]) -> int:
    """Run it; exit 69 where smtp-sink is missing."""
    options = argparse.ArgumentParser(prog="python -m benchmarks outbound")
    options.add_argument("--messages", type=int, default=20_000)
    options.add_argument("--connections", type=int, default=20, help="to the sink, for each system")
    options.add_argument("--domains", type=int, default=20, help="that the recipients are spread over")
    options.add_argument("--rounds", type=int, default=1, help="timed rounds of each system, taken in turn")
    options.add_argument("--peers", default=",".join(_PEERS), help="beside ours; `ours`: none, the quickest run")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    peers = [name for name in chosen.peers.split(",") if name != "ours"]
    if unknown := set(peers) - set(_PEERS):
        options.error(f"--peers: {', '.join(unknown)}; there are {', '.join(_PEERS)}, ours")
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
        systems = list(_open_systems(testbed, peers, stack))
        sizes = {system.name: _check(system, testbed) for system in systems}
        results = _take_turns(systems, testbed, chosen.messages, chosen.rounds)
        facts["rsa_2048_ms"] = machine.signature_ms()
    rows = [_row(result, sizes[result.system]) for result in results]
    report.tell(facts, rows, _ratios(results), as_json=chosen.json)
    return 0


# -- the systems ---------------------------------------------------------------------------------------------------


class Source:
    """smtp-source straight to the sink, with neither queue nor content: what the sink can take."""

    name, signs = SOURCE_ALONE, False

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    def take(self, label: str, messages: int) -> None:
        postfix.inject(self._testbed.sink, messages, self._testbed)

    def settle(self, label: str, messages: int) -> None:
        """Nothing is kept, so nothing can wait."""

    def cpu_s(self) -> Mapping[str, float]:
        return {}

    def trees(self) -> Sequence[int]:
        return []


def _open_systems(testbed: Testbed, peers: Sequence[str], stack: ExitStack) -> Iterator[System]:
    if SOURCE_ALONE in peers:
        yield Source(testbed)
    for name in (PLAIN, *MILTERS):
        if name not in peers:
            continue
        milter = MILTERS.get(name)
        if reason := postfix.reason_to_skip() or (milter.reason_to_skip() if milter else None):
            report.note(f"without the peer {name}: {reason}")
            continue
        served = stack.enter_context(milter.serving(testbed)) if milter else None
        peer = postfix.Postfix(testbed, f"postfix + {name}" if milter else name, served)
        stack.enter_context(peer.running())
        yield peer
    ours = Ours(testbed)
    ours.start()
    stack.callback(ours.stop)
    yield ours


# -- the rounds ----------------------------------------------------------------------------------------------------


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
    try:
        yield
    except SystemExit as cause:
        raise SystemExit(f"{system.name}: {cause}") from cause


# -- the figures ---------------------------------------------------------------------------------------------------


def _row(result: Result, size: int) -> report.Row:
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
    ours = next(result for result in results if result.system == OURS)
    rivals = {"plain Postfix": [result for result in results if result.system == PLAIN]}
    rivals["the best signing Postfix"] = [result for result in results if result.signs and result is not ours]
    ratios: dict[str, float] = {}
    for name, peers in rivals.items():
        if peers:
            best = max(peers, key=lambda result: result.rate)
            ratios[f"ours / {name}"] = round(ours.rate / best.rate, 2)
            ratios[f"ours / {name}, with intake"] = round(ours.rate_with_intake / best.rate_with_intake, 2)
    return ratios
