"""Campaign throughput: the whole daemon to `smtp-sink` on loopback, rendered per recipient and signed with RSA-2048.

Two peers in the same run and to the same sink: a private Postfix (benchmarks.postfix) that relays messages of the same
size, unsigned and alike, with as many connections; and `smtp-source`, which has neither queue nor content and so shows
what the sink can take.  The cost of one RSA-2048 signature says how fast the machine was at that hour.
"""

import argparse
import asyncio
import csv
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import yaml
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks import postfix
from tierii_mta.authentication import dkim
from tierii_mta.queue.delivery import State
from tierii_mta.rehearsal.dns import DnsServer
from tierii_mta.storage.backend import SQLITE_FILE
from tierii_mta.storage.codes import STATE

PROGRAM = [sys.executable, "-m", "tierii_mta.cli.main"]
_SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/bin")
_SOURCE = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/bin")
_PARAGRAPH = "<p>Dear {{ first_name }}, spring is here and so are {{ discount }} percent off for {{ company }}.</p>\n"


def main(arguments: list[str]) -> int:
    """Print a JSON object with the figures; exit 69 where smtp-sink is missing."""
    options = argparse.ArgumentParser(prog="python -m benchmarks outbound")
    options.add_argument("--messages", type=int, default=20_000)
    options.add_argument("--connections", type=int, default=20)
    options.add_argument("--domains", type=int, default=20)
    options.add_argument("--peers", default="smtp-source,postfix", help="beside ours; `ours`: none, the quickest run")
    chosen = options.parse_args(arguments)
    if not _SINK or not _SOURCE:
        sys.stderr.write("smtp-sink and smtp-source are missing; apt-get install postfix\n")
        return 69
    figures = asyncio.run(_measure(chosen.messages, chosen.connections, chosen.domains, chosen.peers.split(",")))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


async def _measure(messages: int, connections: int, domains: int, peers: Sequence[str]) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="tierii-bench-") as name:
        folder = Path(name)
        async with DnsServer() as dns:
            port = _free_port()
            for number in range(domains):
                dns.add(f"d{number}.example", "MX", 10, "mx.sink.example")
            dns.add("mx.sink.example", "A", "127.0.0.1")
            user = ["-u", "postfix"] if os.geteuid() == 0 else []
            sink = subprocess.Popen([str(_SINK), *user, f"127.0.0.1:{port}", "1024"])
            try:
                await asyncio.sleep(0.5)
                source = _source(port, messages, connections) if "smtp-source" in peers else None
                relay = _relay(folder / "postfix", port, messages, connections) if "postfix" in peers else None
                config = _settings(folder, dns.address, port, connections)
                campaign = _campaign(folder, messages, domains)
                ours = await _ours(folder, config, campaign, messages)
            finally:
                sink.terminate()
                sink.wait()
    figures: dict[str, object] = {"messages": messages, "connections": connections, "rsa_2048_ms": _signature_ms()}
    figures |= {"smtp-source": source, "postfix": relay, "tierii-mta": asdict(ours)}
    if relay is not None:
        figures["ratio_to_postfix"] = round(ours.messages_per_s / relay["messages_per_s"], 2)
    return figures


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _signature_ms(count: int = 300) -> float:
    """Return the CPU time of one signature, once everything else has ended."""
    key = rsa.generate_private_key(65537, 2048)
    started = time.process_time()
    for _ in range(count):
        key.sign(b"x" * 300, padding.PKCS1v15(), SHA256())
    return round(1000 * (time.process_time() - started) / count, 3)


def _source(port: int, messages: int, connections: int) -> dict[str, float]:
    started = time.monotonic()
    subprocess.run(
        [str(_SOURCE), "-s", str(connections), "-m", str(messages), "-l", "4096", f"127.0.0.1:{port}"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return {"messages_per_s": round(messages / (time.monotonic() - started))}


def _relay(home: Path, sink: int, messages: int, connections: int) -> dict[str, float] | None:
    reason = postfix.reason_to_skip()
    if reason is not None:
        sys.stderr.write(f"without Postfix as a peer: {reason}\n")
        return None
    return postfix.relay(home, port=_free_port(), sink=sink, messages=messages, connections=connections)


def _settings(folder: Path, nameserver: str, port: int, connections: int) -> Path:
    (folder / "rsa.pem").write_bytes(dkim.generate_key(dkim.KeyKind.RSA))
    (folder / "shaping.yaml").write_text(
        yaml.safe_dump({"default": {"connections": connections, "rate": None, "connection_rate": None}})
    )
    config = folder / "tierii-mta.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "hostname": "mta.bench.example",
                "data_dir": "data",
                "dns": {"nameservers": [nameserver]},
                "domains": {"bench.example": {"dkim": [{"selector": "rsa", "key": "rsa.pem"}]}},
                "outbound": {"port": port, "allow_loopback": True, "shaping": "shaping.yaml"},
                "web": {"listen": f"127.0.0.1:{_free_port()}"},
                "log": {"level": "warning"},
            }
        )
    )
    return config


def _campaign(folder: Path, messages: int, domains: int) -> Path:
    (folder / "mail.html.j2").write_text("<html><body>\n" + _PARAGRAPH * 28 + "</body></html>\n")
    (folder / "mail.txt.j2").write_text("Dear {{ first_name }}, spring is here.\n")
    with (folder / "people.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["email", "first_name", "company"])
        rows.writerows([f"user{n}@d{n % domains}.example", f"Name{n}", f"Company {n}"] for n in range(messages))
    campaign = folder / "campaign.yaml"
    campaign.write_text(
        yaml.safe_dump(
            {
                "campaign": {"id": "bench"},
                "from": {"name": "Bench", "email": "news@bench.example"},
                "subject": "Hello {{ first_name }}",
                "template": {"html": "mail.html.j2", "text": "mail.txt.j2"},
                "variables": {"discount": 30},
                "contacts": [{"type": "csv", "path": "people.csv"}],
            }
        )
    )
    return campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What our own daemon took for the campaign; `cpu_ms` a message, by what the time went to."""

    messages_per_s: float
    enqueue_rows_per_s: float
    cpu_ms: Mapping[str, float]
    memory_pss_mb: float


async def _ours(folder: Path, config: Path, campaign: Path, messages: int) -> Ours:
    begun = time.monotonic()
    subprocess.run([*PROGRAM, "--config", str(config), "enqueue", str(campaign)], check=True, capture_output=True)
    enqueue_s = time.monotonic() - begun
    with (folder / "daemon.log").open("wb") as log:
        daemon = await asyncio.create_subprocess_exec(
            *PROGRAM, "--config", str(config), "serve", stdout=log, stderr=log
        )
        try:
            return await _watch(config, daemon, messages, enqueue_rows_per_s=round(messages / enqueue_s))
        finally:
            if daemon.returncode is None:
                daemon.terminate()
            await daemon.wait()


async def _watch(config: Path, daemon: asyncio.subprocess.Process, messages: int, *, enqueue_rows_per_s: float) -> Ours:
    """Measure from the first to the last completed message, as the database counts them."""
    process = psutil.Process(daemon.pid)
    done = 0
    while daemon.returncode is None and not done:
        await asyncio.sleep(0.05)
        done = await _completed(config)
    first, started, used = done, time.monotonic(), _cpu_ms(process)
    while daemon.returncode is None and done < messages:
        await asyncio.sleep(0.25)
        done = await _completed(config)
    if daemon.returncode is not None:
        raise SystemExit("the daemon ended before its campaign:\n" + (config.parent / "daemon.log").read_text())
    count, elapsed = max(1, messages - first), time.monotonic() - started
    return Ours(
        messages_per_s=round(count / elapsed),
        enqueue_rows_per_s=enqueue_rows_per_s,
        cpu_ms={name: round((spent - used.get(name, 0)) / count, 3) for name, spent in _cpu_ms(process).items()},
        memory_pss_mb=round(sum(one.memory_full_info().pss for one in _family(process)) / 1e6, 1),
    )


def _family(daemon: psutil.Process) -> list[psutil.Process]:
    return [daemon, *daemon.children(recursive=True)]


def _cpu_ms(daemon: psutil.Process) -> dict[str, float]:
    """Return the CPU time spent so far: by the event loop, by the daemon's other threads, and by its children."""
    threads = {one.id: one.user_time + one.system_time for one in daemon.threads()}
    loop = threads.pop(daemon.pid)
    children = sum(sum(one.cpu_times()[:2]) for one in daemon.children(recursive=True))
    spent = {"main loop": loop, "other threads": sum(threads.values()), "child processes": children}
    return {name: 1000 * seconds for name, seconds in spent.items()}


async def _completed(config: Path) -> int:
    """Read the tally directly: a command of ours would take a core for itself."""
    path = config.parent / "data" / SQLITE_FILE
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        query = "SELECT COALESCE(SUM(count), 0) FROM tally WHERE kind = ?"
        (count,) = database.execute(query, (STATE[State.COMPLETED],)).fetchone()
    return int(count)
