"""The stage of a story: a DNS server, receiving MX hosts, settings and keys, the daemon, and its command line.

Every MX has a loopback address of its own and all share one port, because the daemon dials one port everywhere.
"""

import asyncio
import functools
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dkim
import yaml

from tests.support.dns import DnsServer
from tests.support.program import Process, comes_true, start, within
from tierii_mta.authentication import dkim as ours
from tierii_mta.rehearsal.personality import Personality
from tierii_mta.rehearsal.sink import Sink

PROGRAM = (sys.executable, "-m", "tierii_mta.cli.main")
SENDER_DOMAIN = "news.example"


EPHEMERAL = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def free_port(*addresses: str) -> int:
    """Return a port that is free on all these addresses, and that the kernel gives to no client.

    While a daemon that was killed is started again, an outgoing connection could get its port otherwise.
    """
    for _ in range(50):
        port = random.randrange(10_240, EPHEMERAL)
        if all(_is_free(address, port) for address in addresses):
            return port
    raise RuntimeError("no port is free on all of " + ", ".join(addresses))


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


@dataclass
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> Any:
        """The last NDJSON object of stdout."""
        return json.loads(self.out.strip().splitlines()[-1])


@dataclass
class Stage:
    """One story's world."""

    folder: Path
    dns: DnsServer
    port: int
    web_port: int
    inbound_port: int
    submission_port: int
    settings: dict[str, Any]
    stack: AsyncExitStack
    daemon: Process | None = None
    sinks: dict[str, Sink] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "tierii-mta.yaml"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    async def sink(self, domain: str, address: str, personality: str = "") -> Sink:
        """Start a receiving MX for a domain on an address of its own and publish both in the DNS."""
        sink = Sink(Personality.parse(personality), listen=(address, self.port))
        await self.stack.enter_async_context(sink)
        self.publish(domain, address)
        self.sinks[domain] = sink
        return sink

    def publish(self, domain: str, address: str) -> None:
        """Give a domain one MX on an address."""
        self.dns.add(domain, "MX", 10, f"mx.{domain}")
        self.dns.add(f"mx.{domain}", "AAAA" if ":" in address else "A", address)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the operator's."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def campaign(self, name: str, contacts: list[dict[str, str]], **keys: Any) -> Path:
        """Write a small campaign with inline contacts."""
        self.write(
            "hello.html.j2",
            "<p>Hello {{ first_name or 'friend' }}, <a href=\"https://news.example/\">read on</a></p>\n",
        )
        specification = {
            "campaign": {"id": name},
            "from": {"name": "News", "email": f"news@{SENDER_DOMAIN}"},
            "list": {"id": f"list.{SENDER_DOMAIN}", "name": "News"},
            "subject": "Hello {{ first_name or 'friend' }}",
            "template": {"html": "hello.html.j2", "text": "auto"},
            "contacts": [{"type": "inline", "items": contacts}],
            **keys,
        }
        return self.write(f"{name}.yaml", yaml.safe_dump(specification, allow_unicode=True, sort_keys=False))

    async def run(
        self,
        *arguments: str | Path,
        code: int | None = 0,
        program: Sequence[str] = PROGRAM,
        environ: Mapping[str, str] | None = None,
    ) -> Done:
        """Run a command of ours and check its exit code (None: any); `environ` adds to our own environment."""
        with TemporaryDirectory(dir=self.folder, prefix="said-") as said:
            out, err = Path(said, "out"), Path(said, "err")
            process = await self._begin(map(str, arguments), out, err, program=program, environ=environ)
            try:
                await within(
                    process.wait(), f"the end of {arguments}", lambda: f"{err.read_text()}\n{self.daemon_log()}"
                )
            finally:
                if process.returncode is None:
                    process.kill()
            done = Done(process.returncode or 0, out.read_text(), err.read_text())
        assert "Traceback" not in done.err, done.err
        if code is not None:
            assert done.code == code, f"{arguments}: exit {done.code}\n{done.out}\n{done.err}\n{self.daemon_log()}"
        return done

    async def start_daemon(
        self, program: Sequence[str] = PROGRAM, environ: Mapping[str, str] | None = None, *, web: bool = True
    ) -> None:
        """Start `serve` and wait until it is ready; a control of a test names a sabotaged program instead of ours.

        Without `web` no web child is started: importing it takes longer than most stories, which do not look at it.
        """
        await self._web_is_silent()
        log, said = self.folder / "daemon.log", self.daemon_log()
        roles = [] if web else ["--role", "outbound,inbound,submission"]
        daemon = self.daemon = await self._begin(["serve", *roles], log, log, program=program, environ=environ)

        def is_over() -> bool:
            return daemon.returncode is not None or "ready" in self.daemon_log()[len(said) :].splitlines()

        await comes_true(is_over, "a daemon that is ready", self.daemon_log)
        assert daemon.returncode is None, f"the daemon did not come up\n{self.daemon_log()}"

    async def _begin(
        self,
        arguments: Iterable[str],
        out: Path,
        err: Path,
        *,
        program: Sequence[str],
        environ: Mapping[str, str] | None,
    ) -> Process:
        """Start our program, or one that a test names, with the settings of this stage."""
        line = ["--config", str(self.config), *arguments]
        if environ is None:
            return await start(program, line, folder=self.folder, out=out, err=err)
        with out.open("ab") as to_out, err.open("ab") as to_err:
            return await asyncio.create_subprocess_exec(
                *program,
                *line,
                stdout=to_out,
                stderr=to_err,
                stdin=asyncio.subprocess.DEVNULL,
                cwd=self.folder,
                env={**os.environ, **(environ or {})},
            )

    async def _web_answers(self) -> bool:
        """Ask on a bare connection: an HTTP client reads all certificates of the machine first, at each question."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.web_port)
            try:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                return b" 200 " in await within(reader.readline(), "an answer of the web child", self.daemon_log)
            finally:
                writer.close()
        except OSError:
            return False

    async def _web_is_silent(self) -> None:
        """Wait for the end of the web child of a killed daemon, whose answers would be taken for the next one's."""
        for _ in range(300):
            if not await self._web_answers():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"the web child of the last daemon does not end\n{self.daemon_log()}")

    async def stop_daemon(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the daemon and return its exit code."""
        assert self.daemon is not None
        if self.daemon.returncode is None:
            self.daemon.send_signal(number)
        code = await within(self.daemon.wait(), "the end of the daemon", self.daemon_log)
        self.daemon = None
        return code

    def daemon_log(self) -> str:
        """Return the daemon's log so far."""
        path = self.folder / "daemon.log"
        return path.read_text() if path.exists() else ""

    async def counts(self, campaign: str) -> dict[str, int]:
        """Return the nine states' counts of a campaign."""
        done = await self.run("status", campaign, "--json")
        counts: dict[str, int] = done.summary["counts"]
        return counts

    async def settled(self, campaign: str, **wanted: int) -> dict[str, int]:
        """Wait until the named counts are reached and return all."""
        counts: dict[str, int] = {}
        for _ in range(300):
            counts = await self.counts(campaign)
            if all(counts[state] == number for state, number in wanted.items()):
                return counts
            await asyncio.sleep(0.2)
        raise AssertionError(f"{campaign} stays at {counts}, wanted {wanted}\n{self.daemon_log()}")

    def verifies(self, message: bytes) -> bool:
        """Whether dkimpy accepts every DKIM-Signature of a message under the keys in our DNS."""
        verifier = dkim.DKIM(message)
        signatures = [name for name, _ in verifier.headers if name.lower() == b"dkim-signature"]
        assert len(signatures) == 2, "RSA and Ed25519"
        return all(verifier.verify(idx=number, dnsfunc=self._dkim_record) for number in range(len(signatures)))

    def _dkim_record(self, name: bytes, timeout: int = 5) -> bytes:
        return self.keys[name.decode().rstrip(".")]

    @property
    def keys(self) -> dict[str, bytes]:
        """The published DKIM records by name."""
        records = {}
        for selector in ("rsa", "ed"):
            key = (self.folder / f"{selector}.pem").read_bytes()
            records[f"{selector}._domainkey.{SENDER_DOMAIN}"] = ours.dns_record(key).encode()
        return records

    def save_settings(self) -> None:
        """Write the settings file anew."""
        self.config.write_text(yaml.safe_dump(self.settings))


@functools.cache
def _key(kind: ours.KeyKind) -> bytes:
    """Return the key of all stages; making one takes longer than most of their stories."""
    return ours.generate_key(kind)


@asynccontextmanager
async def open_stage(folder: Path, **overrides: Any) -> AsyncIterator[Stage]:
    """Set the stage: DNS up, keys made, settings written; no daemon yet. Ends all that it started."""
    addresses = [f"127.0.0.{number}" for number in range(1, 9)]
    async with AsyncExitStack() as stack:
        dns = await stack.enter_async_context(DnsServer())
        port, web_port = free_port(*addresses, "::1"), free_port("127.0.0.1")
        inbound_port, submission_port = free_port("127.0.0.1"), free_port("127.0.0.1")
        for kind, selector in ((ours.KeyKind.RSA, "rsa"), (ours.KeyKind.ED25519, "ed")):
            (folder / f"{selector}.pem").write_bytes(_key(kind))
        settings: dict[str, Any] = {
            "hostname": "mta.news.example",
            "data_dir": "data",
            "dns": {"nameservers": [dns.address], "timeout": "2s"},
            "domains": {
                SENDER_DOMAIN: {
                    "dkim": [{"selector": "rsa", "key": "rsa.pem"}, {"selector": "ed", "key": "ed.pem"}],
                    "return_path": f"bounce.{SENDER_DOMAIN}",
                }
            },
            "outbound": {
                "port": port,
                "allow_loopback": True,
                "retry": {"intervals": ["1s"], "lifetime": "1h"},
            },
            "smtp": {
                "inbound": {"listen": [f"127.0.0.1:{inbound_port}"]},
                "submission": {
                    "listen": [f"127.0.0.1:{submission_port}"],
                    "tls_listen": [],
                    "plaintext_auth": "loopback",
                },
            },
            "web": {"listen": f"127.0.0.1:{web_port}"},
            **overrides,
        }
        stage = Stage(
            folder=folder,
            dns=dns,
            port=port,
            web_port=web_port,
            inbound_port=inbound_port,
            submission_port=submission_port,
            settings=settings,
            stack=stack,
        )
        stage.save_settings()
        try:
            yield stage
        finally:
            if stage.daemon is not None and stage.daemon.returncode is None:
                stage.daemon.kill()
                await within(stage.daemon.wait(), "the end of a daemon that was killed", stage.daemon_log)
