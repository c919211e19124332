"""What processes cost: CPU time and memory of whole trees, read from /proc while they run.

CPU time of a tree counts children that have ended, as their parents' record of them; memory is PSS, which splits
shared pages among those who share them, so that adding processes up is right.
"""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil

_MEGABYTE = 1e6


def cpu_s(root: int) -> float:
    """Return the CPU seconds a process, its descendants and its ended children have used so far."""
    used = 0.0
    for one in _family(root):
        with contextlib.suppress(psutil.NoSuchProcess):
            used += sum(one.cpu_times()[:4])  # user, system, and both of the children it has waited for
    return used


def cpu_s_by_part(daemon: int) -> Mapping[str, float]:
    """Return the CPU seconds of our daemon: its event loop, its other threads, its child processes."""
    process = psutil.Process(daemon)
    threads = {one.id: one.user_time + one.system_time for one in process.threads()}
    own = sum(process.cpu_times()[:2])
    loop = threads[daemon]
    return {"main loop": loop, "other threads": own - loop, "child processes": cpu_s(daemon) - own}


def pss_mb(roots: Iterable[int]) -> float:
    """Return the memory of these trees now."""
    pages = 0
    for one in (process for root in roots for process in _family(root)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            pages += one.memory_full_info().pss
    return pages / _MEGABYTE


def _family(root: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class MemoryWatch:
    """`with MemoryWatch(roots) as memory:` samples these trees; `memory.peak_mb` is the most that was seen."""

    def __init__(self, roots: Callable[[], Sequence[int]], *, every_s: float = 1.0) -> None:
        self._roots, self._every_s = roots, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, pss_mb(self._roots()))
            if self._over.wait(self._every_s):
                return


@contextmanager
def running(command: Sequence[str | Path], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as the block does, its output in `log`, and end it by its pid."""
    with log.open("ab") as file:
        process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], *, within_s: float = 60) -> None:
    """End one process: politely, then not."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
