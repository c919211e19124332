"""A child process for tests: does what it is told, by the first word."""

import asyncio
import os
import signal
import sys

from tierii_mta.daemon.children import adopted, announce, parent_gone


async def serve(told: dict[str, object]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, (lambda: None) if told["verb"] == "stubborn" else stop.set)
    announce({"pid": os.getpid(), "told": told, "notify": os.environ.get("NOTIFY_SOCKET"), "argv": sys.argv})
    waiting = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(parent_gone())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if told["verb"] == "stubborn":
        await asyncio.Event().wait()


if __name__ == "__main__":
    told = adopted()
    if told["verb"] == "exit":
        raise SystemExit(told["code"])
    asyncio.run(serve(told))
