"""`inbox`: mail that port 25 took, as it is kept."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.clock import rfc3339
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import NotFound, UsageError
from tierii_mta.inbound.inbox import InboxMessage
from tierii_mta.queue.received import InboxId, InboxRecipient, InboxState

_STATES = click.Choice([str(state) for state in InboxState])
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # tab and line feed stay
_HEADER_END = b"\r\n\r\n"
_MOST_HEADER = 200_000  # octets; twice what a header may have when it comes


@click.group(cls=Group)
def inbox() -> None:
    """Mail that was received on port 25."""


@inbox.command()
@click.option("--state", type=_STATES, help="Only messages in this state; default: all.")
@click.option("--before", type=click.IntRange(min=1), metavar="ID", help="Only messages older than this one.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@async_body
async def ls(call: Invocation, state: str | None, before: int | None, limit: int) -> None:
    """List received messages, newest first."""
    wanted = InboxState(state) if state is not None else None
    rows: list[tuple[object, ...]] = []
    async with opened(call) as installation:
        cursor = InboxId(before) if before is not None else None
        async for message in installation.inbox.messages(state=wanted, before=cursor, limit=limit):
            call.output.record(message_json(message))
            rows.append(_row(message))
    call.output.columns(("ID", "RECEIVED", "STATE", "SIZE", "FROM", "TO"), rows)
    call.output.summary({"messages": len(rows)})


@inbox.command()
@click.argument("message", type=click.IntRange(min=1), metavar="ID")
@click.option("--raw", is_flag=True, help="Write the message as it is kept, octet by octet, and nothing else.")
@async_body
async def show(call: Invocation, message: int, raw: bool) -> None:
    """Show who sent a message to whom, what was found, and its header."""
    if raw and call.is_json:
        raise UsageError("--raw writes octets, --json writes JSON", remedy="leave one of them out")
    async with opened(call) as installation:
        found = await installation.inbox.get(InboxId(message))
        if found is None:
            raise NotFound(
                "is not in the inbox", where=f"message {message}", remedy="see retention.inbox and `inbox ls`"
            )
        if raw:
            async for part in installation.inbox.parts(found.id):
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
            return
        header = await _header(installation, found.id)
    text = "\n".join([*_lines(found), "", header.rstrip("\n")])
    call.output.summary({**message_json(found), "header": header}, text)


def message_json(message: InboxMessage) -> dict[str, Any]:
    """Return a message of the inbox as commands show it."""
    entry = message.entry
    return {
        "id": str(message.id),
        "received_at": rfc3339(entry.received_at),
        "state": str(entry.state),
        "remote": entry.remote,
        "client_name": entry.client_name,
        "tls": entry.tls,
        "reverse_path": entry.reverse_path,
        "recipients": [_recipient_json(one) for one in entry.recipients],
        "message_id": entry.message_id,
        "size": entry.size_bytes,
        "verdict": dict(entry.verdict),
        "session": dict(entry.session),
    }


def _recipient_json(one: InboxRecipient) -> dict[str, str | None]:
    return {"address": one.address, "mailbox": one.mailbox, "token": str(one.token) if one.token is not None else None}


def _row(message: InboxMessage) -> tuple[object, ...]:
    entry = message.entry
    first, *others = [one.address for one in entry.recipients]
    to = _printable(first) + (f" and {len(others)} more" if others else "")
    sender = _printable(entry.reverse_path) or "<>"
    return message.id, rfc3339(entry.received_at), entry.state, entry.size_bytes, sender, to


def _lines(message: InboxMessage) -> Iterator[str]:
    entry = message.entry
    yield f"message   {message.id}, {entry.state}, {entry.size_bytes} octets, received {rfc3339(entry.received_at)}"
    yield _printable(f"client    {entry.client_name} [{entry.remote}], {entry.tls or 'no TLS'}")
    yield _printable(f"from      <{entry.reverse_path}>")
    for one in entry.recipients:
        why = f"mailbox {one.mailbox}" if one.mailbox is not None else f"signed address: {one.token}"
        yield _printable(f"to        <{one.address}>  ({why})")
    findings = entry.verdict.get("findings")
    for finding in findings if isinstance(findings, list) else ():
        if isinstance(finding, dict):
            yield _printable(f"finding   {finding.get('check')}: {finding.get('detail')}")


async def _header(installation: Installation, message: InboxId) -> str:
    """Return the header as text that no terminal takes for orders."""
    octets = b""
    async for part in installation.inbox.parts(message):
        octets += part
        if _HEADER_END in octets or len(octets) > _MOST_HEADER:
            break
    header = octets[:_MOST_HEADER].partition(_HEADER_END)[0]
    return _printable(header.decode("utf-8", "replace").replace("\r\n", "\n")) + "\n"


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
