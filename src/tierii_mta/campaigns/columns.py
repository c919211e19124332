"""Which field of a contact a column holds.

Owns how names of columns are compared (case, spaces and punctuation do not count), the synonyms of the fields every
contact has, and the feed's `map`.  Pure.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierii_mta.yaml12 import nearest

_MAX_COLUMNS = 1000
_PUNCTUATION = re.compile(r"[\W_]+")
_SYNONYMS: Mapping[str, str] = {
    "email": "mail e_mail emailaddress email_address e_mail_address mail_address email_addr address_email",
    "first_name": "firstname first given_name givenname given forename fname",
    "last_name": "lastname last surname family_name familyname family lname",
    "full_name": "fullname display_name displayname",
    "company": "company_name companyname organization organisation org employer",
    "position": "job_title jobtitle job role",
}


class ColumnError(ValueError):
    """The columns do not make contacts; the text says why. `remedy` says what to write."""

    def __init__(self, what: str, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass(frozen=True, slots=True)
class Columns:
    """The fields of a feed's columns, in order; None for a column that is left out."""

    fields: tuple[str | None, ...]
    notices: tuple[str, ...] = ()


def normal_name(name: str) -> str:
    """Return how a column's name is written in a template: `First Name` → `first_name`."""
    folded = unicodedata.normalize("NFKC", name).lower()
    return _PUNCTUATION.sub("_", folded).strip("_")


def match_columns(header: Sequence[str], mapping: Mapping[str, str], *, needs_email: bool = True) -> Columns:
    """Return the field of each column; raises `ColumnError`.

    A mapped column wins, then the field's own name, then a synonym; two columns for one field are an error.
    """
    if len(header) > _MAX_COLUMNS:
        raise ColumnError(f"has more than {_MAX_COLUMNS} columns", "check the delimiter")
    names = [normal_name(name) for name in header]
    fields: list[str | None] = [name or None for name in names]
    mapped = _mapped(header, names, mapping)
    for number, field in mapped.items():
        fields[number] = field
    for field, synonyms in _SYNONYMS.items():
        if field in fields:
            continue
        hits = [number for number, name in enumerate(names) if name in synonyms.split() and number not in mapped]
        if len(hits) > 1:
            both = " and ".join(repr(header[number]) for number in hits)
            raise ColumnError(f"the columns {both} could both be {field}", f"choose one with map: {{{field}: ...}}")
        if hits:
            fields[hits[0]] = field
    _refuse_twins(header, fields)
    if needs_email and "email" not in fields:
        raise _no_email(header)
    return Columns(tuple(fields), tuple(_unnamed(fields)))


def _mapped(header: Sequence[str], names: Sequence[str], mapping: Mapping[str, str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for field, column in mapping.items():
        name = normal_name(column)
        exact = [number for number, each in enumerate(header) if each.strip() == column.strip()]
        hits = exact or [number for number, each in enumerate(names) if each == name]
        if not hits:
            meant = nearest(column, header)
            raise ColumnError(
                f"there is no column {column!r}, which map names for {field}",
                f"did you mean {meant!r}?" if meant else f"the columns are {_listed(header)}",
            )
        found[hits[0]] = normal_name(field)
    return found


def _refuse_twins(header: Sequence[str], fields: Sequence[str | None]) -> None:
    for number, field in enumerate(fields):
        if field is not None and field in fields[:number]:
            first = fields.index(field)
            raise ColumnError(
                f"the columns {header[first]!r} and {header[number]!r} are both {field}",
                "rename one in the file, or give one another name with map",
            )


def _no_email(header: Sequence[str]) -> ColumnError:
    if any("@" in name for name in header):
        return ColumnError("the first line holds an address, not the names of columns", "add a header line")
    return ColumnError(f"no column holds the address; found {_listed(header)}", "name it with map: {email: ...}")


def _unnamed(fields: Sequence[str | None]) -> list[str]:
    return [f"column {number} has no name and is left out" for number, field in enumerate(fields, 1) if field is None]


def _listed(header: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in header[:20])
    return shown + (" ..." if len(header) > 20 else "")
