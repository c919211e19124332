"""The audience: every feed's rows, cleaned, in order.

Owns the way from feeds to contacts: read → clean → type → validate → exclude → key.  A row that brings out a fault of
ours is a reject like others, with the reason `internal error`; the log tells the fault.  Streams: memory holds one row,
and what `Survey` keeps of each distinct set of fields.  Duplicates are not looked for here: the store's unique index on
(person, campaign) settles them across feeds and reruns with no memory at all; the first row of a person stays.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from tierii_mta.campaigns.cleaning import Cleaner, RowRejected
from tierii_mta.campaigns.feed import Feed, Row, open_feeds
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.crashes import FaultLog
from tierii_mta.queue.delivery import Json

INTERNAL_ERROR = "internal error"
SAMPLES = 5
_MAX_FIELD_SETS = 1000


class Contact(NamedTuple):
    """A row that may be written to."""

    line: int
    file: str
    address: Address
    person: PersonKey
    fields: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that may not, and why."""

    line: int
    file: str
    reason: str
    columns: Sequence[str]
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A sound row that the campaign leaves out by domain."""

    line: int


Verdict = Contact | Reject | Excluded


@dataclass(slots=True)
class FieldSet:
    """The rows that have the same fields."""

    count: int = 0
    samples: list[Contact] = field(default_factory=list)


@dataclass(slots=True)
class Survey:
    """What one pass over the whole audience learned."""

    rows: int = 0
    rejected: int = 0
    excluded: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    field_sets: dict[tuple[str, ...], FieldSet] = field(default_factory=dict)

    @property
    def contacts(self) -> int:
        return self.rows - self.rejected - self.excluded

    def count(self, verdict: Verdict) -> None:
        """Take one row into account."""
        self.rows += 1
        match verdict:
            case Contact():
                self._keep(verdict)
            case Reject():
                self.rejected += 1
                self.reasons[verdict.reason.split(":")[0]] += 1
            case Excluded():
                self.excluded += 1
            case _:
                assert_never(verdict)

    def _keep(self, contact: Contact) -> None:
        names = tuple(sorted(contact.fields))
        known = self.field_sets.get(names)
        if known is None and len(self.field_sets) >= _MAX_FIELD_SETS:
            return  # only inline items could have so many shapes, and their file ends at 1 MiB
        known = known or self.field_sets.setdefault(names, FieldSet())
        known.count += 1
        if len(known.samples) < SAMPLES:
            known.samples.append(contact)


class Audience:
    """The contacts of one campaign; each call of `verdicts` reads the feeds anew."""

    def __init__(
        self,
        campaign: Campaign,
        *,
        header_fields: frozenset[str],
        key_of: Callable[[Address], PersonKey],
        faults: FaultLog,
    ) -> None:
        """Open the feeds; raises `CheckFailed` for one that cannot be read. `header_fields`: see `Cleaner`."""
        self._key_of, self._faults = key_of, faults
        specification = campaign.specification
        self.feeds: list[Feed] = open_feeds(campaign)
        self._cleaner = Cleaner(
            required=specification.schema_.required, types=specification.schema_.types, header_fields=header_fields
        )
        self._excluded = tuple(specification.exclude.domains)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every original column, in order, once."""
        return tuple(dict.fromkeys(name for feed in self.feeds for name in feed.columns))

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(notice for feed in self.feeds for notice in feed.notices)

    def verdicts(self) -> Iterator[Verdict]:
        """Yield what becomes of each row, feed by feed."""
        for feed in self.feeds:
            for row in feed.rows():
                try:
                    verdict = self._judge(feed, row)
                except Exception as fault:  # this row's, whatever it is: the others are judged
                    self._faults.tell(f"{feed.name}:{row.line}: the row is rejected", fault)
                    verdict = Reject(row.line, feed.name, INTERNAL_ERROR, feed.columns, row.original)
                yield verdict

    def _judge(self, feed: Feed, row: Row) -> Verdict:
        if row.problem is not None:
            return Reject(row.line, feed.name, row.problem, feed.columns, row.original)
        try:
            person = self._cleaner.clean(row.fields)
        except RowRejected as reason:
            return Reject(row.line, feed.name, str(reason), feed.columns, row.original)
        if self._excluded and self._is_excluded(person.address.domain):
            return Excluded(row.line)
        return Contact(row.line, feed.name, person.address, self._key_of(person.address), person.fields)

    def _is_excluded(self, domain: str) -> bool:
        return any(domain == each or domain.endswith(f".{each}") for each in self._excluded)
