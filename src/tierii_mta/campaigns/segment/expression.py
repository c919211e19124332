"""An expression, read and held against the types of its fields.

Owns the way from text to function, and which names an expression uses.  Pure.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tierii_mta.campaigns.columns import normal_name
from tierii_mta.campaigns.segment.faults import ExpressionInvalid, Fault
from tierii_mta.campaigns.segment.grammar import parse
from tierii_mta.campaigns.segment.kinds import Check, Types
from tierii_mta.campaigns.segment.predicate import Builder
from tierii_mta.campaigns.segment.tree import (
    Blank,
    Comparison,
    Condition,
    Either,
    Every,
    Field,
    Flag,
    Lower,
    Membership,
    Not,
    Operand,
    Wording,
)
from tierii_mta.queue.delivery import Json


@dataclass(frozen=True, slots=True)
class Expression:
    """A sound expression."""

    text: str
    _condition: Condition
    _types: Types

    @property
    def fields(self) -> tuple[Field, ...]:
        """Where fields of the contact, and built-ins, are named, in order."""
        return tuple(_fields(self._condition))

    def asks(self, built_in: str) -> bool:
        """Return whether it names a built-in."""
        return any(field.is_built_in and field.name == built_in for field in self.fields)

    def fault(self, field: Field, what: str, remedy: str) -> Fault:
        """Return a finding about one of `fields`."""
        return Fault(self.text, field.span, what, remedy)

    def predicate(self, reader: Callable[[Field], Callable[[Any], Json]], *, now: datetime) -> Callable[[Any], bool]:
        """Return the function of it. `reader` gives the way from a contact to the value of a field or built-in; `now`
        is today in its own zone, which is also that of dates and of times without one.
        """
        return Builder(self._types, reader, now).test(self._condition)


def read(text: str, types: Mapping[str, str]) -> Expression:
    """Return the expression of a text; raises `ExpressionInvalid`. `types`: `schema.types` of the campaign."""
    condition = parse(text)
    known = Types({normal_name(name): kind for name, kind in types.items()})
    if faults := list(Check(text, known).faults(condition)):
        raise ExpressionInvalid(faults)
    return Expression(text, condition, known)


def _fields(condition: Condition) -> Iterator[Field]:
    match condition:
        case Every(parts) | Either(parts):
            for part in parts:
                yield from _fields(part)
        case Not(part):
            yield from _fields(part)
        case Comparison(left, _, right):
            yield from _fields_of(left)
            yield from _fields_of(right)
        case Blank(operand) | Flag(operand) | Membership(operand) | Wording(operand):
            yield from _fields_of(operand)


def _fields_of(operand: Operand) -> Iterator[Field]:
    if isinstance(operand, Field):
        yield operand
    elif isinstance(operand, Lower):
        yield operand.of
