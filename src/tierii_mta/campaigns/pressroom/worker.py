"""A press worker: renders batches until its socket ends.  `python -m tierii_mta.campaigns.pressroom.worker`.

Owns the limits of one mail: computing time by a timer, memory by RLIMIT_AS.  Both are the process's own: what takes no
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import BinaryIO, NoReturn

from tierii_mta.authentication.coverage import cover
from tierii_mta.campaigns.plate import Plate
from tierii_mta.campaigns.pressroom import wire
from tierii_mta.campaigns.pressroom.wire import Failure, Frame, Printed, Result
from tierii_mta.outbound.content import RenderFailed

_PR_SET_PDEATHSIG = 1
_FLUSH_AFTER = 0.02  # seconds: the daemon need not wait for the rest of a batch
_FLUSH_ABOVE = 256 << 10  # octets
_MAX_WHY = 2_000  # characters


class TooMuch(Exception):
    """The mail takes more computing time than one may. Templates.render adds where."""


def main(arguments: Sequence[str]) -> int:
    """Work; the arguments are the daemon's process id, octets of memory and seconds of computing time for a mail."""
    parent, memory, seconds = int(arguments[0]), int(arguments[1]), float(arguments[2])
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before prctl took effect
        return 0
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    allowed = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    gc.freeze()
    channel = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    with suppress(BrokenPipeError, ConnectionResetError):  # the daemon is gone or has had enough of us
        _Worker(channel, seconds, memory_end=allowed).work()
    return 0


class _Worker:
    """Reads frames, prints, and says what came of it."""

    def __init__(self, channel: socket.socket, seconds: float, *, memory_end: int) -> None:
        self._channel, self._seconds, self._memory_end = channel, seconds, memory_end
        self._editions: dict[int, Plate | Failure] = {}
        self._is_worn = False  # a mail that ran out of memory has left too little for the next ones

    def work(self) -> None:
        """Work until the socket ends."""
        signal.signal(signal.SIGPROF, _stop)
        self._channel.sendall(wire.pack({"ready": os.getpid()}))
        with self._channel.makefile("rb") as stream:
            for frame in _frames(stream):
                if "edition" in frame.head:
                    self._editions[frame.head["edition"]] = self._compiled(frame)
                    continue
                for number in frame.head["drop"]:
                    self._editions.pop(number, None)
                self._print_all(frame.head["print"])
                if self._is_worn:
                    return

    def _compiled(self, frame: Frame) -> Plate | Failure:
        try:
            with self._limited():
                return Plate(wire.unpack_edition(frame))
        except Exception as cause:  # whatever is wrong with a campaign must not end the worker of the others
            return Failure(_told(cause), is_of_edition=True)

    def _print_all(self, rows: Sequence[Sequence[object]]) -> None:
        results: list[Result] = []
        size, began = 0, perf_counter()
        for row in rows:
            result = self._printed(row)
            results.append(result)
            size += len(result.sheet.data) if isinstance(result, Printed) else 0
            if self._is_worn:  # the daemon gives the rest to a fresh worker
                break
            if size > _FLUSH_ABOVE or perf_counter() - began > _FLUSH_AFTER:
                self._channel.sendall(wire.pack_results(results, is_last=False))
                results, size, began = [], 0, perf_counter()
        self._channel.sendall(wire.pack_results(results, is_last=True))

    def _printed(self, row: Sequence[object]) -> Result:
        number, job = wire.unpack_job(row)
        plate = self._editions[number]
        if isinstance(plate, Failure):
            return plate
        try:
            with self._limited():
                sheet = plate.print(job)
                return Printed(sheet, cover(sheet.data))
        except RenderFailed as failed:
            return Failure(str(failed)[:_MAX_WHY])
        except MemoryError:
            pass  # told below, when what the mail held is free again
        except Exception as cause:  # a fault of ours that this mail brings out; the others go on
            return Failure(_told(cause))
        gc.collect()
        self._is_worn = _address_space() * 2 > self._memory_end
        return Failure("the mail takes more memory than one may")

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


def _frames(stream: BinaryIO) -> Iterator[Frame]:
    while len(lengths := stream.read(wire.LENGTHS.size)) == wire.LENGTHS.size:
        head, body = wire.LENGTHS.unpack(lengths)
        yield wire.unpack(stream.read(head), stream.read(body))


def _address_space() -> int:
    """Return the octets of address space in use, which is what RLIMIT_AS limits."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
