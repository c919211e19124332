"""From the tree to a function of a contact.

Owns what each condition means, blank fields included: a field that is absent or empty is blank, a comparison with a
blank field is false, and `not` (`!=` too) makes false true.  Every function is total over what a cleaned contact can
hold, and linear in its length.  Pure.
"""

from collections.abc import Callable
from datetime import date, datetime, time, tzinfo
from operator import eq, ge, gt, le, lt
from typing import Any

from tierii_mta.campaigns.segment.kinds import Kind, Types, parse_time
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
    TextTest,
    Wording,
)
from tierii_mta.queue.delivery import Json

Test = Callable[[Any], bool]
Read = Callable[[Any], Any]
"""Gives an operand's value for a contact; None where it is blank."""

_OPERATORS = {Order.LESS: lt, Order.AT_MOST: le, Order.GREATER: gt, Order.AT_LEAST: ge, Order.EQUAL: eq}
_FLIPPED = {
    Order.EQUAL: Order.EQUAL,
    Order.UNEQUAL: Order.UNEQUAL,
    Order.LESS: Order.GREATER,
    Order.GREATER: Order.LESS,
    Order.AT_MOST: Order.AT_LEAST,
    Order.AT_LEAST: Order.AT_MOST,
}


class Builder:
    """Makes the function of one expression."""

    def __init__(self, types: Types, reader: Callable[[Field], Callable[[Any], Json]], now: datetime) -> None:
        """`reader` gives the way from a contact to a field's value; `now` has the zone that naive times are in."""
        self._types, self._reader, self._now = types, reader, now
        self._zone: tzinfo | None = now.tzinfo

    def test(self, condition: Condition) -> Test:
        """Return the function of a condition."""
        match condition:
            case Every(parts):
                return _every([self.test(part) for part in parts])
            case Either(parts):
                return _either([self.test(part) for part in parts])
            case Not(part):
                return _negated(self.test(part))
            case Comparison():
                return self._comparison(condition)
            case Membership(operand, items):
                return self._membership(operand, items)
            case Wording(operand, test, text):
                return _wording(self._raw(operand), test, str(text.value))
            case Blank(operand):
                return _blank(self._raw(operand))
            case Flag(operand):
                return _is_true(self._raw(operand))

    def _comparison(self, found: Comparison) -> Test:
        left, order, right = found.left, found.order, found.right
        if isinstance(left, (Constant, Anchor)):
            left, order, right = right, _FLIPPED[order], left
        if order is Order.UNEQUAL:
            return _negated(self._compared(left, Order.EQUAL, right))
        return self._compared(left, order, right)

    def _compared(self, left: Operand, order: Order, right: Operand) -> Test:
        operator = _OPERATORS[order]
        kind = self._kind(left, right)
        read = self._value(left, kind)
        if isinstance(right, (Constant, Anchor)):
            return _against_constant(read, operator, self._constant(right, kind))
        return _against_field(read, operator, self._value(right, kind))

    def _membership(self, operand: Operand, items: tuple[Constant, ...]) -> Test:
        kind = self._types.of(operand)
        return _within(self._value(operand, kind), frozenset(self._constant(item, kind) for item in items))

    def _kind(self, left: Operand, right: Operand) -> Kind:
        """Return as what two operands are compared: dates as dates, as times where one of them has a time."""
        sides = (left, right)
        kinds = {self._types.of(each) for each in sides if not isinstance(each, Constant)}
        if Kind.MOMENT in kinds:
            return Kind.MOMENT
        return next(iter(kinds))

    def _constant(self, operand: Constant | Anchor, kind: Kind) -> Any:
        if isinstance(operand, Anchor):
            moment = self._now + operand.offset
            if kind is Kind.DAY:
                return moment.date().isoformat()
            return self._midnight(moment.date()) if operand.is_day else moment
        if kind is Kind.DAY:
            return str(parse_time(str(operand.value)))
        if kind is Kind.MOMENT:
            return self._moment(str(operand.value))
        return operand.value

    def _value(self, operand: Operand, kind: Kind) -> Read:
        """Return the way to an operand's value as one of a kind."""
        raw = self._raw(operand)
        match kind:
            case Kind.TEXT:
                return _text(raw)
            case Kind.NUMBER:
                return _only(raw, (int, float))
            case Kind.TRUTH:
                return _only(raw, (bool,))
            case Kind.DAY:
                return _text(raw)  # dates compare as they are written
            case Kind.MOMENT:
                return self._moments(_text(raw))

    def _moments(self, read: Read) -> Read:
        moment = self._moment

        def found(contact: Any) -> datetime | None:
            value = read(contact)
            return moment(value) if value is not None else None

        return found

    def _raw(self, operand: Operand) -> Read:
        if isinstance(operand, Lower):
            return _lower(_text(self._reader(operand.of)))
        assert isinstance(operand, Field)  # `kinds.Check` lets constants stand on one side of a comparison alone
        return self._reader(operand)

    def _moment(self, text: str) -> datetime:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is not None else found.replace(tzinfo=self._zone)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone)


# -- what the conditions do


def _every(tests: list[Test]) -> Test:
    def test(contact: Any) -> bool:
        for each in tests:  # noqa: SIM110  all() with a generator costs twice as much
            if not each(contact):
                return False
        return True

    return test


def _either(tests: list[Test]) -> Test:
    def test(contact: Any) -> bool:
        for each in tests:  # noqa: SIM110  see above
            if each(contact):
                return True
        return False

    return test


def _negated(test: Test) -> Test:
    return lambda contact: not test(contact)


def _is_true(read: Read) -> Test:
    return lambda contact: read(contact) is True


def _against_constant(read: Read, operator: Callable[[Any, Any], bool], wanted: Any) -> Test:
    def test(contact: Any) -> bool:
        value = read(contact)
        return value is not None and operator(value, wanted)

    return test


def _against_field(read: Read, operator: Callable[[Any, Any], bool], other: Read) -> Test:
    def test(contact: Any) -> bool:
        left, right = read(contact), other(contact)
        return left is not None and right is not None and operator(left, right)

    return test


def _within(read: Read, wanted: frozenset[Any]) -> Test:
    def test(contact: Any) -> bool:
        value = read(contact)
        return value is not None and value in wanted

    return test


def _blank(read: Read) -> Test:
    def test(contact: Any) -> bool:
        value = read(contact)
        return value is None or (isinstance(value, (str, list, dict)) and not value)

    return test


def _only(read: Read, types: tuple[type, ...]) -> Read:
    def only(contact: Any) -> Any:
        value = read(contact)
        return value if isinstance(value, types) else None

    return only


def _text(read: Read) -> Read:
    """Return the way to a value as a text: numbers and truth values as JSON writes them, None for lists and objects."""

    def text(contact: Any) -> str | None:
        value = read(contact)
        return (value or None) if isinstance(value, str) else _scalar(value)

    return text


def _scalar(value: Json) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else None


def _lower(read: Read) -> Read:
    def lower(contact: Any) -> str | None:
        value = read(contact)
        return value.lower() if value is not None else None

    return lower


def _wording(read: Read, test: TextTest, wanted: str) -> Test:
    match test:
        case TextTest.CONTAINS:
            return _contains(read, wanted)
        case TextTest.STARTS:
            asked: Callable[[str], bool] = lambda text: text.startswith(wanted)  # noqa: E731 one of three
        case TextTest.ENDS:
            asked = lambda text: text.endswith(wanted)  # noqa: E731
        case TextTest.MATCHES:
            asked = _pattern(wanted)
    value = _text(read)

    def asks(contact: Any) -> bool:
        text = value(contact)
        return text is not None and asked(text)

    return asks


def _contains(read: Read, wanted: str) -> Test:
    """A text holds it anywhere, a list as one of its items."""

    def contains(contact: Any) -> bool:
        value = read(contact)
        if isinstance(value, str):
            return wanted in value
        if isinstance(value, list):
            return any((each if isinstance(each, str) else _scalar(each)) == wanted for each in value)
        return wanted in (_scalar(value) or "")

    return contains


def _pattern(pattern: str) -> Callable[[str], bool]:
    """Return whether a text is of a pattern in which `*` is anything: by plain search, nothing is tried twice."""
    first, *pieces = pattern.split("*")
    if not pieces:
        return lambda text: text == first
    last = pieces.pop()

    def matches(text: str) -> bool:
        at, end = len(first), len(text) - len(last)
        if end < at or not text.startswith(first) or not text.endswith(last):
            return False
        for piece in pieces:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return matches
