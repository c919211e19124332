"""THE COMPOSITION ROOT: which concrete class stands behind each port, and how the daemon's parts are wired.

Owns the daemon's life: `serve` takes the lock, opens the installation, makes the parts, lets them run
(daemon.services) and closes them in order.  What the parts do is theirs.
"""

import gc
import os
import resource
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from tierii_mta import __version__
from tierii_mta.campaigns.merge import CampaignContent
from tierii_mta.campaigns.pressroom.pool import PressPool
from tierii_mta.correspondence.room.pool import ReadingRoom
from tierii_mta.daemon.correspondence import Correspondence
from tierii_mta.daemon.front_door import open_front_door
from tierii_mta.daemon.installation import Installation, make_data_dir, open_installation
from tierii_mta.daemon.mailboxes import routing
from tierii_mta.daemon.metrics import INFO, Metrics
from tierii_mta.daemon.observation import Observer
from tierii_mta.daemon.services import Daemon, run_services
from tierii_mta.daemon.settings import LoadedSettings
from tierii_mta.daemon.telemetry import configure_logging
from tierii_mta.daemon.way_back import build_processor
from tierii_mta.daemon.way_out import Contents, build_way_out
from tierii_mta.outbound.stored import StoredContent
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.hours import Hours
from tierii_mta.queue.intake import Intake
from tierii_mta.queue.janitor import Janitor, Retention
from tierii_mta.queue.lanes import LaneDirectory
from tierii_mta.queue.manager import QueueManager
from tierii_mta.queue.pacing import Plans
from tierii_mta.queue.reporter import Reporter
from tierii_mta.queue.settlement import InDoubtAction, Settlement, SettlementPolicy
from tierii_mta.storage.locks import DaemonLock

_PRESS_THREADS = 2
_FILES = 65_536
_COLLECT_EVERY = 10_000  # objects more than before; a message in hand is some hundreds


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
        return await run_services(daemon, roles, on_ready)


@asynccontextmanager
async def _assembled(installation: Installation, roles: frozenset[str]) -> AsyncIterator[Daemon]:
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
    plans = Plans()
    way_out = build_way_out(installation, content=contents, committer=committer, plans=plans)
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
    directory = LaneDirectory(plans)
    manager = QueueManager(
        store=installation.queue,
        committer=committer,
        directory=directory,
        deliver=Hours(way_out.deliver, plans, clock),
        plans=plans,
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
        yield Daemon(
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
