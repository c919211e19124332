"""Telling systemd how we are: ready, reloading, stopping, alive (sd_notify(3)).

Owns the datagrams to NOTIFY_SOCKET and the watchdog's rhythm; not when to say what (daemon.supervisor).  Touches one
datagram socket.  Without NOTIFY_SOCKET every call does nothing, so the daemon runs the same in a terminal.
"""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import structlog

from tierii_mta.clock import Clock

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What systemd passes to the main process alone; children are started without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """The line to the service manager."""

    address: str | None = None  # a path, or "@name" in the abstract name space; None: nobody listens
    watchdog: timedelta | None = None  # silence after which we are restarted; None: no watchdog

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Return what the variables of the service manager ask for."""
        address = environ.get("NOTIFY_SOCKET", "")
        microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        is_ours = not pid or pid == str(os.getpid())
        watchdog = timedelta(microseconds=int(microseconds)) if microseconds.isdigit() and is_ours else None
        return cls(address=address if address[:1] in ("/", "@") else None, watchdog=watchdog or None)

    def ready(self, status: str = "") -> None:
        """Say that we serve, at start and again after a reload."""
        self._send("READY=1", status)

    def reloading(self) -> None:
        """Say that a reload has begun; `ready` ends it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def stopping(self, status: str = "") -> None:
        """Say that we are on the way out."""
        self._send("STOPPING=1", status)

    def status(self, text: str) -> None:
        """Set the line `systemctl status` shows."""
        self._send("", text)

    def extend(self, by: timedelta) -> None:
        """Ask for more time to stop than the unit gives."""
        self._send(f"EXTEND_TIMEOUT_USEC={by // timedelta(microseconds=1)}")

    async def keep_alive(self, clock: Clock) -> None:
        """Ping the watchdog at half its interval, from this event loop: a loop that hangs is restarted. Never returns
        unless there is no watchdog.
        """
        while self.address and self.watchdog:
            self._send("WATCHDOG=1")
            await clock.sleep(self.watchdog.total_seconds() / 2)

    def _send(self, message: str, status: str = "") -> None:
        if not self.address:
            return
        if status:
            one_line = " ".join(status.split())
            message = f"{message}\nSTATUS={one_line}".lstrip("\n")
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as line:
            try:
                line.sendto(message.encode(), address)
            except OSError as cause:  # the service manager's trouble is no reason to stop carrying mail
                structlog.get_logger().warning("notify.failed", error=str(cause))
