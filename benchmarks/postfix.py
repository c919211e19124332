"""A private Postfix that relays all it takes to the sink, plain or signing through a milter, or keeps it: our peer.

Owns its configuration, start and stop in a folder of its own; the system's Postfix is never touched.

It is tuned to be fast without giving up what it promises.  It queues on disk and syncs as it ships.  `in_flow_delay`,
which slows the sender down on purpose, is off; so are TLS, look-ups of client names and, by the exceptions for
`mynetworks`, every rate limit.  As many sessions hand mail in as connections lead to the sink, both kept open for more
than one message; smtpd, cleanup and smtp may run in as many processes, and stay for 1,000 messages instead of 100.
All recipients have one next hop, which suits its connection cache.  If a milter fails, the message is refused
(`milter_default_action = tempfail`), so nothing can slip through unsigned.  Neither rendering nor personal content is
asked of it.

A Postfix that only takes mail in (benchmarks.intake) puts every message on hold: it is received, queued and synced like
any other, and neither its queue manager nor a delivery agent touches it.  That is less work than with a transport that
discards, or one that is deferred.
"""

import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import report
from benchmarks.milters import MILTERS
from benchmarks.processes import cpu_s
from benchmarks.sink import SOURCE, free_port
from benchmarks.testbed import SENDER_DOMAIN, Testbed

POSTFIX = shutil.which("postfix", path="/usr/sbin:/usr/bin:/bin")
_PATIENCE_S = 600
_MASTER = """\
{port} inet n - n - {connections} smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
smtp unix - - n - {connections} smtp
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"""
_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
myhostname = peer.bench.example
mydestination =
alias_maps =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
relayhost = [127.0.0.1]:{sink}
smtp_connection_cache_destinations = [127.0.0.1]:{sink}
smtp_tls_security_level = none
disable_dns_lookups = yes
in_flow_delay = 0
max_use = 1000
initial_destination_concurrency = {connections}
default_destination_concurrency_limit = {connections}
"""
_MILTER = """\
smtpd_milters = unix:{socket}
milter_default_action = tempfail
"""
_HOLD = "smtpd_sender_restrictions = static:HOLD\n"

Injection = Callable[[int, int, Testbed], None]
"""Hands so many messages to a port."""

PLAIN = "postfix"


def reason_to_skip() -> str | None:
    """Return why this machine cannot run it."""
    if not POSTFIX or not SOURCE:
        return "postfix is not installed: apt-get install postfix"
    return None if os.geteuid() == 0 else "Postfix's master wants root"


class Postfix:
    """A `System` while `running`; its milter's process counts as part of it."""

    def __init__(
        self,
        testbed: Testbed,
        name: str,
        milter: tuple[Path, int] | None = None,
        *,
        injection: Injection | None = None,
        holds: bool = False,
    ) -> None:
        """`injection`: who hands mail in, smtp-source by default. `holds`: it keeps all it takes."""
        self.name, self.signs = name, milter is not None
        self._testbed, self._milter, self._injection, self._holds = testbed, milter, injection or inject, holds
        self._home, self.port = testbed.folder / f"postfix-{len(list(testbed.folder.iterdir()))}", free_port()
        self._command = [str(POSTFIX), "-c", str(self._home / "etc")]
        self._master: subprocess.Popen[bytes] | None = None
        self._sent = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the master as a child of ours."""
        self._configure()
        self._master = master = subprocess.Popen(
            [*self._command, "start-fg"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            deadline = time.monotonic() + 30
            while subprocess.run([*self._command, "status"], check=False, capture_output=True).returncode:
                if master.poll() is not None or time.monotonic() > deadline:
                    said = master.communicate(timeout=5)[1].decode(errors="replace")
                    raise SystemExit(f"Postfix did not start: {said}")
                time.sleep(0.1)
            yield
        finally:
            subprocess.run([*self._command, "stop"], check=False, capture_output=True)
            master.communicate(timeout=60)

    def take(self, label: str, messages: int) -> None:
        """Inject over as many sessions as there are connections to the sink, for every domain its share."""
        self._injection(self.port, messages, self._testbed)

    def settle(self, label: str, messages: int) -> None:
        """Wait until its queue is empty, and see in its log that all were sent and nothing else happened to them."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._queued():
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} did not empty its queue\n{self._log()[-2000:]}")
            time.sleep(0.05)
        self._sent += messages
        sent = len(re.findall(r"postfix/smtp\[\d+\]: .* status=sent ", self._log()))
        if sent != self._sent:
            raise SystemExit(f"{self.name} sent {sent} of {self._sent} messages\n{self._log()[-2000:]}")

    def cpu_s(self) -> Mapping[str, float]:
        parts = {"postfix": cpu_s(self.trees()[0])}
        return parts | {"milter": cpu_s(self._milter[1])} if self._milter else parts

    def trees(self) -> Sequence[int]:
        if self._master is None:
            raise RuntimeError("Postfix is not running")
        return [self._master.pid, *([self._milter[1]] if self._milter else [])]

    def _configure(self) -> None:
        home, owner = self._home, pwd.getpwnam("postfix")
        for folder in ("queue", "data", "etc"):
            (home / folder).mkdir(parents=True)
        os.chown(home / "data", owner.pw_uid, owner.pw_gid)
        for parent in [home, *home.parents]:  # Postfix's processes drop root and still have to get here
            if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        asked = ["postconf", "-h", "-d", "daemon_directory"]
        daemons = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
        connections = self._testbed.connections
        main = _MAIN.format(home=home, daemons=daemons, sink=self._testbed.sink, connections=connections)
        main += _HOLD if self._holds else ""
        if self._milter:
            main += _MILTER.format(socket=self._milter[0])
        (home / "etc" / "main.cf").write_text(main)
        master = _MASTER.format(port=f"127.0.0.1:{self.port}", connections=connections)
        (home / "etc" / "master.cf").write_text(master)

    def _log(self) -> str:
        path = self._home / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""

    def held(self) -> int:
        """Return how many messages are on hold, whole and for good."""
        return self._files("hold")

    def forget_held(self) -> None:
        """Delete what is on hold."""
        subprocess.run(
            ["postsuper", "-c", str(self._home / "etc"), "-d", "ALL", "hold"], check=True, capture_output=True
        )

    def _queued(self) -> int:
        return self._files("maildrop", "incoming", "active", "deferred")

    def _files(self, *names: str) -> int:
        folders = (self._home / "queue" / name for name in names)
        return sum(1 for folder in folders for path in folder.rglob("*") if path.is_file())


def open_peers(
    testbed: Testbed, names: Sequence[str], stack: ExitStack, *, injection: Injection | None = None
) -> Iterator[Postfix]:
    """Start the named ones of plain Postfix and those that sign; say which cannot run here."""
    for name in (PLAIN, *MILTERS):
        if name not in names:
            continue
        milter = MILTERS.get(name)
        if reason := reason_to_skip() or (milter.reason_to_skip() if milter else None):
            report.note(f"without the peer {name}: {reason}")
            continue
        served = stack.enter_context(milter.serving(testbed)) if milter else None
        peer = Postfix(testbed, f"postfix + {name}" if milter else name, served, injection=injection)
        stack.enter_context(peer.running())
        yield peer


def inject(port: int, messages: int, testbed: Testbed) -> None:
    """Hand messages of 4 KB to a port with smtp-source: one process a domain, all its connections at a time."""
    domains = min(testbed.domains, messages)
    at_once = min(domains, testbed.connections)
    sessions = testbed.connections // at_once

    def send(number: int) -> None:
        share = messages // domains + (number < messages % domains)
        command = [str(SOURCE), "-d", "-s", str(sessions), "-m", str(share), "-l", "4096", "-N", "-C", "10"]
        command += ["-f", f"news@{SENDER_DOMAIN}", "-t", f"user@d{number}.example", f"127.0.0.1:{port}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(send, range(domains)))
