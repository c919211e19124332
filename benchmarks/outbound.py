"""Campaign throughput: the whole daemon to `smtp-sink` on loopback, rendered per recipient and signed with RSA-2048.

The peer in the same run is Postfix's own client: `smtp-source` speaks to the same sink with as many sessions, which is
the most this sink takes without any queue, rendering or signature.
"""

import argparse
import asyncio
import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

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
    chosen = options.parse_args(arguments)
    if not _SINK or not _SOURCE:
        sys.stderr.write("smtp-sink and smtp-source are missing; apt-get install postfix\n")
        return 69
    figures = asyncio.run(_measure(chosen.messages, chosen.connections, chosen.domains))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


async def _measure(messages: int, connections: int, domains: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="tierii-bench-") as name:
        folder = Path(name)
        async with DnsServer() as dns:
            port = 42525
            for number in range(domains):
                dns.add(f"d{number}.example", "MX", 10, "mx.sink.example")
            dns.add("mx.sink.example", "A", "127.0.0.1")
            user = ["-u", "postfix"] if os.geteuid() == 0 else []
            sink = subprocess.Popen([str(_SINK), *user, f"127.0.0.1:{port}", "1024"])
            try:
                await asyncio.sleep(0.5)
                peer = _peer(port, messages, connections)
                config = _settings(folder, dns.address, port, connections)
                campaign = _campaign(folder, messages, domains)
                ours = await _ours(folder, config, campaign, messages)
            finally:
                sink.terminate()
                sink.wait()
    return {"messages": messages, "connections": connections, "smtp-source": peer, "tierii-mta": ours}


def _peer(port: int, messages: int, connections: int) -> dict[str, float]:
    started = time.monotonic()
    subprocess.run(
        [str(_SOURCE), "-s", str(connections), "-m", str(messages), "-l", "4096", f"127.0.0.1:{port}"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return {"messages_per_s": round(messages / (time.monotonic() - started))}


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
                "web": {"listen": "127.0.0.1:48025"},
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


async def _ours(folder: Path, config: Path, campaign: Path, messages: int) -> dict[str, object]:
    begun = time.monotonic()
    run = subprocess.run(
        [*PROGRAM, "--config", str(config), "enqueue", str(campaign), "--json"], check=True, capture_output=True
    )
    enqueue_s = time.monotonic() - begun
    log = (folder / "daemon.log").open("wb")
    daemon = await asyncio.create_subprocess_exec(*PROGRAM, "--config", str(config), "serve", stdout=log, stderr=log)
    try:
        return {
            **await _watch(config, daemon, messages),
            "enqueue_rows_per_s": round(messages / enqueue_s),
            "summary": json.loads(run.stdout.splitlines()[-1]),
        }
    finally:
        if daemon.returncode is None:
            daemon.terminate()
        await daemon.wait()
        log.close()


async def _watch(config: Path, daemon: asyncio.subprocess.Process, messages: int) -> dict[str, object]:
    """Time from the first to the last completed message, as the database counts them."""
    first: tuple[float, int] | None = None
    while daemon.returncode is None:
        done = await _completed(config)
        if done and first is None:
            first = (time.monotonic(), done)
        if done >= messages and first is not None:
            break
        await asyncio.sleep(0.25)
    if first is None or daemon.returncode is not None:
        raise SystemExit("the daemon sent nothing; see its log")
    elapsed = time.monotonic() - first[0]
    family = [process := psutil.Process(daemon.pid), *process.children(recursive=True)]
    cpu_s = sum(sum(member.cpu_times()[:2]) for member in family)
    memory = sum(member.memory_full_info().pss for member in family)
    return {
        "messages_per_s": round((messages - first[1]) / elapsed) if elapsed else None,
        "cpu_s_per_1000": round(1000 * cpu_s / messages, 3),
        "memory_pss_mb": round(memory / 1e6, 1),
    }


async def _completed(config: Path) -> int:
    """Read the tally directly: a command of ours would take a core for itself."""
    path = config.parent / "data" / SQLITE_FILE
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        query = "SELECT COALESCE(SUM(count), 0) FROM tally WHERE kind = ?"
        (count,) = database.execute(query, (STATE[State.COMPLETED],)).fetchone()
    return int(count)
