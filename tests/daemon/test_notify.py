"""What the service manager is told, over a real datagram socket."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tierii_mta.daemon.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The service manager's end, and its address as NOTIFY_SOCKET has it."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@tierii-mta-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + address[1:] if address.startswith("@") else address)
        receiver.setblocking(False)
        yield receiver, address


def received(receiver: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(receiver.recv(4096).decode())
        except BlockingIOError:
            return found


def test_it_says_ready_stopping_and_how_things_are(line: tuple[socket.socket, str]) -> None:
    receiver, address = line
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    notifier.ready("serving on 25\nREADY=0")
    notifier.status("3 lanes")
    notifier.stopping()
    notifier.extend(timedelta(seconds=2))
    assert received(receiver) == [
        "READY=1\nSTATUS=serving on 25 READY=0",  # a line end in a status starts no other message
        "STATUS=3 lanes",
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=2000000",
    ]


def test_a_reload_carries_the_monotonic_time(line: tuple[socket.socket, str]) -> None:
    receiver, address = line
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier(address=address).reloading()
    (message,) = received(receiver)
    first, second = message.split("\n")
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


async def test_the_watchdog_is_fed_at_half_its_interval(line: tuple[socket.socket, str]) -> None:
    receiver, address = line
    notifier = Notifier.from_environment(
        {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    )
    assert notifier.watchdog == timedelta(seconds=30)
    clock = ManualClock()
    feeding = asyncio.create_task(notifier.keep_alive(clock))
    await clock.run(timedelta(seconds=44))
    assert received(receiver) == ["WATCHDOG=1"] * 3  # at 0, 15 and 30 s
    feeding.cancel()


async def test_without_a_service_manager_nothing_is_said() -> None:
    notifier = Notifier.from_environment({})
    notifier.ready()
    await notifier.keep_alive(ManualClock())


def test_a_watchdog_meant_for_another_process_is_not_ours() -> None:
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    assert Notifier.from_environment(environ).watchdog is None


def test_a_service_manager_that_is_gone_does_not_stop_the_daemon(tmp_path: Path) -> None:
    Notifier(address=str(tmp_path / "gone")).ready()
