"""`send`: one mail, now."""

from pathlib import Path
from typing import Any

import click

from tierii_mta.campaigns.single import Mail, compose_single, fingerprint
from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.errors import UsageError
from tierii_mta.queue.delivery import Priority
from tierii_mta.queue.intake import Submission
from tierii_mta.smtp.requests import Recipient

_STREAM = "send"
_FILE = click.Path(path_type=Path)


@click.command(cls=Command, short_help="Accept one mail; the daemon sends it.")
@click.option("--from", "sender", required=True, metavar="ADDRESS", help='ann@example.com or "Ann <ann@example.com>".')
@click.option("--to", "recipients", required=True, multiple=True, metavar="ADDRESS", help="Repeatable.")
@click.option("--subject", default="", help="May hold {{ names }}, as the files may.")
@click.option("--html", type=_FILE, metavar="FILE", help="HTML part; the text part is made from it if not given.")
@click.option("--text", type=_FILE, metavar="FILE", help="Text part.")
@click.option("--raw", type=_FILE, metavar="FILE", help="A whole message instead, header and body.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A value for the templates; repeatable.")
@click.option("--priority", type=click.Choice(["high", "normal", "low"]), default="high", show_default=True)
@click.option("--idempotency-key", metavar="KEY", help="The same mail is sent once; another under the same key, never.")
@async_body
async def send(
    call: Invocation,
    *,
    sender: str,
    recipients: tuple[str, ...],
    subject: str,
    html: Path | None,
    text: Path | None,
    raw: Path | None,
    variables: tuple[str, ...],
    priority: str,
    idempotency_key: str | None,
) -> None:
    """Accept one mail; it is kept when the command ends, and sent by the daemon."""
    mail = Mail(
        sender=sender,
        recipients=recipients,
        subject=subject,
        html=html,
        text=text,
        raw=raw,
        variables=dict(map(_variable, variables)) or None,
    )
    async with opened(call) as installation:
        single = compose_single(mail, sender=installation.sender, clock=installation.clock)
        submission = Submission(
            stream=_STREAM,
            reverse_path=single.envelope.reverse_path,
            recipients=[Recipient(forward_path=one) for one in single.envelope.recipients],
            content=single.data,
            message_id=single.message_id,
            priority=Priority[priority.upper()],
            idempotency_key=idempotency_key,
            fingerprint=fingerprint(mail) if idempotency_key is not None else None,
            is_smtputf8=single.envelope.needs_smtputf8,
        )
        accepted = await installation.accept(submission)
    shown: dict[str, Any] = {
        "message_id": accepted.message_id,
        "deliveries": [str(delivery) for delivery in accepted.deliveries],
        "size_bytes": len(single.data),
        "is_repeat": accepted.is_repeat,
    }
    words = "was accepted before" if accepted.is_repeat else f"accepted for {len(accepted.deliveries)} recipient(s)"
    call.output.summary(shown, f"{accepted.message_id}: {words}; tierii-mta why {accepted.message_id!r}")


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"{text!r} is not of the form name=value", where="--var")
    return name, value
