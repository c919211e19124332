"""Suppression: persons who are not written to, why, how far that reaches, and until when.

Owns the rule which suppression stops which mail, how a scope is written, and the port the list is kept behind; not who
adds to it (bounces, unsubscribe links, the operator).  Pure.
"""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.mail.address import InvalidAddress, parse_domain
from tierii_mta.mail.person import PersonKey

EVERYWHERE = "all"
"""The scope that reaches all mail; any other is `list:` and a list's id, or `sender:` and a domain we send as."""
_LIST, _SENDER = "list:", "sender:"
_LIST_ID = re.compile(r"[A-Za-z0-9._-]{1,255}")


def list_scope(list_id: str) -> str:
    """Return the scope of one list."""
    return f"{_LIST}{list_id}"


def scope_of(list_id: str | None) -> str:
    """Return what a person leaves by a mail: its list; without one, all marketing mail of ours."""
    return list_scope(list_id) if list_id else EVERYWHERE


def sender_scope(domain: str) -> str:
    """Return the scope of all that is sent as one domain, in A-labels."""
    return f"{_SENDER}{domain}"


def parse_scope(text: str) -> str:
    """Return a scope as somebody wrote it, its domain in A-labels; raises ValueError in words."""
    if text == EVERYWHERE or (text.startswith(_LIST) and _LIST_ID.fullmatch(text.removeprefix(_LIST))):
        return text
    if text.startswith(_SENDER):
        try:
            return sender_scope(parse_domain(text.removeprefix(_SENDER)))
        except InvalidAddress as cause:
            raise ValueError(f"{text!r} {cause}") from cause
    raise ValueError(f"{text!r} is no scope; write {EVERYWHERE}, {_LIST}ID or {_SENDER}DOMAIN")


def left_list(scope: str) -> str | None:
    """Return the id of the list that a scope is, None for a wider one."""
    return scope.removeprefix(_LIST) if scope.startswith(_LIST) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailKind:
    """What decides whether an entry stops a mail."""

    is_marketing: bool
    list_id: str | None = None
    sender: str | None = None  # the domain it is sent as, in A-labels


class SuppressionReason(StrEnum):
    """Why a person is suppressed."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One entry. The same person may have several: (key, scope, reason) is unique."""

    key: PersonKey
    scope: str  # EVERYWHERE, list_scope(...) or sender_scope(...)
    reason: SuppressionReason
    address: str | None = None  # for people to read; None when only the key is known (unsubscribe link) or erased
    evidence: str = ""  # e.g. the SMTP reply, "one-click", the operator's note
    created_at: Instant
    expires_at: Instant | None = None  # None: for good

    def holds(self, now: Instant) -> bool:
        """Return whether it has not expired."""
        return self.expires_at is None or self.expires_at > now

    def stops(self, kind: MailKind, *, now: Instant) -> bool:
        """Return whether mail of this kind may not go to the person now.

        Unsubscribing never stops transactional or submitted mail; a hard bounce, a complaint or the operator's word
        in scope `all`, or in that of the sender, does.
        """
        if not self.holds(now) or (self.reason is SuppressionReason.UNSUBSCRIBE and not kind.is_marketing):
            return False
        if kind.list_id is not None and self.scope == list_scope(kind.list_id):
            return True
        return self.scope == EVERYWHERE or (kind.sender is not None and self.scope == sender_scope(kind.sender))

    def outlasts(self, other: "Suppression") -> bool:
        """Return whether it ends later than the other one."""
        if other.expires_at is None or self.expires_at is None:
            return other.expires_at is not None
        return self.expires_at > other.expires_at


class SuppressionList(Protocol):
    """The list, kept durably. Every change is one commit with its event and a change row for the daemon."""

    async def add(self, entries: Sequence[Suppression], *, only_extend: bool = False) -> int:
        """Add or replace entries by (key, scope, reason); return how many are new. Idempotent.

        With `only_extend` an entry that is there stays as it is, but for an end that moves further away: what comes
        from a file never lets mail out that was stopped.
        """

    async def remove(
        self,
        key: PersonKey,
        scope: str | None = None,
        *,
        reason: SuppressionReason | None = None,
        by: str,
        why: str = "",
    ) -> int:
        """Remove a person's entries: in one scope or in all, for one reason or for any; return how many went.

        Each event `suppression.deleted` tells who undid it and why.
        """

    async def find(self, keys: Iterable[PersonKey]) -> list[Suppression]:
        """Return all entries of these persons."""

    def entries(self) -> AsyncIterator[Suppression]:
        """Yield the whole list, paged by key, oldest key first."""
