"""Messages a second through our checks and our reading, beside spam filters on the same messages.

`python -m benchmarks inbound [--messages N] [--at-once N] [--rounds N] [--peers NAMES] [--profile] [--json]`

Replies of 4 KB, signed, whose sender's DNS is sound and cached (benchmarks.letters).  Rows of ours:

- *checks*: all local checks of port 25 with their database, as the shipped settings have them, and one block list;
- *reading*: everything that is learnt from a message after its 250, in the reading room's processes;
- *checks, then reading*: both, as a message that comes in goes through them.

A peer judges and does not read.  Each row is warmed up first; of several rounds the median counts.  CPU is that of who
judges: our own process, which for a peer is only its client, is told apart.  `--profile` prints where the time goes
in our process.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import uvloop

from benchmarks import processes, report
from benchmarks.filters import FILTERS
from benchmarks.letters import BLOCK_LIST, CLIENT, HELO, RECIPIENT, Letter, publish, write_letters
from benchmarks.testbed import serve_names, testbed_folder
from tierii_mta.authentication import dkim
from tierii_mta.clock import SystemClock
from tierii_mta.correspondence.reading import EnvelopeFacts, Kind
from tierii_mta.correspondence.room.pool import ReadingRoom
from tierii_mta.daemon.installation import open_installation
from tierii_mta.daemon.screening import Memory, build_screening
from tierii_mta.daemon.settings.loading import settings_from
from tierii_mta.inbound.checks import Checks, Decision, Incoming
from tierii_mta.inbound.session import Door, Message, Session
from tierii_mta.mail.address import Address
from tierii_mta.queue.received import InboxRecipient
from tierii_mta.smtp.data_reader import Faults

Do = Callable[[Letter], Awaitable[None]]
_WARM_UP = 200
_ROUND_S = 20.0  # no round is longer, the warm-up neither


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Who takes letters, and the processes that work for it besides ours."""

    name: str
    do: Do
    pids: Callable[[], Sequence[int]]


def main(arguments: list[str]) -> int:
    """Print one row a contender."""
    options = argparse.ArgumentParser(prog="python -m benchmarks inbound")
    options.add_argument("--messages", type=int, default=2_000)
    options.add_argument("--at-once", type=int, default=40, help="messages under way")
    options.add_argument("--rounds", type=int, default=3, help="of each row; the median counts")
    options.add_argument("--peers", default=",".join(FILTERS), help="beside ours; `ours`: none")
    options.add_argument("--profile", action="store_true", help="say where the time of our process goes")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    wanted = [peer for peer in chosen.peers.split(",") if peer != "ours"]
    if unknown := set(wanted) - set(FILTERS):
        options.error(f"--peers: {', '.join(unknown)}; there are {', '.join(FILTERS)}, ours")
    clock = SystemClock()
    with testbed_folder() as folder:
        key = folder / "rsa.pem"
        key.write_bytes(dkim.generate_key(dkim.KeyKind.RSA))
        letters = write_letters(chosen.messages + _WARM_UP, key=key, now=clock.now())
        bench = Bench(letters=letters, at_once=chosen.at_once, rounds=chosen.rounds)
        with serve_names(lambda dns: publish(dns, key=key)) as nameserver:
            profiler = cProfile.Profile() if chosen.profile else None
            with profiler or nullcontext():
                rows = uvloop.run(bench.ours(folder, nameserver))
            if profiler is not None:
                pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(40)
            for peer in wanted:
                if reason := FILTERS[peer].reason_to_skip():
                    report.note(f"without {peer}: {reason}")
                else:
                    rows.append(uvloop.run(bench.peer(peer, folder, nameserver)))
    facts = {"messages": chosen.messages, "bytes": len(letters[-1].octets), "cores": os.cpu_count()}
    report.tell(facts, rows, _ratios(rows), as_json=chosen.json)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The letters, and how they are handed out."""

    letters: Sequence[Letter]
    at_once: int
    rounds: int

    async def ours(self, folder: Path, nameserver: str) -> list[report.Row]:
        """Return our rows."""
        async with _checks(folder, nameserver) as checks:
            room = ReadingRoom()

            async def check(letter: Letter) -> None:
                verdict = await checks.check(_incoming(letter))
                if verdict.decision is not Decision.ACCEPT:
                    raise SystemExit(f"a letter is not accepted: {verdict.as_json()}")

            async def read(letter: Letter) -> None:
                envelope = EnvelopeFacts(reverse_path=letter.sender, received_at=SystemClock().now())
                reading = await room.read((letter.head, letter.body), envelope)
                if reading.kind is not Kind.REPLY:
                    raise SystemExit(f"a letter is read as {reading.kind}: {reading.faults}")

            async def both(letter: Letter) -> None:
                await check(letter)
                await read(letter)

            try:
                return [
                    await self._row(Contender(name="our checks", do=check, pids=list)),
                    await self._row(Contender(name="our reading", do=read, pids=lambda: room.pids)),
                    await self._row(Contender(name="our checks, then reading", do=both, pids=lambda: room.pids)),
                ]
            finally:
                await room.close()

    async def peer(self, name: str, folder: Path, nameserver: str) -> report.Row:
        """Return a filter's row."""
        judge = FILTERS[name]
        with judge.serving(folder, nameserver) as (path, pid):
            return await self._row(Contender(name=name, do=lambda one: judge.ask(path, one), pids=lambda: [pid]))

    async def _row(self, contender: Contender) -> report.Row:
        await self._hand_out(contender.do, self.letters[:_WARM_UP])
        letters, rates, cpu = self.letters[_WARM_UP:], [], dict[str, float]()
        for _ in range(self.rounds):
            own, others, began = time.process_time(), _cpu_s(contender), time.monotonic()
            count = await self._hand_out(contender.do, letters)
            rates.append(count / (time.monotonic() - began))
            spent = {"our process": time.process_time() - own, "others": _cpu_s(contender) - others}
            cpu = {part: round(1000 * seconds / count, 3) for part, seconds in spent.items()}
            report.note(f"{contender.name}: {rates[-1]:,.0f} msg/s")
        return {"row": contender.name, "msg/s": round(statistics.median(rates)), "CPU ms a message": cpu}

    async def _hand_out(self, do: Do, letters: Sequence[Letter]) -> int:
        """Have so many letters under way at once until all are done, or time is up; return how many were done."""
        left, until = iter(letters), time.monotonic() + _ROUND_S
        done = 0

        async def take() -> None:
            nonlocal done
            for letter in left:
                await do(letter)
                done += 1
                if time.monotonic() > until:
                    return

        async with asyncio.TaskGroup() as group:
            for _ in range(self.at_once):
                group.create_task(take())
        return done


@asynccontextmanager
async def _checks(folder: Path, nameserver: str) -> AsyncIterator[Checks]:
    """Give out the checks of an installation as it is shipped, that asks our DNS and one block list."""
    settings = {
        "hostname": "mta.bench.example",
        "data_dir": str(folder / "data"),
        "dns": {"nameservers": [nameserver]},
        "smtp": {"inbound": {"checks": {"lists": [{"zone": BLOCK_LIST, "weight": 3}]}}},
    }
    loaded = settings_from(settings, folder)
    async with open_installation(loaded, role="daemon", upgrade=True) as installation:
        memory = Memory(greylist=installation.greylist, correspondents=installation.correspondents)
        screened = build_screening(loaded.settings, clock=installation.clock, codec=installation.codec, memory=memory)
        tending = asyncio.create_task(screened.tend())
        try:
            yield screened.checks
        finally:
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)
            await screened.close()


def _incoming(letter: Letter) -> Incoming:
    return Incoming(
        session=Session(
            id="ses_bench",
            door=Door.INBOUND,
            remote=ip_address(CLIENT),
            remote_port=4711,
            local="192.0.2.1:25",
            started_at=SystemClock().now(),
            client_name=HELO,
            is_extended=True,
        ),
        reverse_path=Address.parse(letter.sender),
        recipients=(InboxRecipient(address=RECIPIENT, mailbox="bench/sales"),),
        is_smtputf8=False,
        message=Message(
            head=letter.head,
            body=lambda: iter((letter.body,)),
            size_bytes=len(letter.octets),
            is_8bit=False,
            faults=Faults(),
        ),
    )


def _cpu_s(contender: Contender) -> float:
    return sum(map(processes.cpu_s, contender.pids()))


def _ratios(rows: Sequence[report.Row]) -> Mapping[str, float]:
    rates = {str(row["row"]): float(str(row["msg/s"])) for row in rows}
    ours = rates["our checks"]
    return {f"our checks / {name}": round(ours / rates[name], 2) for name in FILTERS if name in rates}
