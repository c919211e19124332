"""A disk that fails on demand: for one process by a preloaded library, for everybody by a small file system.

Owns building the library, its flag file, and mounting; not what is expected of whom. Skips a test, with the reason,
where there is no C compiler or mounting is not allowed.
"""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import pytest

_SHIM = Path(__file__).with_name("shim.c")
_SABOTAGE = Path(__file__).with_name("sabotage.py")


class Trouble(StrEnum):
    """What fails; the values are the shim's."""

    FSYNC = "F"
    FULL = "N"
    WRITE = "W"
    READ = "R"
    READ_ONLY = "O"


class BadDisk:
    """The switch of a disk below one folder, for the processes started with `environ`."""

    def __init__(self, folder: Path, below: Path) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler here: the library that makes a disk fail cannot be built")
        library, self._flag = folder / "baddisk.so", folder / "baddisk.flag"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SHIM, "-ldl"], check=True, timeout=120)
        self._flag.write_bytes(b"-")
        self.environ: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "DISK_FAULT_FLAG": str(self._flag),
            "DISK_FAULT_BELOW": str(below.resolve()),
        }

    @contextmanager
    def failing(self, trouble: Trouble) -> Iterator[None]:
        """Let the disk fail inside the block."""
        self._set(trouble)
        try:
            yield
        finally:
            self._set("-")

    def _set(self, flag: str) -> None:
        with self._flag.open("r+b") as file:  # in place: the processes have it mapped
            file.write(flag.encode())


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[None]:
    """Make the folder a file system of its own, so large and no larger."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0700", "tierii-mta-test", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, timeout=120)


@contextmanager
def filled(folder: Path, *, leave_bytes: int = 0) -> Iterator[None]:
    """Let another program's file take the disk up to the last `leave_bytes`."""
    path = folder / "another.log"
    with path.open("wb", buffering=0) as file:
        state = os.statvfs(folder)
        left = state.f_bavail * state.f_frsize - leave_bytes
        try:
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 18)))
            while leave_bytes == 0:
                file.write(bytes(512))
        except OSError as failure:
            if failure.errno != errno.ENOSPC:
                raise
    try:
        yield
    finally:
        path.unlink()


def sabotaged(fault: str) -> tuple[str, ...]:
    """Return the program with a fault of `sabotage` built in."""
    return (sys.executable, str(_SABOTAGE), fault)
