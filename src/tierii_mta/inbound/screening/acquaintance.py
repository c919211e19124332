"""Whether we know the author of a message: somebody our mail reached before.

Owns the port `Correspondents`; not who an author is proven to be (credentials).  Touches: that port.
"""

from collections.abc import Callable, Collection
from typing import Protocol

from tierii_mta.inbound.screening.verdict import Observation
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey


class Correspondents(Protocol):
    """The people we wrote to."""

    async def has_had_mail(self, people: Collection[PersonKey]) -> bool:
        """Return whether mail of ours was delivered to one of these people. Raises `Unavailable`."""


class Acquaintance:
    """Looks up people by their key."""

    def __init__(self, correspondents: Correspondents, person_key: Callable[[Address], PersonKey]) -> None:
        self._correspondents, self._person_key = correspondents, person_key

    async def look(self, proven: Collection[Address]) -> list[Observation]:
        """Return what speaks for somebody we know; whoever only claims to be somebody is nobody."""
        people = {self._person_key(one) for one in proven}
        if not people or not await self._correspondents.has_had_mail(sorted(people)):
            return []
        return [Observation(rule="correspondent", detail=f"we wrote to {' or '.join(sorted(set(map(str, proven))))}")]
