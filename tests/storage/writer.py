"""A process that accepts messages beside others: `writer.py FOLDER NAME COUNT`."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.contracts.installation import Installation
from tests.support.clock import ManualClock


async def main(folder: str, name: str, count: str) -> None:
    """Accept so many messages, one a commit, to five lanes shared with the others, and say so."""
    store = Installation("sqlite", Path(folder), ManualClock())
    await store.open()
    for number in range(int(count)):
        await store.accept(f"{name}{number}@d{number % 5}.example")
        print(number, flush=True)  # said only once it is kept
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
