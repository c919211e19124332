"""Who of the contacts is written to: dedupe → segment → exclude → consent.

Owns the order and the counting.  A *screen* is a rule of one of the last three stages; rules of the same stage stand in
the order given.  Streams: memory holds one batch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Protocol

from tierii_mta.campaigns.audience import Contact, Survey
from tierii_mta.campaigns.duplicates import OnConflict, settle
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.spool import Spool, Waiting
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.clock import Clock
from tierii_mta.consent.suppression import MailKind, SuppressionList
from tierii_mta.mail.address import Address

BATCH = 1000
SCREEN_STAGES = (Stage.SEGMENT, Stage.EXCLUDE, Stage.CONSENT)

LeftOut = Callable[[Waiting, Stage, str], None]


class Screen(Protocol):
    """A rule that lets contacts pass or not."""

    @property
    def stage(self) -> Stage:
        """Which of `SCREEN_STAGES` it belongs to."""

    async def reasons(self, contacts: Sequence[Waiting]) -> Sequence[str | None]:
        """Return for each contact, in order, why it is left out; None where it passes."""


class Sieve:
    """The stages behind the feeds."""

    def __init__(
        self,
        screens: Iterable[Screen],
        *,
        on_conflict: OnConflict,
        feeds: Sequence[str],
        left_out: LeftOut,
        clock: Clock,
        meter: Meter,
    ) -> None:
        """`feeds`: their names; `left_out` is told every contact that does not pass."""
        self._screens = [(stage, [each for each in screens if each.stage is stage]) for stage in SCREEN_STAGES]
        self._on_conflict, self._feeds, self._left_out = on_conflict, feeds, left_out
        self._clock, self._meter = clock, meter

    async def run(
        self, contacts: Spool, passed: Spool, survey: Survey, *, see: Callable[[Waiting], None] | None = None
    ) -> None:
        """Put those who pass into `passed`, one for each person; `contacts` are by person. `see` is told each."""
        settled = settle(contacts, self._on_conflict, self._drop)
        self._meter.count(Stage.DEDUPE, len(contacts))
        while batch := self._next(settled):
            for stage, screens in self._screens:
                before = len(batch)
                with self._meter.timing(stage):
                    for screen in screens:
                        batch = await self._screened(batch, screen)
                self._meter.count(stage, before, before - len(batch))
            for contact in batch:
                passed.put(contact)
                self._sample(contact, survey)
                if see is not None:
                    see(contact)
            await self._clock.sleep(0)  # so that a command can be interrupted

    def _next(self, settled: Iterator[Waiting]) -> list[Waiting]:
        with self._meter.timing(Stage.DEDUPE):
            return list(islice(settled, BATCH))

    def _drop(self, contact: Waiting, kept: Waiting) -> None:
        self._meter.count(Stage.DEDUPE, 0, 1)
        where = f"{self._feeds[kept.feed]}:{kept.line}"
        self._left_out(contact, Stage.DEDUPE, f"is the same person as {where}")

    async def _screened(self, batch: list[Waiting], screen: Screen) -> list[Waiting]:
        passed = []
        for contact, reason in zip(batch, await screen.reasons(batch), strict=True):
            if reason is None:
                passed.append(contact)
            else:
                self._left_out(contact, screen.stage, reason)
        return passed

    def _sample(self, contact: Waiting, survey: Survey) -> None:
        names = _in_order(tuple(contact.fields))
        if survey.is_sample(contact.number, names):
            address = Address.parse(contact.recipient)
            file = self._feeds[contact.feed]
            survey.keep(contact.number, names, Contact(contact.line, file, address, contact.person, contact.fields))


@lru_cache(maxsize=1000)
def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names sorted; a feed has few sets of them and a million contacts."""
    return tuple(sorted(names))


class ExcludedDomains:
    """`exclude.domains`, with their subdomains."""

    stage = Stage.EXCLUDE

    def __init__(self, domains: Iterable[str]) -> None:
        self._domains = frozenset(domains)

    async def reasons(self, contacts: Sequence[Waiting]) -> Sequence[str | None]:
        reasons = {domain: self._reason(domain) for domain in {contact.domain for contact in contacts}}
        return [reasons[contact.domain] for contact in contacts]

    def _reason(self, domain: str) -> str | None:
        labels = domain.split(".")
        for start in range(len(labels)):
            if (name := ".".join(labels[start:])) in self._domains:
                return f"{name} is excluded"
        return None


class Suppressed:
    """`exclude.suppression`: who bounced, complained, unsubscribed or was stopped by the operator."""

    stage = Stage.CONSENT

    def __init__(self, entries: SuppressionList, clock: Clock, campaign: Specification) -> None:
        self._entries, self._clock = entries, clock
        self._kind = MailKind(
            is_marketing=campaign.is_marketing, list_id=campaign.list_id, sender=campaign.from_address.domain
        )

    async def reasons(self, contacts: Sequence[Waiting]) -> Sequence[str | None]:
        now = self._clock.now()
        found = {
            entry.key: f"is suppressed: {entry.reason}"
            for entry in await self._entries.find([contact.person for contact in contacts])
            if entry.stops(self._kind, now=now)
        }
        return [found.get(contact.person) for contact in contacts]
