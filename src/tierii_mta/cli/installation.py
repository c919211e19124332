"""The installation a command works on: database, token codec and clock for the length of one command; the daemon
beside it.

Owns the way in; apart from cli.invocation because commands that need no database should not pay for one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tierii_mta.cli.invocation import Invocation
from tierii_mta.daemon.control import SOCKET_NAME, ControlClient
from tierii_mta.daemon.installation import Installation, open_installation


@asynccontextmanager
async def opened(call: Invocation) -> AsyncIterator[Installation]:
    """Open the installation as the owner of `data_dir`, creating a missing database."""
    async with open_installation(call.loaded, role="cli") as installation:
        yield installation


async def ask_daemon(installation: Installation, verb: str, **arguments: Any) -> dict[str, Any]:
    """Ask the running daemon for one answer; raises `Unavailable` where none runs."""
    return await daemon_of(installation).ask(verb, **arguments)


def daemon_of(installation: Installation) -> ControlClient:
    """Return the way to the daemon that runs on this `data_dir`."""
    return ControlClient(installation.settings.data_dir / SOCKET_NAME)
