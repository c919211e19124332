"""What a submission server reads from a header, and what it changes in it.

Owns the structure that is required of a submitted message, the fields that are instructions to us, and the edits of
RFC 6409 §8: what is missing is added, what must not travel is taken out, our trace goes on top.  Every other field
stays as it came, octet for octet.  Not whether the author may write (inbound.submission).  RFC 5322 §3.6.  Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Self

from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.header import HeaderField, MalformedHeader, date_field, parse_header_block, raw_field
from tierii_mta.mail.reply import PermanentError, Reply
from tierii_mta.queue.delivery import Priority

MAX_HOPS = 50
PRIORITY, LABEL, TAG, IDEMPOTENCY_KEY = "x-tierii-priority", "x-tierii-campaign", "x-tierii-tag", "idempotency-key"
_INSTRUCTIONS = frozenset({PRIORITY, LABEL, TAG, IDEMPOTENCY_KEY})
_STAYS_HERE = _INSTRUCTIONS | {"bcc", "resent-bcc", "return-path"}
_ONCE = _INSTRUCTIONS | {
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"),
}
_CONTROL = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n")
_WORDS = re.compile(r"[!-~]+(?: [!-~]+)*")
_MAX_LABEL, _MAX_KEY = 64, 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """What the sender asks of us in header fields that go no further."""

    priority: Priority | None = None
    label: str | None = None
    tag: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manuscript:
    """The header of a submitted message, read and found in order."""

    fields: Sequence[HeaderField]
    author: Address
    sender: Address | None  # of the field Sender
    message_id: str | None  # None: to be made
    has_date: bool
    instructions: Instructions

    @classmethod
    def read(cls, head: bytes) -> Self:
        """Read a header block, with or without the empty line; raises `PermanentError` with the reply."""
        if _CONTROL.search(head):
            raise _refusal("a header holds no control character")
        try:
            fields, _ = parse_header_block(head)
        except MalformedHeader as cause:
            raise _refusal("a line of the header is no header field") from cause
        values = _values(fields)
        if sum(field.name.lower() == "received" for field in fields) > MAX_HOPS:
            raise PermanentError(Reply.of(554, "too many hops, this message is looping", "5.4.6"))
        if "from" not in values:
            raise _refusal("the message has no From field")
        return cls(
            fields=fields,
            author=_mailbox("From", values["from"]),
            sender=_mailbox("Sender", values["sender"]) if "sender" in values else None,
            message_id=values.get("message-id") or None,
            has_date=bool(values.get("date")),
            instructions=Instructions(
                priority=_priority(values.get(PRIORITY)),
                label=_words("X-Tierii-Campaign", values.get(LABEL), _MAX_LABEL),
                tag=_words("X-Tierii-Tag", values.get(TAG), _MAX_LABEL),
                idempotency_key=_words("Idempotency-Key", values.get(IDEMPOTENCY_KEY), _MAX_KEY),
            ),
        )

    def edited(self, *, trace: bytes, message_id: str, now: Instant) -> bytes:
        """Return the header block that is kept, with the empty line; `message_id` is added where there is none."""
        lines = [trace, *(field.raw for field in self.fields if self._travels(field))]
        if not lines[-1].endswith(b"\r\n"):
            lines.append(b"\r\n")
        if not self.has_date:
            lines.append(date_field(now))
        if self.message_id is None:
            lines.append(raw_field("Message-ID", message_id))
        return b"".join([*lines, b"\r\n"])

    def _travels(self, field: HeaderField) -> bool:
        """Whether a field is kept; an empty Date or Message-ID gives way to ours."""
        name = field.name.lower()
        if name == "date":
            return self.has_date
        if name == "message-id":
            return self.message_id is not None
        return name not in _STAYS_HERE


def _values(fields: Sequence[HeaderField]) -> Mapping[str, str]:
    """Return the fields that occur once, by name in lower case; raises `PermanentError` where one occurs twice."""
    values: dict[str, str] = {}
    for field in fields:
        name = field.name.lower()
        if name not in _ONCE:
            continue
        if name in values:
            raise _refusal(f"the message has two {field.name} fields")
        values[name] = field.value.decode("utf-8", "replace")
    return values


def _mailbox(name: str, value: str) -> Address:
    found = getaddresses([value])
    try:
        return Address.parse(found[0][1] if len(found) == 1 else "")
    except InvalidAddress as cause:
        raise _refusal(f"{name} is to hold exactly one address") from cause


def _priority(value: str | None) -> Priority | None:
    if value is None:
        return None
    try:
        return Priority[value.upper()]
    except KeyError as cause:
        raise _refusal("X-Tierii-Priority is high, normal or low") from cause


def _words(name: str, value: str | None, most: int) -> str | None:
    if value is None:
        return None
    if len(value) > most or not _WORDS.fullmatch(value):
        raise _refusal(f"{name} is 1 to {most} characters of printable ASCII")
    return value


def _refusal(text: str) -> PermanentError:
    return PermanentError(Reply.of(550, text, "5.6.0"))
