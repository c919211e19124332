"""`list`: contacts that are kept here under a name, for campaigns to send to."""

import json
from pathlib import Path

import click

from tierii_mta.campaigns.charset import find_charset
from tierii_mta.campaigns.feeds import Feed
from tierii_mta.campaigns.feeds.csv_file import CsvFile
from tierii_mta.campaigns.feeds.json_file import JsonFile
from tierii_mta.campaigns.lists import Imported, Member, import_contacts, is_list_name
from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.cli.persons import parse_address
from tierii_mta.cli.progress import Progress
from tierii_mta.clock import rfc3339
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import NotFound, TooManyRejects, UsageError

_JSON = frozenset({".json", ".jsonl", ".ndjson"})


@click.group(cls=Group)
def lists() -> None:
    """Contacts that are kept here, for campaigns to send to."""


@lists.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="What a column is, where its name hides it."
)
@async_body
async def import_(call: Invocation, name: str, file: Path, mapping: tuple[str, ...]) -> None:
    """Put the contacts of FILE (CSV, or JSON by its name) into a list; who is there already gets the new fields.

    Rows that are no contacts go to FILE.rejects.csv, with line and reason. Running it again changes nothing.
    """
    if not is_list_name(name):
        raise UsageError(
            f"{name!r} is no name of a list", remedy="write a-z, 0-9, dots, hyphens and underscores, at most 64"
        )
    feed = _open(file, _mapped(mapping))
    async with opened(call) as installation:
        with Progress(call.output, name) as progress:

            def show(so_far: Imported) -> None:
                text = f"{so_far.added} added, {so_far.rejected} rejected"
                progress.show(so_far.rows, 0, text, now=installation.clock.monotonic())

            count = await import_contacts(
                name,
                feed,
                installation.contact_lists,
                key_of=installation.codec.person_key,
                clock=installation.clock,
                rejects_file=_rejects_of(file),
                show=show,
            )
    for notice in feed.notices:
        call.output.note(f"note: {notice}")
    if count.rejected:
        call.output.note(f"rejected rows, with their reasons: {_rejects_of(file)}")
    if count.rejected == count.rows:
        raise TooManyRejects(f"none of {count.rows} rows is a contact", where=str(file))
    call.output.summary(
        {"list": name, "rows": count.rows, "added": count.added, "updated": count.updated, "rejected": count.rejected},
        f"{name}: {count.rows} rows: {count.added} added, {count.updated} updated, {count.rejected} rejected",
    )


@lists.command()
@async_body
async def ls(call: Invocation) -> None:
    """Show every list with its size."""
    async with opened(call) as installation:
        known = await installation.contact_lists.lists()
    for each in known:
        shown = {
            "list": each.name,
            "contacts": each.size,
            "created_at": rfc3339(each.created_at),
            "changed_at": rfc3339(each.changed_at),
        }
        call.output.record(shown, f"{each.name}  {each.size:,} contacts, changed {shown['changed_at']}")
    call.output.summary({"lists": len(known)})


@lists.command()
@click.argument("name")
@click.argument("email", required=False)
@async_body
async def show(call: Invocation, name: str, email: str | None) -> None:
    """Show the contacts of a list, or one of them, as a JSON object a line."""
    address, count = parse_address(email) if email else None, 0
    async with opened(call) as installation:
        await _find(installation, name)
        if address is not None:
            one = await installation.contact_lists.find(name, installation.codec.person_key(address))
            if one is None:
                raise NotFound(f"is not in the list {name}", where=str(address))
            _tell(call, one)
            count = 1
        else:
            async for page in installation.contact_lists.members(name):
                for member in page:
                    _tell(call, member)
                count += len(page)
    call.output.summary({"contacts": count})


@lists.command()
@click.argument("name")
@click.argument("email", required=False)
@async_body
async def rm(call: Invocation, name: str, email: str | None) -> None:
    """Take a contact out of a list; without EMAIL, remove the list.

    Campaigns that were accepted keep their recipients.
    """
    address = parse_address(email) if email else None
    if address is None:
        call.confirm(f"Remove the list {name} with all its contacts?")
    async with opened(call) as installation:
        await _find(installation, name)
        person = installation.codec.person_key(address) if address is not None else None
        removed = await installation.contact_lists.remove(name, person)
    if address is not None and not removed:
        raise NotFound(f"is not in the list {name}", where=str(address))
    call.output.summary({"list": name, "removed": removed}, f"{address or name}: {removed} removed")


def _open(file: Path, mapping: dict[str, str]) -> Feed:
    charset = find_charset(file)
    if file.suffix.lower() in _JSON:
        return JsonFile(file, charset, None, mapping)
    return CsvFile(file, charset, "", mapping)


def _mapped(pairs: tuple[str, ...]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise UsageError(f"{pair!r} is not FIELD=COLUMN", where="--map", remedy="write for instance email=E-mail")
        mapping[field] = column
    return mapping


def _rejects_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.rejects.csv")


async def _find(installation: Installation, name: str) -> None:
    if name not in await installation.contact_lists.names():
        raise NotFound(f"there is no list {name}", remedy="`tierii-mta list ls` shows them")


def _tell(call: Invocation, member: Member) -> None:
    call.output.record(dict(member.fields), json.dumps(member.fields, ensure_ascii=False))
