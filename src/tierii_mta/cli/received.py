"""How one received message is told: what arrived, what was found, what it turned out to be, and what followed.

Owns the words and the JSON; nothing of what strangers wrote reaches a terminal as orders.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tierii_mta.cli.output import printable
from tierii_mta.clock import rfc3339
from tierii_mta.correspondence.mailboxes.jobs import JobState, JobView
from tierii_mta.correspondence.sent import Conversation, Sent, Utterance
from tierii_mta.inbound.inbox import InboxMessage
from tierii_mta.queue.processed import Processed
from tierii_mta.queue.received import InboxRecipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that is known of one received message."""

    message: InboxMessage
    sent: Sent | None = None  # the delivery that it is about
    conversation: Conversation | None = None
    jobs: Sequence[JobView] = ()
    header: str = ""


# -- as JSON


def message_json(message: InboxMessage) -> dict[str, Any]:
    """Return a message of the inbox as commands show it."""
    entry, done = message.entry, message.processed
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
        "processed_at": rfc3339(done.at) if done is not None else None,
        "kind": done.kind if done is not None else None,
        "from": done.sender if done is not None else None,
        "subject": done.subject if done is not None else None,
        "delivery_id": str(done.delivery) if done is not None and done.delivery is not None else None,
        "trust": done.trust if done is not None else None,
    }


def told_json(told: Told) -> dict[str, Any]:
    """Return everything of one message."""
    done, sent = told.message.processed, told.sent
    return {
        **message_json(told.message),
        "campaign_id": sent.delivery.campaign if sent is not None else None,
        "reading": dict(done.reading) if done is not None else None,
        "effects": dict(done.effects) if done is not None else None,
        "conversation": _conversation_json(told.conversation) if told.conversation is not None else None,
        "mailboxes": [_job_json(job) for job in told.jobs],
        "header": told.header,
    }


def _recipient_json(one: InboxRecipient) -> dict[str, str | None]:
    return {"address": one.address, "mailbox": one.mailbox, "token": str(one.token) if one.token is not None else None}


def _conversation_json(talk: Conversation) -> dict[str, Any]:
    return {
        "id": str(talk.id),
        "address": talk.address,
        "campaign_id": talk.campaign,
        "subject": talk.subject,
        "opened_at": rfc3339(talk.opened_at),
        "last_at": rfc3339(talk.last_at),
        "messages": [
            {
                "is_ours": one.is_ours,
                "inbox": str(one.inbox) if one.inbox is not None else None,
                "delivery_id": str(one.delivery) if one.delivery is not None else None,
                "message_id": one.message_id,
                "from": one.sender,
                "at": rfc3339(one.at),
                "words": one.words,
            }
            for one in talk.messages
        ],
    }


def _job_json(job: JobView) -> dict[str, Any]:
    is_waiting = job.state is JobState.WAITING
    return {
        "mailbox": job.mailbox,
        "recipient": job.recipient,
        "state": str(job.state),
        "attempts": job.attempts,
        "due": rfc3339(job.due) if is_waiting else None,
        "finished_at": rfc3339(job.finished_at) if job.finished_at is not None else None,
        "error": job.last_error,
    }


# -- as lines


def told_lines(told: Told) -> Iterator[str]:
    """Yield everything of one message as people read it, its header apart."""
    message, done = told.message, told.message.processed
    lines = [*_arrival(message), *_verdict(message.entry.verdict)]
    if done is not None:
        lines += [*_reading(done), *_about(done, told.sent)]
    lines += [_job(job) for job in told.jobs]
    if told.conversation is not None:
        lines += _talk(told.conversation, message)
    yield from (printable(line) for line in lines)


def _arrival(message: InboxMessage) -> Iterator[str]:
    entry = message.entry
    yield f"message   {message.id}, {entry.state}, {entry.size_bytes} octets, received {rfc3339(entry.received_at)}"
    yield f"client    {entry.client_name} [{entry.remote}], {entry.tls or 'no TLS'}"
    yield f"from      <{entry.reverse_path}>"
    for one in entry.recipients:
        why = f"mailbox {one.mailbox}" if one.mailbox is not None else f"signed address: {one.token}"
        yield f"to        <{one.address}>  ({why})"


def _verdict(verdict: Mapping[str, Any]) -> Iterator[str]:
    if "total" in verdict:
        limits = ", ".join(f"{name} from {value:g}" for name, value in verdict.get("thresholds", {}).items())
        yield f"verdict   {verdict.get('decision')}, score {verdict['total']:g}" + (f" ({limits})" if limits else "")
    findings = verdict.get("findings")
    for one in findings if isinstance(findings, list) else ():
        if isinstance(one, dict):
            weight = (
                f"  ({one['decides']})" if "decides" in one else f"  ({one['score']:+g})" if one.get("score") else ""
            )
            yield f"finding   {one.get('check')}: {one.get('detail')}{weight}"


def _reading(done: Processed) -> Iterator[str]:
    reading = done.reading
    name = reading.get("sender_name")
    author = f"{name} <{done.sender}>" if name and done.sender else done.sender or "nobody named"
    yield f"kind      {done.kind}, of {author}: {done.subject or '(no subject)'}"
    for one in _dicts(reading.get("evidence")):
        detail = f": {one['detail']}" if one.get("detail") else ""
        yield f"evidence  {one.get('rule')}, {one.get('where')}{detail}"
    bounce, complaint = reading.get("bounce"), reading.get("complaint")
    for one in _dicts(bounce.get("recipients")) if isinstance(bounce, dict) else ():
        facts = (one.get("reply_class"), "hard" if one.get("is_hard") else "soft", one.get("blame"))
        yield f"report    {one.get('recipient')} {one.get('action')}  ({', '.join(map(str, facts))})"
    if isinstance(complaint, dict):
        yield f"report    {complaint.get('feedback_type')}, by {complaint.get('user_agent') or 'an unknown program'}"
    faults = reading.get("faults")
    for fault in faults if isinstance(faults, list) else ():
        yield f"fault     {fault}"


def _about(done: Processed, sent: Sent | None) -> Iterator[str]:
    if done.trust is not None:
        subject = f"delivery {done.delivery}" if done.delivery is not None else "an earlier message"
        if sent is not None:
            subject += f" to {sent.delivery.recipient} ({sent.delivery.campaign or 'submitted'})"
        yield f"about     {subject}, {done.trust} by {done.effects.get('route')}"
    notes = done.effects.get("notes")
    if isinstance(notes, list) and notes:
        yield f"followed  {'; '.join(str(note) for note in notes)}"


def _job(job: JobView) -> str:
    match job.state:
        case JobState.WAITING:
            why = f" after {job.attempts} attempts: {job.last_error}" if job.last_error else ""
            return f"mailbox   {job.mailbox} waits until {rfc3339(job.due)}{why}"
        case JobState.DONE:
            at = f" since {rfc3339(job.finished_at)}" if job.finished_at is not None else ""
            return f"mailbox   {job.mailbox} has it{at}"
        case JobState.FAILED:
            return f"mailbox   {job.mailbox} does not get it: {job.last_error}"


def _talk(talk: Conversation, message: InboxMessage) -> Iterator[str]:
    yield f"thread    {talk.id} with {talk.address}: {talk.subject}"
    for one in talk.messages:
        here = "*" if one.inbox == message.id else " "
        yield f"  {here} {rfc3339(one.at)}  {_speaker(one)}"
        yield from (f"      | {line}" for line in (one.words or "").splitlines())


def _speaker(one: Utterance) -> str:
    if one.is_ours:
        return f"{one.sender or 'we'}, delivery {one.delivery}"
    return f"{one.sender}, message {one.inbox}" if one.inbox is not None else one.sender


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()
