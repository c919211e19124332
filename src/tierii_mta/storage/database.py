"""One installation's database, opened: the composition of this package.

Owns the order of opening (file with mode 0600, connections, schema) and of closing.  Only `daemon.assembly` and tests
name this class; everybody else sees the ports.
"""

import os
from pathlib import Path
from typing import Self

from tierii_mta.clock import Clock
from tierii_mta.errors import ConfigurationError, NotFound
from tierii_mta.storage.accounts import StoredAccounts
from tierii_mta.storage.backend import SQLITE_FILE, connections_for
from tierii_mta.storage.campaigns import StoredCampaigns
from tierii_mta.storage.connection import Connections
from tierii_mta.storage.conversations import StoredCorrespondence
from tierii_mta.storage.event_readers import StoredEventReaders
from tierii_mta.storage.greylist import StoredCorrespondents, StoredGreylist
from tierii_mta.storage.inbox import StoredInbox
from tierii_mta.storage.known_lists import StoredKnownLists
from tierii_mta.storage.lists import StoredLists
from tierii_mta.storage.mailbox_jobs import StoredMailboxJobs
from tierii_mta.storage.migrate import bring_up_to_date
from tierii_mta.storage.operator import StoredOperator
from tierii_mta.storage.processing import StoredIntray
from tierii_mta.storage.queue import StoredQueue
from tierii_mta.storage.recency import StoredRecentMail
from tierii_mta.storage.reports import StoredReports
from tierii_mta.storage.sentry import StoredSentry
from tierii_mta.storage.sqlite import SqliteConnections
from tierii_mta.storage.suppression import StoredSuppressions
from tierii_mta.storage.volumes import StoredMailHistory


class Database:
    """The ports, over one database."""

    def __init__(self, connections: Connections, clock: Clock, node: str, schema: int) -> None:
        self._connections = connections
        self.schema = schema
        self.queue = StoredQueue(connections, clock, node)
        self.reports = StoredReports(connections)
        self.campaigns = StoredCampaigns(connections, clock, node)
        self.operator = StoredOperator(connections, clock, node)
        self.suppression = StoredSuppressions(connections, clock, node)
        self.contact_lists = StoredLists(connections)
        self.inbox = StoredInbox(connections)
        self.intray = StoredIntray(connections)
        self.correspondence = StoredCorrespondence(connections)
        self.mailbox_jobs = StoredMailboxJobs(connections, clock, node)
        self.event_readers = StoredEventReaders(connections)
        self.mail_history = StoredMailHistory(connections)
        self.known_lists = StoredKnownLists(connections)
        self.sentry = StoredSentry(connections, clock, node)
        self.recent_mail = StoredRecentMail(connections)
        self.accounts = StoredAccounts(connections)
        self.greylist = StoredGreylist(connections)
        self.correspondents = StoredCorrespondents(connections)

    @classmethod
    async def open(
        cls,
        database: str | Path,
        *,
        data_dir: Path,
        clock: Clock,
        node: str,
        create: bool = True,
        upgrade: bool = False,
    ) -> Self:
        """Open `sqlite` (a file in `data_dir`), the SQLite file at a path, or a postgresql:// URL.

        A missing database is made if `create`, an older one upgraded if `upgrade`.  `node` names this machine in the
        tally.  Raises `NotFound`, `ConfigurationError` or `Unavailable`.
        """
        path = _file_of(database, data_dir)
        if path is not None:
            _prepare_file(path, create=create)
        connections = connections_for(database, data_dir)
        try:
            if isinstance(connections, SqliteConnections):
                await connections.open()
            schema = await bring_up_to_date(connections, clock, create=create, upgrade=upgrade)
        except BaseException:
            await connections.close()
            raise
        return cls(connections, clock, node, schema)

    async def close(self) -> None:
        """Let running transactions end, then close every connection."""
        await self._connections.close()


def _file_of(database: str | Path, data_dir: Path) -> Path | None:
    if isinstance(database, Path):
        return database
    return data_dir / SQLITE_FILE if database == "sqlite" else None


def _prepare_file(path: Path, *, create: bool) -> None:
    """Make the file first, for its owner alone; SQLite gives the WAL the same mode."""
    if path.exists():
        return
    if not create:
        raise NotFound("there is no database yet", where=str(path), remedy="run `tierii-mta init` or `serve`")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as cause:
        raise ConfigurationError(
            f"cannot make the database ({os.strerror(cause.errno or 0)})",
            where=str(path),
            remedy="check that data_dir exists and belongs to the user that runs this program",
        ) from cause
