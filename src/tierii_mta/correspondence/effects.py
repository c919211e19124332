"""What follows from a received message: from its reading and its match to events, marks, suppressions and a thread.

Owns the rule who may change what.  Nothing moves a delivery, a figure or the suppression list but on a signature of
ours; what was only guessed is shown, and no more.  Not how a message was read (read) or matched (thread), nor how it is
written (storage).  Pure.

| kind | believed if | then |
|---|---|---|
| bounce | it came to our return path | late bounce: event, mark; suppressed if hard and the person's own; report owed |
| bounce | it encloses a Message-ID or address we signed | event and mark; nobody is suppressed |
| complaint | it encloses what we signed | suppressed everywhere, event, mark |
| unsubscribe | it came to an address signed for it, or its author is proven | off the list, event, mark |
| auto-reply | it is about mail of ours | event |
| reply | it is about mail of ours | conversation, event; the mark and `stop_on` unless it is a guess |

A bounce, complaint or word that is not believed changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tierii_mta.clock import Instant
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason, scope_of
from tierii_mta.correspondence.reading import Blame, Bounce, BouncedRecipient, Kind, Reading
from tierii_mta.correspondence.sent import Sent
from tierii_mta.correspondence.thread import Match, Route, Trust
from tierii_mta.events import Event, EventType
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import Purpose
from tierii_mta.queue.delivery import DeliveryId, Json, State
from tierii_mta.queue.processed import Halt, Said
from tierii_mta.queue.received import InboxId

ACCUSING = frozenset({"abuse", "fraud", "opt-out"})
"""Feedback types that say: no more of this. not-spam says the contrary, auth-failure is about us alone."""
_SURE = frozenset({Trust.PROVEN, Trust.STRONG})
_WRITTEN = frozenset({Kind.REPLY, Kind.OTHER})
_MAX_TOLD = 4_000  # characters of a reply that its event carries


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What is known of a received message before it is read."""

    id: InboxId
    at: Instant
    purposes: frozenset[Purpose] = frozenset()  # of addresses we signed, among its recipients
    is_authenticated: bool = False  # From passed DMARC


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that the effects rest on."""

    arrival: Arrival
    reading: Reading
    match: Match | None = None
    sent: Sent | None = None  # the delivery of the match; None: it answers none, or one that was purged
    author_key: PersonKey | None = None  # of the address in From
    left: Suppression | None = None  # what the address says that it came to, where the delivery was purged
    words: str = ""  # what is new in it
    now: Instant
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What is written."""

    kind: Kind  # as it turned out in the light of the match
    events: Sequence[Event] = ()
    suppressions: Sequence[Suppression] = ()
    halt: Halt | None = None
    said: Said | None = None
    failed: DeliveryId | None = None
    notes: Sequence[str] = field(default=())  # for the operator: what was done, or why nothing was


def effects(case: Case) -> Effects:
    """Return what follows."""
    kind = _kind(case)
    match kind:
        case Kind.BOUNCE:
            return _bounced(case)
        case Kind.COMPLAINT:
            return _complained(case)
        case Kind.UNSUBSCRIBE:
            return _unsubscribed(case)
        case Kind.AUTO_REPLY:
            return _auto_replied(case)
        case Kind.REPLY:
            return _replied(case)
        case _:
            return Effects(kind=kind)


def _kind(case: Case) -> Kind:
    """Return the kind in the light of where it came and what it matches.

    Whatever a person or program writes to a signed unsubscribe address means that; what a machine answers to all it
    gets does not.  A word that is not believed is an answer like any other, so that a human sees it.
    """
    kind, purposes = case.reading.kind, case.arrival.purposes
    if Purpose.UNSUBSCRIBE in purposes and kind in {*_WRITTEN, Kind.UNSUBSCRIBE, Kind.MACHINE}:
        return Kind.UNSUBSCRIBE
    if kind is Kind.UNSUBSCRIBE and not _is_proven_author(case):
        return Kind.REPLY if case.match is not None else Kind.OTHER
    if kind is Kind.OTHER and case.match is not None:
        return Kind.REPLY
    return kind


def _is_proven_author(case: Case) -> bool:
    """Whether the one who wrote is the one we wrote to, and proves it."""
    sent, match = case.sent, case.match
    return (
        sent is not None
        and match is not None
        and match.trust is Trust.PROVEN
        and case.author_key == sent.delivery.recipient_key
    )


# -- bounces


def _bounced(case: Case) -> Effects:
    told, sent, match = case.reading.bounce, case.sent, case.match
    if told is None or match is None or match.trust not in _SURE:
        return Effects(kind=Kind.BOUNCE, notes=["backscatter: nothing in it is signed by us"])
    if sent is None:
        return Effects(kind=Kind.BOUNCE, notes=["the delivery it is about is kept no more"])
    failed = _about(sent, told)
    if failed is None:
        return Effects(kind=Kind.BOUNCE, notes=["it names no recipient that failed"])
    if sent.state is State.FAILED:
        return Effects(kind=Kind.BOUNCE, notes=["known already: the delivery failed"])
    is_certain = match.route is Route.TOKEN
    is_gone = failed.is_hard and failed.blame is Blame.PERSON
    is_new = "late_bounce" not in sent.marks
    gone = _suppression(case, sent, SuppressionReason.HARD_BOUNCE, EVERYWHERE, evidence=_said_by(failed))
    suppressed = is_certain and is_gone
    notes = ["late bounce" if is_new else "the bounce is known already"]
    if is_gone and not is_certain:
        notes.append("nobody is suppressed: it did not come to the return path")
    return Effects(
        kind=Kind.BOUNCE,
        events=[_event(case, EventType.BOUNCED, sent, _bounce_data(case, told, failed))] if is_new else (),
        suppressions=[gone] if suppressed else (),
        halt=_halt(sent, "hard_bounce") if suppressed else None,
        failed=sent.delivery.id if is_new and is_certain and sent.delivery.campaign is None else None,
        notes=[*notes, "suppressed"] if suppressed else notes,
    )


def _about(sent: Sent, told: Bounce) -> BouncedRecipient | None:
    """Return what a report says of our recipient: by name, else the first failure, as each recipient got a mail of
    its own and a forwarder may have given it another address.
    """
    failed = [one for one in told.recipients if one.action == "failed"]
    ours = sent.delivery.recipient.lower()
    named = (one for one in failed if one.recipient is not None and one.recipient.lower() == ours)
    return next(named, failed[0] if failed else None)


def _said_by(failed: BouncedRecipient) -> str:
    return f"late bounce: {failed.reply}" if failed.reply is not None else "late bounce"


def _bounce_data(case: Case, told: Bounce, failed: BouncedRecipient) -> dict[str, Any]:
    reply = failed.reply
    return {
        "is_late": True,
        "class": str(failed.reply_class),
        "is_hard": failed.is_hard,
        "blame": str(failed.blame),
        "mx": failed.remote_mta,
        "code": reply.code if reply is not None else None,
        "enhanced": str(reply.enhanced) if reply is not None and reply.enhanced is not None else None,
        "reply": reply.text if reply is not None else None,
        "reporting_mta": told.reporting_mta,
        **_where(case),
    }


# -- complaints and unsubscribing


def _complained(case: Case) -> Effects:
    told, sent, match = case.reading.complaint, case.sent, case.match
    if told is None or told.feedback_type not in ACCUSING:
        return Effects(kind=Kind.COMPLAINT, notes=["no accusation"])
    if match is None or match.trust not in _SURE:
        return Effects(kind=Kind.COMPLAINT, notes=["nothing in it is signed by us"])
    if sent is None:
        return Effects(kind=Kind.COMPLAINT, notes=["the delivery it is about is kept no more"])
    by = told.user_agent or case.reading.sender or "unknown"
    evidence = f"{told.feedback_type} report of {by}"
    is_new = "complained" not in sent.marks
    data = {"feedback_type": told.feedback_type, "user_agent": told.user_agent, **_where(case)}
    return Effects(
        kind=Kind.COMPLAINT,
        events=[_event(case, EventType.COMPLAINED, sent, data)] if is_new else (),
        suppressions=[_suppression(case, sent, SuppressionReason.COMPLAINT, EVERYWHERE, evidence=evidence)],
        halt=_halt(sent, "complaint"),
        notes=["complaint", "suppressed"] if is_new else ["the complaint is known already"],
    )


def _unsubscribed(case: Case) -> Effects:
    sent = case.sent
    if sent is None:
        return _left_long_ago(case)
    is_signed = Purpose.UNSUBSCRIBE in case.arrival.purposes
    scope = scope_of(sent.list_id)
    method = "mailto" if is_signed else "word"
    is_new = "unsubscribed" not in sent.marks
    event = _event(case, EventType.UNSUBSCRIBED, sent, {"scope": scope, "method": method, **_where(case)})
    return Effects(
        kind=Kind.UNSUBSCRIBE,
        events=[event] if is_new else (),
        suppressions=[_suppression(case, sent, SuppressionReason.UNSUBSCRIBE, scope, evidence=method)],
        halt=_halt(sent, "unsubscribe"),
        notes=[f"unsubscribed from {scope}"] if is_new else ["unsubscribed already"],
    )


def _left_long_ago(case: Case) -> Effects:
    """What an address that was signed for it says is enough, as a link is: it outlives the delivery."""
    if case.left is None:
        return Effects(kind=Kind.UNSUBSCRIBE, notes=["the delivery it is about is kept no more"])
    data = {"scope": case.left.scope, "method": case.left.evidence, **_where(case)}
    event = replace(_event(case, EventType.UNSUBSCRIBED, None, data), recipient=None)  # whoever wrote: it is not told
    notes = [f"unsubscribed from {case.left.scope}"]
    return Effects(kind=Kind.UNSUBSCRIBE, events=[event], suppressions=[case.left], notes=notes)


# -- answers


def _auto_replied(case: Case) -> Effects:
    match, reading = case.match, case.reading
    if match is None or match.trust not in _SURE:
        return Effects(kind=Kind.AUTO_REPLY, notes=["about nothing that we sent for sure"])
    absence = reading.absence
    data: dict[str, Any] = {"from": reading.sender, "subject": reading.subject, **_where(case)}
    if absence is not None:
        data |= {"returns_on": absence.returns_on, "substitutes": list(absence.substitutes) or None}
    data["is_absence"] = absence is not None
    event = _event(case, EventType.AUTO_REPLIED, case.sent, data)
    return Effects(kind=Kind.AUTO_REPLY, events=[event], notes=["auto-reply"])


def _replied(case: Case) -> Effects:
    match, sent = case.match, case.sent
    said = _said(case)
    if match is None or said is None:
        return Effects(kind=Kind.REPLY, notes=["it answers nothing that we know of"])
    is_sure = match.trust in _SURE
    told = case.words[:_MAX_TOLD]
    data = {
        "from": case.reading.sender,
        "subject": case.reading.subject,
        "words": told,
        "is_truncated": True if len(told) < len(case.words) else None,
        "is_participant": match.is_participant,
        **_where(case),
    }
    return Effects(
        kind=Kind.REPLY,
        events=[_event(case, EventType.REPLIED, sent if is_sure else None, data)],
        halt=_halt(sent, "reply") if is_sure and sent is not None else None,
        said=said,
        notes=["reply"] if is_sure else ["reply, by a guess: figures and queue stay as they are"],
    )


def _said(case: Case) -> Said | None:
    match, sent, reading = case.match, case.sent, case.reading
    if match is None or reading.sender is None or case.author_key is None:
        return None
    delivery = sent.delivery if sent is not None else None
    return Said(
        conversation=match.conversation,
        delivery=delivery.id if delivery is not None else None,
        person=delivery.recipient_key if delivery is not None else case.author_key,
        address=delivery.recipient if delivery is not None else reading.sender,
        campaign=delivery.campaign if delivery is not None else None,
        subject=reading.references.base_subject or reading.subject,
        answered_id=match.message_id or (sent.message_id if sent is not None else None),
        answered_at=delivery.accepted_at if delivery is not None else case.arrival.at,
        answered_from=(sent.author or sent.answers_go_to) if sent is not None else "",
        message_id=reading.message_id,
        sender=reading.sender,
        words=case.words,
    )


# -- what they share


def _where(case: Case) -> dict[str, Any]:
    match = case.match
    found = {"trust": str(match.trust), "route": str(match.route)} if match is not None else {}
    return {"inbox": str(case.arrival.id), **found}


def _event(case: Case, kind: EventType, sent: Sent | None, data: Mapping[str, Any]) -> Event:
    delivery = sent.delivery if sent is not None else None
    kept: dict[str, Json] = {name: value for name, value in data.items() if value is not None}
    return Event(
        id=case.new_id(),
        type=kind,
        at=case.now,
        campaign_id=delivery.campaign if delivery is not None else None,
        delivery_id=delivery.id if delivery is not None else None,
        message_id=sent.message_id if sent is not None else None,
        recipient=delivery.recipient if delivery is not None else case.reading.sender,
        data=kept,
    )


def _suppression(case: Case, sent: Sent, reason: SuppressionReason, scope: str, *, evidence: str) -> Suppression:
    return Suppression(
        key=sent.delivery.recipient_key,
        scope=scope,
        reason=reason,
        address=sent.delivery.recipient,
        evidence=evidence,
        created_at=case.now,
    )


def _halt(sent: Sent, reason: str) -> Halt | None:
    delivery = sent.delivery
    if delivery.campaign is None or reason not in sent.stop_on:
        return None
    return Halt(campaign=delivery.campaign, person=delivery.recipient_key, reason=reason)
