"""Start, stop, drain, reload and failure of the daemon's services, with real signals to this process."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.support.clock import ManualClock
from tierii_mta.daemon.notify import Notifier
from tierii_mta.daemon.supervisor import Service, Stop, Supervisor
from tierii_mta.errors import ConfigurationError, ExitCode, Unavailable

DRAIN = timedelta(seconds=30)


class Daemon:
    """A supervisor under test, what its services did, and the clock it goes by."""

    def __init__(self, on_reload: Callable[[], Awaitable[str]] | None = None) -> None:
        self.clock = ManualClock()
        self.supervisor = Supervisor(self.clock, notifier=Notifier(), drain=DRAIN, on_reload=on_reload)
        self.told: list[str] = []
        self.ready = asyncio.Event()

    def service(self, name: str, stops: int = 0, *, drained: asyncio.Event | None = None) -> None:
        """Add a service that ends when its stop is set and, if given, `drained` as well."""

        async def run(stop: Stop) -> None:
            self.told.append(f"{name} runs")
            try:
                await stop.wait()
                self.told.append(f"{name} stops")
                if drained:
                    await drained.wait()
                self.told.append(f"{name} ended")
            except asyncio.CancelledError:
                self.told.append(f"{name} cancelled")
                raise

        self.supervisor.add(Service(name, run, stops))

    async def _is_ready(self) -> str:
        self.ready.set()
        return "serving"

    def start(self) -> "asyncio.Task[ExitCode]":
        return asyncio.create_task(self.supervisor.run(self._is_ready))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_services_in_order_and_the_exit_code_is_ok(number: signal.Signals) -> None:
    daemon = Daemon()
    daemon.service("committer", stops=2)
    daemon.service("manager", stops=1)
    daemon.service("intake")
    running = daemon.start()
    await daemon.ready.wait()
    os.kill(os.getpid(), number)
    assert await running is ExitCode.OK
    assert daemon.told[3:] == [
        "intake stops", "intake ended", "manager stops", "manager ended", "committer stops", "committer ended",
    ]  # fmt: skip


async def test_whoever_has_not_drained_in_time_is_cancelled() -> None:
    daemon = Daemon()
    daemon.service("slow", drained=asyncio.Event())
    daemon.service("after", stops=1)
    running = daemon.start()
    await daemon.ready.wait()
    daemon.supervisor.stop()
    await daemon.clock.run(DRAIN - timedelta(seconds=1))
    assert not running.done()
    await daemon.clock.run(timedelta(seconds=1))
    assert await running is ExitCode.OK
    assert "slow cancelled" in daemon.told
    assert "after cancelled" in daemon.told


async def test_a_second_signal_stops_at_once() -> None:
    daemon = Daemon()
    daemon.service("slow", drained=asyncio.Event())
    running = daemon.start()
    await daemon.ready.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    while "slow stops" not in daemon.told:
        await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running is ExitCode.INTERRUPTED
    assert daemon.told[-1] == "slow cancelled"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("the port is taken"), ExitCode.CONFIGURATION),
        (Unavailable("the database is gone"), ExitCode.TEMPORARY),
        (RuntimeError("a mistake"), ExitCode.UNEXPECTED),
        (None, ExitCode.UNEXPECTED),  # it just ends
    ],
)
async def test_a_service_that_fails_or_ends_stops_the_others_in_order(error: Exception | None, code: ExitCode) -> None:
    daemon = Daemon()
    daemon.service("steady")

    async def fails(_: Stop) -> None:
        await daemon.ready.wait()
        if error:
            raise error

    daemon.supervisor.add(Service("failing", fails))
    assert await daemon.start() is code
    assert daemon.told == ["steady runs", "steady stops", "steady ended"]


async def test_what_cannot_become_ready_ends_the_daemon() -> None:
    daemon = Daemon()
    daemon.service("steady")

    async def never() -> str:
        raise ConfigurationError("the web process could not start")

    assert await daemon.supervisor.run(never) is ExitCode.CONFIGURATION
    assert daemon.told[-1] == "steady ended"


async def test_a_stop_does_not_wait_for_what_is_not_ready_yet() -> None:
    daemon = Daemon()
    daemon.service("steady")

    async def hangs() -> str:
        daemon.supervisor.stop()
        await asyncio.Event().wait()
        return ""

    assert await daemon.supervisor.run(hangs) is ExitCode.OK


async def test_sighup_reloads_and_a_refused_reload_changes_nothing() -> None:
    reloads: list[str] = []
    both = asyncio.Event()

    async def reload() -> str:
        reloads.append("reload")
        if len(reloads) == 1:
            raise ConfigurationError("line 3 is wrong")
        both.set()
        return "reloaded"

    daemon = Daemon(reload)
    daemon.service("steady")
    running = daemon.start()
    await daemon.ready.wait()
    os.kill(os.getpid(), signal.SIGHUP)
    while not reloads:
        await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGHUP)
    await both.wait()
    assert not running.done()
    daemon.supervisor.stop()
    assert await running is ExitCode.OK
