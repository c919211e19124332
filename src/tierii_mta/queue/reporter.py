"""The reporter: reports that are owed to senders become notifications.

Owns what goes into one and when it is made: the oldest first, and of one message all that befell recipients within a
short while in one.  Not its octets (mail.dsn), nor who is owed one (queue.settlement, storage.reports).  RFC 3461 §6.

A notification leaves from the null sender in lanes of its own, behind all other mail, and is kept in the commit that
marks its reports as made: killed at any moment, the next start makes exactly those that were not.  One that fails ends
with that; nobody is told.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from tierii_mta.clock import Clock, later
from tierii_mta.errors import Unavailable
from tierii_mta.mail.address import Address
from tierii_mta.mail.dsn import Action, Notification, Original, Told, build, status_of
from tierii_mta.mail.message_id import random_message_id
from tierii_mta.queue.delivery import FailureReason, Priority
from tierii_mta.queue.intake import Intake, Submission
from tierii_mta.queue.reports import Owed, OwedRecipient, ReportStore
from tierii_mta.smtp.requests import Recipient, Return

STREAM = "dsn"
GATHERING = timedelta(seconds=5)
_EVERY_S = 1.0
_MAX_RECIPIENTS = 1_000  # of one notification
_AGAIN = timedelta(minutes=15)  # after a fault of ours
_TOO_OLD = "451 4.4.7 it could not be delivered in time"

_log = logging.getLogger(__name__)


class Reporter:
    """Makes notifications; `run` it in the process that sends."""

    def __init__(
        self,
        *,
        store: ReportStore,
        intake: Intake,
        clock: Clock,
        hostname: str,
        domains: Mapping[str, str],
        gathering: timedelta = GATHERING,
        on_made: Callable[[Action], None] | None = None,
    ) -> None:
        """`intake` has the schedule of notifications. `domains`: of a sender's domain, if it is ours → who writes to
        them, so that it is signed; to all others the host does.
        """
        self._store, self._intake, self._clock = store, intake, clock
        self._hostname, self._domains, self._gathering = hostname, domains, gathering
        self._on_made = on_made

    async def run(self) -> None:
        """Make what is owed until cancelled."""
        while True:
            try:
                while await self.make_next():
                    pass
            except Unavailable as failure:
                _log.warning("senders cannot be notified now: %s", failure)
            await self._clock.sleep(_EVERY_S)

    async def make_next(self) -> bool:
        """Make one notification; return whether one was owed. Lets `Unavailable` through."""
        now = self._clock.now()
        owed = await self._store.owed(before=later(now, -self._gathering), now=now, limit=_MAX_RECIPIENTS)
        if owed is None:
            return False
        try:
            kept = await self._intake.notify(await self._submission(owed), owed.reports)
        except Unavailable:
            raise
        except Exception:  # a fault of ours, which must not keep others waiting
            _log.exception("the notification of %s to its sender cannot be made and waits", owed.message_id)
            await self._store.put_off(owed.reports, later(self._clock.now(), _AGAIN))
            return True
        if kept is not None:
            what = "the sender of %s is told: %s for %d recipient(s), in %s"
            _log.info(what, owed.message_id, owed.action, len(owed.recipients), kept.message_id)
            if self._on_made is not None:
                self._on_made(owed.action)
        return True

    async def _submission(self, owed: Owed) -> Submission:
        to = Address.parse(owed.reverse_path)
        domain = self._domains.get(to.domain, self._hostname)
        message_id = random_message_id(self._clock, domain)
        notification = Notification(
            action=owed.action,
            message_id=message_id,
            domain=domain,
            hostname=self._hostname,
            to=to,
            at=self._clock.now(),
            told=[_told(one, owed.action) for one in owed.recipients],
            original=Original(
                message_id=owed.message_id,
                arrived_at=owed.accepted_at,
                envid=owed.envid,
                is_smtputf8=owed.is_smtputf8,
                content=owed.content,
                size_bytes=owed.size_bytes,
                is_wanted_full=owed.ret is Return.FULL,
            ),
            retry_until=owed.expires_at if owed.action is Action.DELAYED else None,
        )
        return Submission(
            stream=STREAM,
            reverse_path=None,
            recipients=[Recipient(forward_path=to)],
            content=await asyncio.to_thread(build, notification),  # a tenth of a second for a thousand recipients
            message_id=message_id,
            priority=Priority.LOW,
            is_smtputf8=to.needs_smtputf8,
        )


def _told(one: OwedRecipient, action: Action) -> Told:
    has_expired = one.reason is FailureReason.EXPIRED
    is_silent = has_expired and one.last_reply is None
    return Told(
        recipient=one.recipient,
        original=one.orcpt,
        status=status_of(action, one.last_reply, has_expired=has_expired),
        reply=_TOO_OLD if is_silent else one.last_reply,
        is_local=one.is_local,
        remote=one.mx,
        attempted_at=one.attempted_at,
    )
