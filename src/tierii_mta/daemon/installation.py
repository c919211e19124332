"""One installation, opened: its settings, secret, database, token codec, and what it sends as.

Owns what every process of ours starts with: the daemon, the web child, a command.  Creates `data_dir`, the secret and
a missing database.  Not what the daemon adds to it (daemon.assembly).  Touches the file system and the database.
"""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tierii_mta.authentication.dkim import DkimKey
from tierii_mta.campaigns.preflight.history import MailHistory
from tierii_mta.campaigns.recency import RecentMail
from tierii_mta.campaigns.sender import Sender, SendingDomain
from tierii_mta.campaigns.sentry import SentryStore
from tierii_mta.campaigns.store import CampaignStore
from tierii_mta.clock import Clock, SystemClock
from tierii_mta.consent.preferences import KnownLists
from tierii_mta.consent.suppression import SuppressionList
from tierii_mta.correspondence.intray import Intray
from tierii_mta.correspondence.mailboxes.jobs import MailboxJobs
from tierii_mta.correspondence.sent import SentStore
from tierii_mta.daemon.settings import LoadedSettings, Settings
from tierii_mta.errors import ConfigurationError, Unavailable
from tierii_mta.inbound.accounts import AccountStore
from tierii_mta.inbound.inbox import Inbox
from tierii_mta.inbound.screening.acquaintance import Correspondents
from tierii_mta.inbound.screening.greylist import Greylist
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.intake import Intake, Submission
from tierii_mta.queue.operator import QueueOperator
from tierii_mta.queue.reports import ReportStore
from tierii_mta.queue.reserve import Reserve
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.queue.store import Accepted, QueueStore
from tierii_mta.storage.database import Database

if TYPE_CHECKING:  # they bring an HTTP client and a second half of SQLAlchemy, which commands need not wait for
    from tierii_mta.campaigns.feeds import Sources
    from tierii_mta.campaigns.lists import ContactLists
    from tierii_mta.correspondence.notify import EventReaders

_SECRET_OCTETS = 32


@dataclass(frozen=True)
class Installation:
    """What there is to work with. Made by `open_installation`."""

    loaded: LoadedSettings
    clock: Clock
    codec: TokenCodec
    queue: QueueStore
    operator: QueueOperator
    campaigns: CampaignStore
    suppression: SuppressionList
    contact_lists: "ContactLists"
    inbox: Inbox
    accounts: AccountStore
    reports: ReportStore
    greylist: Greylist
    correspondents: Correspondents
    intray: Intray
    correspondence: SentStore
    mailbox_jobs: MailboxJobs
    event_readers: "EventReaders"
    mail_history: MailHistory
    known_lists: KnownLists
    sentry: SentryStore
    recent_mail: RecentMail

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    @property
    def schedule(self) -> RetrySchedule:
        """When deferred mail is tried again."""
        retry = self.settings.outbound.retry
        return RetrySchedule(intervals=tuple(retry.intervals), lifetime=retry.lifetime)

    @property
    def dsn_schedule(self) -> RetrySchedule:
        """When notifications are tried again."""
        dsn = self.settings.outbound.dsn
        return RetrySchedule(intervals=tuple(dsn.intervals), lifetime=dsn.lifetime)

    @property
    def dsn_domains(self) -> Mapping[str, str]:
        """Of a sender's domain, if it is ours → the domain that writes notifications to them."""
        settings = self.settings
        return {alias: name for name in settings.domains for alias in (settings.return_path(name), name)}

    @property
    def reserve(self) -> Reserve:
        """What is kept free of new mail; nothing where the database is on a server with disks of its own."""
        settings = self.settings
        size = settings.storage.reserve if settings.database == "sqlite" else 0
        return Reserve(folder=Path(settings.data_dir), size_bytes=size)

    @property
    def feed_sources(self) -> "Sources":
        """What contact feeds may use of this machine."""
        from tierii_mta.campaigns.feeds import Reach, Sources  # noqa: PLC0415 see above
        from tierii_mta.storage.foreign import ForeignDatabases  # noqa: PLC0415

        return Sources(databases=ForeignDatabases(), reach=Reach(self.settings.feeds.allow), lists=self.contact_lists)

    @cached_property
    def sender(self) -> Sender:
        """What we send as; reads every DKIM key, so it raises `ConfigurationError` where one is missing or wrong."""
        settings = self.settings
        domains = {
            name: SendingDomain(
                name=name,
                pool=domain.pool,
                return_path=settings.return_path(name),
                reply_domain=settings.reply_domain(name),
                keys=tuple(DkimKey.load(name, key.selector, Path(key.key)) for key in domain.dkim),
            )
            for name, domain in settings.domains.items()
        }
        return Sender(
            domains=domains,
            public_url=_public_url(settings),
            postal_address=settings.compliance.postal_address,
            lifetime=settings.outbound.retry.lifetime,
            max_message_bytes=settings.smtp.limits.message_size,
        )

    async def accept(self, submission: Submission) -> Accepted:
        """Keep one message durably from a process that runs no queue; the daemon learns of it by a change row."""
        committer = Committer(self.queue, self.clock)
        intake = Intake(
            committer=committer, codec=self.codec, schedule=self.schedule, clock=self.clock, reserve=self.reserve
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(committer.run())
            try:
                return await intake.accept(submission)
            finally:
                committer.close()


@asynccontextmanager
async def open_installation(
    loaded: LoadedSettings, *, role: str, upgrade: bool = False, clock: Clock | None = None
) -> AsyncIterator[Installation]:
    """Open the installation for as long as the block runs; `role` says who we are ("daemon", "web", "cli").

    Raises `ConfigurationError` or `Unavailable`; an older database is only upgraded with `upgrade`.
    """
    clock = clock or SystemClock()
    settings = loaded.settings
    data_dir = make_data_dir(settings)
    codec = TokenCodec(_secret(settings, data_dir, clock))
    database = await Database.open(
        settings.database,
        data_dir=data_dir,
        clock=clock,
        node=f"{socket.gethostname()}/{role}",
        create=True,
        upgrade=upgrade,
    )
    try:
        yield Installation(
            loaded,
            clock,
            codec,
            database.queue,
            database.operator,
            database.campaigns,
            database.suppression,
            database.contact_lists,
            database.inbox,
            database.accounts,
            database.reports,
            database.greylist,
            database.correspondents,
            database.intray,
            database.correspondence,
            database.mailbox_jobs,
            database.event_readers,
            database.mail_history,
            database.known_lists,
            database.sentry,
            database.recent_mail,
        )
    finally:
        await database.close()


def _public_url(settings: Settings) -> str | None:
    """Return where links in mails lead; the listener's own address will do where mail stays on loopback."""
    return settings.web.public_url or (settings.web.base_url if settings.outbound.allow_loopback else None)


def make_data_dir(settings: Settings) -> Path:
    """Return `data_dir`, made if it is missing. Raises `ConfigurationError`."""
    data_dir = Path(settings.data_dir)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise ConfigurationError(
            f"cannot be made: {cause.strerror}",
            where=f"data_dir {data_dir}",
            remedy="run `tierii-mta init`, or name a folder you may write to with --set data_dir=…",
        ) from cause
    return data_dir


def _secret(settings: Settings, data_dir: Path, clock: Clock) -> bytes:
    """Return the secret; where none is set, the one in data_dir, made once and never overwritten."""
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = data_dir / "secret"
    if not path.exists():
        draft = data_dir / f".secret.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(clock.token(_SECRET_OCTETS).hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails where another process was first: then its secret is ours
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        _sync_folder(data_dir)
    try:
        return path.read_bytes().strip()
    except OSError as cause:
        kind = Unavailable if cause.errno == errno.EIO else ConfigurationError  # the disk's fault, or the operator's
        raise kind(f"cannot be read: {cause.strerror}", where=str(path)) from cause


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
