"""The audience: every feed's rows, judged one by one, in order.

Owns the way from a feed to a contact: parse → schema → clean → enrich, a batch at a time, each stage counted and timed.
A row that brings out a fault of ours is a reject like others, with the reason `internal error`; the log tells the
fault.  Streams: memory holds one batch, and what `Survey` keeps of each distinct set of fields.  Who among the contacts
is written to is `screening`.
"""

from bisect import insort
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from tierii_mta.campaigns.cleaning import Cleaner, Fields, Person, RowRejected
from tierii_mta.campaigns.feeds import Feed, Row
from tierii_mta.campaigns.specification.sections import SchemaSection
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.campaigns.sweep import Sweeper
from tierii_mta.clock import Clock
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.crashes import FaultLog
from tierii_mta.queue.delivery import Json

INTERNAL_ERROR = "internal error"
SAMPLES = 5
_MAX_FIELD_SETS = 1000

T = TypeVar("T")
U = TypeVar("U")


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
    stage: Stage
    reason: str
    columns: Sequence[str]
    cells: Sequence[Json]


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch of one feed's rows: each is in one of the two, in order."""

    contacts: Sequence[Contact]
    rejects: Sequence[Reject]


@dataclass(slots=True)
class FieldSet:
    """The contacts that have the same fields."""

    count: int = 0
    earliest: list[tuple[int, Contact]] = field(default_factory=list)  # by their place in the feeds

    @property
    def samples(self) -> list[Contact]:
        """The first few."""
        return [contact for _, contact in self.earliest]


@dataclass(slots=True)
class Survey:
    """One run's audience."""

    rows: int = 0
    rejected: int = 0
    contacts: int = 0  # that are to be written to
    reasons: Counter[str] = field(default_factory=Counter)
    field_sets: dict[tuple[str, ...], FieldSet] = field(default_factory=dict)

    @property
    def sound(self) -> int:
        """Rows that became contacts."""
        return self.rows - self.rejected

    def count_reject(self, reject: Reject) -> None:
        """Take a rejected row into account."""
        self.rejected += 1
        self.reasons[reject.reason.split(":")[0]] += 1

    def is_sample(self, number: int, names: tuple[str, ...]) -> bool:
        """Count a contact that is to be written to; return whether it shall be kept as a sample."""
        self.contacts += 1
        known = self.field_sets.get(names)
        if known is None:
            if len(self.field_sets) >= _MAX_FIELD_SETS:
                return False  # nobody's template depends on so many shapes
            known = self.field_sets[names] = FieldSet()
        known.count += 1
        return len(known.earliest) < SAMPLES or number < known.earliest[-1][0]

    def keep(self, number: int, names: tuple[str, ...], contact: Contact) -> None:
        """Keep a sample, and the earliest few of its kind."""
        earliest = self.field_sets[names].earliest
        insort(earliest, (number, contact), key=lambda pair: pair[0])
        del earliest[SAMPLES:]


class Enrichment(Protocol):
    """Something that knows more about contacts than their feed does."""

    async def enrich(self, contacts: Sequence[Contact]) -> Sequence[Contact]:
        """Return the same contacts in the same order, fields added. Drops none; what is not known stays away."""

    async def finish(self) -> Sequence[str]:
        """Every contact was seen: end what was begun, and return what the operator should know."""


class Rules(Protocol):
    """What a campaign file says of contacts."""

    @property
    def schema_(self) -> SchemaSection:
        """What a row has to hold."""


class Audience:
    """The contacts of one campaign."""

    def __init__(
        self,
        rules: Rules,
        feeds: Sequence[Feed],
        *,
        header_fields: frozenset[str],
        key_of: Callable[[Address], PersonKey],
        clock: Clock,
        meter: Meter,
        enrichments: Sequence[Enrichment] = (),
    ) -> None:
        """`header_fields`: see `Cleaner`."""
        self.feeds, self._key_of, self._clock, self._meter = feeds, key_of, clock, meter
        self._faults, self._enrichments = FaultLog(clock), enrichments
        self._told: list[str] = []
        schema = rules.schema_
        self._cleaner = Cleaner(required=schema.required, types=schema.types, header_fields=header_fields)
        self._sweeper = Sweeper(self._cleaner)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every original column, in order, once."""
        return tuple(dict.fromkeys(name for feed in self.feeds for name in feed.columns))

    @property
    def notices(self) -> tuple[str, ...]:
        return (*(notice for feed in self.feeds for notice in feed.notices), *self._told)

    async def judged(self) -> AsyncIterator[Judged]:
        """Yield what becomes of the rows, feed by feed, in batches."""
        for feed in self.feeds:
            batches = feed.batches()
            while True:
                with self._meter.timing(Stage.PARSE):
                    rows = await anext(batches, None)
                if rows is None:
                    break
                yield await self._judge(feed, rows)
                await self._clock.sleep(0)  # so that a command can be interrupted
        for enrichment in self._enrichments:
            with self._meter.timing(Stage.ENRICH):
                self._told += await enrichment.finish()

    async def contacts(self) -> AsyncIterator[Contact]:
        """Yield the contacts one by one."""
        async for batch in self.judged():
            for contact in batch.contacts:
                yield contact

    async def _judge(self, feed: Feed, rows: Sequence[Row]) -> Judged:
        rejects = [_reject(feed, row, Stage.PARSE, row.problem) for row in rows if row.problem is not None]
        self._meter.count(Stage.INGEST, len(rows))
        self._meter.count(Stage.DETECT, len(rows))
        self._meter.count(Stage.PARSE, len(rows), len(rejects))
        contacts: Sequence[Contact] = self._clean(feed, [row for row in rows if row.problem is None], rejects)
        if self._enrichments:
            with self._meter.timing(Stage.ENRICH):
                for enrichment in self._enrichments:
                    contacts = await enrichment.enrich(contacts)
        self._meter.count(Stage.ENRICH, len(contacts))
        rejects.sort(key=lambda reject: reject.line)
        return Judged(contacts, rejects)

    def _clean(self, feed: Feed, rows: Sequence[Row], rejects: list[Reject]) -> Sequence[Contact]:
        """Return the contacts of rows; who is none joins the rejects. What needs no second look is done at once."""
        found: dict[int, Contact] = {}
        fault = self._sweep(feed, rows, found)
        if len(found) == len(rows):
            return list(found.values())
        others = [(at, row, row.fields) for at, row in enumerate(rows) if at not in found]
        typed = self._pass(Stage.SCHEMA, lambda _, fields: self._cleaner.conform(fields), feed, others, rejects)
        for at, _, contact in self._pass(Stage.CLEAN, partial(self._tidy, feed), feed, typed, rejects):
            found[at] = contact
        if fault is not None:  # and told already, if a row was to blame
            self._faults.tell(f"{feed.name}:{rows[0].line}: rows are judged one by one", fault)
        return [found[at] for at in sorted(found)]

    def _sweep(self, feed: Feed, rows: Sequence[Row], found: dict[int, Contact]) -> Exception | None:
        """Find the contacts that need no second look, by their places; return what put an end to it, if anything."""
        try:
            with self._meter.timing(Stage.SCHEMA):
                sheet = self._sweeper.conform([row.fields for row in rows])
            with self._meter.timing(Stage.CLEAN):
                for at, person in self._sweeper.tidy(sheet):
                    found[at] = self._contact(feed, rows[at], person)
        except Exception as fault:
            return fault
        finally:
            self._meter.count(Stage.SCHEMA, len(found))
            self._meter.count(Stage.CLEAN, len(found))
        return None

    def _tidy(self, feed: Feed, row: Row, fields: Fields) -> Contact:
        return self._contact(feed, row, self._cleaner.tidy(fields))

    def _contact(self, feed: Feed, row: Row, person: Person) -> Contact:
        return Contact(row.line, feed.name, person.address, self._key_of(person.address), person.fields)

    def _pass(
        self,
        stage: Stage,
        work: Callable[[Row, T], U],
        feed: Feed,
        rows: Iterable[tuple[int, Row, T]],
        rejects: list[Reject],
    ) -> list[tuple[int, Row, U]]:
        """Return the rows that a stage lets pass, with what it made of them; the others join the rejects."""
        passed: list[tuple[int, Row, U]] = []
        before = len(rejects)
        with self._meter.timing(stage):
            for at, row, value in rows:
                try:
                    passed.append((at, row, work(row, value)))
                except RowRejected as reason:
                    rejects.append(_reject(feed, row, stage, str(reason)))
                except Exception as fault:  # this row's, whatever it is: the others are judged
                    self._faults.tell(f"{feed.name}:{row.line}: the row is rejected", fault)
                    rejects.append(_reject(feed, row, stage, INTERNAL_ERROR))
        self._meter.count(stage, len(passed) + len(rejects) - before, len(rejects) - before)
        return passed


def _reject(feed: Feed, row: Row, stage: Stage, reason: str | None) -> Reject:
    return Reject(row.line, feed.name, stage, reason or "", feed.columns, row.original)
