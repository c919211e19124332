"""The program of a worker: reads frames until its socket ends, and does each job within limits.

Owns the limits of one job: computing time by a timer, memory by RLIMIT_AS.  Both are the process's own: what takes no
notice of them is killed by the daemon.  Computing time, not the clock's: a busy machine changes no outcome.  Standard
input is the socket to the daemon; a worker dies with it (PR_SET_PDEATHSIG, and the end of the socket).
"""

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

from tierii_mta.workers import wire
from tierii_mta.workers.wire import Frame

_PR_SET_PDEATHSIG = 1
_FLUSH_AFTER = 0.02  # seconds: the daemon need not wait for the rest of a batch
_FLUSH_ABOVE = 256 << 10  # octets
_MAX_WHY = 2_000  # characters

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
ResultT_contra = TypeVar("ResultT_contra", contravariant=True)


class TooMuch(Exception):
    """The job takes more computing time than one may."""


class Pack(Protocol[ResultT_contra]):
    """Makes a frame of some results of a batch."""

    def __call__(self, results: Sequence[ResultT_contra], *, is_last: bool) -> bytes: ...


def run(arguments: Sequence[str], work: Callable[["Bench"], None]) -> int:
    """Set the limits, then work until the daemon is gone or has had enough of us.

    The arguments are the daemon's process id, octets of memory and seconds of computing time for a job.
    """
    parent, memory, seconds = int(arguments[0]), int(arguments[1]), float(arguments[2])
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before prctl took effect
        return 0
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    allowed = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    gc.freeze()
    channel = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    with suppress(BrokenPipeError, ConnectionResetError):
        work(Bench(channel, seconds, memory_end=allowed))
    return 0


class Bench:
    """What a trade's program works at: its channel to the daemon, and the limits of one job."""

    def __init__(self, channel: socket.socket, seconds: float, *, memory_end: int) -> None:
        self._channel, self._seconds, self._memory_end = channel, seconds, memory_end
        self._is_worn = False  # a job that ran out of memory has left too little for the next ones

    def frames(self) -> Iterator[Frame]:
        """Say that we are ready, and yield what the daemon says until the socket ends or we are worn."""
        signal.signal(signal.SIGPROF, _stop)
        self._channel.sendall(wire.pack({"ready": os.getpid()}))
        with self._channel.makefile("rb") as stream:
            while not self._is_worn and len(lengths := stream.read(wire.LENGTHS.size)) == wire.LENGTHS.size:
                head, body = wire.LENGTHS.unpack(lengths)
                yield wire.unpack(stream.read(head), stream.read(body))

    def do_all(
        self,
        jobs: Iterable[JobT],
        do: Callable[[JobT], ResultT],
        *,
        failure: Callable[[str], ResultT],
        pack: Pack[ResultT],
        size: Callable[[ResultT], int],
    ) -> None:
        """Do the jobs of a batch and say what came of them. Worn, we leave the rest to a fresh worker."""
        results: list[ResultT] = []
        octets, began = 0, perf_counter()
        for job in jobs:
            result = self.attempt(job, do, failure=failure)
            results.append(result)
            octets += size(result)
            if self._is_worn:
                break
            if octets > _FLUSH_ABOVE or perf_counter() - began > _FLUSH_AFTER:
                self._channel.sendall(pack(results, is_last=False))
                results, octets, began = [], 0, perf_counter()
        self._channel.sendall(pack(results, is_last=True))

    def attempt(self, job: JobT, do: Callable[[JobT], ResultT], *, failure: Callable[[str], ResultT]) -> ResultT:
        """Return what the job yields within its limits, or the failure in words."""
        try:
            with self._limited():
                return do(job)
        except MemoryError:
            pass  # told below, when what the job held is free again
        except Exception as cause:  # a fault of ours that this job brings out; the others go on
            return failure(_told(cause))
        gc.collect()
        self._is_worn = _address_space() * 2 > self._memory_end
        return failure("takes more memory than a mail may")

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Raise `TooMuch` in what takes too long; again a little later, where that was swallowed."""
        signal.setitimer(signal.ITIMER_PROF, self._seconds, self._seconds / 4)
        try:
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)  # the signal may have come just before the line above


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise TooMuch("takes more computing time than a mail may")


def _told(cause: Exception) -> str:
    return (f"{cause}" if isinstance(cause, TooMuch) else f"{type(cause).__name__}: {cause}")[:_MAX_WHY]


def _address_space() -> int:
    """Return the octets of address space in use, which is what RLIMIT_AS limits."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
