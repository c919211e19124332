"""From tokens to the tree.

Owns the grammar, the words of the language, and the bounds on nesting and lists.

    either    = every { "or" every }
    every     = negation { "and" negation }
    negation  = "not" negation | "(" either ")" | condition
    condition = operand [ "is" ["not"] "blank" | ORDER operand | ["not"] "in" list | ["not"] WORDING text ]
    operand   = name | "lower" "(" name ")" | text | ["-"] number | "true" | "false"
              | ("today" | "now") [ ("+" | "-") duration ]
    list      = "[" constant { "," constant } "]", or the same in round brackets

Pure.
"""

from datetime import timedelta
from typing import NoReturn

from tierii_mta.campaigns.columns import normal_name
from tierii_mta.campaigns.segment.faults import ExpressionInvalid, Fault, Span
from tierii_mta.campaigns.segment.lexer import Sort, Token, tokens
from tierii_mta.campaigns.segment.tree import (
    BUILT_INS,
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
from tierii_mta.quantities import parse_duration

MAX_DEPTH = 50
MAX_ITEMS = 1_000
_MAX_OFFSET = timedelta(days=36_525)
_ORDERS = frozenset(Order)
_WORDINGS = frozenset(TextTest)
_WORDS = frozenset({"and", "or", "not", "in", "is", "blank", "true", "false", "today", "now", "lower"}) | _WORDINGS
_BRACKETS = {"[": "]", "(": ")"}


def parse(text: str) -> Condition:
    """Return the tree of an expression; raises `ExpressionInvalid` at the first thing that fits nowhere."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._at, self._depth = text, list(tokens(text)), 0, 0

    def whole(self) -> Condition:
        condition = self._either()
        if self._next.sort is not Sort.END:
            self._refuse(self._next.span, "does not go on like this", "join conditions with and, or")
        return condition

    # -- conditions

    def _either(self) -> Condition:
        parts = [self._every()]
        while self._take("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _every(self) -> Condition:
        parts = [self._negation()]
        while self._take("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _negation(self) -> Condition:
        opening = self._take("not", "(")
        if opening is None:
            return self._condition()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(opening.span, f"is nested deeper than {MAX_DEPTH} levels", "write fewer brackets")
        if opening.text == "not":
            found: Condition = Not(self._negation())
        else:
            found = self._either()
            self._expect(")", "this bracket is never closed", at=opening.span)
        self._depth -= 1
        return found

    def _condition(self) -> Condition:
        left = self._operand()
        if self._take("is"):
            is_not = self._take("not")
            word = self._expect("blank", "only `is blank` and `is not blank` can be asked with `is`")
            return _negated(Blank(left, left.span.to(word.span)), is_not)
        if self._next.says(*_ORDERS):
            found = self._comparison(left, Order(self._advance().text))
            if self._next.says(*_ORDERS):
                self._refuse(self._next.span, "two comparisons in a row", "join them: 18 <= age and age < 65")
            return found
        is_not = self._take("not")
        if self._take("in"):
            return _negated(self._membership(left), is_not)
        if self._next.says(*_WORDINGS):
            return _negated(self._wording(left, TextTest(self._advance().text)), is_not)
        if is_not is not None:
            self._refuse(
                is_not.span, "`not` stands here before in, contains, startswith, endswith or matches", "add it"
            )
        return Flag(left, left.span)

    def _comparison(self, left: Operand, order: Order) -> Comparison:
        right = self._operand()
        return Comparison(left, order, right, left.span.to(right.span))

    def _wording(self, operand: Operand, test: TextTest) -> Wording:
        token = self._next
        if token.sort is not Sort.TEXT:
            self._refuse(token.span, f"`{test}` is followed by a text", f"write {test} '...'")
        self._advance()
        return Wording(operand, test, Constant(token.text, token.span), operand.span.to(token.span))

    def _membership(self, operand: Operand) -> Membership:
        opening = self._take(*_BRACKETS)
        if opening is None:
            self._refuse(
                self._next.span, "`in` is followed by a list", "write in ['a', 'b']; of a list field: contains"
            )
        items: list[Constant] = []
        while not self._next.says(_BRACKETS[opening.text]):
            item = self._operand()
            if not isinstance(item, Constant):
                self._refuse(item.span, "a list holds texts, numbers, true and false", "put texts in quotes")
            items.append(item)
            if not self._take(","):
                break
        closing = self._expect(_BRACKETS[opening.text], "this list is never closed", at=opening.span)
        span = opening.span.to(closing.span)
        if not items:
            self._refuse(span, "the list is empty", "name what may be in it")
        if len(items) > MAX_ITEMS:
            self._refuse(span, f"the list has more than {MAX_ITEMS} items", "put what they share into a column")
        return Membership(operand, tuple(items), operand.span.to(closing.span))

    # -- operands

    def _operand(self) -> Operand:
        token = self._advance()
        match token.sort:
            case Sort.TEXT:
                return Constant(token.text, token.span)
            case Sort.NUMBER:
                return Constant(self._number(token), token.span)
            case Sort.FIELD:
                return self._field(token)
        if token.says("-") and self._next.sort is Sort.NUMBER:
            digits = self._advance()
            return Constant(-self._number(digits), token.span.to(digits.span))
        if token.says("true", "false"):
            return Constant(token.text == "true", token.span)
        if token.says("today", "now"):
            return self._anchor(token)
        if token.says("lower"):
            self._expect("(", "`lower` stands before a name in brackets")
            field = self._field(self._advance())
            return Lower(field, token.span.to(self._expect(")", "`lower` takes one name").span))
        return self._field(token)

    def _field(self, token: Token) -> Field:
        if token.sort is Sort.FIELD:
            if not normal_name(token.text):
                self._refuse(token.span, "names no field", "write the name of a column between the backquotes")
            return Field(normal_name(token.text), False, token.span)
        if token.sort is Sort.END:
            self._refuse(token.span, "something is missing at the end", "write a condition such as country == 'US'")
        if token.sort is not Sort.WORD:
            self._refuse(
                token.span, "here stands the name of a field, a text or a number", "see docs/operate/segments.md"
            )
        if token.text in _WORDS:
            self._refuse(
                token.span, "is a word of the language", f"a field of that name stands in backquotes: `{token.text}`"
            )
        name = normal_name(token.text)
        return Field(name, name in BUILT_INS, token.span)

    def _number(self, token: Token) -> int | float:
        try:
            return float(token.text) if "." in token.text else int(token.text)
        except ValueError:
            self._refuse(
                token.span, "is no number", "texts stand in quotes, names that begin with a digit in backquotes"
            )

    def _anchor(self, token: Token) -> Anchor:
        is_day = token.text == "today"
        sign = self._take("+", "-")
        if sign is None:
            return Anchor(is_day, timedelta(0), token.span)
        amount = self._advance()
        span = token.span.to(amount.span)
        try:
            offset = parse_duration(amount.text)
        except (ValueError, OverflowError):
            self._refuse(span, f"{amount.text or 'the end'} is no duration", "write for instance 30d or 12h")
        if offset > _MAX_OFFSET:
            self._refuse(span, "is more than a hundred years away", "write the date itself")
        if is_day and offset % timedelta(days=1):
            self._refuse(span, "today counts whole days", "write for instance 30d, or count from now")
        return Anchor(is_day, -offset if sign.text == "-" else offset, span)

    # -- tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        token = self._next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, *words: str) -> Token | None:
        return self._advance() if self._next.says(*words) else None

    def _expect(self, word: str, otherwise: str, *, at: Span | None = None) -> Token:
        return self._take(word) or self._refuse(at or self._next.span, otherwise, f"write {word}")

    def _refuse(self, span: Span, what: str, remedy: str) -> NoReturn:
        raise ExpressionInvalid([Fault(self._text, span, what, remedy)])


def _negated(condition: Condition, is_not: Token | None) -> Condition:
    return condition if is_not is None else Not(condition)
