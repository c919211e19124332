"""One worker as the daemon sees it: started afresh, fed, watched, killed.

Owns a worker's life and which orders it has in hand; not which orders it gets, nor what follows its death
(workers.pool), nor what is said (a `Dialect`).  Spawned, never forked: a forked process would hold the store's lock.
Its environment is ours cut down to where Python finds modules.  Touches processes.
"""

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from tierii_mta.workers.wire import Frame, FrameReader, Garbled


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may take."""

    memory_bytes: int = 512 << 20  # above what it needs itself
    computing: timedelta = timedelta(seconds=2)  # of one job, in computing time
    silence: timedelta = timedelta(seconds=5)  # from one result to the next
    start: timedelta = timedelta(seconds=60)  # until it is ready; a busy machine may take long


@dataclass(slots=True, eq=False, kw_only=True)
class Order:
    """A job for a caller who waits. A trade adds what the job is."""

    done: asyncio.Future[Any]  # of what the trade makes of a result
    where: str | None = None  # what an error names
    size_bytes: int = 0  # of what travels to the worker
    deaths: int = 0  # of workers that had this order alone in hand


OrderT = TypeVar("OrderT", bound=Order)
ResultT = TypeVar("ResultT")
OrderT_contra = TypeVar("OrderT_contra", bound=Order, contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)
ResultT_contra = TypeVar("ResultT_contra", contravariant=True)


class Dialect(Protocol[OrderT_contra, ResultT_co]):
    """What is said to one worker, and how its answers read. Made anew for each, so it may remember what it was told."""

    def request(self, orders: Sequence[OrderT_contra]) -> Iterable[bytes]:
        """Return the frames of a batch."""

    def results(self, frame: Frame) -> tuple[Sequence[ResultT_co], bool]:
        """Return results in the order of the batch, and whether it ends with them; raises `Garbled`."""


class Owner(Protocol[OrderT_contra, ResultT_contra]):
    """Who hears of a worker. Called from its own calls and from the event loop."""

    def ready(self) -> None: ...

    def finished(self, results: Sequence[tuple[OrderT_contra, ResultT_contra]]) -> None: ...


class Worker(asyncio.Protocol, Generic[OrderT, ResultT]):
    """A worker process that runs a module as its program; `live` once."""

    def __init__(
        self, module: str, dialect: Dialect[OrderT, ResultT], limits: Limits, owner: Owner[OrderT, ResultT]
    ) -> None:
        self.in_hand: deque[OrderT] = deque()
        self.batches = 0  # sent and not yet answered in full
        self.has_started = False
        self.is_alone = False  # with an order that is suspected
        self._is_ending = False
        self._module, self._dialect, self._limits, self._owner = module, dialect, limits, owner
        self._frames = FrameReader()
        self._lost = asyncio.get_running_loop().create_future()
        self._watch: asyncio.TimerHandle | None = None
        self._process: Process | None = None
        self._transport: asyncio.WriteTransport | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_ready(self) -> bool:
        """Whether it can take work."""
        return self.has_started and not self._is_ending

    async def live(self) -> str:
        """Start the process, wait for its end, and return why it ended. Cancelling kills it; raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await self._started(theirs)
            await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
            self._expect(self._limits.start)
            await self._lost
        finally:
            if self._transport is None:
                ours.close()
            code = await self._end()
        return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"

    def send(self, orders: Sequence[OrderT]) -> None:
        """Give it a batch."""
        if self._transport is None or not self.is_ready:
            raise RuntimeError("this worker takes no work")
        for frame in self._dialect.request(orders):
            self._transport.write(frame)
        if not self.in_hand:
            self._expect(self._limits.silence)
        self.in_hand.extend(orders)
        self.batches += 1

    def kill(self) -> None:
        """End it now."""
        self._is_ending = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    # -- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                if "ready" in frame.head:
                    self.has_started = True
                    self._expect(None)
                    self._owner.ready()
                else:
                    self._take(*self._dialect.results(frame))
        except Garbled:
            self.kill()

    def eof_received(self) -> None:
        self._is_ending = True

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)

    # -- private --------------------------------------------------------------------------------------------------

    async def _started(self, channel: socket.socket) -> Process:
        limits = self._limits
        arguments = (os.getpid(), limits.memory_bytes, limits.computing.total_seconds())
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # not from the folder we happen to be in
            *("-m", self._module, *map(str, arguments)),
            stdin=channel.fileno(),
            stdout=DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(str(Path(place).absolute()) for place in sys.path if place)},
            start_new_session=True,  # Ctrl-C reaches the daemon alone, which then drains
        )

    async def _end(self) -> int:
        self._expect(None)
        self.kill()
        if self._transport is not None:
            self._transport.abort()
        return await self._process.wait() if self._process is not None else 0

    def _take(self, results: Sequence[ResultT], is_last: bool) -> None:
        if len(results) > len(self.in_hand):
            raise Garbled("results nobody asked for")
        done = [(self.in_hand.popleft(), result) for result in results]
        self.batches -= is_last
        self._expect(self._limits.silence if self.in_hand else None)
        self._owner.finished(done)

    def _expect(self, within: timedelta | None) -> None:
        """Kill the process unless it says something within this time; None: it owes nothing."""
        if self._watch is not None:
            self._watch.cancel()
        delay: Callable[..., asyncio.TimerHandle] = asyncio.get_running_loop().call_later
        self._watch = delay(within.total_seconds(), self.kill) if within is not None else None
