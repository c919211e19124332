"""`suppress`: persons who are not written to."""

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.cli.persons import parse_address, parse_span
from tierii_mta.cli.why import suppression_json
from tierii_mta.clock import Instant, from_datetime, later
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason, list_scope
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import CheckFailed, ConfigurationError, NotFound, UsageError
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.person import PersonKey

_COLUMNS = ("address", "key", "scope", "reason", "evidence", "created_at", "expires_at")
_BATCH = 1000
_LIST_ID = re.compile(r"[A-Za-z0-9._-]{1,255}")
_REASONS = click.Choice([str(reason) for reason in SuppressionReason])


@click.group(cls=Group)
def suppress() -> None:
    """Persons who are not written to."""


@suppress.command()
@click.argument("email")
@click.option("--list", "list_id", metavar="ID", help="Only mail of this list; default: all mail.")
@click.option("--reason", type=_REASONS, default="manual", show_default=True, help="Why.")
@click.option("--note", default="", help="Your note, shown by `why`.")
@click.option("--for", "span", metavar="DURATION", help="Until then, e.g. 90d; default: for good.")
@async_body
async def add(call: Invocation, email: str, list_id: str | None, reason: str, note: str, *, span: str | None) -> None:
    """Stop mail to a person."""
    address, scope = parse_address(email), _scope(list_id)
    async with opened(call) as installation:
        now = installation.clock.now()
        entry = Suppression(
            key=installation.codec.person_key(address),
            scope=scope or EVERYWHERE,
            reason=SuppressionReason(reason),
            address=str(address),
            evidence=note,
            created_at=now,
            expires_at=later(now, parse_span(span)) if span else None,
        )
        added = await installation.suppression.add([entry])
    words = "suppressed" if added else "was suppressed already, and the entry is renewed"
    call.output.summary({"added": added, "entry": suppression_json(entry)}, f"{address}: {words} ({entry.scope})")


@suppress.command()
@click.argument("email")
@click.option("--list", "list_id", metavar="ID", help="Only the entry of this list; default: all entries.")
@async_body
async def rm(call: Invocation, email: str, list_id: str | None) -> None:
    """Allow mail to a person again."""
    address, scope = parse_address(email), _scope(list_id)
    async with opened(call) as installation:
        removed = await installation.suppression.remove(installation.codec.person_key(address), scope)
    if not removed:
        raise NotFound(f"is not suppressed in {scope}" if scope else "is not suppressed", where=str(address))
    call.output.summary({"removed": removed}, f"{address}: {removed} removed")


@suppress.command()
@async_body
async def ls(call: Invocation) -> None:
    """List everybody."""
    count = 0
    async with opened(call) as installation:
        async for entry in installation.suppression.entries():
            count += 1
            shown = suppression_json(entry)
            person = entry.address or f"key {entry.key.hex()}"
            call.output.record(
                shown, f"{person}  {entry.scope}  {entry.reason}  {shown['created_at']}  {entry.evidence}"
            )
    call.output.summary({"entries": count})


@suppress.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@async_body
async def export(call: Invocation, file: Path | None) -> None:
    """Write the whole list as CSV, to FILE or stdout; `import` reads it back."""
    count = 0
    async with opened(call) as installation:
        with _written(file) if file else _StandardOutput() as target:
            writer = csv.DictWriter(target, _COLUMNS)
            writer.writeheader()
            async for entry in installation.suppression.entries():
                writer.writerow(suppression_json(entry))
                count += 1
    if file:
        call.output.summary({"entries": count, "file": str(file)}, f"{count} entries written to {file}")


@suppress.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--list", "list_id", metavar="ID", help="For lines that name no scope: this list; default: all mail.")
@click.option("--reason", type=_REASONS, default="manual", show_default=True, help="For lines that name no reason.")
@async_body
async def import_(call: Invocation, file: Path, list_id: str | None, reason: str) -> None:
    """Add everybody in FILE: CSV with an `address` or `email` column, or one address a line.

    Nothing is added when a line is wrong.
    """
    standard = {"scope": _scope(list_id) or EVERYWHERE, "reason": reason, "evidence": file.name}
    added = 0
    async with opened(call) as installation:
        entries = list(_entries(installation, file, standard))
        for start in range(0, len(entries), _BATCH):
            added += await installation.suppression.add(entries[start : start + _BATCH])
    call.output.summary({"entries": len(entries), "added": added}, f"{len(entries)} read, {added} new")


def _scope(list_id: str | None) -> str | None:
    """Return the scope `--list` names, None without it; raises `UsageError` for what can be no list's id."""
    if list_id is None:
        return None
    if not _LIST_ID.fullmatch(list_id):
        raise UsageError(f"{list_id!r} is no list id", where="--list", remedy="write it as list.id of the campaign")
    return list_scope(list_id)


def _written(file: Path) -> TextIO:
    try:
        return file.open("w", encoding="utf-8", newline="")
    except OSError as cause:
        raise ConfigurationError(f"cannot be written: {cause.strerror}", where=str(file)) from cause


class _StandardOutput:
    """Standard output as a context that does not close it."""

    def __enter__(self) -> TextIO:
        return sys.stdout

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


def _entries(installation: Installation, file: Path, standard: dict[str, str]) -> Iterator[Suppression]:
    problems: list[str] = []
    for line, row in _rows(file):
        given = standard | {name: value for name, value in row.items() if value or name == "evidence"}
        try:
            yield _entry(installation, given)
        except (ValueError, KeyError) as cause:
            problems.append(f"{file}:{line}: {cause}")
    if problems:
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise CheckFailed(
            f"{len(problems)} of its lines cannot be used, nothing was added:\n  " + "\n  ".join(problems[:10]) + more,
            where=str(file),
        )


def _rows(file: Path) -> Iterable[tuple[int, dict[str, str]]]:
    """Return (line, row). A first line without @ that names `address`, `email` or `key` is a heading."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as cause:
        raise CheckFailed(f"cannot be read: {cause.strerror}", where=str(file), remedy="check the path") from cause
    except UnicodeDecodeError as cause:
        line = cause.object.count(b"\n", 0, cause.start) + 1
        raise CheckFailed("is not UTF-8", where=f"{file}:{line}", remedy="save the file as UTF-8") from cause
    lines = text.splitlines()
    heading = [name.strip().lower() for name in next(csv.reader(lines[:1]), [])]
    if {"address", "email", "key"} & set(heading):
        reader = csv.DictReader(io.StringIO(text, newline=""), fieldnames=heading, restkey="further")
        next(reader)
        return [(reader.line_num, row) for row in reader if any(row.values())]
    return [(number, {"address": line.strip()}) for number, line in enumerate(lines, 1) if line.strip()]


def _entry(installation: Installation, given: dict[str, str]) -> Suppression:
    text = given.get("address") or given.get("email")
    if not text and not given.get("key"):
        raise ValueError("names neither address nor key")
    try:
        address = Address.parse(text) if text else None
    except InvalidAddress as cause:
        raise ValueError(f"{text} {cause}") from cause
    scope, reason = given["scope"], given["reason"]
    if scope != EVERYWHERE and not scope.startswith("list:"):
        raise ValueError(f"{scope!r} is no scope; write {EVERYWHERE} or list:ID")
    if reason not in tuple(SuppressionReason):
        raise ValueError(f"{reason!r} is no reason; write one of {', '.join(SuppressionReason)}")
    return Suppression(
        key=installation.codec.person_key(address) if address else _key(given["key"]),
        scope=scope,
        reason=SuppressionReason(reason),
        address=str(address) if address else None,
        evidence=given["evidence"],
        created_at=_instant(given.get("created_at")) or installation.clock.now(),
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
