"""The DNS tree walk: from a domain up to the top, in at most eight questions.

Owns which names are asked, what counts as found, and which domain is the organisation's; not what follows for a
message (authentication.dmarc).  RFC 9989 §4.10 and §4.10.2.  Touches: the DNS, by way of the Resolver port; choosing
the organisational domain is pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tierii_mta.authentication.dmarc_record import DmarcRecord, SuffixFlag, choose_records
from tierii_mta.resolver.answer import Found, Resolver, Tempfail

MAX_QUESTIONS = 8
_MAX_NAME = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One question of a walk, for the operator's eyes."""

    name: str  # as asked, e.g. "_dmarc.example.com"
    outcome: str  # the record as published, or in words what else came
    record: DmarcRecord | None = None
    is_failure: bool = False  # the answer is not known now


@dataclass(frozen=True, slots=True)
class Walk:
    """What one walk found, from the longest name to the shortest."""

    start: str
    found: Sequence[tuple[str, DmarcRecord]]
    failure: str | None = None  # the name at which it ended without an answer

    @property
    def records(self) -> Mapping[str, DmarcRecord]:
        """The records by domain."""
        return dict(self.found)

    @property
    def organisation(self) -> str:
        """The organisational domain of the start, as far as it was found (§4.10.2)."""
        for domain, record in self.found:
            if record.suffix is SuffixFlag.IS_ORGANISATION:
                return domain
            if record.suffix is SuffixFlag.IS_SUFFIX and domain != self.start:
                return _one_below(domain, self.start)
        return self.found[-1][0] if self.found else self.start

    @property
    def suffix(self) -> str | None:
        """The public suffix that the walk met above its start."""
        return next((d for d, record in self.found if record.suffix is SuffixFlag.IS_SUFFIX and d != self.start), None)


class Walker:
    """Walks for one message: asks for no name twice, and keeps the trace."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._steps: dict[str, Step] = {}

    @property
    def trace(self) -> tuple[Step, ...]:
        """Every question so far, in order."""
        return tuple(self._steps.values())

    async def walk(self, domain: str) -> Walk:
        """Walk up from a domain in lower case, until a `psd` tag, a failure or the top ends it."""
        found: list[tuple[str, DmarcRecord]] = []
        for target in targets(domain):
            step = await self._ask(target)
            if step.is_failure:
                return Walk(domain, found, failure=step.name)
            if step.record is not None:
                found.append((target, step.record))
                if step.record.suffix is not SuffixFlag.UNSAID:
                    break
        return Walk(domain, found)

    async def _ask(self, domain: str) -> Step:
        name = f"_dmarc.{domain}"
        if name not in self._steps:
            answer = await self._resolver.txt(name)
            if isinstance(answer, Tempfail):
                self._steps[name] = Step(name=name, outcome=f"not known: {answer.why}", is_failure=True)
            else:
                records = choose_records(answer.records) if isinstance(answer, Found) else []
                self._steps[name] = _step(name, records)
        return self._steps[name]


def targets(domain: str) -> Iterator[str]:
    """Yield the domains whose records a walk asks for; names that cannot exist and address literals are left out."""
    if domain.startswith("["):
        return
    labels = domain.split(".")
    lengths = [len(labels), *range(min(len(labels), MAX_QUESTIONS) - 1, 0, -1)]
    for length in lengths:
        target = ".".join(labels[-length:])
        if can_exist(f"_dmarc.{target}"):
            yield target


def can_exist(name: str) -> bool:
    """Return whether the DNS can hold a name."""
    return name.isascii() and len(name) <= _MAX_NAME and all(0 < len(label) < 64 for label in name.split("."))


def is_within(domain: str, parent: str) -> bool:
    """Return whether a domain is another or lies below it."""
    return domain == parent or domain.endswith(f".{parent}")


def _one_below(suffix: str, start: str) -> str:
    labels = start.split(".")
    return ".".join(labels[-(suffix.count(".") + 2) :])


def _step(name: str, records: Sequence[DmarcRecord]) -> Step:
    match records:
        case []:
            return Step(name=name, outcome="no record")
        case [record]:
            return Step(name=name, outcome=record.text, record=record)
        case _:
            return Step(name=name, outcome=f"{len(records)} records, which count as none")
