"""Who vouches for a message, and whether we know its author.

Owns the port `Correspondents`.
"""

from collections.abc import Collection
from typing import Protocol

from tierii_mta.mail.person import PersonKey


class Correspondents(Protocol):
    """The people we wrote to."""

    async def has_had_mail(self, people: Collection[PersonKey]) -> bool:
        """Return whether mail of ours was delivered to one of these people."""
