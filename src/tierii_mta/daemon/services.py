"""The daemon's services: what runs, in which roles, and in which order it stops.

Owns the table of services under the supervisor, and the reload.  How the parts are made is daemon.assembly's, what
they do is theirs.

    queue      claims and delivers; stops first, by draining            (queue.manager, outbound.transports.direct_mx)
    reporter   tells senders what became of their mail                   (queue.reporter)
    inbox      reads received mail and acts upon it                      (correspondence.processor)
    postman …  puts it into its mailboxes, and tells people              (daemon.correspondence)
    janitor    upkeep                                                    (queue.janitor)
    doors      take mail in; stop first too, with what is under way       (daemon.front_door)
    guards     stops campaigns that go wrong                             (campaigns.sentry)
    control    answers the CLI and the web child                         (daemon.verbs)
    web        the child process                                         (daemon.webchild)
    committer  commits for all of them; stops last                       (queue.committer)
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tierii_mta.campaigns.sentry import Sentry
from tierii_mta.correspondence.processor import Processor
from tierii_mta.daemon.children import web_child
from tierii_mta.daemon.control import SOCKET_NAME, ControlServer
from tierii_mta.daemon.correspondence import Correspondence, RoomTeller
from tierii_mta.daemon.front_door import ROLES, FrontDoor
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.metrics import Metrics, watch_loop_lag
from tierii_mta.daemon.notify import Notifier
from tierii_mta.daemon.observation import Observer
from tierii_mta.daemon.supervisor import Service, Stop, Supervisor
from tierii_mta.daemon.telemetry import configure_logging
from tierii_mta.daemon.verbs import Verbs
from tierii_mta.daemon.way_out import WayOut
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.janitor import Janitor
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.manager import QueueManager
from tierii_mta.queue.reporter import Reporter


@dataclass(frozen=True)
class Daemon:
    """The parts of one run."""

    installation: Installation
    committer: Committer
    way_out: WayOut
    directory: LaneDirectory
    manager: QueueManager
    janitor: Janitor
    reporter: Reporter
    front_door: FrontDoor
    processor: Processor
    correspondence: Correspondence
    metrics: Metrics
    observer: Observer


async def run_services(daemon: Daemon, roles: frozenset[str], on_ready: Callable[[], None] | None) -> int:
    """Start the services under the supervisor, wait for the end, and return the exit code."""
    installation, settings = daemon.installation, daemon.installation.settings
    drain = settings.outbound.drain
    supervisor = Supervisor(
        installation.clock,
        notifier=Notifier.from_environment(os.environ),
        drain=drain + timedelta(seconds=5),
        on_reload=lambda: _reload(daemon),
    )
    web = web_child(lambda: installation.loaded, installation.clock) if "web" in roles else None
    verbs = Verbs(
        installation,
        manager=daemon.manager,
        directory=daemon.directory,
        way_out=daemon.way_out,
        committer=daemon.committer,
        metrics=daemon.metrics,
        observer=daemon.observer,
    )
    control = ControlServer(Path(settings.data_dir) / SOCKET_NAME, verbs.handlers(), installation.clock)
    if "outbound" in roles:
        await daemon.janitor.prepare()
        supervisor.add(Service("queue", lambda stop: _run_queue(daemon, stop, drain), stops=0))
        supervisor.add(Service("reporter", _until_stopped(daemon.reporter.run), stops=1))
        sentry = Sentry(installation.sentry, installation.clock)
        supervisor.add(Service("guards", _until_stopped(sentry.run), stops=1))
    if "inbound" in roles:
        supervisor.add(Service("inbox", daemon.processor.run, stops=1))
    if roles & {"outbound", "inbound"}:  # whoever has rows in hand has to say that it lives
        supervisor.add(Service("janitor", _until_stopped(daemon.janitor.run), stops=1))
    if roles & set(ROLES):
        supervisor.add(Service("doors", lambda stop: daemon.front_door.run(stop, drain), stops=0))
    supervisor.add(Service("lag", _until_stopped(lambda: watch_loop_lag(daemon.metrics, installation.clock)), stops=1))
    supervisor.add(*daemon.correspondence.services(roles))
    teller = RoomTeller(installation, daemon.committer)
    room = _until_stopped(lambda: daemon.observer.watch_room(installation.reserve, teller.tell))
    supervisor.add(Service("room", room, stops=1))
    supervisor.add(Service("control", lambda stop: _run_control(control, stop), stops=1))
    if web is not None:
        supervisor.add(Service("web", web.run, stops=1))
    supervisor.add(Service("committer", lambda stop: _run_committer(daemon.committer, stop), stops=2))

    async def announce() -> str:
        status = "serving " + ", ".join(sorted(roles))
        if web is not None:
            listening = (await web.announced()).get("listen", [])
            status += " at http://" + ", http://".join(listening)
        if daemon.front_door.addresses:
            status += ", " + ", ".join(daemon.front_door.addresses)
        if on_ready is not None:
            on_ready()
        return status

    return await supervisor.run(announce)


async def _run_queue(daemon: Daemon, stop: Stop, drain: timedelta) -> None:
    """Deliver until asked to stop, then drain."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(daemon.manager.run())
        asked = group.create_task(stop.wait())
        tending = group.create_task(daemon.way_out.tend())
        await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await daemon.manager.drain(drain)
        asked.cancel()
        tending.cancel()
    await daemon.way_out.close()


async def _run_control(control: ControlServer, stop: Stop) -> None:
    async with control:
        await stop.wait()


async def _run_committer(committer: Committer, stop: Stop) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(committer.run())
        await stop.wait()
        committer.close()


def _until_stopped(
    work: Callable[[], Coroutine[Any, Any, None]],
) -> Callable[[Stop], Coroutine[Any, Any, None]]:
    """Make a service of a loop that runs until it is cancelled."""

    async def run(stop: Stop) -> None:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(work())
            await stop.wait()
            working.cancel()

    return run


async def _reload(daemon: Daemon) -> str:
    """Read the settings again; what can change while mail moves does: shaping and logs."""
    loaded = daemon.installation.loaded.reload()
    log = loaded.settings.log
    daemon.way_out.reload(loaded.settings)
    daemon.front_door.reload(loaded.settings)
    configure_logging(level=log.level, format=log.format, recipients=log.recipients)
    return "shaping, certificate and log settings are taken over; other settings take effect at the next start"
