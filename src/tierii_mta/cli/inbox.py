"""`inbox`: mail that port 25 took, what it turned out to be, and what followed."""

import sys

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Group, Invocation, async_body
from tierii_mta.cli.output import one_line, printable
from tierii_mta.cli.received import Told, message_json, told_json, told_lines
from tierii_mta.clock import rfc3339
from tierii_mta.correspondence.reading import Kind
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import Conflict, NotFound, UsageError
from tierii_mta.inbound.inbox import InboxMessage
from tierii_mta.queue.received import InboxId, InboxState

_STATES = click.Choice([str(state) for state in InboxState])
_KINDS = click.Choice([str(kind) for kind in Kind])
_HEADER_END = b"\r\n\r\n"
_MOST_SUBJECT = 60
_MOST_HEADER = 200_000  # octets; twice what a header may have when it comes


@click.group(cls=Group)
def inbox() -> None:
    """Mail that was received on port 25."""


@inbox.command()
@click.option("--state", type=_STATES, help="Only messages in this state; default: all.")
@click.option("--kind", type=_KINDS, help="Only messages that turned out to be this; default: all.")
@click.option("--before", type=click.IntRange(min=1), metavar="ID", help="Only messages older than this one.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@async_body
async def ls(call: Invocation, state: str | None, kind: str | None, before: int | None, limit: int) -> None:
    """List received messages, newest first."""
    wanted = InboxState(state) if state is not None else None
    rows: list[tuple[object, ...]] = []
    async with opened(call) as installation:
        cursor = InboxId(before) if before is not None else None
        async for message in installation.inbox.messages(state=wanted, kind=kind, before=cursor, limit=limit):
            call.output.record(message_json(message))
            rows.append(_row(message))
    call.output.columns(("ID", "RECEIVED", "STATE", "KIND", "SIZE", "FROM", "TO", "SUBJECT"), rows)
    call.output.summary({"messages": len(rows)})


@inbox.command()
@click.argument("message", type=click.IntRange(min=1), metavar="ID")
@click.option("--raw", is_flag=True, help="Write the message as it is kept, octet by octet, and nothing else.")
@async_body
async def show(call: Invocation, message: int, raw: bool) -> None:
    """Show one message: who sent it to whom, what the checks found, what it turned out to be and by which evidence,
    the mail of ours it is about, what followed, its mailboxes, the conversation it stands in, and its header.
    """
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
        told = await _told(installation, found)
    call.output.summary(told_json(told), "\n".join([*told_lines(told), "", told.header.rstrip("\n")]))


@inbox.command()
@click.argument("message", type=click.IntRange(min=1), metavar="ID")
@async_body
async def release(call: Invocation, message: int) -> None:
    """Let a message out of quarantine: it is processed and put into its mailboxes like any other."""
    async with opened(call) as installation:
        if await installation.inbox.get(InboxId(message)) is None:
            raise NotFound(
                "is not in the inbox", where=f"message {message}", remedy="see retention.inbox and `inbox ls`"
            )
        if not await installation.inbox.release(InboxId(message)):
            raise Conflict("is not in quarantine", where=f"message {message}")
    call.output.summary({"message": str(message), "state": "new"}, f"message {message} is released")


def _row(message: InboxMessage) -> tuple[object, ...]:
    entry, done = message.entry, message.processed
    first, *others = [one.address for one in entry.recipients]
    to = printable(first) + (f" and {len(others)} more" if others else "")
    author = done.sender if done is not None and done.sender is not None else entry.reverse_path
    subject = one_line(done.subject, _MOST_SUBJECT) if done is not None else ""
    kind = done.kind if done is not None else "-"
    received = rfc3339(entry.received_at)
    return message.id, received, entry.state, kind, entry.size_bytes, printable(author) or "<>", to, subject


async def _told(installation: Installation, message: InboxMessage) -> Told:
    done = message.processed
    about = done.delivery if done is not None else None
    return Told(
        message=message,
        sent=await installation.correspondence.sent(about) if about is not None else None,
        conversation=await installation.correspondence.conversation(message.id),
        jobs=await installation.mailbox_jobs.of_message(message.id),
        header=await _header(installation, message.id),
    )


async def _header(installation: Installation, message: InboxId) -> str:
    """Return the header as text that no terminal takes for orders."""
    octets = b""
    async for part in installation.inbox.parts(message):
        octets += part
        if _HEADER_END in octets or len(octets) > _MOST_HEADER:
            break
    header = octets[:_MOST_HEADER].partition(_HEADER_END)[0]
    return printable(header.decode("utf-8", "replace").replace("\r\n", "\n")) + "\n"
