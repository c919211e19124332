"""The functions templates may call: `format_date`, `format_currency`, `capitalize`.

Owns their behaviour for every kind of value a contact can bring; an empty value gives an empty text.  Pure.
"""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from jinja2 import Undefined


def format_date(day: Any, fmt: str = "%Y-%m-%d") -> str:
    """Return a date, a moment or their ISO 8601 text in another form (strftime)."""
    if _is_empty(day):
        return ""
    if isinstance(day, str):
        day = date.fromisoformat(day) if len(day) == 10 else datetime.fromisoformat(day)
    if not isinstance(day, date):
        raise TypeError(f"format_date: {day!r} is not a date")
    if len(fmt) > 100:
        raise ValueError("format_date: the format is too long")
    return day.strftime(fmt)


def format_currency(amount: Any, symbol: str = "$") -> str:
    """Return an amount with two decimals: `$1,234.50`, `-$3.00`."""
    if _is_empty(amount):
        return ""
    try:
        number = Decimal(str(amount)).quantize(Decimal("0.01"))
    except InvalidOperation as cause:
        raise ValueError(f"format_currency: {amount!r} is not an amount") from cause
    return f"{'-' if number < 0 else ''}{symbol}{abs(number):,}"


def capitalize(text: Any) -> str:
    """Return the text with its first letter in upper case and the others in lower case."""
    return "" if _is_empty(text) else str(text).capitalize()


def _is_empty(value: Any) -> bool:
    if isinstance(value, Undefined):
        str(value)  # a strict one says here that its name is missing
    return value is None or value == ""
