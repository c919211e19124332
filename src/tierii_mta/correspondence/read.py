"""One received message, from octets to a reading.

Owns the order of reading and the bounds of what is kept of the texts; each question has a module of its own.  Never
raises, whatever the octets are: what could not be understood is told in `Reading.faults`.  Pure, so that it can run in
a process of its own and be run again on stored mail.

    1. parse      octets → parts                                                     mail.mime
    2. report     what a delivery report says of each recipient                      bounce
    3. classify   the kind, and what it brings                                       classify
    4. references what the message says it answers                                   (thread matches them)
"""

import re
from collections.abc import Iterable

from tierii_mta.correspondence.addresses import addresses_in, first_address
from tierii_mta.correspondence.bounce import bounce_of
from tierii_mta.correspondence.classify import classify
from tierii_mta.correspondence.header import Header, first, header_of, moment
from tierii_mta.correspondence.own_words import OwnWords
from tierii_mta.correspondence.reading import EnvelopeFacts, Reading, References
from tierii_mta.mail.message_id import message_ids_in
from tierii_mta.mail.mime import parse
from tierii_mta.mail.subject import base_subject

MAX_TEXT = 200_000  # characters of a text that are kept
_MAX_SUBJECT = 1_000
_MAX_IDS = 100  # of a field: the newest, which stand last
_MAX_ADDRESSES = 100
_NAME = re.compile(r'\s*"?([^"<>@]{1,200}?)"?\s*<')
_RECIPIENTS = ("to", "cc", "delivered-to", "x-original-to", "x-forwarded-to", "envelope-to")
_PARTICIPANTS = ("from", "reply-to", "to", "cc")


def read(octets: bytes, facts: EnvelopeFacts) -> Reading:
    """Return all that is read from a message."""
    mail = parse(octets)
    header = header_of(mail.root.fields)
    text, html = mail.body_text()[:MAX_TEXT], mail.body_html()[:MAX_TEXT]
    bounce = bounce_of(mail)
    found = classify(mail, facts, header=header, own=OwnWords(text, html), bounce=bounce)
    subject = (first(header, "subject") or "")[:_MAX_SUBJECT]
    sender = first(header, "from") or ""
    return Reading(
        kind=found.kind,
        evidence=found.evidence,
        sender=first_address(sender),
        sender_name=_name(sender),
        subject=subject,
        message_id=next(iter(_ids(header, "message-id")), None),
        sent_at=moment(first(header, "date") or ""),
        references=_references(header, subject),
        bounce=bounce,
        complaint=found.complaint,
        receipt=found.receipt,
        absence=found.absence,
        text=text,
        html=html,
        intents=found.intents,
        faults=mail.faults,
    )


def _references(header: Header, subject: str) -> References:
    return References(
        in_reply_to=_ids(header, "in-reply-to"),
        references=_ids(header, "references"),
        subject=subject,
        base_subject=base_subject(subject),
        participants=_addresses(header, _PARTICIPANTS),
        recipients=_addresses(header, _RECIPIENTS),
    )


def _ids(header: Header, name: str) -> tuple[str, ...]:
    found = (each for value in header.get(name, ()) for each in message_ids_in(value))
    return tuple(dict.fromkeys(found))[-_MAX_IDS:]


def _addresses(header: Header, names: Iterable[str]) -> tuple[str, ...]:
    found = (address for name in names for value in header.get(name, ()) for address in addresses_in(value))
    return tuple(dict.fromkeys(found))[:_MAX_ADDRESSES]


def _name(sender: str) -> str | None:
    found = _NAME.match(sender)
    return found[1].strip() or None if found else None
