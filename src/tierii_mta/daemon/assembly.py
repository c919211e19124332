"""THE COMPOSITION ROOT: which concrete class stands behind each port, and how the daemon's parts are wired.

Owns the daemon's life: `serve` takes the lock, opens the installation, frees what a crash left in hand, starts the
queue, the janitor, the control socket and the web child, and ends them in order.  What the parts do is theirs.

    queue      claims and delivers; stops first, by draining            (queue.manager, outbound.transports.direct_mx)
    reporter   tells senders what became of their mail                   (queue.reporter)
    inbox      reads received mail and acts upon it                      (correspondence.processor)
    postman …  puts it into its mailboxes, and tells people              (daemon.correspondence)
    janitor    upkeep                                                    (queue.janitor)
    doors      take mail in; stop first too, with what is under way       (daemon.front_door)
    control    answers the CLI and the web child                         (daemon.verbs)
    web        the child process                                         (daemon.webchild)
    committer  commits for all of them; stops last                       (queue.committer)
"""

import asyncio
import gc
import os
import resource
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from tierii_mta import __version__
from tierii_mta.campaigns.merge import CampaignContent
from tierii_mta.campaigns.pressroom.pool import PressPool
from tierii_mta.correspondence.processor import Processor
from tierii_mta.correspondence.room.pool import ReadingRoom
from tierii_mta.daemon.children import web_child
from tierii_mta.daemon.control import SOCKET_NAME, ControlServer
from tierii_mta.daemon.correspondence import Correspondence, RoomTeller
from tierii_mta.daemon.front_door import ROLES, FrontDoor, open_front_door
from tierii_mta.daemon.installation import Installation, make_data_dir, open_installation
from tierii_mta.daemon.mailboxes import routing
from tierii_mta.daemon.metrics import INFO, Metrics, watch_loop_lag
from tierii_mta.daemon.notify import Notifier
from tierii_mta.daemon.observation import Observer
from tierii_mta.daemon.settings import LoadedSettings
from tierii_mta.daemon.supervisor import Service, Stop, Supervisor
from tierii_mta.daemon.telemetry import configure_logging
from tierii_mta.daemon.verbs import Verbs
from tierii_mta.daemon.way_back import build_processor
from tierii_mta.daemon.way_out import Contents, WayOut, build_way_out
from tierii_mta.outbound.stored import StoredContent
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.intake import Intake
from tierii_mta.queue.janitor import Janitor, Retention
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.manager import QueueManager
from tierii_mta.queue.reporter import Reporter
from tierii_mta.queue.settlement import InDoubtAction, Settlement, SettlementPolicy
from tierii_mta.storage.locks import DaemonLock

_PRESS_THREADS = 2
_FILES = 65_536
_COLLECT_EVERY = 10_000  # objects more than before; a message in hand is some hundreds


@dataclass(frozen=True)
class _Daemon:
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


async def serve(loaded: LoadedSettings, *, roles: frozenset[str], on_ready: Callable[[], None] | None = None) -> int:
    """Run the daemon until SIGTERM or SIGINT; return the exit code. Raises TieriiErrors met before it ran."""
    log = loaded.settings.log
    configure_logging(level=log.level, format=log.format, recipients=log.recipients)
    _raise_file_limit()
    for remark in loaded.remarks:
        structlog.get_logger().warning("settings.remark", remark=remark)
    async with AsyncExitStack() as stack:
        lock = DaemonLock.take(make_data_dir(loaded.settings))  # first: the database may be another daemon's
        stack.callback(lock.release)
        installation = await stack.enter_async_context(open_installation(loaded, role="daemon", upgrade=True))
        daemon = await stack.enter_async_context(_assembled(installation, roles))
        _relieve_collector()
        return await _run(daemon, roles, on_ready)


@asynccontextmanager
async def _assembled(installation: Installation, roles: frozenset[str]) -> AsyncIterator[_Daemon]:
    """Wire the parts; the node row and the threads go when the block ends."""
    clock, settings = installation.clock, installation.settings
    epoch = await installation.queue.register(name=settings.hostname, role="outbound", pid=os.getpid(), now=clock.now())
    metrics = Metrics()
    metrics.set(INFO, 1, version=__version__)
    observer = Observer(metrics, clock)
    committer = Committer(
        installation.queue, clock, on_sick=observer.sick, on_well=observer.well, on_commit=observer.committed
    )
    press = PressPool(clock)
    threads = ThreadPoolExecutor(_PRESS_THREADS, thread_name_prefix="sign")
    sender = installation.sender
    campaigns = CampaignContent(installation.campaigns, installation.codec, sender, press, installation.clock)
    stored = StoredContent(
        installation.queue,
        {name: domain.keys for name, domain in sender.domains.items()},
        codec=installation.codec,
        clock=clock,
        threads=threads,
    )
    contents = Contents(campaigns, stored)
    way_out = build_way_out(installation, content=contents, committer=committer)
    room = ReadingRoom()
    processor = build_processor(
        installation,
        epoch=epoch,
        committer=committer,
        content=contents,
        reader=room,
        routing=routing(settings),
        metrics=metrics,
    )
    directory = LaneDirectory()
    manager = QueueManager(
        store=installation.queue,
        committer=committer,
        directory=directory,
        deliver=way_out.deliver,
        settlement=Settlement(policy=_policy(installation), epoch=epoch),
        clock=clock,
        observe=observer.ended,
        on_damaged=lambda count: observer.set_aside("damaged", count),
    )
    janitor = _janitor(installation, epoch, observer)
    intake = Intake(
        committer=committer,
        codec=installation.codec,
        schedule=installation.schedule,
        clock=clock,
        reserve=installation.reserve,
        on_accepted=manager.learn if "outbound" in roles else None,
    )
    notices = _notices(installation, committer, manager)
    correspondence = Correspondence(installation, epoch=epoch, intake=intake, notices=notices, metrics=metrics)
    front_door = open_front_door(installation, roles=roles, metrics=metrics, intake=intake, committer=committer)
    try:
        yield _Daemon(
            installation=installation,
            committer=committer,
            way_out=way_out,
            directory=directory,
            manager=manager,
            janitor=janitor,
            reporter=_reporter(installation, notices, observer),
            front_door=front_door,
            processor=processor,
            correspondence=correspondence,
            metrics=metrics,
            observer=observer,
        )
        await installation.queue.retire(epoch)
    finally:
        front_door.close()
        await correspondence.close()
        await room.close()
        await press.close()
        threads.shutdown(cancel_futures=True)


def _policy(installation: Installation) -> SettlementPolicy:
    in_doubt = installation.settings.outbound.in_doubt
    return SettlementPolicy(
        schedule=installation.schedule,
        of_null_sender=installation.dsn_schedule,
        delay_warning=installation.settings.outbound.retry.delay_warning,
        in_doubt_campaign=InDoubtAction(in_doubt.campaign),
        in_doubt_submission=InDoubtAction(in_doubt.submission),
        in_doubt_wait=in_doubt.wait,
    )


def _janitor(installation: Installation, epoch: Epoch, observer: Observer) -> Janitor:
    kept = installation.settings.retention
    return Janitor(
        store=installation.queue,
        operator=installation.operator,
        clock=installation.clock,
        epoch=epoch,
        retention=Retention(events=kept.events, deliveries=kept.deliveries, bodies=kept.bodies, inbox=kept.inbox),
        on_set_aside=lambda count: observer.set_aside("death", count),
    )


def _notices(installation: Installation, committer: Committer, manager: QueueManager) -> Intake:
    """Return the way in of what we ourselves have to tell: no reserve of disk space is asked for it."""
    return Intake(
        committer=committer,
        codec=installation.codec,
        schedule=installation.dsn_schedule,
        clock=installation.clock,
        on_accepted=manager.learn,
    )


def _reporter(installation: Installation, notices: Intake, observer: Observer) -> Reporter:
    return Reporter(
        store=installation.reports,
        intake=notices,
        clock=installation.clock,
        hostname=installation.settings.hostname,
        domains=installation.dsn_domains,
        on_made=observer.notified,
    )


async def _run(daemon: _Daemon, roles: frozenset[str], on_ready: Callable[[], None] | None) -> int:
    """Start the services under the supervisor, and wait for the end."""
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


async def _run_queue(daemon: _Daemon, stop: Stop, drain: timedelta) -> None:
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


async def _reload(daemon: _Daemon) -> str:
    """Read the settings again; what can change while mail moves does: shaping and logs."""
    loaded = daemon.installation.loaded.reload()
    log = loaded.settings.log
    daemon.way_out.reload(loaded.settings)
    daemon.front_door.reload(loaded.settings)
    configure_logging(level=log.level, format=log.format, recipients=log.recipients)
    return "shaping, certificate and log settings are taken over; other settings take effect at the next start"


def _relieve_collector() -> None:
    """Leave what was loaded for good out of garbage collection, and look for cycles less often than every 700 objects:
    our own values hardly form any, and each look goes through all that is in hand.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)


def _raise_file_limit() -> None:
    """Every session is a file: take what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(_FILES, hard) if hard != resource.RLIM_INFINITY else _FILES
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except OSError as failure:  # a seccomp filter may forbid it
            structlog.get_logger().warning("daemon.few_files", soft=soft, wanted=wanted, error=str(failure))
