"""`suppress`: persons who are not written to.

Owns the verbs and their words; what a file of the list looks like is `cli.suppression_file`.
"""

import csv
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TextIO

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.cli.persons import parse_address, parse_span
from tierii_mta.cli.privileges import user_name
from tierii_mta.cli.suppression_file import COLUMNS, Standard, read_entries
from tierii_mta.cli.why import suppression_json
from tierii_mta.clock import later
from tierii_mta.consent.suppression import (
    EVERYWHERE,
    Suppression,
    SuppressionList,
    SuppressionReason,
    list_scope,
    parse_scope,
    sender_scope,
)
from tierii_mta.errors import ConfigurationError, NotFound, UsageError
from tierii_mta.mail.person import PersonKey

_BATCH = 1000
_REASONS = click.Choice([str(reason) for reason in SuppressionReason])


def _scoped(what: str) -> Callable[[Any], Any]:
    """Add the options that name a scope."""

    def add(command: Any) -> Any:
        by_sender = click.option("--sender", metavar="DOMAIN", help=f"{what} all mail sent as this domain.")
        return click.option("--list", "list_id", metavar="ID", help=f"{what} mail of this list.")(by_sender(command))

    return add


@click.group(cls=Group)
def suppress() -> None:
    """Persons who are not written to."""


@suppress.command()
@click.argument("email")
@_scoped("Only")
@click.option("--reason", type=_REASONS, default="manual", show_default=True, help="Why.")
@click.option("--note", default="", help="Your note, kept as evidence and shown by `why`.")
@click.option("--for", "span", metavar="DURATION", help="Until then, e.g. 90d; default: for good.")
@async_body
async def add(
    call: Invocation,
    email: str,
    *,
    list_id: str | None,
    sender: str | None,
    reason: str,
    note: str,
    span: str | None,
) -> None:
    """Stop mail to a person: all of it, or that of one list or one sender."""
    address, scope = parse_address(email), _scope(list_id, sender)
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
@_scoped("Only the entries for")
@click.option("--reason", type=_REASONS, help="Only the entries for this reason; default: for any.")
@click.option("--note", default="", help="Why it is undone; the event log keeps it with your name.")
@async_body
async def rm(
    call: Invocation, email: str, *, list_id: str | None, sender: str | None, reason: str | None, note: str
) -> None:
    """Undo: allow mail to a person again. Without options, all entries go."""
    address, scope = parse_address(email), _scope(list_id, sender)
    async with opened(call) as installation:
        removed = await installation.suppression.remove(
            installation.codec.person_key(address),
            scope,
            reason=SuppressionReason(reason) if reason else None,
            by=f"operator {user_name(os.getuid())}",
            why=note,
        )
    if not removed:
        told = [f"in {scope}"] * bool(scope) + [f"for {reason}"] * bool(reason)
        raise NotFound(" ".join(["is not suppressed", *told]), where=str(address))
    call.output.summary({"removed": removed}, f"{address}: {removed} removed")


@suppress.command()
@click.argument("email", required=False)
@_scoped("Only the entries for")
@click.option("--reason", type=_REASONS, help="Only the entries for this reason.")
@async_body
async def ls(
    call: Invocation, email: str | None, *, list_id: str | None, sender: str | None, reason: str | None
) -> None:
    """List everybody, or one person's entries."""
    address, scope, count = parse_address(email) if email else None, _scope(list_id, sender), 0
    async with opened(call) as installation:
        key = installation.codec.person_key(address) if address is not None else None
        async for entry in _entries(installation.suppression, key):
            if scope not in (None, entry.scope) or reason not in (None, entry.reason):
                continue
            count += 1
            shown = suppression_json(entry)
            person = entry.address or f"key {entry.key.hex()}"
            until = f"  until {shown['expires_at']}" if shown["expires_at"] else ""
            call.output.record(
                shown, f"{person}  {entry.scope}  {entry.reason}  {shown['created_at']}{until}  {entry.evidence}"
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
            writer = csv.DictWriter(target, COLUMNS)
            writer.writeheader()
            async for entry in installation.suppression.entries():
                writer.writerow(suppression_json(entry))
                count += 1
    if file:
        call.output.summary({"entries": count, "file": str(file)}, f"{count} entries written to {file}")


@suppress.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_scoped("For lines that name no scope:")
@click.option("--reason", type=_REASONS, default="manual", show_default=True, help="For lines that name no reason.")
@async_body
async def import_(call: Invocation, file: Path, *, list_id: str | None, sender: str | None, reason: str) -> None:
    """Add everybody in FILE: CSV with an `address` or `email` column, or one address a line.

    Nothing is added when a line is wrong. An import only adds and extends: nobody gets mail again by it.
    """
    standard = Standard(scope=_scope(list_id, sender) or EVERYWHERE, reason=reason, evidence=file.name)
    read = added = 0
    async with opened(call) as installation:
        codec, now = installation.codec, installation.clock.now()
        for _ in read_entries(file, standard, codec, now):  # every line is looked at before one is kept
            pass
        batch: list[Suppression] = []
        for entry in read_entries(file, standard, codec, now):
            batch.append(entry)
            if len(batch) == _BATCH:
                added += await installation.suppression.add(batch, only_extend=True)
                read, batch = read + len(batch), []
        added += await installation.suppression.add(batch, only_extend=True)
        read += len(batch)
    call.output.summary({"entries": read, "added": added}, f"{read} read, {added} new")


async def _entries(suppressions: SuppressionList, key: PersonKey | None) -> AsyncIterator[Suppression]:
    if key is None:
        async for entry in suppressions.entries():
            yield entry
        return
    for entry in await suppressions.find([key]):
        yield entry


def _scope(list_id: str | None, sender: str | None) -> str | None:
    """Return the scope that the options name, None without one; raises `UsageError` for what can be none."""
    if list_id is None and sender is None:
        return None
    if list_id is not None and sender is not None:
        raise UsageError("--list and --sender are two scopes", remedy="give one of them, and run it twice")
    try:
        return parse_scope(list_scope(list_id) if list_id is not None else sender_scope(str(sender)))
    except ValueError as cause:
        if list_id is not None:
            what, remedy = f"{list_id!r} is no list id", "write it as list.id of the campaign"
            raise UsageError(what, where="--list", remedy=remedy) from cause
        raise UsageError(f"{sender!r} is no domain", where="--sender", remedy="write it as in `domains`") from cause


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
