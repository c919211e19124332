"""Who is known here: the recipients that port 25 takes mail for.

Owns the answer to RCPT: a mailbox of the settings, with its tags; postmaster and abuse of every domain of ours
(RFC 5321 §4.5.1, RFC 2142); an address that we signed (mail.tokens, mail.srs).  Everybody else is unknown, or none of
ours: this server relays nothing, whoever asks.  Not what becomes of the mail.  Pure.

Local parts are compared without regard to case and needless quotes, as their senders expect (`Address.key`), domains
as A-labels; so a look-alike in another script is another domain.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.srs import is_srs_form, open_srs
from tierii_mta.mail.tokens import Purpose, TokenCodec, is_signed_form, open_signed_address

ANY = "*"
ROLES = ("postmaster", "abuse")  # RFC 5321 §4.5.1, RFC 2142 §4
_ROUTES = "%!@"  # what other systems took for "pass it on to": the percent hack, bang paths, a quoted address


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDomain:
    """A domain of the settings that mail may be addressed to."""

    name: str  # this and the next two in A-labels
    return_path: str
    reply_domain: str
    mailboxes: frozenset[str] = frozenset()  # local parts, or `ANY`


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A recipient we take mail for."""

    mailbox: str | None = None  # `domain/local part`; None: a signed address
    token: Purpose | None = None


class Refused(StrEnum):
    """Why we take no mail for a recipient."""

    UNKNOWN = "unknown"  # the domain is ours, and nobody there goes by that name
    FOREIGN = "foreign"  # we would have to relay


class Mailboxes:
    """Everybody who can be written to here."""

    def __init__(
        self,
        domains: Iterable[MailDomain],
        *,
        hostname: str,
        codec: TokenCodec,
        now: Callable[[], Instant] | None = None,
    ) -> None:
        """`hostname` has the roles alone: `<postmaster>` without a domain means the one of this host.  Without `now`
        no address expires.
        """
        self._codec, self._now = codec, now
        self._signing: set[str] = set()
        self._mailboxes: dict[str, dict[str, str]] = {hostname: {}}  # by domain: folded local part → name
        for domain in domains:
            own = self._mailboxes.setdefault(domain.name, {})
            own.update({_folded(local, domain.name): f"{domain.name}/{local}" for local in domain.mailboxes})
            for signing in (domain.return_path, domain.reply_domain):
                self._signing.add(signing)
                self._mailboxes.setdefault(signing, {})
        for name, own in self._mailboxes.items():
            for role in ROLES:
                own.setdefault(role, f"{name}/{role}")

    def receives(self, domain: str) -> bool:
        """Whether anybody may be known in a domain (A-labels)."""
        return domain in self._mailboxes

    def find(self, recipient: Address) -> Known | Refused:
        """Return who a recipient is.

        Where we sign, what is written like a signed address is one or nobody: a catch-all mailbox does not take
        bounces of mail that is not ours, nor forged replies.
        """
        own = self._mailboxes.get(recipient.domain)
        if own is None:
            return Refused.FOREIGN
        local = recipient.key.rpartition("@")[0]
        if recipient.domain in self._signing and (signed := self._signed(local)) is not None:
            return signed
        if local in own:
            return Known(mailbox=own[local])
        if any(mark in local for mark in _ROUTES):
            return Refused.FOREIGN
        name = own.get(local.partition("+")[0]) or own.get(ANY)
        return Known(mailbox=name) if name is not None else Refused.UNKNOWN

    def _signed(self, local: str) -> Known | Refused | None:
        """Return who a signed address is; None: it is not written like one."""
        if is_signed_form(local):
            opened = open_signed_address(self._codec, Address(local, ""))
            return Known(token=opened.purpose) if opened is not None else Refused.UNKNOWN
        if is_srs_form(local):
            sender = open_srs(self._codec, local, at=self._now() if self._now is not None else None)
            return Known(token=Purpose.FORWARD) if sender is not None else Refused.UNKNOWN
        return None


def _folded(local: str, domain: str) -> str:
    """Return a local part of the settings as recipients' are compared; raises `InvalidAddress`."""
    return ANY if local == ANY else Address.parse(f"{local}@{domain}").key.rpartition("@")[0]
