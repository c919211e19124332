"""Routing: which mailboxes a received message is put into, and what is done there.

Owns the way from a recipient, as port 25 knew it (inbound.mailboxes), to a mailbox of the settings, the first of:

    1. the mailbox that port 25 found: exact address, without its `+tag`, or the domain's `*`
    2. postmaster and abuse, where they are no mailbox of their own: the same of the domain that owns the name, as
       bounce.example.com belongs to example.com; the catch-all of that domain
    3. an address that we signed, if a human wrote: the address that the campaign names for replies, else the
       catch-all of the domain.  Reports, complaints, and what machines answer stay in the inbox
    4. a rewritten sender (mail.srs): on to the sender, whoever writes
    5. nothing: it stays in the inbox alone

A message reaches a Maildir, webhook or forward once, however many of its addresses lead there, and LMTP once for each
address.  Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tierii_mta.correspondence.mailboxes.targets import ForwardTarget, LmtpTarget, Target
from tierii_mta.correspondence.reading import Kind
from tierii_mta.inbound.mailboxes import ANY, ROLES
from tierii_mta.mail.address import Address
from tierii_mta.mail.tokens import Purpose
from tierii_mta.queue.received import InboxRecipient, NewMailboxJob

FOR_NOBODY = frozenset(
    {
        Kind.BOUNCE,
        Kind.DELAY,
        Kind.DELIVERED,
        Kind.COMPLAINT,
        Kind.RECEIPT,
        Kind.UNSUBSCRIBE,
        Kind.AUTO_REPLY,
        Kind.MACHINE,
    }
)
"""What is not put into a mailbox when it comes to an address that we signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxDomain:
    """A domain of the settings with what is done in each of its mailboxes."""

    name: str
    aliases: frozenset[str]  # return path, reply domain, or our host name: who else is this domain
    targets: Mapping[str, Target]  # by local part as the settings write it, or `*`


@dataclass(frozen=True, slots=True)
class _Place:
    mailbox: str
    recipient: str


class Routing:
    """Where received mail goes, by the settings."""

    def __init__(self, domains: Iterable[MailboxDomain]) -> None:
        """Of domains that claim the same alias the first has it."""
        self._targets: dict[str, Target] = {}
        self._owners: dict[str, str] = {}
        self._named: dict[str, str] = {}  # `local@domain` in lower case → mailbox
        every = list(domains)
        for domain in every:
            self._owners[domain.name] = domain.name
            for local, target in domain.targets.items():
                mailbox = f"{domain.name}/{local}"
                self._targets[mailbox] = target
                if local != ANY:
                    self._named[Address.parse(f"{local}@{domain.name}").key] = mailbox
        for domain in every:
            for alias in domain.aliases:
                self._owners.setdefault(alias, domain.name)

    @property
    def mailboxes(self) -> Mapping[str, Target]:
        """Every mailbox of the settings, `domain/local part`."""
        return self._targets

    def target(self, mailbox: str) -> Target | None:
        """Return what is done in a mailbox; None: the settings have it no more."""
        if mailbox in self._targets or mailbox.partition("/")[0] in self._owners:
            return self._targets.get(mailbox)
        return _forward(mailbox)

    def jobs(
        self, recipients: Iterable[InboxRecipient], *, kind: Kind | None = None, answered: str | None = None
    ) -> list[NewMailboxJob]:
        """Return what is to be done with a message. `answered`: the address that the campaign it is about names for
        replies; `kind` None: nobody has read it.
        """
        found: dict[tuple[str, str], NewMailboxJob] = {}
        for recipient in recipients:
            place = self._place(recipient, kind, answered)
            if place is not None:
                each = place.recipient.lower() if isinstance(self.target(place.mailbox), LmtpTarget) else ""
                job = NewMailboxJob(mailbox=place.mailbox, recipient=place.recipient)
                found.setdefault((place.mailbox, each), job)
        return list(found.values())

    def _place(self, recipient: InboxRecipient, kind: Kind | None, answered: str | None) -> _Place | None:
        if recipient.mailbox is not None:
            return self._of_mailbox(recipient.mailbox, recipient.address)
        match recipient.token:
            case Purpose.FORWARD:
                return _Place(recipient.address, recipient.address)
            case Purpose.BOUNCE | Purpose.REPLY if kind not in FOR_NOBODY:
                return self._of_answer(answered, recipient.address)
            case _:
                return None

    def _of_mailbox(self, mailbox: str, address: str) -> _Place | None:
        if mailbox in self._targets:
            return _Place(mailbox, address)
        domain, _, local = mailbox.partition("/")
        owner = self._owners.get(domain)
        if local not in ROLES or owner is None:
            return None  # a mailbox that the settings had when it came
        for name in (f"{owner}/{local}", f"{owner}/{ANY}"):
            if name in self._targets:
                return _Place(name, f"{local}@{owner}")
        return None

    def _of_answer(self, answered: str | None, address: str) -> _Place | None:
        if answered is not None and (place := self._of_address(answered)) is not None:
            return place
        owner = self._owners.get(address.rpartition("@")[2])
        mailbox = f"{owner}/{ANY}"
        return _Place(mailbox, answered or f"replies@{owner}") if mailbox in self._targets else None

    def _of_address(self, text: str) -> _Place | None:
        """Return where mail to an address of the operator's goes: a mailbox of ours, or on to another server."""
        address = Address.parse(text)
        local, _, domain = address.key.rpartition("@")
        if domain not in self._owners:
            return _Place(str(address), str(address))
        plain = f"{local.partition('+')[0]}@{domain}"
        for name in (self._named.get(address.key), self._named.get(plain), f"{domain}/{ANY}"):
            if name is not None and name in self._targets:
                return _Place(name, str(address))
        return None


def _forward(mailbox: str) -> Target | None:
    address = Address.parse_or_none(mailbox)
    return ForwardTarget(address) if address is not None else None
