"""A listener with few files, in a process of its own: prints its port, and ends when told."""

import asyncio
import resource
import sys
from pathlib import Path

import uvloop

from tests.inbound.porch import open_porch
from tierii_mta.inbound.gate import Bounds
from tierii_mta.inbound.session import Door

_FILES = 256


async def main(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    async with open_porch(folder, bounds=Bounds(connections_per_ip=10_000, connections_per_network=10_000)) as porch:
        sys.stdout.write(f"{porch.ports[Door.INBOUND]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
