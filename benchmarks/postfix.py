"""A private Postfix that relays all it takes to one sink: the peer of our own way out.

Owns its configuration, start and stop in a folder of its own; the system's Postfix is never touched.  It queues on
disk and syncs as it ships; only what holds a benchmark back on purpose is off (`in_flow_delay`), and as many
connections to the sink are allowed as the other side has.  Neither rendering nor a signature is asked of it.
"""

import os
import pwd
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POSTFIX = shutil.which("postfix", path="/usr/sbin:/usr/bin:/bin")
_SOURCE = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/bin")
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
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
relayhost = [127.0.0.1]:{sink}
smtp_tls_security_level = none
disable_dns_lookups = yes
in_flow_delay = 0
initial_destination_concurrency = {connections}
default_destination_concurrency_limit = {connections}
"""


def reason_to_skip() -> str | None:
    """Return why this machine cannot run it."""
    if not POSTFIX or not _SOURCE:
        return "Postfix is not installed"
    return None if os.geteuid() == 0 else "Postfix's master wants root"


def relay(home: Path, *, port: int, sink: int, messages: int, connections: int) -> dict[str, float]:
    """Send messages of 4 KB through it to the sink; return the rate from the first injected to the last delivered."""
    _configure(home, port=port, sink=sink, connections=connections)
    with _running(home):
        started = time.monotonic()
        command = [str(_SOURCE), "-s", str(connections), "-m", str(messages), "-l", "4096", "-N"]
        command += ["-f", "news@bench.example", "-t", "user@sink.example", f"127.0.0.1:{port}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        before = _cpu_of_children_s()
        while _queued(home):
            if time.monotonic() > started + _PATIENCE_S:
                raise SystemExit("Postfix did not empty its queue")
            time.sleep(0.05)
        elapsed = time.monotonic() - started
    cpu_s = _cpu_of_children_s() - before
    sent = len(re.findall(r"postfix/smtp\[\d+\]: .* status=sent ", (home / "maillog").read_text()))
    if sent != messages:
        raise SystemExit(f"Postfix delivered {sent} of {messages} messages")
    return {"messages_per_s": round(messages / elapsed), "cpu_s_per_1000": round(1000 * cpu_s / messages, 3)}


def _configure(home: Path, *, port: int, sink: int, connections: int) -> None:
    owner = pwd.getpwnam("postfix")
    for folder in ("queue", "data", "etc"):
        (home / folder).mkdir(parents=True)
    os.chown(home / "data", owner.pw_uid, owner.pw_gid)
    for parent in [home, *home.parents]:  # Postfix's processes drop root and still have to get here
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    asked = ["postconf", "-h", "-d", "daemon_directory"]
    daemons = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    main = _MAIN.format(home=home, daemons=daemons, sink=sink, connections=connections)
    (home / "etc" / "main.cf").write_text(main)
    (home / "etc" / "master.cf").write_text(_MASTER.format(port=f"127.0.0.1:{port}", connections=connections))


@contextmanager
def _running(home: Path) -> Iterator[None]:
    """Run the master as a child of ours, so that its processes' CPU time comes back with its end."""
    command = [str(POSTFIX), "-c", str(home / "etc")]
    master = subprocess.Popen([*command, "start-fg"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while subprocess.run([*command, "status"], check=False, capture_output=True).returncode:
            if master.poll() is not None or time.monotonic() > deadline:
                sys.stderr.write(master.communicate(timeout=5)[1].decode(errors="replace"))
                raise SystemExit("Postfix did not start")
            time.sleep(0.1)
        yield
    finally:
        subprocess.run([*command, "stop"], check=False, capture_output=True)
        master.communicate(timeout=60)


def _queued(home: Path) -> int:
    folders = (home / "queue" / name for name in ("maildrop", "incoming", "active", "deferred"))
    return sum(1 for folder in folders for path in folder.rglob("*") if path.is_file())


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
