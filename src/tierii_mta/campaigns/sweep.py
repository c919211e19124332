"""The rules of `cleaning` over whole columns: most cells need nothing, and a few calls show it for hundreds at once.

Owns no rule.  What a column does not settle is left to the cleaner, row by row, which alone knows the reasons why not:
a row is swept only if the cleaner would make the same person of it.  Pure, but for the values it remembers.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tierii_mta.campaigns.cleaning import MAX_FIELD, Cleaner, Fields, Person, RowRejected, parse_recipient
from tierii_mta.queue.delivery import Json

_REMEMBERED, _SHORT = 10_000, 40  # values of a typed field, and how long they may be
_SETTLED = frozenset({"int", "float", "bool", "date", "datetime"})  # types whose values need no more cleaning
_BETWEEN = "|"  # cells that are tested together: printable, and nothing composes with it

Column = Sequence[Json]


@dataclass(slots=True)
class Sheet:
    """The rows of one batch that have the fields most of them have, as columns."""

    names: tuple[str, ...]
    places: Sequence[int]  # of its rows in the batch
    columns: list[Column]
    odd: set[int] = field(default_factory=set)  # rows of the sheet that the cleaner has to see


class Sweeper:
    """Does for many rows what a cleaner does for one."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self.remembered: dict[str, dict[str, Json]] = {name: {} for name in cleaner.kinds}  # text → value, by field

    def conform(self, rows: Sequence[Fields]) -> Sheet:
        """Return the rows as a sheet whose columns have the types of the schema."""
        shapes = [tuple(row) for row in rows]
        names = Counter(shapes).most_common(1)[0][0] if shapes else ()
        if not {*self._cleaner.required, "email"}.issubset(names):
            return Sheet((), (), [])  # the cleaner says what is missing
        places = [place for place, shape in enumerate(shapes) if shape == names]
        sheet = Sheet(
            names, places, [_stripped(column) for column in zip(*(rows[at].values() for at in places), strict=True)]
        )
        for number, name in enumerate(names):
            if name in self._cleaner.required:
                sheet.odd.update(at for at, value in enumerate(sheet.columns[number]) if not value)
            if name in self.remembered:
                sheet.columns[number] = self._typed(name, sheet.columns[number], sheet.odd)
        return sheet

    def tidy(self, sheet: Sheet) -> list[tuple[int, Person]]:
        """Return the persons of a sheet that are beyond doubt, each with its place in the batch, in order."""
        columns = [
            self._tidied(name, column, sheet.odd) for name, column in zip(sheet.names, sheet.columns, strict=True)
        ]
        persons = []
        email = sheet.names.index("email") if sheet.names else 0
        for at, cells in enumerate(zip(*columns, strict=True)):
            if at in sheet.odd:
                continue
            try:
                address = parse_recipient(cells[email])
            except RowRejected:
                continue
            fields = dict(zip(sheet.names, cells))  # noqa: B905 as many, and the argument costs a third more
            persons.append((sheet.places[at], Person(address, fields)))
        return persons

    def _typed(self, name: str, column: Column, odd: set[int]) -> Column:
        known = self.remembered[name]
        try:
            return [known[value] for value in column]  # type: ignore[index]  # what is no text is not among them
        except (KeyError, TypeError):
            pass
        typed: list[Json] = []
        for at, value in enumerate(column):
            try:
                if not isinstance(value, str) or len(value) > _SHORT:
                    typed.append(self._cleaner.typed(name, value))
                    continue
                if value not in known:
                    if len(known) >= _REMEMBERED:
                        known.clear()
                    known[value] = self._cleaner.typed(name, value)
                typed.append(known[value])
            except RowRejected:
                odd.add(at)
                typed.append(None)
        return typed

    def _tidied(self, name: str, column: Column, odd: set[int]) -> Column:
        if self._cleaner.kinds.get(name) in _SETTLED:
            return column
        try:
            together = _BETWEEN.join(column)  # type: ignore[arg-type]  # refused if it holds anything but texts
        except TypeError:
            pass
        else:
            if is_tidy(together):
                return column
        blank = None if name in self.remembered else ""
        for at, value in enumerate(column):
            if isinstance(value, str):
                if not is_tidy(value):
                    odd.add(at)
            elif value is not None and not isinstance(value, int):
                odd.add(at)
        return [blank if value is None else value for value in column]


def is_tidy(text: str) -> bool:
    """Return whether the cleaner would leave a text without white space at its ends as it is."""
    return (
        text.isprintable()  # then a space is its only white space, and it holds no control character
        and "  " not in text
        and len(text) <= MAX_FIELD
        and (text.isascii() or unicodedata.is_normalized("NFC", text))
    )


def _stripped(column: Column) -> Column:
    try:
        return list(map(str.strip, column))  # type: ignore[arg-type]  # refused if it holds anything but texts
    except TypeError:
        return [value.strip() if isinstance(value, str) else value for value in column]
