"""The functions that templates may call: dates, amounts, words and addresses.

Owns what they make of odd values: an empty field gives nothing, a value of the wrong kind fails the one mail.  Nothing
here knows the time or draws lots: every attempt must print the same octets.  RFC 3986 (addresses).  Pure.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlsplit

from jinja2 import Undefined

_MAX_FORMAT = 100
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\"<>\\^`{|}]")
_KEPT_IN_URL = "!#$%&'()*+,/:;=?@[]~"  # reserved characters, and what is escaped already


def format_date(day: Any, fmt: str = "%Y-%m-%d") -> str:
    """Return a date, a moment or their ISO 8601 text in another form (strftime)."""
    if _is_empty(day):
        return ""
    if isinstance(day, str):
        day = date.fromisoformat(day) if len(day) == 10 else datetime.fromisoformat(day)
    if not isinstance(day, date):
        raise TypeError(f"format_date: {day!r} is not a date")
    if len(fmt) > _MAX_FORMAT:
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


def url(address: Any, *path: Any, **query: Any) -> str:
    """Return a web address with segments added to its path and parameters to its query, each escaped.

    What follows the address can change neither the host nor the page: a slash, `&` or `#` in it is part of the value.
    So the address stays one link for all contacts, and what differs stands in the query.  Empty values are left out; a
    list gives a parameter several times.  Fails for anything but http and https, white space and user names included.
    """
    text = "" if _is_empty(address) else str(address)
    if not text:
        return ""
    parts = urlsplit(text)
    if _NOT_IN_URL.search(text) or parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"url: {text!r} is not an http or https address")
    segments = [quote(str(each), safe="") for each in path if not _is_empty(each)]
    if any(segment in {".", ".."} for segment in segments):
        raise ValueError("url: a part of the path would lead to another page")
    trunk, hash_mark, fragment = text.partition("#")
    trunk, question_mark, given = trunk.partition("?")
    trunk = "/".join([trunk.rstrip("/"), *segments]) if segments else trunk
    added = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in _parameters(query)]
    asked = "&".join([given, *added] if given else added)
    mark = "?" if asked else question_mark
    return quote(f"{trunk}{mark}{asked}{hash_mark}{fragment}", safe=_KEPT_IN_URL)


def _parameters(query: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, values in query.items():
        for value in values if isinstance(values, list | tuple) else (values,):
            if not _is_empty(value):
                yield name, str(value)


def _is_empty(value: Any) -> bool:
    if isinstance(value, Undefined):
        str(value)  # a strict one says here that its name is missing
    return value is None or value == ""


FUNCTIONS: Final = MappingProxyType(
    {"format_date": format_date, "format_currency": format_currency, "capitalize": capitalize, "url": url}
)
