"""Our own side: an installation in a folder, its campaigns, its commands and its daemon.

Settings are the shipped defaults but for what a benchmark on loopback needs: the sink's port, our DNS server, as many
connections as the peers have and no rates.  The log stays at its default level, written to a file.  4 KB of HTML and
text are rendered for every recipient and signed with RSA-2048; the database is the default one, synced as shipped.
"""

import csv
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import yaml

from benchmarks import processes
from benchmarks.sink import free_port
from benchmarks.testbed import SELECTOR, SENDER_DOMAIN, Testbed
from tierii_mta.queue.delivery import State
from tierii_mta.storage.backend import SQLITE_FILE
from tierii_mta.storage.codes import STATE

_PROGRAM = [sys.executable, "-m", "tierii_mta.cli.main"]
_PARAGRAPH = "<p>Dear {{ first_name }}, spring is here and so are {{ discount }} percent off for {{ company }}.</p>\n"
_PATIENCE_S = 120
_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


class Done:
    """What one command of ours took."""

    def __init__(self, *, seconds: float, cpu_s: float, peak_mb: float, output: str) -> None:
        self.seconds, self.cpu_s, self.peak_mb, self.output = seconds, cpu_s, peak_mb, output


class Ours:
    """An installation: `System`, once `start` was called."""

    name = "tierii-mta"
    signs = True

    def __init__(
        self,
        testbed: Testbed,
        name: str = "ours",
        *,
        database: str = "sqlite",
        roles: str = "outbound,web",
        settings: Mapping[str, Any] = _NO_SETTINGS,
    ) -> None:
        """`settings` are laid over those of a campaign's run, key by key at the top."""
        self.folder = testbed.folder / name
        self.data = self.folder / "data"
        self.data.mkdir(parents=True)
        self.config = self.folder / "tierii-mta.yaml"
        self._testbed, self._web = testbed, free_port()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log = (self.folder / "daemon.log").open("ab")
        self._enqueue_cpu_s = 0.0
        self.enqueued: dict[str, Done] = {}
        self._roles = roles
        self._write_settings(database, settings)

    # -- System

    def take(self, label: str, messages: int) -> None:
        """Enqueue a campaign; the daemon begins with it when the command has ended."""
        domains = self._testbed.domains
        self.enqueue(label, (f"user{number}@d{number % domains}.example" for number in range(messages)))

    def settle(self, label: str, messages: int) -> None:
        """Wait until the database counts every message of that campaign as completed."""
        deadline = time.monotonic() + _PATIENCE_S
        while (completed := self.count(State.COMPLETED, label)) < messages:
            if self.complaint() or time.monotonic() > deadline:
                raise SystemExit(f"tierii-mta completed {completed} of {messages}: {self.complaint()}")
            time.sleep(0.05)

    def cpu_s(self) -> Mapping[str, float]:
        return {**processes.cpu_s_by_part(self.pid), "enqueue": self._enqueue_cpu_s}

    def trees(self) -> Sequence[int]:
        return [self.pid]

    # -- the daemon

    @property
    def pid(self) -> int:
        if self._daemon is None:
            raise RuntimeError("the daemon is not running")
        return self._daemon.pid

    @property
    def is_running(self) -> bool:
        return self._daemon is not None

    def start(self) -> float:
        """Start `serve`; return the seconds until it answers /healthz."""
        started = time.monotonic()
        self._daemon = subprocess.Popen(
            [*_PROGRAM, "--config", str(self.config), "serve", "--role", self._roles],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        while not self._answers():
            if self.complaint() or time.monotonic() > started + _PATIENCE_S:
                raise SystemExit(f"the daemon did not come up: {self.complaint()}")
            time.sleep(0.02)
        return time.monotonic() - started

    def stop(self) -> None:
        """End the daemon, if it runs."""
        if self._daemon is not None:
            processes.end(self._daemon)
            self._daemon = None

    def complaint(self) -> str | None:
        """Return the end of the daemon's log if it has ended by itself."""
        if self._daemon is None or self._daemon.poll() is None:
            return None
        return f"it ended with {self._daemon.returncode}\n" + (self.folder / "daemon.log").read_text()[-2000:]

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._web}/healthz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    # -- commands

    def run(self, *arguments: str | Path) -> Done:
        """Run a command of ours to its end."""
        out = self.folder / "command.out"
        started = time.monotonic()
        with out.open("wb") as file:
            process = subprocess.Popen(
                [*_PROGRAM, "--config", self.config, *arguments], stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
            with processes.MemoryWatch(lambda: [process.pid], every_s=0.5) as memory:
                try:
                    _, status, used = os.wait4(process.pid, 0)
                except BaseException:
                    processes.end(process)
                    raise
                process.returncode = os.waitstatus_to_exitcode(status)
        done = Done(
            seconds=time.monotonic() - started,
            cpu_s=used.ru_utime + used.ru_stime,
            peak_mb=round(memory.peak_mb, 1),
            output=out.read_text(),
        )
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, arguments))} ended with {process.returncode}: {done.output}")
        return done

    def enqueue(self, campaign: str, addresses: Iterable[str]) -> Done:
        """Write a campaign and its CSV file of contacts, and enqueue it with the real command."""
        done = self.run("enqueue", self.write_campaign(campaign, addresses))
        self._enqueue_cpu_s += done.cpu_s
        self.enqueued[campaign] = done
        return done

    def write_campaign(self, campaign: str, addresses: Iterable[str]) -> Path:
        """Write a campaign's file, templates and contacts; return the file."""
        contacts = self.folder / f"{campaign}.csv"
        with contacts.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["email", "first_name", "company"])
            rows.writerows([one, f"Name{number}", f"Company {number}"] for number, one in enumerate(addresses))
        path = self.folder / f"{campaign}.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "campaign": {"id": campaign},
                    "from": {"name": "Bench", "email": f"news@{SENDER_DOMAIN}"},
                    "subject": "Hello {{ first_name }}",
                    "template": {"html": "mail.html.j2", "text": "mail.txt.j2"},
                    "variables": {"discount": 30},
                    "contacts": [{"type": "csv", "path": contacts.name}],
                }
            )
        )
        return path

    # -- the database, read past our own commands: they would take a core for themselves

    @property
    def database(self) -> Path:
        return self.data / SQLITE_FILE

    def count(self, state: State, campaign: str) -> int:
        """Return how many deliveries of a campaign stand in a state, as the tally has it."""
        query = """SELECT COALESCE(SUM(tally.count), 0) FROM tally JOIN stream ON stream.id = tally.stream
            JOIN campaign ON campaign.number = stream.campaign WHERE tally.kind = ? AND campaign.id = ?"""
        ((count,),) = self.query(query, STATE[state], campaign)
        return int(count)

    def query(self, sql: str, *values: int | str) -> list[tuple[Any, ...]]:
        """Read the database."""
        database = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()

    def _write_settings(self, database: str, others: Mapping[str, Any]) -> None:
        (self.folder / "mail.html.j2").write_text("<html><body>\n" + _PARAGRAPH * 32 + "</body></html>\n")
        (self.folder / "mail.txt.j2").write_text("Dear {{ first_name }}, spring is here.\n")
        shaping = {"default": {"connections": self._testbed.connections, "rate": None, "connection_rate": None}}
        (self.folder / "shaping.yaml").write_text(yaml.safe_dump(shaping))
        settings = {
            "hostname": "mta.bench.example",
            "data_dir": "data",
            "database": database,
            "dns": {"nameservers": [self._testbed.nameserver]},
            "domains": {SENDER_DOMAIN: {"dkim": [{"selector": SELECTOR, "key": str(self._testbed.key)}]}},
            "outbound": {"port": self._testbed.sink, "allow_loopback": True, "shaping": "shaping.yaml"},
            "smtp": {"inbound": {"listen": []}, "submission": {"listen": [], "tls_listen": []}},
            "web": {"listen": f"127.0.0.1:{self._web}"},
            **others,
        }
        self.config.write_text(yaml.safe_dump(settings))
