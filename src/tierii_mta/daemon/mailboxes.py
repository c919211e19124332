"""The mailboxes, wired: which setting becomes which target, and who delivers there.

Owns the way from `domains.*.mailboxes` and `webhooks` to who is known, routing, deliverers, the postman, and the way of
mail to ourselves.  Part of the composition root, apart from daemon.assembly.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tierii_mta.correspondence.hooks import Hook, HookCaller
from tierii_mta.correspondence.local import LocalDelivery
from tierii_mta.correspondence.mailbox import Postman
from tierii_mta.correspondence.mailboxes.delivery import Deliverer, Outcome
from tierii_mta.correspondence.mailboxes.forward import ForwardDeliverer, Forwarder
from tierii_mta.correspondence.mailboxes.jobs import MailboxJob
from tierii_mta.correspondence.mailboxes.lmtp import LmtpDeliverer
from tierii_mta.correspondence.mailboxes.maildir import MaildirDeliverer
from tierii_mta.correspondence.mailboxes.routing import MailboxDomain, Routing
from tierii_mta.correspondence.mailboxes.targets import (
    ForwardTarget,
    LmtpTarget,
    MaildirTarget,
    Target,
    WebhookTarget,
)
from tierii_mta.correspondence.mailboxes.webhook import WebhookDeliverer
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.metrics import MAILBOX_ATTEMPTS, MAILBOXES_FAILING, Metrics
from tierii_mta.daemon.settings import Settings
from tierii_mta.daemon.settings.mailboxes import MailboxSettings, webhook_key
from tierii_mta.inbound.mailboxes import Mailboxes, MailDomain
from tierii_mta.mail.address import Address
from tierii_mta.outbound.content import ContentSource
from tierii_mta.outbound.security import TlsContexts
from tierii_mta.queue.committer import Committer
from tierii_mta.queue.delivery import Epoch
from tierii_mta.queue.hand import Deliver
from tierii_mta.queue.intake import Intake
from tierii_mta.queue.schedule import RetrySchedule


def mail_domains(settings: Settings) -> Iterator[MailDomain]:
    """Yield what mail may be addressed to."""
    for name, domain in settings.domains.items():
        yield MailDomain(
            name=name,
            return_path=settings.return_path(name),
            reply_domain=settings.reply_domain(name),
            mailboxes=frozenset(domain.mailboxes),
        )


def local_delivery(
    installation: Installation, elsewhere: Deliver, *, content: ContentSource, committer: Committer
) -> LocalDelivery:
    """Return the way of mail to ourselves. A domain that has no mailboxes here, and its bounces elsewhere, may have its
    mail elsewhere too: of such a one only what was signed is ours.
    """
    settings = installation.settings
    ours = [
        one if one.mailboxes or one.return_path == one.name else replace(one, name=one.return_path)
        for one in mail_domains(settings)
    ]
    return LocalDelivery(
        elsewhere,
        mailboxes=Mailboxes(ours, hostname=settings.hostname, codec=installation.codec, now=installation.clock.now),
        content=content,
        committer=committer,
        clock=installation.clock,
        hostname=settings.hostname,
    )


def routing(settings: Settings) -> Routing:
    """Return where received mail goes."""
    return Routing(_domains(settings))


def _domains(settings: Settings) -> Iterator[MailboxDomain]:
    host = _owner_of_host(settings)
    for name, domain in settings.domains.items():
        aliases = {settings.return_path(name), settings.reply_domain(name)} - {name}
        yield MailboxDomain(
            name=name,
            aliases=frozenset(aliases | ({settings.hostname} if name == host else set())),
            targets={local: _target(mailbox) for local, mailbox in domain.mailboxes.items()},
        )


def _owner_of_host(settings: Settings) -> str | None:
    """Return the domain that our host name belongs to, else the first."""
    names = list(settings.domains)
    above = [name for name in names if f".{settings.hostname}".endswith(f".{name}")]
    return next(iter([*above, *names]), None)


def _target(mailbox: MailboxSettings) -> Target:
    if mailbox.maildir is not None:
        return MaildirTarget(str(mailbox.maildir))
    if mailbox.lmtp is not None:
        return LmtpTarget(mailbox.lmtp.host, mailbox.lmtp.port)
    if mailbox.forward is not None:
        return ForwardTarget(Address.parse(mailbox.forward))
    if mailbox.webhook is not None:
        return WebhookTarget(mailbox.webhook)
    raise TypeError("a mailbox of the settings has one target")


def hooks(settings: Settings) -> Mapping[str, Hook]:
    """Return the webhooks of the settings by name."""
    return {
        name: Hook(name=name, url=one.url, secret=webhook_key(one.secret), timeout=one.timeout, raw_bytes=one.raw)
        for name, one in settings.webhooks.items()
    }


class Deliverers:
    """Who delivers to each mailbox."""

    def __init__(self, installation: Installation, *, routing: Routing, intake: Intake, caller: HookCaller) -> None:
        self._installation, self._routing, self._caller = installation, routing, caller
        self._hooks = hooks(installation.settings)
        self._contexts = TlsContexts()
        self._forwarder = _forwarder(installation, intake)

    def find(self, mailbox: str) -> Deliverer | None:
        """Return who delivers to a mailbox, None if the settings have it no more."""
        settings, clock = self._installation.settings, self._installation.clock
        match self._routing.target(mailbox):
            case MaildirTarget(path):
                return MaildirDeliverer(Path(path), hostname=settings.hostname, clock=clock)
            case LmtpTarget() as target:
                return LmtpDeliverer(target=target, hostname=settings.hostname, clock=clock, contexts=self._contexts)
            case ForwardTarget(address):
                return ForwardDeliverer(self._forwarder, address)
            case WebhookTarget(name):
                return WebhookDeliverer(self._caller, self._hooks[name])
            case None:
                return None


def _forwarder(installation: Installation, intake: Intake) -> Forwarder:
    settings = installation.settings
    domains = {
        alias: settings.return_path(name)
        for name in settings.domains
        for alias in (name, settings.return_path(name), settings.reply_domain(name))
    }
    return Forwarder(
        intake=intake,
        inbox=installation.inbox,
        codec=installation.codec,
        clock=installation.clock,
        domains=domains,
        default=next(iter(domains.values()), settings.hostname),
    )


def build_postman(
    installation: Installation,
    *,
    epoch: Epoch,
    routing: Routing,
    intake: Intake,
    caller: HookCaller,
    metrics: Metrics,
) -> Postman:
    """Wire who delivers received mail to its mailboxes."""
    settings = installation.settings.mailboxes
    deliverers = Deliverers(installation, routing=routing, intake=intake, caller=caller)

    def count(job: MailboxJob, outcome: Outcome) -> None:
        metrics.count(MAILBOX_ATTEMPTS, outcome=type(outcome).__name__.lower())
        metrics.set(MAILBOXES_FAILING, postman.failing)

    postman = Postman(
        jobs=installation.mailbox_jobs,
        inbox=installation.inbox,
        deliverer=deliverers.find,
        schedule=RetrySchedule(intervals=tuple(settings.retry.intervals), lifetime=settings.retry.lifetime),
        epoch=epoch,
        clock=installation.clock,
        concurrency=settings.concurrency,
        observe=count,
        is_busy=lambda: intake.is_busy,
    )
    return postman
