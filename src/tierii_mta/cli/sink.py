"""`sink`: a receiving MX for rehearsals."""

import asyncio
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import click

from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.clock import rfc3339
from tierii_mta.errors import Unavailable, UsageError
from tierii_mta.rehearsal.exchange import Received
from tierii_mta.rehearsal.personality import Personality
from tierii_mta.rehearsal.sink import Note, Sink


@click.command(cls=Command)
@click.option("--personality", type=click.Path(path_type=Path), metavar="FILE", help="How it behaves; default: accept.")
@click.option("--listen", default="127.0.0.1:2525", show_default=True, metavar="HOST:PORT", help="Where it listens.")
@click.option("--maildir", type=click.Path(path_type=Path), metavar="DIR", help="Keep messages here too.")
@async_body
async def sink(call: Invocation, personality: Path | None, listen: str, maildir: Path | None) -> None:
    """Run a receiving MX that behaves as a personality file says.

    Prints a line per message and per refusal, and the counts at the end (Ctrl-C). For loopback and test networks.
    """
    behaviour = Personality.load(personality) if personality else Personality()
    receiving = Sink(behaviour, listen=_endpoint(listen), maildir=maildir, on_note=lambda note: _tell(call, note))
    try:
        await receiving.__aenter__()
    except OSError as cause:
        raise Unavailable(
            f"cannot listen: {cause.strerror or cause}", where=listen, remedy="choose another address with --listen"
        ) from cause
    host, port = receiving.address
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    call.output.record({"listening": shown}, None)
    call.output.note(f"listening on {shown} as {behaviour.hostname}; Ctrl-C ends it")
    try:
        await asyncio.Event().wait()
    finally:
        await receiving.__aexit__(None, None, None)
        counts = ", ".join(f"{name} {count}" for name, count in sorted(receiving.stats.items()))
        call.output.summary({"stats": dict(receiving.stats)}, counts or "nothing happened")


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text} is no address to listen on", remedy="write for instance --listen 127.0.0.1:2525")
    return host.strip("[]"), int(port)


def _tell(call: Invocation, note: Note) -> None:
    line = {"at": rfc3339(note.at), "client": note.client, "sender": note.sender}
    if not isinstance(note, Received):
        line |= {"event": "refused", "behaviour": note.behaviour, "reply": note.reply}
        words = note.reply or "connection dropped"
        call.output.record(line | {"recipient": note.recipient}, f"refused   {note.recipient or '-'}  {words}")
        return
    subject = str(message_from_bytes(note.data, policy=default).get("Subject", "")) if note.data else ""
    record = line | {"event": "received", "recipients": list(note.recipients), "subject": subject, "tls": note.tls}
    recipients = " ".join(note.recipients)
    call.output.record(
        record | {"size_bytes": len(note.data), "reply": note.reply, "answers": note.is_answered},
        f"received  {recipients}  {len(note.data)} octets  {note.tls or 'plaintext'}  {subject}",
    )
