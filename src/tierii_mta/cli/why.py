"""`why`: what became of a person's mail, with every attempt and the words of the other side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from tierii_mta.cli.installation import opened
from tierii_mta.cli.invocation import Command, Invocation, async_body
from tierii_mta.cli.output import one_line, printable
from tierii_mta.clock import Instant, rfc3339
from tierii_mta.consent.suppression import Suppression
from tierii_mta.daemon.installation import Installation
from tierii_mta.errors import NotFound
from tierii_mta.events import Event, EventType
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.queue.views import History


@click.command(cls=Command, short_help="Show what became of a person's mail.")
@click.argument("subject", metavar="EMAIL|MESSAGE-ID")
@async_body
async def why(call: Invocation, subject: str) -> None:
    """Show what became of a person's mail, or of one message: every attempt with its SMTP reply."""
    async with opened(call) as installation:
        histories, suppressions = await _look_up(installation, subject)
    if not histories and not suppressions:
        raise NotFound("nothing is known of it", where=subject, remedy="purged rows are gone; see retention.deliveries")
    for history in histories:
        call.output.record(history_json(history), "\n".join(history_lines(call, history)))
    if histories and not call.is_json:
        call.output.note(f"note: `tierii-mta queue show {histories[0].id}` also tells what was said in the attempts")
    for entry in suppressions:
        call.output.record({"suppression": suppression_json(entry)}, f"suppressed: {_suppression_line(entry)}")
    call.output.summary(
        {
            "subject": subject,
            "deliveries": len(histories),
            "suppressions": [suppression_json(entry) for entry in suppressions],
        }
    )


def suppression_json(entry: Suppression) -> dict[str, Any]:
    """Return an entry of the suppression list as commands show it."""
    return {
        "address": entry.address,
        "key": entry.key.hex(),
        "scope": entry.scope,
        "reason": str(entry.reason),
        "evidence": entry.evidence,
        "created_at": rfc3339(entry.created_at),
        "expires_at": _time(entry.expires_at),
    }


async def _look_up(installation: Installation, subject: str) -> tuple[Sequence[History], Sequence[Suppression]]:
    """Take the subject for an address first; where nobody knows it, for a Message-ID, brackets or not."""
    try:
        key = installation.codec.person_key(Address.parse(subject))
    except InvalidAddress:
        key = None
    if key is not None:
        histories = await installation.queue.history(key=key)
        suppressions = await installation.suppression.find([key])
        if histories or suppressions:
            return histories, suppressions
    bare = subject.strip().removeprefix("<").removesuffix(">")
    return await installation.queue.history(message_id=f"<{bare}>"), []


def history_json(history: History) -> dict[str, Any]:
    """Return what is known of a delivery as commands show it."""
    return {
        "delivery_id": str(history.id),
        "campaign_id": history.campaign,
        "step": history.step,
        "recipient": history.recipient,
        "state": str(history.state),
        "reason": str(history.reason) if history.reason else None,
        "priority": history.priority.name.lower(),
        "attempts": history.attempts,
        "accepted_at": rfc3339(history.accepted_at),
        "due": _time(history.due),
        "expires_at": rfc3339(history.expires_at),
        "in_doubt": history.is_in_doubt,
        "message_id": history.message_id,
        "events": [event.as_json() for event in history.events],
    }


def history_lines(call: Invocation, history: History) -> Iterable[str]:
    """Yield what is known of a delivery as people read it."""
    state = call.output.paint(history.state) + (f" ({history.reason})" if history.reason else "")
    doubt = ", in doubt" if history.is_in_doubt else ""
    yield f"{history.recipient}  {history.campaign or 'submitted'}  {state}{doubt}"
    priority = history.priority.name.lower()
    yield f"  accepted   {rfc3339(history.accepted_at)}  as delivery {history.id}, {priority} priority"
    if history.message_id:
        yield f"  message    {history.message_id}"
    for event in history.events:
        yield "  " + _event_line(event)
    if history.due is not None and history.state in ("pending", "retry"):
        yield f"  next       {rfc3339(history.due)}, given up at {rfc3339(history.expires_at)}"


def _event_line(event: Event) -> str:
    subject, _, name = str(event.type).partition(".")
    name = name if subject == "email" else "suppressed" if event.type is EventType.SUPPRESSION_CREATED else event.type
    data = event.data
    name = "late bounce" if data.get("is_late") else name
    attempt = f"attempt {data['attempt']}  " if "attempt" in data else ""
    facts = _smtp_facts(data) if "reply" in data or "code" in data else _other_facts(data)
    return f"{name:<10} {rfc3339(event.at)}  {attempt}{facts}".rstrip()


def _smtp_facts(data: Mapping[str, Any]) -> str:
    where = str(data.get("mx") or "no host")
    if data.get("address"):
        where += f" [{data['address']}]"
    reply = printable(" ".join(str(data[name]) for name in ("code", "enhanced", "reply") if data.get(name)))
    stage = f" at {data['stage']}" if data.get("stage") else ""
    extras = [str(data[name]) for name in ("class", "tls", "source") if data.get(name)]
    return f"{where}{stage}: {reply}" + (f"  ({', '.join(extras)})" if extras else "")


def _other_facts(data: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={one_line(str(value))}" for name, value in data.items() if value not in (None, ""))


def _suppression_line(entry: Suppression) -> str:
    until = f" until {rfc3339(entry.expires_at)}" if entry.expires_at else ""
    evidence = f": {entry.evidence}" if entry.evidence else ""
    return f"{entry.scope} since {rfc3339(entry.created_at)}{until}, {entry.reason}{evidence}"


def _time(instant: Instant | None) -> str | None:
    return rfc3339(instant) if instant is not None else None
