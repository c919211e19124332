"""Stored lists: contacts that are kept here under a name, for campaigns to send to.

Owns the port, and the way from a file into a list: the rows go through parse, schema and clean as those of a campaign
do, and each person stands in a list once, with what the last row said.  Who may be written to is not kept here: the
suppression list decides, whatever a list holds.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from tierii_mta.campaigns.audience import Audience
from tierii_mta.campaigns.feeds import Feed
from tierii_mta.campaigns.rejects import RejectFile
from tierii_mta.campaigns.specification.sections import SchemaSection
from tierii_mta.campaigns.stages import Meter
from tierii_mta.clock import Clock, Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import Json

PAGE = 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Member(NamedTuple):
    """A person in a list; the address is among the fields."""

    person: PersonKey
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactList:
    """A list, as kept."""

    name: str
    size: int
    created_at: Instant
    changed_at: Instant


class ContactLists(Protocol):
    """The lists, kept durably."""

    async def put(self, name: str, members: Sequence[Member], *, now: Instant) -> int:
        """Add at most `PAGE` persons to a list, which begins with the first; return how many are new. Who is there
        already gets the new fields. One commit, idempotent.
        """

    async def names(self) -> Sequence[str]:
        """Return the lists there are."""

    async def lists(self) -> Sequence[ContactList]:
        """Return every list, by name, its members counted."""

    def members(self, name: str) -> AsyncIterator[Sequence[Member]]:
        """Yield the persons of a list a page at a time, always in one order, which is none of theirs."""

    async def find(self, name: str, person: PersonKey) -> Member | None:
        """Return a person of a list, or None."""

    async def remove(self, name: str, person: PersonKey | None = None) -> int:
        """Take a person out, or everybody with the list itself; return how many went."""


@dataclass(slots=True, kw_only=True)
class Imported:
    """What became of a file's rows: `added`, `updated` and `rejected` are all of them."""

    added: int = 0
    updated: int = 0  # was in the list, from this file or before
    rejected: int = 0

    @property
    def rows(self) -> int:
        return self.added + self.updated + self.rejected


@dataclass(frozen=True, slots=True)
class _Rules:
    schema_: SchemaSection


def is_list_name(text: str) -> bool:
    """Return whether a list may be called so: as campaigns' ids are written."""
    return _NAME.fullmatch(text) is not None


async def import_contacts(
    name: str,
    feed: Feed,
    lists: ContactLists,
    *,
    key_of: Callable[[Address], PersonKey],
    clock: Clock,
    rejects_file: Path,
    show: Callable[[Imported], None],
) -> Imported:
    """Put a feed's contacts into a list, a batch a commit; rows that are none go into the reject file.

    A feed that breaks off has filled the list so far; the same call goes on.
    """
    audience = Audience(
        _Rules(SchemaSection()), [feed], header_fields=frozenset(), key_of=key_of, clock=clock, meter=Meter(clock)
    )
    count = Imported()
    with RejectFile(rejects_file, audience.columns) as rejects:
        async for batch in audience.judged():
            members = [Member(contact.person, contact.fields) for contact in batch.contacts]
            added = await lists.put(name, members, now=clock.now()) if members else 0
            count.added += added
            count.updated += len(members) - added
            count.rejected += len(batch.rejects)
            for reject in batch.rejects:
                rejects.add((reject.file, reject.line), reject.stage, reject.reason, reject.columns, reject.cells)
            show(count)
    return count
