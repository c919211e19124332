"""From a row to a contact: white space, Unicode form, types, the address.

Owns what makes a row acceptable and the sentence that says why it is not.  Names are not changed beyond NFC and white
space: nobody's name is re-cased.  Control characters make a row unacceptable everywhere, line breaks in fields that go
into a header: no contact can write a header of its own.  Pure.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from tierii_mta.campaigns.columns import normal_name
from tierii_mta.campaigns.specification.vocabulary import PERSON_FIELDS
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.queue.delivery import Json

_BREAKS = re.compile(r"\r\n?|[\u2028\u2029\u0085]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BLANKS = re.compile(r"[^\S\n]+")
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#<>\"][^\s<>\"]*", re.IGNORECASE)
MAX_FIELD = 65_536  # characters
_SHOWN = 100  # characters of a value in a reason

Fields = Mapping[str, Json]


class RowRejected(ValueError):
    """The row cannot become a contact; the text says why, in words for the reject file."""


class Person(NamedTuple):
    """A contact fit to be written to."""

    address: Address
    fields: dict[str, Json]


class Cleaner:
    """Makes persons of rows by the rules of one campaign."""

    def __init__(self, *, required: Collection[str], types: Mapping[str, str], header_fields: Collection[str]) -> None:
        """`header_fields`: fields the subject or another header shows; `contact` stands for all of them."""
        self.required = tuple(map(normal_name, required))
        self.kinds = {normal_name(name): kind for name, kind in types.items()}
        self._all_in_headers = "contact" in header_fields
        self._one_line = frozenset({*PERSON_FIELDS, *header_fields})

    def clean(self, fields: Fields) -> Person:
        """Return the person of a row; raises `RowRejected`."""
        return self.tidy(self.conform(fields))

    def conform(self, fields: Fields) -> Fields:
        """Return the fields with the types of the schema; raises `RowRejected` where one is missing or wrong."""
        for name in self.required:
            value = fields.get(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                raise RowRejected(f"{name} is required and empty")
        if not self.kinds:
            return fields
        return dict(fields) | {name: self.typed(name, fields[name]) for name in self.kinds if name in fields}

    def typed(self, name: str, value: Json) -> Json:
        """Return a value of a field that has a type; raises `RowRejected`."""
        if isinstance(value, str):
            value = value.strip()
        if value in ("", None):
            return None
        kind = self.kinds[name]
        try:
            return _CONVERT[kind](value)
        except (ValueError, TypeError, KeyError, OverflowError) as cause:
            shown = repr(value)
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
            raise RowRejected(f"{name}: {shown} is no {kind}") from cause

    def tidy(self, fields: Fields) -> Person:
        """Return the person whom fields of the right types describe; raises `RowRejected`."""
        cleaned: dict[str, Json] = {}
        for name, value in fields.items():
            if isinstance(value, str) and _is_plain(value):
                cleaned[name] = value.strip()
            elif value is None and name in self.kinds:
                cleaned[name] = None
            else:
                cleaned[name] = self._field(name, value)
        return Person(parse_recipient(cleaned.get("email")), cleaned)

    def _field(self, name: str, value: Json) -> Json:
        if isinstance(value, str):
            return self._text(name, value)
        if isinstance(value, list):
            return [self._field(name, each) for each in value]
        if isinstance(value, dict):
            return {self._text(name, key): self._field(name, each) for key, each in value.items()}
        if isinstance(value, float) and not math.isfinite(value):
            raise RowRejected(f"{name} is {value}, which is no number")
        return "" if value is None else value

    def _text(self, name: str, value: str) -> str:
        if len(value) > MAX_FIELD:
            raise RowRejected(f"{name} has more than {MAX_FIELD} characters")
        text = _BREAKS.sub("\n", unicodedata.normalize("NFC", value))
        text = _BLANKS.sub(" ", text).strip()
        if found := _CONTROL.search(text):
            raise RowRejected(f"{name} holds the control character U+{ord(found[0]):04X}")
        if "\n" in text and (self._all_in_headers or name in self._one_line):
            raise RowRejected(f"{name} holds a line break and is used in a header")
        return text


def _is_plain(text: str) -> bool:
    """Return whether only the ends can need cleaning, as with nearly all there is."""
    return text.isascii() and text.isprintable() and "  " not in text and len(text) <= MAX_FIELD


def parse_recipient(value: Json) -> Address:
    """Return the address of a contact; raises `RowRejected`.

    Stricter than SMTP: a list with address literals, dotless domains or Unicode that only looks like letters was not
    typed by its people.  email-validator gives the second opinion on Unicode; plain ASCII needs none.
    """
    if value in (None, ""):
        raise RowRejected("has no email")
    if not isinstance(value, str):
        raise RowRejected(f"email: {value!r} is not a text")
    try:
        address = Address.parse(value)
        if not value.isascii():
            validate_email(
                value,
                check_deliverability=False,
                globally_deliverable=False,
                allow_quoted_local=True,
                test_environment=True,
            )
    except (InvalidAddress, EmailNotValidError) as cause:
        raise RowRejected(f"email {_sentence(cause)}") from cause
    if address.domain.startswith("["):
        raise RowRejected("email names an IP address instead of a domain")
    if "." not in address.domain:
        raise RowRejected(f"email has a domain without a dot: {address.domain}")
    return address


def _sentence(cause: Exception) -> str:
    return str(cause).removeprefix("The email address ").rstrip(".")


def _number(value: Json) -> Json:
    number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number):
        raise ValueError("no number")
    return number


def _integer(value: Json) -> Json:
    number = _number(value)
    if isinstance(value, str):
        return int(value)
    if number != int(value):  # type: ignore[arg-type]  # `_number` let only numbers through
        raise ValueError("no whole number")
    return int(value)  # type: ignore[arg-type]


def _truth(value: Json) -> Json:
    if isinstance(value, bool):
        return value
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[str(value).lower()]


def _day(value: Json) -> Json:
    if not isinstance(value, str) or value[10:11] not in {"", "T", " "}:
        raise ValueError("no date")
    return date.fromisoformat(value[:10]).isoformat()


def _moment(value: Json) -> Json:
    if not isinstance(value, str) or len(value) < 16:
        raise ValueError("no date with a time")
    return datetime.fromisoformat(value).isoformat()


def _mailbox(value: Json) -> Json:
    try:
        return str(parse_recipient(value))
    except RowRejected as cause:
        raise ValueError("no address") from cause


def _web_address(value: Json) -> Json:
    if not isinstance(value, str) or not _WEB_ADDRESS.fullmatch(value):
        raise ValueError("no http or https address")
    return value


_CONVERT: Mapping[str, Callable[[Json], Json]] = {
    "str": lambda value: value if isinstance(value, str) else str(value),
    "int": _integer,
    "float": _number,
    "bool": _truth,
    "date": _day,
    "datetime": _moment,
    "email": _mailbox,
    "url": _web_address,
}
