"""A file of suppressed persons: what `suppress export` writes, and what other programs write that comes near it.

Owns its columns, and what is wrong with a line.  Read line by line, so that a file of any length is no matter; the
delimiter is the heading's.  Touches: the file.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tierii_mta.clock import Instant, from_datetime
from tierii_mta.consent.suppression import Suppression, SuppressionReason, parse_scope
from tierii_mta.errors import CheckFailed
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import TokenCodec

COLUMNS = ("address", "key", "scope", "reason", "evidence", "created_at", "expires_at")
_ADDRESS_COLUMNS = {"email": "address", "e-mail": "address", "email address": "address"}
_DELIMITERS = ",;\t"
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What counts for a line that does not say."""

    scope: str
    reason: str
    evidence: str


def read_entries(file: Path, standard: Standard, codec: TokenCodec, now: Instant) -> Iterator[Suppression]:
    """Yield the entry of each line; at the end, raise `CheckFailed` with what is wrong with any of them."""
    problems: list[str] = []
    count = 0
    for line, row in _rows(file):
        given = asdict(standard) | {name: value for name, value in row.items() if value or name == "evidence"}
        try:
            yield _entry(codec, given, now)
        except ValueError as cause:
            count += 1
            if len(problems) < _SHOWN:
                problems.append(f"{file}:{line}: {cause}")
    if count:
        more = [f"and {count - _SHOWN} more"] if count > _SHOWN else []
        raise CheckFailed(
            "\n  ".join([f"{count} of its lines cannot be used, nothing was added:", *problems, *more]), where=str(file)
        )


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row). A first line that names `address`, `email` or `key` is a heading."""
    first = next(_lines(file), "")
    delimiter = max(_DELIMITERS, key=first.count)
    names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
    heading = [_ADDRESS_COLUMNS.get(name, name) for name in names]
    if not {"address", "key"} & set(heading):
        yield from ((number, {"address": line.strip()}) for number, line in enumerate(_lines(file), 1) if line.strip())
        return
    reader = csv.reader(_lines(file), delimiter=delimiter)
    next(reader)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, {name: cell.strip() for name, cell in zip(heading, cells, strict=False)}
    except csv.Error as cause:
        raise CheckFailed(f"is no CSV: {cause}", where=f"{file}:{reader.line_num}") from cause


def _lines(file: Path) -> Iterator[str]:
    try:
        with file.open("rb") as source:
            for number, octets in enumerate(source, 1):
                try:
                    yield octets.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as cause:
                    where = f"{file}:{number}"
                    raise CheckFailed("is not UTF-8", where=where, remedy="save the file as UTF-8") from cause
    except OSError as cause:
        raise CheckFailed(f"cannot be read: {cause.strerror}", where=str(file), remedy="check the path") from cause


def _entry(codec: TokenCodec, given: dict[str, str], now: Instant) -> Suppression:
    text = given.get("address")
    if not text and not given.get("key"):
        raise ValueError("names neither address nor key")
    try:
        address = Address.parse(text) if text else None
    except InvalidAddress as cause:
        raise ValueError(f"{text} {cause}") from cause
    reason = given["reason"].lower()
    if reason not in tuple(SuppressionReason):
        raise ValueError(f"{reason!r} is no reason; write one of {', '.join(SuppressionReason)}")
    return Suppression(
        key=codec.person_key(address) if address else _key(given["key"]),
        scope=parse_scope(given["scope"]),
        reason=SuppressionReason(reason),
        address=str(address) if address else None,
        evidence=given["evidence"],
        created_at=_instant(given.get("created_at")) or now,
        expires_at=_instant(given.get("expires_at")),
    )


def _key(text: str) -> PersonKey:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise ValueError(f"{text!r} is no key of an export")
    return PersonKey(bytes.fromhex(text))


def _instant(text: str | None) -> Instant | None:
    if not text:
        return None
    try:
        return from_datetime(datetime.fromisoformat(text))
    except ValueError as cause:
        raise ValueError(f"{text!r} is no time; write for instance 2026-03-01T12:00:00Z") from cause
