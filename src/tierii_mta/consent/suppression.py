"""Suppression: persons who are not written to, why, how far that reaches, and until when.

Owns the rule which suppression stops which mail, and the port the list is kept behind; not who adds to it (bounces,
unsubscribe links, the operator).  Pure.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.mail.person import PersonKey

EVERYWHERE = "all"
"""The scope that reaches every list; any other scope is `list:` and the list's id."""


def list_scope(list_id: str) -> str:
    """Return the scope of one list."""
    return f"list:{list_id}"


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
    scope: str  # EVERYWHERE or list_scope(...)
    reason: SuppressionReason
    address: str | None = None  # for people to read; None when only the key is known (unsubscribe link) or erased
    evidence: str = ""  # e.g. the SMTP reply, "one-click", the operator's note
    created_at: Instant
    expires_at: Instant | None = None  # None: for good

    def stops(self, *, is_marketing: bool, list_id: str | None, now: Instant) -> bool:
        """Return whether mail of this kind may not go to the person now.

        Unsubscribing never stops transactional or submitted mail; a hard bounce, a complaint or the operator's word
        in scope `all` does.
        """
        if self.expires_at is not None and self.expires_at <= now:
            return False
        if self.reason is SuppressionReason.UNSUBSCRIBE and not is_marketing:
            return False
        return self.scope == EVERYWHERE or (list_id is not None and self.scope == list_scope(list_id))


class SuppressionList(Protocol):
    """The list, kept durably. Every change is one commit with its event and a change row for the daemon."""

    async def add(self, entries: Sequence[Suppression]) -> int:
        """Add or replace entries by (key, scope, reason); return how many are new. Idempotent."""

    async def remove(self, key: PersonKey, scope: str | None = None) -> int:
        """Remove a person's entries in one scope, or in all; return how many went."""

    async def find(self, keys: Iterable[PersonKey]) -> list[Suppression]:
        """Return all entries of these persons."""

    def entries(self) -> AsyncIterator[Suppression]:
        """Yield the whole list, paged by key, oldest key first."""
