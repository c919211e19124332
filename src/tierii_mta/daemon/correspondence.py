"""Correspondence, wired: who puts received mail into its mailboxes, and who tells people what happens.

Owns the services of `correspondence` that follow its processor (daemon.way_back), and what they share.  Part of the
composition root, apart from daemon.assembly.

    postman    delivers received mail to its mailboxes                   (correspondence.mailbox)
    notifier   tells those who asked                                     (correspondence.notify)
"""

import asyncio
from collections.abc import Iterator, Mapping

import structlog

from tierii_mta.campaigns.notices import campaign_rule
from tierii_mta.clock import sortable_id
from tierii_mta.correspondence.hooks import Hook, HookCaller
from tierii_mta.correspondence.mailbox import Postman
from tierii_mta.correspondence.news import Severity
from tierii_mta.correspondence.notify import HookWay, LogWay, MailWay, Notifier, Rule, Way
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.mailboxes import build_postman, hooks, routing
from tierii_mta.daemon.metrics import Metrics
from tierii_mta.daemon.settings.mailboxes import LOG
from tierii_mta.daemon.supervisor import Service, Stop
from tierii_mta.errors import TieriiError
from tierii_mta.events import Event, EventType
from tierii_mta.mail.address import Address
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.intake import Intake
from tierii_mta.queue.store import Record


class Correspondence:
    """The parts of one run. `close` it when its services have ended."""

    def __init__(
        self, installation: Installation, *, epoch: Epoch, intake: Intake, notices: Intake, metrics: Metrics
    ) -> None:
        """`intake` keeps what mailboxes send on, `notices` what is told, which asks for no reserve of disk space."""
        self._caller = HookCaller(installation.clock)
        self.postman: Postman = build_postman(
            installation,
            epoch=epoch,
            routing=routing(installation.settings),
            intake=intake,
            caller=self._caller,
            metrics=metrics,
        )
        rules = list(_rules(installation, notices, self._caller))
        rules.append(campaign_rule(installation.sentry.kept, lambda to: _mail_way(installation, to, notices)))
        self._notifier = Notifier(readers=installation.event_readers, rules=rules, clock=installation.clock)

    def services(self, roles: frozenset[str]) -> Iterator[Service]:
        """Yield what runs in a process with these roles."""
        if "inbound" in roles:
            yield Service("postman", self.postman.run, stops=1)
        if "outbound" in roles:
            yield Service("notifier", self._notify, stops=1)

    async def _notify(self, stop: Stop) -> None:
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._notifier.run())
            await stop.wait()
            telling.cancel()

    async def close(self) -> None:
        """Close the connections to webhooks."""
        await self._caller.close()


def _rules(installation: Installation, notices: Intake, caller: HookCaller) -> Iterator[Rule]:
    """Yield a rule for each of those who are told; their names say what they ask for, so that a change begins anew."""
    known = hooks(installation.settings)
    for wanted in installation.settings.notify:
        topics = frozenset(wanted.when)
        for target in wanted.to:
            yield Rule(
                name=f"notify {target}: {' '.join(sorted(topics))}, {wanted.at_least}",
                topics=topics,
                at_least=Severity[wanted.at_least.upper()],
                every=wanted.every,
                way=_way(installation, target, notices, caller, known),
            )


def _way(
    installation: Installation, target: str, notices: Intake, caller: HookCaller, known: Mapping[str, Hook]
) -> Way:
    if target == LOG:
        return LogWay()
    if "@" not in target:
        return HookWay(caller, known[target], installation.clock)
    return _mail_way(installation, Address.parse(target), notices)


def _mail_way(installation: Installation, to: Address, notices: Intake) -> Way:
    settings = installation.settings
    own = installation.dsn_domains.get(to.domain) or next(iter(settings.domains), settings.hostname)
    return MailWay(notices, to, domain=own, hostname=settings.hostname, clock=installation.clock)


class RoomTeller:
    """Writes into the event log that the disk is nearly full, and that it is not any more."""

    def __init__(self, installation: Installation, committer: Committer) -> None:
        self._clock, self._committer = installation.clock, committer

    async def tell(self, is_open: bool, why: str) -> None:
        """Keep the event; where even that finds no room, the log has it."""
        kind = EventType.INTAKE_OPENED if is_open else EventType.INTAKE_CLOSED
        data = {} if is_open else {"reason": why}
        event = Event(id=sortable_id("evt", self._clock), type=kind, at=self._clock.now(), data=data)
        try:
            await self._committer.submit(Record(events=[event]))
        except TieriiError as failure:
            structlog.get_logger().warning("intake.untold", error=str(failure))
