"""Our command line as processes: forked off one that has imported the program already (tests.support.zygote).

Owns what a test holds of a process: pid, signals and end.  A test about the start of a process, or about a program that
is not quite ours, starts it as users do.
"""

import asyncio
import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
LIMIT_S = 120.0  # what is done by then, on a machine that has other work too, or never


class Process(Protocol):
    """What a test may do with a process, however it was started."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def send_signal(self, signal: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    async def wait(self) -> int: ...


async def within(awaitable: Awaitable[T], why: str, log: Callable[[], str] = str, seconds: float = LIMIT_S) -> T:
    """Wait, but not for ever: fail with what was waited for and the end of the log."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await awaitable
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(f"{why}: still not after {seconds:.0f} s\n{log()[-10_000:]}") from None


async def comes_true(condition: Callable[[], T], why: str, log: Callable[[], str] = str) -> T:
    """Wait until a cheap question is answered with something true, but not for ever; return the answer."""

    async def answered() -> T:
        while not (answer := condition()):
            await asyncio.sleep(0.01)
        return answer

    return await within(answered(), why, log)


def end(process: subprocess.Popen[Any]) -> int:
    """End a foreign program: kill it if it does not go when it is asked to."""
    process.terminate()
    try:
        return process.wait(LIMIT_S / 4)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(LIMIT_S)


class Forked:
    """A command that runs; the twin of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid, self.returncode = pid, None
        self._ending = asyncio.create_task(self._ended(answers, writer))

    returncode: int | None

    def send_signal(self, signal: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError(f"process {self.pid} has ended")
        os.kill(self.pid, signal)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Return the exit code; minus a signal's number if that ended it."""
        return await asyncio.shield(self._ending)

    async def _ended(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        self.returncode = int(await answers.readline())
        writer.close()
        return self.returncode


async def start(program: Sequence[str], arguments: Iterable[str], *, folder: Path, out: Path, err: Path) -> Forked:
    """Start a command in a folder; what it writes is appended to two files.

    `program` is PROGRAM, or a line that runs a file of the tests, which builds something into our program and runs it.
    """
    answers, writer = await asyncio.open_unix_connection(_zygote())
    _, *line = (part for part in program if part != "-P")
    script, *built_in = (None, *line[2:]) if line[0] == "-m" else line
    order = {
        "script": script,
        "arguments": [*built_in, *arguments],
        "folder": str(folder),
        "environ": dict(os.environ),
        "out": str(out),
        "err": str(err),
    }
    writer.write(json.dumps(order).encode() + b"\n")
    return Forked(int(await within(answers.readline(), "a fork of our program")), answers, writer)


def run(program: Sequence[str], arguments: Iterable[str], folder: Path) -> tuple[int, str]:
    """Run a command to its end, for a test without a loop; return its exit code and what it said on stderr."""

    async def to_its_end() -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as said:
            err = Path(said, "err")
            process = await start(program, arguments, folder=folder, out=Path(said, "out"), err=err)
            try:
                return await within(process.wait(), "the end of a command", err.read_text), err.read_text()
            finally:
                if process.returncode is None:
                    process.kill()

    return asyncio.run(to_its_end())


@functools.cache
def _zygote() -> str:
    """Start the process that all commands of this test run are forked off, and return where it takes orders."""
    place = str(Path(tempfile.mkdtemp(prefix="tierii-zygote-"), "orders"))
    program = str(Path(__file__).with_name("zygote.py"))
    process = subprocess.Popen([sys.executable, "-P", program, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None

    atexit.register(process.communicate, timeout=LIMIT_S)
    ready, _, _ = select.select([process.stdout], [], [], LIMIT_S)
    assert ready, "our program is not imported"
    assert process.stdout.readline() == b"ready\n"
    return place
