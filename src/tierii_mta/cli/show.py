"""`queue show`: everything of one delivery or message, with what was said in each attempt.

Owns how it is told; the body stays out of sight unless `--raw` asks for it.
"""

from collections.abc import Iterator
from typing import Any

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.why import history_json, history_lines
from tierii_mta.clock import rfc3339
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import NotFound, UsageError
from tierii_mta.mail.message_id import open_message_id
from tierii_mta.queue.delivery import DeliveryId
from tierii_mta.queue.operator import Dossier, MessageFacts
from tierii_mta.queue.selection import Ids, Selection

_MOST = 1000


@click.command(cls=Command, short_help="Show everything of one delivery or message.")
@click.argument("subject", metavar="ID|MESSAGE-ID")
@click.option("--raw", is_flag=True, help="Print the stored message itself, and nothing else.")
@async_body
async def show(call: Invocation, /, subject: str, raw: bool) -> None:
    """Show everything of one delivery or message: envelope, header, state, events, and what was said in each attempt.

    Transcripts are kept of attempts that did not deliver, and of all attempts of submitted mail.
    """
    async with opened(call) as installation:
        dossiers = await installation.operator.dossiers(await _find(installation, subject))
        if not dossiers:
            raise NotFound("nothing is known of it", where=subject, remedy="purged rows are gone; see `why EMAIL`")
        if raw:
            await _print_message(installation, dossiers[0])
            return
    told: set[int] = set()
    for dossier in dossiers:
        message = dossier.message if dossier.message and dossier.message.row not in told else None
        told.update([message.row] if message else [])
        lines = [*(_message_lines(message) if message else ()), *_lines(call, dossier)]
        call.output.record(_json(dossier), "\n".join(lines))
    call.output.summary({"subject": subject, "deliveries": len(dossiers)})


async def _find(installation: Installation, subject: str) -> list[DeliveryId]:
    try:
        ids = Ids.parse([subject])
    except ValueError as cause:
        raise UsageError(str(cause)) from cause
    ours = open_message_id(installation.codec, subject) if ids.message_ids else None
    found = list(await installation.operator.find(Selection(ids=ids), limit=_MOST))
    return found or ([DeliveryId(ours)] if ours is not None else [])


async def _print_message(installation: Installation, dossier: Dossier) -> None:
    if dossier.message is None:
        raise NotFound("campaign mail is rendered at the attempt, not stored", remedy="`tierii-mta preview` renders it")
    parts = await installation.queue.message_parts(dossier.message.row)
    if not parts:
        raise NotFound("its body is kept no more", remedy="see retention.bodies")
    for part in parts:
        click.echo(part, nl=False)


def _lines(call: Invocation, dossier: Dossier) -> Iterator[str]:
    yield from history_lines(call, dossier.history)
    wishes = _wishes(dossier)
    if wishes:
        yield f"  asked for  {', '.join(wishes)}"
    for one in dossier.transcripts:
        yield f"  attempt {one.attempt}, {rfc3339(one.at)}:"
        yield from (f"    {line}" for line in one.text.splitlines())


def _message_lines(message: MessageFacts) -> Iterator[str]:
    size = f"{message.size_bytes} octets" if message.size_bytes is not None else "the body is kept no more"
    yield f"message:{message.row}  from <{message.reverse_path}>, {size}"
    named = {"envid": message.envid, "ret": message.ret, "label": message.label, "tag": message.tag}
    yield from (f"  {name:<9}{value}" for name, value in named.items() if value is not None)
    yield from (f"  | {line}" for line in message.header.decode("utf-8", "backslashreplace").splitlines())


def _wishes(dossier: Dossier) -> list[str]:
    notify = [f"NOTIFY={','.join(sorted(dossier.notify))}"] if dossier.notify else []
    return notify + ([f"ORCPT={dossier.orcpt}"] if dossier.orcpt else [])


def _json(dossier: Dossier) -> dict[str, Any]:
    message = dossier.message
    return {
        **history_json(dossier.history),
        "owner": dossier.owner,
        "notify": sorted(dossier.notify),
        "orcpt": dossier.orcpt,
        "last_reply": dossier.last_reply,
        "message": message
        and {
            "row": message.row,
            "reverse_path": message.reverse_path,
            "size": message.size_bytes,
            "header": message.header.decode("utf-8", "backslashreplace"),
            "ret": message.ret,
            "envid": message.envid,
            "smtputf8": message.is_smtputf8,
            "label": message.label,
            "tag": message.tag,
        },
        "transcripts": [
            {"attempt": one.attempt, "at": rfc3339(one.at), "text": one.text} for one in dossier.transcripts
        ],
    }
