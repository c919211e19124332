"""Greylisting: a suspicious stranger is asked to come again, as every mail server does and most spam does not.

Owns who counts as the same stranger, how long one waits, and what a second visit is worth; not who has to wait
(verdict) nor how visits are kept (storage.greylist).  Pure.  RFC 6647.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Protocol

from tierii_mta.clock import Instant, elapsed
from tierii_mta.inbound.screening.case import Case
from tierii_mta.mail.address import Address

MAX_RECIPIENTS = 20  # of a message that are remembered
ANYBODY = ""  # in place of a recipient: this client and sender came back once, so they are a mail server


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long a stranger waits, and how long it is remembered."""

    wait: timedelta = timedelta(minutes=5)
    window: timedelta = timedelta(days=2)  # whoever comes again later than that is a stranger again
    memory: timedelta = timedelta(days=35)  # since its last visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who comes for whom."""

    client: str  # its network, or the domain that SPF says it is of
    sender: str  # domain of the reverse-path, "" for the null sender
    recipients: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What is kept of a visitor and one recipient."""

    recipient: str
    first_at: Instant
    last_at: Instant
    attempts: int = 1
    passed_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What follows from a visit."""

    has_waited: bool
    time: timedelta  # that it took, nothing where this client never waits again; or that is left
    visits: Sequence[Visit] = ()  # to be kept


class Greylist(Protocol):
    """Visits, kept durably."""

    async def meet(self, visitor: Visitor, terms: Terms, now: Instant) -> Standing:
        """Return whether a visitor has waited, and remember the visit: both in one transaction.

        What is older than `terms.memory` goes, a bounded number at a time.
        """


def visitor(case: Case, spf_domain: str | None) -> Visitor:
    """Return who comes: by the domain that SPF proved, as large senders retry from elsewhere, else by network."""
    incoming = case.incoming
    recipients = sorted({Address.parse(one.address).key for one in incoming.recipients})[:MAX_RECIPIENTS]
    sender = incoming.reverse_path.domain if incoming.reverse_path is not None else ""
    client = spf_domain if spf_domain is not None else _network(case.client)
    return Visitor(client=client, sender=sender, recipients=recipients)


def standing(visitor: Visitor, known: Collection[Visit], terms: Terms, now: Instant) -> Standing:
    """Return what a visit is worth, given those before it of this client and sender, for its recipients and `ANYBODY`.

    A visitor that came back once, for any recipient, does not wait again.
    """
    fresh = {one.recipient: one for one in known if not _is_forgotten(one, terms, now)}
    waited = max(
        (elapsed(fresh[one].first_at, now) for one in visitor.recipients if one in fresh), default=timedelta(0)
    )
    has_waited = ANYBODY in fresh or waited >= terms.wait
    recipients = (*visitor.recipients, *((ANYBODY,) if has_waited else ()))
    visits = [_visit(one, fresh.get(one), has_waited=has_waited, now=now) for one in recipients]
    return Standing(has_waited=has_waited, time=waited if has_waited else terms.wait - waited, visits=visits)


def _visit(recipient: str, before: Visit | None, *, has_waited: bool, now: Instant) -> Visit:
    passed_at = (before.passed_at if before is not None else None) or (now if has_waited else None)
    if before is None:
        return Visit(recipient=recipient, first_at=now, last_at=now, passed_at=passed_at)
    return Visit(
        recipient=recipient,
        first_at=before.first_at,
        last_at=now,
        attempts=before.attempts + 1,
        passed_at=passed_at,
    )


def _is_forgotten(visit: Visit, terms: Terms, now: Instant) -> bool:
    if visit.passed_at is not None:
        return elapsed(visit.last_at, now) > terms.memory
    return elapsed(visit.first_at, now) > terms.window


def _network(remote: IPv4Address | IPv6Address) -> str:
    """Return the /24, or the /64 that one customer has."""
    return str(ip_network((remote, 24 if remote.version == 4 else 64), strict=False))
