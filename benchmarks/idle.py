"""What silent clients cost: `python -m benchmarks idle [--sessions 10000] [--rounds 300]`.

Holds so many sessions open against our daemon, plain and then over TLS, each behind its EHLO and from one of fifty
loopback addresses, and prints

    KB a session    resident memory of the daemon above what it was before, divided by the sessions
    banner p99      from connect to greeting of a new client meanwhile, one after the other
    25 MB message   how far the daemon's peak rises above what it held, while its first such message is submitted and
                    kept; the database's cache (64 MB) is filled before, by messages of 200 KB

The clients live in a process of their own.  The daemon runs the roles of intake alone; `connections` is high enough for
places not to be scarce, because whoever is silent then would lose its place.  No peer stands beside us.
"""

import argparse
import asyncio
import json
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trustme
import uvloop
import yaml

from benchmarks import processes
from benchmarks.report import note, tell
from benchmarks.sink import free_port

_PROGRAM = [sys.executable, "-m", "tierii_mta.cli.main"]
_ADDRESSES = [f"127.0.0.{number}" for number in range(2, 52)]
_AT_ONCE = 100
_PATIENCE_S = 120
_LARGE = 24_900_000
_WARMING, _USUAL = 400, 200_000  # messages before the one that is measured, and their size
_SENDER, _RECIPIENT = "bench@idle.example", "a@one.example"


class Daemon:
    """Our daemon with its front door open, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "tierii-mta.yaml"
        self.ports = {"plain": free_port(), "TLS": free_port()}
        self.submission = free_port()
        issued = trustme.CA().issue_cert("mta.idle.example")
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))
        settings = {
            "hostname": "mta.idle.example",
            "data_dir": "data",
            "domains": {"idle.example": {}},
            "tls": {"certificate": "tls.pem", "key": "tls.pem"},
            "smtp": {
                "inbound": {"listen": [f"127.0.0.1:{self.ports['plain']}"]},
                "submission": {
                    "listen": [f"127.0.0.1:{self.submission}"],
                    "tls_listen": [f"127.0.0.1:{self.ports['TLS']}"],
                    "plaintext_auth": "loopback",
                },
                "limits": {"connections": 100_000},
            },
        }
        self.config.write_text(yaml.safe_dump(settings))

    @contextmanager
    def running(self) -> Iterator[int]:
        """Run it; yield its pid."""
        command = [*_PROGRAM, "--config", str(self.config), "serve", "--role", "inbound,submission"]
        with processes.running(command, log=self.folder / "daemon.log") as daemon:
            deadline = time.monotonic() + _PATIENCE_S
            while not _greets(self.ports["plain"]):
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit((self.folder / "daemon.log").read_text()[-2000:])
                time.sleep(0.05)
            yield daemon.pid

    def add_user(self) -> str:
        """Make a user who may submit, and return the password."""
        command = [*_PROGRAM, "--config", str(self.config), "--json", "user", "add", "bench", "--sender", _SENDER]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return str(json.loads(done.stdout.splitlines()[-1])["password"])


def main(arguments: Sequence[str]) -> int:
    """Run the measurement, or, as a child of it, hold the sessions."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks idle")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=300, help="new clients meanwhile")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--hold", nargs=2, metavar=("KIND", "PORT"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.hold:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_hold(chosen.hold[0], int(chosen.hold[1]), chosen.sessions))
        return 0
    rows = []
    for kind in ("plain", "TLS"):
        with tempfile.TemporaryDirectory() as folder:
            note(f"{chosen.sessions} {kind} sessions")
            rows.append(_measured(Daemon(Path(folder)), kind, chosen.sessions, chosen.rounds))
    with tempfile.TemporaryDirectory() as folder:
        note("a message of 25 MB")
        rise = _rise(Daemon(Path(folder)))
    tell(
        {"TLS library": ssl.OPENSSL_VERSION},
        rows,
        {"25 MB message, rise of the peak in MB": rise},
        as_json=chosen.json,
    )
    return 0


def _measured(daemon: Daemon, kind: str, sessions: int, rounds: int) -> dict[str, object]:
    with daemon.running() as pid:
        with _held(kind, daemon.ports[kind], 200):
            pass  # what the first sessions leave behind for good
        before = _memory_kb(pid, "VmRSS")
        with _held(kind, daemon.ports[kind], sessions):
            after = _memory_kb(pid, "VmRSS")
            waits = sorted(_banner_s(daemon.ports["plain"]) for _ in range(rounds))
    return {
        "sessions": f"{sessions} {kind}",
        "KB a session": round((after - before) * 1.024 / sessions, 2),
        "banner p50 ms": round(waits[len(waits) // 2] * 1000, 1),
        "banner p99 ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
    }


def _rise(daemon: Daemon) -> float:
    """Return by how many MB a large message raises the daemon's peak."""
    password = daemon.add_user()
    with daemon.running() as pid, smtplib.SMTP("127.0.0.1", daemon.submission, timeout=_PATIENCE_S) as client:
        client.login("bench", password)
        for _ in range(_WARMING):
            client.sendmail(_SENDER, [_RECIPIENT], _message(_USUAL))
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
        before = _memory_kb(pid, "VmRSS")
        client.sendmail(_SENDER, [_RECIPIENT], _message(_LARGE))
        return round((_memory_kb(pid, "VmHWM") - before) * 1.024 / 1000, 2)


def _message(size: int) -> bytes:
    head = f"From: {_SENDER}\r\nTo: {_RECIPIENT}\r\nSubject: large\r\n\r\n".encode()
    line = b"x" * 76 + b"\r\n"
    return head + line * ((size - len(head)) // len(line))


@contextmanager
def _held(kind: str, port: int, sessions: int) -> Iterator[None]:
    """Have another process hold sessions open."""
    command = [sys.executable, "-m", "benchmarks", "idle", "--hold", kind, str(port), "--sessions", str(sessions)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != "held\n":
            raise SystemExit("the sessions could not be opened")
        try:
            yield
        finally:
            holder.communicate("")


async def _hold(kind: str, port: int, sessions: int) -> None:
    """Open the sessions, say so, and keep silent until the end of standard input."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    room = asyncio.Semaphore(_AT_ONCE)
    held: list[asyncio.StreamWriter] = []

    async def open_one(number: int) -> None:
        async with room:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1",
                port,
                local_addr=(_ADDRESSES[number % len(_ADDRESSES)], 0),
                ssl=context if kind == "TLS" else None,
                limit=2048,
            )
            await reader.readline()
            writer.write(b"EHLO silent.example\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
            held.append(writer)

    async with asyncio.TaskGroup() as group:
        for number in range(sessions):
            group.create_task(open_one(number))
    sys.stdout.write("held\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for writer in held:
        writer.transport.abort()


def _banner_s(port: int) -> float:
    began = time.monotonic()
    if not _greets(port):
        raise SystemExit("a new client was not greeted")
    return time.monotonic() - began


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as client:
            return bool(client.recv(4) == b"220 ")
    except OSError:
        return False


def _memory_kb(pid: int, field: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:"))
