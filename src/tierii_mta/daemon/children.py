"""Child processes of the daemon: started afresh, never forked off; restarted when they die, gone when we are.

Owns one child's life from both sides: `Child` in the parent, `adopted` and `parent_gone` in the child.  What it is told
goes through its standard input, so secrets never stand on a command line; the same pipe is its lifeline.  Touches
processes.

    parent → child   one line: {"parent": PID, "told": ...}, then nothing; the end of the pipe is the end of the parent
    child → parent   one line: what it announces when it serves, e.g. {"listen": ["127.0.0.1:8025"]}
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from tierii_mta.clock import Clock
from tierii_mta.daemon import notify, sockets
from tierii_mta.daemon.settings import LoadedSettings
from tierii_mta.daemon.supervisor import Stop
from tierii_mta.errors import ConfigurationError, ExitCode

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
HEALTHY_AFTER = 60.0  # seconds of life after which the next death counts as the first
_PR_SET_PDEATHSIG = 1
_NOT_FOR_CHILDREN = frozenset({*notify.VARIABLES, *sockets.VARIABLES})


class Child:
    """The parent's side. `run` is a service of the supervisor."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],  # what follows the interpreter, e.g. ("-m", "tierii_mta.daemon.webchild")
        tell: Callable[[], Any],  # asked at every start; a JSON value
        clock: Clock,
        *,
        environ: Mapping[str, str],
        grace: float = 10.0,  # seconds between SIGTERM and SIGKILL
    ) -> None:
        self.name = name
        self._arguments, self._tell, self._clock, self._grace = tuple(arguments), tell, clock, grace
        self._environ = {key: value for key, value in environ.items() if key not in _NOT_FOR_CHILDREN}
        self._announced: asyncio.Future[Mapping[str, Any]] | None = None
        self._replace = asyncio.Event()
        self._process: Process | None = None
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process now running, if any."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def announced(self) -> Mapping[str, Any]:
        """Wait until the child serves and return what it announced, at its latest start."""
        while self._announced is None or not self._announced.done():
            await asyncio.shield(self._announcement())
        return self._announced.result()

    def restart(self) -> None:
        """End the child and start it again, with what `tell` says now."""
        self._replace.set()

    async def run(self, stop: Stop) -> None:
        """Keep the child running until `stop`; then terminate it.

        Raises `ConfigurationError` if its first start fails for a reason that trying again cannot mend.
        """
        wait = FIRST_WAIT
        while not stop.is_set():
            began = self._clock.monotonic()
            code = await self._live(stop)
            if stop.is_set():
                return
            if self._replace.is_set():
                self._replace.clear()
                continue
            log = structlog.get_logger()
            if code == ExitCode.CONFIGURATION and not self._announcement().done():
                raise ConfigurationError(f"the {self.name} process could not start", remedy="its log line says why")
            if self._clock.monotonic() - began >= HEALTHY_AFTER:
                wait = FIRST_WAIT
            log.error("child.died", child=self.name, exit_code=code, restart_in_s=wait)
            await self._pause(wait, stop)
            wait = min(wait * 2, LONGEST_WAIT)

    def _announcement(self) -> asyncio.Future[Mapping[str, Any]]:
        if self._announced is None:
            self._announced = asyncio.get_running_loop().create_future()
        return self._announced

    async def _live(self, stop: Stop) -> int:
        """Start the child, wait for its end, or end it at `stop` or `restart`; return its exit code."""
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environ,
            start_new_session=True,  # Ctrl-C reaches the daemon alone, which then stops us in order
        )
        self.starts += 1
        structlog.get_logger().info("child.started", child=self.name, pid=process.pid)
        try:
            async with asyncio.TaskGroup() as group:
                talking = group.create_task(self._talk(process))
                leaving = group.create_task(self._leave(process, stop))
                code = await process.wait()
                talking.cancel()
                leaving.cancel()
            return code
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _talk(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:  # pragma: no cover  asked for above
            return
        with contextlib.suppress(ConnectionError):  # it died early; its exit code says so
            process.stdin.write(json.dumps({"parent": os.getpid(), "told": self._tell()}).encode() + b"\n")
            await process.stdin.drain()
        async for line in process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                said = None
            if not isinstance(said, dict):
                structlog.get_logger().warning(
                    "child.said", child=self.name, line=line.decode(errors="replace").strip()
                )
                continue
            if self._announcement().done():
                self._announced = None
            self._announcement().set_result(said)

    async def _leave(self, process: Process, stop: Stop) -> None:
        asked = [asyncio.ensure_future(event.wait()) for event in (stop, self._replace)]
        try:
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in asked:
                waiting.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            await self._clock.sleep(self._grace)
            structlog.get_logger().warning("child.killed", child=self.name, pid=process.pid)
            process.kill()

    async def _pause(self, seconds: float, stop: Stop) -> None:
        waiting = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()


def web_child(current: Callable[[], LoadedSettings], clock: Clock) -> Child:
    """Return the web process as a service of the supervisor; `current` gives the settings at each of its starts.

    Here rather than in daemon.webchild, which imports the web framework: the daemon need not carry it.

    What it announces is `{"listen": [private, public?]}`, each as `host:port`.
    """
    return Child(
        "web",
        ("-m", "tierii_mta.daemon.webchild"),
        lambda: current().hand_over(),
        clock,
        environ=os.environ,
    )


# -- the child's side --------------------------------------------------------------------------------------------


def adopted() -> Any:
    """In the child: tie our life to the parent's and return what it told us. Call once, first thing.

    Exits at once if the parent is gone already.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit(ExitCode.TEMPORARY)
    given = json.loads(line)
    if os.getppid() != given["parent"]:  # it died before prctl took effect
        raise SystemExit(ExitCode.TEMPORARY)
    return given["told"]


async def parent_gone() -> None:
    """In the child: return when the parent's end of our standard input closes."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    try:
        while await reader.read(1024):
            pass
    finally:
        transport.close()


def announce(what: Mapping[str, Any]) -> None:
    """In the child: tell the parent that we serve."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
