"""Holding an expression against the types of its fields.

Owns what may be compared with what, and the words that say so.  A field without a type is a text.  Pure.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import Enum

from tierii_mta.campaigns.segment.faults import Fault, Span
from tierii_mta.campaigns.segment.tree import (
    Anchor,
    Blank,
    Comparison,
    Condition,
    Constant,
    Either,
    Every,
    Field,
    Flag,
    Lower,
    Membership,
    Not,
    Operand,
    Order,
    Wording,
)


class Kind(Enum):
    """What an operand is, in words for a sentence."""

    TEXT = "a text"
    NUMBER = "a number"
    TRUTH = "true or false"
    DAY = "a date"
    MOMENT = "a date with a time"


_OF_TYPE: Mapping[str, Kind] = {
    "str": Kind.TEXT,
    "email": Kind.TEXT,
    "url": Kind.TEXT,
    "int": Kind.NUMBER,
    "float": Kind.NUMBER,
    "bool": Kind.TRUTH,
    "date": Kind.DAY,
    "datetime": Kind.MOMENT,
}
TYPES = frozenset(_OF_TYPE)
"""The types that a schema may give."""

_TYPE_FOR = {Kind.NUMBER: "int", Kind.TRUTH: "bool", Kind.DAY: "date", Kind.MOMENT: "datetime"}
_TIMES = frozenset({Kind.DAY, Kind.MOMENT})
_EQUALITY = frozenset({Order.EQUAL, Order.UNEQUAL})


class Types:
    """The kinds of one campaign's fields."""

    def __init__(self, declared: Mapping[str, str]) -> None:
        """`declared`: `schema.types`, names as fields have them."""
        self._kinds = {name: _OF_TYPE[kind] for name, kind in declared.items()}

    def of(self, operand: Operand) -> Kind:
        """Return what an operand is."""
        match operand:
            case Field(name=name, is_built_in=is_built_in):
                return Kind.TEXT if is_built_in else self._kinds.get(name, Kind.TEXT)
            case Anchor(is_day=is_day):
                return Kind.DAY if is_day else Kind.MOMENT
            case Constant(value=bool()):
                return Kind.TRUTH
            case Constant(value=int() | float()):
                return Kind.NUMBER
            case Constant() | Lower():
                return Kind.TEXT

    def is_declared(self, name: str) -> bool:
        """Return whether the schema gives a field's type."""
        return name in self._kinds


class Check:
    """Finds what the types forbid in one expression."""

    def __init__(self, text: str, types: Types) -> None:
        self._source, self._types = text, types

    def faults(self, condition: Condition) -> Iterator[Fault]:
        """Yield every finding."""
        match condition:
            case Every(parts) | Either(parts):
                for part in parts:
                    yield from self.faults(part)
            case Not(part):
                yield from self.faults(part)
            case Flag(operand):
                yield from self._flag(operand)
            case Blank(operand):
                yield from self._operands([operand], operand.span)
            case Comparison():
                yield from self._comparison(condition)
            case Membership():
                for item in condition.items:
                    yield from self._pair(condition.operand, item, item.span, is_equality=True)
                yield from self._operands([condition.operand], condition.span)
            case Wording():
                yield from self._wording(condition)

    def _flag(self, operand: Operand) -> Iterator[Fault]:
        if not isinstance(operand, Field):
            yield self._fault(operand.span, "is no condition", "compare it with a field")
        elif self._types.of(operand) is not Kind.TRUTH:
            remedy = f"write `{operand.name} is not blank`"
            if not operand.is_built_in and not self._types.is_declared(operand.name):
                remedy += f", or declare it: schema: {{types: {{{operand.name}: bool}}}}"
            yield self._fault(operand.span, f"{self._named(operand)} and stands alone", remedy)

    def _comparison(self, found: Comparison) -> Iterator[Fault]:
        yield from self._operands([found.left, found.right], found.span)
        yield from self._pair(found.left, found.right, found.span, is_equality=found.order in _EQUALITY)

    def _pair(self, left: Operand, right: Operand, span: Span, *, is_equality: bool) -> Iterator[Fault]:
        kinds = self._types.of(left), self._types.of(right)
        if isinstance(left, Constant) and isinstance(right, Constant):
            return  # `_operands` says it
        for constant, other in ((left, right), (right, left)):
            faults = list(self._check_text(constant, other))
            if faults:
                yield from faults
                return
        if _TIMES.issuperset(kinds) or self._is_time_as_text(left, right) or self._is_time_as_text(right, left):
            return
        if kinds[0] is not kinds[1]:
            what = f"{self._named(left)}, {self._named(right)}"
            yield self._fault(span, f"{what}: they cannot be compared", self._remedy(left, right))
        elif not is_equality and kinds[0] is not Kind.NUMBER:
            what = f"{self._named(left)}, {self._named(right)}: which is less is not known"
            yield self._fault(span, what, self._remedy(left, right))

    def _check_text(self, constant: Operand, other: Operand) -> Iterator[Fault]:
        """Yield what is wrong with a constant text next to another operand."""
        if not isinstance(constant, Constant) or not isinstance(constant.value, str):
            return
        value, span, kind = constant.value, constant.span, self._types.of(other)
        if not value.strip():
            yield self._fault(span, "nothing is equal to an empty text", "write `is blank` or `is not blank`")
        elif isinstance(other, Lower):
            yield from self._capitals(constant, other)
        elif kind in _TIMES and parse_time(value) is None:
            yield self._fault(span, "is no date", "write YYYY-MM-DD, or YYYY-MM-DDTHH:MM")
        elif kind is Kind.DAY and isinstance(parse_time(value), datetime):
            yield self._fault(span, "has a time, the field a date alone", "write YYYY-MM-DD, or declare it datetime")

    def _capitals(self, constant: Constant, other: Operand) -> Iterator[Fault]:
        if isinstance(other, Lower) and constant.value != str(constant.value).lower():
            what = "lower() gives no capital letters, so this is never true"
            yield self._fault(constant.span, what, "write small letters")

    def _is_time_as_text(self, time: Operand, text: Operand) -> bool:
        return self._types.of(time) in _TIMES and isinstance(text, Constant) and isinstance(text.value, str)

    def _wording(self, found: Wording) -> Iterator[Fault]:
        yield from self._operands([found.operand], found.span)
        if self._types.of(found.operand) is not Kind.TEXT:
            what = f"{self._named(found.operand)}, `{found.test}` asks a text"
            yield self._fault(found.span, what, "compare it with ==, <, >= or in")
        elif not found.text.value:
            yield self._fault(found.text.span, "every text has an empty one in it", "write `is not blank`")
        else:
            yield from self._capitals(found.text, found.operand)

    def _operands(self, operands: list[Operand], span: Span) -> Iterator[Fault]:
        for each in operands:
            if isinstance(each, Lower) and self._types.of(each.of) is not Kind.TEXT:
                yield self._fault(each.span, f"{self._named(each.of)}, lower() takes a text", "write the name alone")
        if not any(isinstance(each, (Field, Lower)) for each in operands):
            yield self._fault(span, "asks nothing of the contact", "write names of fields without quotes")

    def _named(self, operand: Operand) -> str:
        """Return an operand with its kind."""
        kind = self._types.of(operand).value
        match operand:
            case Field(name=name):
                is_known = operand.is_built_in or self._types.is_declared(name)
                return f"{name} is {kind}" + ("" if is_known else " (its type is not declared)")
            case Lower(of=field):
                return f"lower({field.name}) is {kind}"
            case Constant(value=str() as value):
                return f"{value!r} is {kind}"
            case _:
                return f"{self._source[operand.span.start : operand.span.end]} is {kind}"

    def _remedy(self, left: Operand, right: Operand) -> str:
        for field, other in ((left, right), (right, left)):
            if isinstance(field, Field) and not field.is_built_in and not self._types.is_declared(field.name):
                kind = _TYPE_FOR.get(self._types.of(other)) or _TYPE_FOR.get(_likely(other), "int")
                return f"declare it: schema: {{types: {{{field.name}: {kind}}}}}"
        return "compare things of one kind" if self._types.of(left) is not self._types.of(right) else "use ==, != or in"

    def _fault(self, span: Span, what: str, remedy: str) -> Fault:
        return Fault(self._source, span, what, remedy)


def parse_time(text: str) -> date | datetime | None:
    """Return the date, or date and time, that a text is in ISO 8601; None if it is none."""
    try:
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError:
        return None


def _likely(operand: Operand) -> Kind:
    """Return what somebody meant who compares a text with this."""
    if isinstance(operand, Constant) and isinstance(operand.value, str):
        found = parse_time(operand.value)
        return Kind.MOMENT if isinstance(found, datetime) else Kind.DAY if found is not None else Kind.NUMBER
    return Kind.TEXT
