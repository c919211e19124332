"""The tree of an expression.

Owns its values: operands give something for a contact, conditions are true or false of one.  Pure.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from tierii_mta.campaigns.segment.faults import Span

# -- operands


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the contact, or what we know of its address (`BUILT_INS`)."""

    name: str
    is_built_in: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, a number, true or false, as written."""

    value: str | int | float | bool
    span: Span


@dataclass(frozen=True, slots=True)
class Anchor:
    """`today` or `now`, and so much before or after."""

    is_day: bool
    offset: timedelta
    span: Span


@dataclass(frozen=True, slots=True)
class Lower:
    """A text in small letters."""

    of: Field
    span: Span


Operand: TypeAlias = Field | Constant | Anchor | Lower

# -- conditions


class Order(StrEnum):
    """How two operands are compared."""

    EQUAL = "=="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


class TextTest(StrEnum):
    """What a text may be asked."""

    CONTAINS = "contains"
    STARTS = "startswith"
    ENDS = "endswith"
    MATCHES = "matches"


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Operand
    order: Order
    right: Operand
    span: Span


@dataclass(frozen=True, slots=True)
class Membership:
    operand: Operand
    items: tuple[Constant, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Wording:
    operand: Operand
    test: TextTest
    text: Constant
    span: Span


@dataclass(frozen=True, slots=True)
class Blank:
    operand: Operand
    span: Span


@dataclass(frozen=True, slots=True)
class Flag:
    """An operand that stands alone, which only a truth value may."""

    operand: Operand
    span: Span


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"


@dataclass(frozen=True, slots=True)
class Every:
    """Parts joined by `and`."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Parts joined by `or`."""

    parts: tuple["Condition", ...]


Condition: TypeAlias = Comparison | Membership | Wording | Blank | Flag | Not | Every | Either

BUILT_INS = ("domain", "provider")
"""What can be asked of every contact's address: its domain, and who runs the mail servers of that."""
