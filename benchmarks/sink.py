"""`smtp-sink` at one port of loopback, in two ways: keeping messages to be checked, or counting them.

Keeping costs the sink a file a message, so it is for small rounds beside the clock.  Counting costs it one short write
a message, the same for every system: it appends its counter to a file, and a thread of ours looks at the end of that
file every 20 ms.  So all rates are taken at the sink, from what arrived, and never from what a sender says it sent.
"""

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import running

_SYSTEM = "/usr/sbin:/usr/bin:/bin"
SINK = shutil.which("smtp-sink", path=_SYSTEM)
SOURCE = shutil.which("smtp-source", path=_SYSTEM)
MISSING = "smtp-sink and smtp-source are missing: apt-get install postfix"
_COUNTER = re.compile(rb"mesg=(\d+)\r")
_LOOK_S = 0.02


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Arrivals:
    """How many messages the sink had taken, and when: one entry a change."""

    log: Path
    changes: list[tuple[float, int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.changes[-1][1] if self.changes else 0

    def wait_for(self, count: int, *, patience_s: float, is_hopeless: Callable[[], str | None] = lambda: None) -> None:
        """Return once so many have arrived; give up with what `is_hopeless` says, or when nothing comes any more."""
        began = time.monotonic()
        while self.count < count:
            latest = max(began, self.changes[-1][0] if self.changes else began)
            reason = is_hopeless()
            if time.monotonic() > latest + patience_s:
                reason = f"nothing arrived for {patience_s:.0f} s"
            if reason:
                raise SystemExit(f"{self.count} of {count} messages arrived: {reason}")
            time.sleep(_LOOK_S)

    def span(self) -> tuple[float, int, float, int]:
        """Return the first and the last arrival: when, and how many had come by then."""
        seen = [change for change in self.changes if change[1]]
        return (*seen[0], *seen[-1])

    def rate(self, start: float, end: float) -> float:
        """Return messages a second between two moments."""
        return (self._count_at(end) - self._count_at(start)) / (end - start)

    def _count_at(self, moment: float) -> int:
        return max((count for at, count in self.changes if at <= moment), default=0)

    def look(self) -> None:
        """Read the counter once."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 200))
            found = _COUNTER.findall(file.read())
        if found and int(found[-1]) != self.count:
            self.changes.append((time.monotonic(), int(found[-1])))


@contextmanager
def counting_sink(port: int, folder: Path) -> Iterator[Arrivals]:
    """Take mail at a port and count it."""
    log = folder / "sink.count"
    log.write_bytes(b"")
    arrivals, over = Arrivals(log), threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_S):
            arrivals.look()

    with _sink(port, "-c", log=log):
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield arrivals
        finally:
            over.set()
            thread.join()


@contextmanager
def keeping_sink(port: int, folder: Path) -> Iterator[Path]:
    """Take mail at a port and keep each message in a file of the folder that is given out."""
    kept = folder / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    if os.geteuid() == 0:
        shutil.chown(kept, "postfix")
        for parent in kept.parents[:-1]:  # the sink drops root and still has to get here
            if parent.stat().st_uid == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
    with _sink(port, "-d", f"{kept}/m.", log=folder / "sink.log"):
        yield kept


@contextmanager
def _sink(port: int, *options: str, log: Path) -> Iterator[None]:
    user = ["-u", "postfix"] if os.geteuid() == 0 else []
    command: Sequence[str] = [str(SINK), *user, *options, "-m", "1024", f"127.0.0.1:{port}", "1024"]
    with running(command, log=log) as process:
        deadline = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                time.sleep(_LOOK_S)
            else:
                break
        else:
            raise SystemExit(f"smtp-sink did not start: {log.read_text(errors='replace')}")
        yield
