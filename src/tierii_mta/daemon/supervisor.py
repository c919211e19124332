"""The supervisor: runs the daemon's services and children, and ends them in order.

Owns signals, the drain, the reload and the exit code; not what a service does (daemon.assembly names them) nor a
child's life (daemon.children).  A stop takes these steps:

    1. SIGTERM or SIGINT → STOPPING=1; children and services are asked to stop, lowest `stops` first,
       each group when the one before it has ended                                      (`_stop_in_order`)
    2. whoever has not ended when the drain is over is cancelled                       (`run`)
    3. a second signal cancels at once; the exit code is then 130                      (`_on_stop_signal`)

A service that fails, or ends though nobody asked it to, starts the same stop and decides the exit code.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby

import structlog

from tierii_mta.clock import Clock
from tierii_mta.daemon.notify import Notifier
from tierii_mta.errors import ExitCode, TieriiError

Stop = asyncio.Event


@dataclass(frozen=True, slots=True)
class Service:
    """Something that runs until its stop is set, and then ends by itself, drained."""

    name: str
    run: Callable[[Stop], Awaitable[None]]
    stops: int = 0  # lower ones are asked first, and have ended before the next are asked
    stop: Stop = field(default_factory=Stop)


class _Ended(Exception):
    """Leaves the task group: everything still running is cancelled."""


class Supervisor:
    """One run of the daemon. `run` is called once."""

    def __init__(
        self,
        clock: Clock,
        *,
        notifier: Notifier,
        drain: timedelta,
        on_reload: Callable[[], Awaitable[str]] | None = None,  # returns the status line; raises TieriiError to refuse
    ) -> None:
        self._clock, self._notifier, self._drain, self._on_reload = clock, notifier, drain, on_reload
        self._services: list[Service] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._asked = asyncio.Event()  # to stop
        self._hurried = asyncio.Event()  # to stop now
        self._reload = asyncio.Event()
        self._exit_code = ExitCode.OK

    def add(self, *services: Service) -> None:
        """Have services run; before `run` only."""
        self._services += services

    def stop(self) -> None:
        """Begin the stop, as a signal would."""
        self._asked.set()

    async def run(self, on_ready: Callable[[], Awaitable[str]] | None = None) -> ExitCode:
        """Run everything until a signal, `stop` or a failure ends it; return the exit code.

        `on_ready` is awaited once the services run, for what must be up before READY=1 is said (a child that listens);
        it returns the status line. Signal handlers are ours while this runs.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_signal, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        try:
            async with asyncio.TaskGroup() as group:
                for service in self._services:
                    self._running[service.name] = group.create_task(self._guard(service), name=service.name)
                attendants = [
                    group.create_task(self._reloads()),
                    group.create_task(self._notifier.keep_alive(self._clock)),
                    group.create_task(self._announce(on_ready)),
                ]
                await self._asked.wait()
                self._notifier.stopping("draining")
                self._notifier.extend(self._drain + timedelta(seconds=10))
                await self._finish(group)
                for attendant in attendants:
                    attendant.cancel()
        except* _Ended:
            structlog.get_logger().warning("daemon.stopped_undrained")
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
        return self._exit_code

    def _on_stop_signal(self, number: signal.Signals) -> None:
        if self._asked.is_set():
            structlog.get_logger().warning("daemon.hurried", signal=number.name)
            self._exit_code = ExitCode.INTERRUPTED
            self._hurried.set()
        else:
            structlog.get_logger().info("daemon.stopping", signal=number.name, drain_s=self._drain.total_seconds())
        self._asked.set()

    async def _guard(self, service: Service) -> None:
        """Run a service; its failure stops the daemon in order rather than tearing everything down."""
        log = structlog.get_logger()
        try:
            await service.run(service.stop)
        except TieriiError as error:
            log.error("service.failed", service=service.name, error=str(error))  # noqa: TRY400  a sentence, no traceback
            self._fail(error.exit_code)
        except Exception:
            log.exception("service.failed", service=service.name)
            self._fail(ExitCode.UNEXPECTED)
        else:
            if not service.stop.is_set():
                log.error("service.ended", service=service.name)
                self._fail(ExitCode.UNEXPECTED)

    def _fail(self, code: ExitCode) -> None:
        if self._exit_code is ExitCode.OK:
            self._exit_code = code
        self._asked.set()

    async def _announce(self, on_ready: Callable[[], Awaitable[str]] | None) -> None:
        try:
            status = await on_ready() if on_ready else "serving"
        except TieriiError as error:
            structlog.get_logger().error("daemon.not_ready", error=str(error))
            self._fail(error.exit_code)
            return
        except Exception:
            structlog.get_logger().exception("daemon.not_ready")
            self._fail(ExitCode.UNEXPECTED)
            return
        if not self._asked.is_set():
            self._notifier.ready(status)
            structlog.get_logger().info("daemon.ready", status=status)

    async def _finish(self, group: asyncio.TaskGroup) -> None:
        stopping = group.create_task(self._stop_in_order())
        deadline = group.create_task(self._clock.sleep(self._drain.total_seconds()))
        hurried = group.create_task(self._hurried.wait())
        await asyncio.wait({stopping, deadline, hurried}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            left = sorted(name for name, task in self._running.items() if not task.done())
            structlog.get_logger().warning("daemon.drain_over", services=left)
            raise _Ended
        deadline.cancel()
        hurried.cancel()

    async def _stop_in_order(self) -> None:
        for _, together in groupby(sorted(self._services, key=lambda one: one.stops), key=lambda one: one.stops):
            services = list(together)
            for service in services:
                service.stop.set()
            await asyncio.wait([self._running[service.name] for service in services])

    async def _reloads(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            if self._on_reload is None or self._asked.is_set():
                continue
            log = structlog.get_logger()
            self._notifier.reloading()
            try:
                status = await self._on_reload()
                log.info("daemon.reloaded", status=status)
            except TieriiError as error:
                status = f"reload refused, the old settings stay: {error}"
                log.error("daemon.reload_refused", error=str(error))  # noqa: TRY400
            except Exception:
                status = "reload failed, the old settings stay"
                log.exception("daemon.reload_failed")
            self._notifier.ready(status)
