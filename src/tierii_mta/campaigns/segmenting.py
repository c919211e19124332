"""The stage `segment`: who of the contacts the campaign's segment means.

Owns what a name of the expression stands for in a contact: a field, or what is known of its address.  A name that no
contact has is an error, because a misspelt one would change who is written to without a word.  Pure.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from tierii_mta.campaigns.audience import Enrichment
from tierii_mta.campaigns.problems import Problem
from tierii_mta.campaigns.segment import Expression, Field, read
from tierii_mta.campaigns.specification import Specification
from tierii_mta.campaigns.specification.expressions import problem_of
from tierii_mta.campaigns.specification.vocabulary import PERSON_FIELDS
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.campaigns.stages import Stage
from tierii_mta.queue.delivery import Json
from tierii_mta.yaml12 import Document, nearest


class Providers(Enrichment, Protocol):
    """Who runs the mail servers of the contacts' domains; known once every contact was seen."""

    def provider_of(self, domain: str) -> str | None:
        """Return the provider of a domain, from the closed list of shaping.yaml; None where it is not known."""


class Segmented:
    """`segment`, as a rule of its stage."""

    stage = Stage.SEGMENT

    def __init__(self, expression: Expression, *, now: datetime, providers: Providers | None = None) -> None:
        """`now` is in the campaign's zone. Without `providers` the provider of everybody is blank."""
        self._providers = providers
        self._holds: Callable[[Waiting], bool] = expression.predicate(self._read, now=now)

    async def reasons(self, contacts: Sequence[Waiting]) -> Sequence[str | None]:
        holds = self._holds
        return [None if holds(contact) else "is out of the segment" for contact in contacts]

    def _read(self, field: Field) -> Callable[[Any], Json]:
        """Return the way from a contact to what a name stands for."""
        name = field.name
        if not field.is_built_in:
            return lambda contact: contact.fields.get(name)
        if name == "domain":
            return lambda contact: contact.domain
        providers = self._providers
        return lambda contact: providers.provider_of(contact.domain) if providers is not None else None


def segment_of(specification: Specification) -> Expression | None:
    """Return the segment of a campaign, if it has one."""
    return read(specification.segment, specification.schema_.types) if specification.segment is not None else None


def name_problems(
    expression: Expression, document: Document, *, columns: Collection[str], declared: Collection[str]
) -> Iterator[Problem]:
    """Yield names of the segment that are no field's, or two things'. `columns`: fields that contacts have."""
    known = {*columns, *declared, *PERSON_FIELDS}
    for field in dict.fromkeys(expression.fields):
        name = field.name
        if field.is_built_in and name in columns:
            what = f"the contacts have a column {name} too"
            remedy = f"write `{name}` in backquotes for the column, or give it another name with map"
        elif not field.is_built_in and name not in known:
            meant = nearest(name, known)
            what = f"no contact has the field {name}"
            remedy = f"did you mean {meant}?" if meant else f"declare it in schema.types if {name} may be missing"
        else:
            continue
        yield problem_of(document, ("segment",), expression.fault(field, what, remedy))
