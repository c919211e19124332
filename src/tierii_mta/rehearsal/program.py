"""tierii-mta itself as child processes: the daemon, and commands whose data is read.

Owns starting them and, whatever happens, ending them; not what they do.  Touches: processes started here, no others.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tierii_mta.clock import Clock
from tierii_mta.daemon.control import SOCKET_NAME, ControlClient
from tierii_mta.errors import Unavailable

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended: its exit code, the records of its stdout, and its stderr."""

    code: int
    records: tuple[Mapping[str, Any], ...]
    errors: str

    @property
    def summary(self) -> Mapping[str, Any]:
        """The last record; empty if there was none."""
        return self.records[-1] if self.records else {}


@dataclass(frozen=True, slots=True)
class Program:
    """tierii-mta with one settings file."""

    config: Path
    data_dir: Path
    log: Path
    clock: Clock

    async def ask(self, *arguments: str) -> Answer:
        """Run a command with --json and return what it said. Cancelling ends the command too."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*arguments, "--json"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=_environment(),
        )
        try:
            out, err = await process.communicate()
        finally:
            await _end(process)
        records = tuple(json.loads(line) for line in out.decode().splitlines() if line)
        return Answer(process.returncode or 0, records, err.decode(errors="replace"))

    @contextlib.asynccontextmanager
    async def daemon(self) -> AsyncIterator[int]:
        """Run `serve` for the length of the block and yield its pid once it answers; its log goes to a file.

        It has a session of its own, so that Ctrl-C reaches us alone and it is drained, not interrupted.
        """
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *self._command("serve"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )
        try:
            await self._wait_until_ready(process)
            yield process.pid
        finally:
            await _end(process)

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        client = ControlClient(self.data_dir / SOCKET_NAME)
        deadline = self.clock.monotonic() + _START_SECONDS
        while process.returncode is None and self.clock.monotonic() < deadline:
            with contextlib.suppress(Unavailable):
                await client.ask("ping")
                return
            await self.clock.sleep(_POLL_SECONDS)
        how = "does not answer" if process.returncode is None else f"ended with exit code {process.returncode}"
        raise Unavailable(f"the daemon {how}: {self.last_words()}", where=str(self.log))

    def last_words(self) -> str:
        """Return the end of the daemon's log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return " | ".join(lines[-3:]) or "its log is empty"

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tierii_mta.cli.main", *arguments, "--config", str(self.config)]


def _environment() -> dict[str, str]:
    """Our environment without settings: what the demo shows must not depend on them."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TIERII_", "NOTIFY_SOCKET"))}


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a child to stop, then make it; a cancelled caller waits all the same, so that nothing is left behind."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its session holds its web child too
        await process.wait()
