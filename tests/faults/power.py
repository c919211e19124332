"""Power cuts: `data_dir` on an ext4 of its own, a photograph of its disk, and going on from the photograph.

The disk is a file behind a loop device.  What a program has written and not synced is in the page cache of the mounted
file system alone, so a copy of the file lacks it: the copy is the disk after a power cut.  Whoever may write is stopped
while it is taken, so that it shows one moment.  The journal is replayed when the copy is mounted, and the world goes on
with it: what was lost stays lost, what is sent again is counted.

Touches loop devices and mounts, for which it needs root; `hindrance` says why it cannot.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.kills import World
from tests.support.program import Process

_SIZE = "2G"  # more than `storage.reserve` keeps free; the file is sparse
_OPTIONS = "loop,commit=300"  # seconds until the journal writes by itself what nobody has synced; 5 would hide faults


class Disk:
    """One disk at one mount point; `with Disk(folder, at): …`."""

    def __init__(self, folder: Path, at: Path) -> None:
        self._folder, self._at = folder, at
        self._number = 0

    @property
    def _image(self) -> Path:
        return self._folder / f"disk{self._number}.img"

    def __enter__(self) -> Self:
        self._at.mkdir(parents=True, exist_ok=True)
        _run("truncate", "-s", _SIZE, str(self._image))
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        _run("mount", "-o", _OPTIONS, str(self._image), str(self._at))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _run("umount", str(self._at))
        self._image.unlink()

    def photograph(self) -> None:
        """Copy the disk as it is now. Nobody may be writing."""
        _run("cp", "--sparse=always", str(self._image), str(self._folder / f"disk{self._number + 1}.img"))

    def swap(self) -> None:
        """Mount the photograph in place of the disk; nobody may use it."""
        _run("umount", str(self._at))
        self._image.unlink()
        self._number += 1
        _run("mount", "-o", _OPTIONS, str(self._image), str(self._at))


def hindrance() -> str | None:
    """Return why disks cannot be mounted here, or None."""
    missing = [name for name in ("mkfs.ext4", "mount", "truncate") if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        return "power cuts need root" if not missing else f"power cuts need {', '.join(missing)}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Disk(Path(folder), Path(folder) / "mounted"):
                return None
        except subprocess.CalledProcessError as error:
            return f"no loop device can be mounted: {error.stderr.decode(errors='replace').strip()}"


async def cut(world: World, disk: Disk, enqueue: Process | None = None) -> None:
    """Cut the power under the daemon and an enqueue, and mount what is left."""
    assert world.daemon is not None
    writers = [process for process in (world.daemon, enqueue) if process is not None and process.returncode is None]
    for process in writers:
        await _stopped(process)
    await asyncio.to_thread(disk.photograph)
    if enqueue is not None and enqueue.returncode is None:
        enqueue.kill()
        await world.within(enqueue.wait())
    world.daemon.kill()
    await world.within(world.daemon.wait())
    await asyncio.to_thread(disk.swap)
    await world.buried("power")


async def cuts(world: World, disk: Disk, cycles: int) -> None:
    """Cut the power again and again: under a daemon that sends, and every third time under an enqueue as well."""
    for number in range(cycles):
        await world.start()
        if await world.store.left() < 150:
            await world.enqueue(500)
        await world.moved(1)
        await world.enqueue(200)
        if number % 3 < 2:
            await world.moved(world.chance.randint(1, 80))
            await cut(world, disk)
            continue
        _, file, fates = world.campaign(1500)
        loading = await world.begin_enqueue(file)
        await asyncio.sleep(world.chance.uniform(0.8, 2.5))
        if loading.returncode == 0:
            world.ledger.accepted.update(fates)
        await cut(world, disk, loading)
        await world.rerun_enqueue(file)
        world.ledger.accepted.update(fates)


async def _stopped(process: Process) -> None:
    """Stop a process and wait until none of its threads runs; a sync that has begun ends first."""
    process.send_signal(signal.SIGSTOP)
    tasks = Path(f"/proc/{process.pid}/task")
    while process.returncode is None and not all(_state(task) in "TtZX" for task in tasks.iterdir()):
        await asyncio.sleep(0.001)


def _state(task: Path) -> str:
    try:
        return (task / "stat").read_text().rpartition(") ")[2][:1]
    except OSError:  # it has ended
        return "X"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=120)
