r"""Delivery status notifications: what a sender is told of mail that failed, is late or was passed on.

Owns the whole message: a text for people, fields for programs, and what comes back of the original; also the original
recipient as ORCPT writes it.  Not who is owed one (queue.settlement, storage.reports) nor when it is made
(queue.reporter).  Whatever a remote server or a sender wrote is bounded, and cannot become a field or a part of its
own.  RFC 3461 §4.2, §5.2 and §6, RFC 3464, RFC 6522 (multipart/report), RFC 6533 (UTF-8).  Pure.
"""

import hashlib
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.compose import encode_text
from tierii_mta.mail.header import FOLD_COLUMNS, address_field, date_field, raw_field, text_field
from tierii_mta.mail.reply import EnhancedCode

MAX_RETURNED_OCTETS = 50_000  # of a message; of a larger one the header alone comes back, cut at as many
_MAX_DIAGNOSTIC = 2_000  # characters of a reply
_MAX_WORD = 800  # octets
_TEXT_COLUMNS = 76
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]|[\u2028\u2029\ud800-\udfff]")
_XTEXT_ESCAPE = re.compile(r"\+([0-9A-F]{2})")
_POINT = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_BARE_XTEXT = re.compile(r"[^!-*,-<>-~]")
_BARE_POINT = re.compile(r"[^!-*,-<>-\[\]-~]")


class Action(StrEnum):
    """What became of a recipient (RFC 3464 §2.3.3)."""

    FAILED = "failed"  # given up
    DELAYED = "delayed"  # not yet, and tried again
    RELAYED = "relayed"  # taken by a server that tells nothing further
    DELIVERED = "delivered"  # in its mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One recipient of the original, and what is told of it."""

    recipient: str  # forward-path
    original: str | None  # ORCPT as it came
    status: EnhancedCode
    reply: str | None  # what decided, with its codes; None: nobody said anything
    is_local: bool = False  # the reply is ours
    remote: str | None = None  # the MX host
    attempted_at: Instant | None = None  # the last attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The message it is about."""

    message_id: str
    arrived_at: Instant
    envid: str | None  # as it came, in xtext
    is_smtputf8: bool
    content: bytes  # its beginning, at least `MAX_RETURNED_OCTETS` of it; nothing where it is kept no more
    size_bytes: int  # of all of it
    is_wanted_full: bool  # RET=FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification: one original, one action, one or more recipients."""

    action: Action
    message_id: str  # its own; unguessable, for its boundary comes from it
    domain: str  # it is from MAILER-DAEMON there
    hostname: str  # the reporting MTA
    to: Address  # the reverse-path of the original
    at: Instant
    told: Sequence[Told]
    original: Original
    retry_until: Instant | None = None  # of delayed ones


def status_of(action: Action, reply: str | None, *, has_expired: bool = False) -> EnhancedCode:
    """Return the status of a recipient: the peer's own code, in a class that says what `action` says (RFC 3464 §2.3.4).

    `reply` begins with its code and its enhanced code, if it has them.
    """
    if has_expired:
        return EnhancedCode(4, 4, 7)
    code, _, text = (reply or "").partition(" ")
    given = EnhancedCode.parse(text) or EnhancedCode(int(code[0]) if code[:1] in ("2", "4", "5") else 5, 0, 0)
    classes = {Action.FAILED: (5, 4), Action.DELAYED: (4,)}.get(action, (2,))
    return given if given.klass in classes else EnhancedCode(classes[0], given.subject, given.detail)


def original_recipient(address: Address) -> str:
    """Return an address as ORCPT carries it, e.g. `rfc822;ann+2Btag@example.com` (RFC 3461 §4.2, RFC 6533 §3)."""
    text = str(address)
    if text.isascii():
        return "rfc822;" + _BARE_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)
    return ascii_original(f"utf-8;{text}")


def ascii_original(orcpt: str) -> str:
    """Return an ORCPT value in ASCII, as hosts and readers without SMTPUTF8 need it."""
    kind, _, text = orcpt.partition(";")
    return orcpt if orcpt.isascii() else f"{kind};" + _BARE_POINT.sub(_escaped_point, text)


def _escaped_point(found: re.Match[str]) -> str:
    return f"\\x{{{ord(found[0]):02X}}}"


def build(notification: Notification) -> bytes:
    """Return the octets of a notification: CR LF line ends, unsigned."""
    original = notification.original
    is_global = original.is_smtputf8 or notification.to.needs_smtputf8
    parts = [_text_part(notification), _status_part(notification, is_global=is_global)]
    if original.content:
        parts.append(_returned_part(original, is_global=is_global))
    boundary = f"=_{hashlib.sha256(notification.message_id.encode()).hexdigest()[:32]}"
    fields = [
        address_field("From", [("Mail Delivery System", Address("MAILER-DAEMON", notification.domain))]),
        address_field("To", [(None, notification.to)]),
        date_field(notification.at),
        raw_field("Message-ID", notification.message_id),
        *_references(original.message_id),
        text_field("Subject", _SUBJECTS[notification.action]),
        b"Auto-Submitted: auto-replied\r\n",
        b"MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"\r\n\r\n'.encode(),
    ]
    mark = f"--{boundary}".encode()
    return b"".join([*fields, *(piece for part in parts for piece in (mark, b"\r\n", part, b"\r\n")), mark, b"--\r\n"])


def _references(message_id: str) -> list[bytes]:
    if not _MESSAGE_ID.fullmatch(message_id):
        return []
    return [raw_field(name, message_id) for name in ("In-Reply-To", "References")]


# -- for people ------------------------------------------------------------------------------------------------

_SUBJECTS = {
    Action.FAILED: "Your message was not delivered",
    Action.DELAYED: "Your message is delayed",
    Action.RELAYED: "Your message was passed on",
    Action.DELIVERED: "Your message was delivered",
}


def _text_part(notification: Notification) -> bytes:
    arrived = _date(notification.original.arrived_at)
    until = _date(notification.retry_until) if notification.retry_until is not None else "its time is over"
    news = {
        Action.FAILED: "could not be delivered to the recipients below. It will not be tried again.",
        Action.DELAYED: f"has not yet been delivered to the recipients below. It is tried again until {until}; "
        "if it still cannot be delivered then, you will be told. There is no need to send it again.",
        Action.RELAYED: "was passed on to the mail servers of the recipients below. These servers do not report "
        "delivery, so nothing more will be said about it unless it comes back.",
        Action.DELIVERED: "was delivered to the recipients below.",
    }[notification.action]
    paragraphs = [
        f"This is the mail system at {notification.hostname}.",
        f"Your message of {arrived} {news}",
        *(_of_recipient(one) for one in notification.told),
    ]
    if notification.original.content:
        what = "The message" if _is_whole(notification.original) else "The header of the message"
        paragraphs.append(f"{what} is attached.")
    header, body = encode_text("\n\n".join(_wrapped(one) for one in paragraphs))
    return b'Content-Type: text/plain; charset="utf-8"\r\n' + header + body


def _of_recipient(told: Told) -> str:
    address = _clean(told.recipient)
    if told.reply is None:
        return f"<{address}>"
    who = f"{_clean(told.remote)} said" if told.remote and not told.is_local else "The reason"
    return f"<{address}>\n    {who}: {_diagnostic(told.reply)}"


def _wrapped(paragraph: str) -> str:
    first, *rest = paragraph.split("\n")
    lines = textwrap.wrap(first, _TEXT_COLUMNS, break_on_hyphens=False, break_long_words=not rest) or [""]
    for line in rest:
        lines += textwrap.wrap(line, _TEXT_COLUMNS, subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(lines)


def _date(instant: Instant) -> str:
    return date_field(instant).decode().partition(": ")[2].strip()


# -- for programs ----------------------------------------------------------------------------------------------


def _status_part(notification: Notification, *, is_global: bool) -> bytes:
    if is_global:
        header = b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    else:
        header = b"Content-Type: message/delivery-status\r\n\r\n"
    original = notification.original
    fields = [_field("Reporting-MTA", f"dns; {notification.hostname}", is_global=is_global)]
    if original.envid is not None:
        fields.append(_field("Original-Envelope-Id", _unescaped(original.envid), is_global=is_global))
    fields.append(date_field(original.arrived_at, name="Arrival-Date"))
    blocks = [b"".join(fields), *(_block(one, notification, is_global=is_global) for one in notification.told)]
    return header + b"\r\n".join(blocks)


def _block(told: Told, notification: Notification, *, is_global: bool) -> bytes:
    """Return the fields of one recipient."""
    values: list[tuple[str, str]] = []
    if told.original is not None:
        values.append(("Original-Recipient", _shown_original(told.original, is_global=is_global)))
    kind = "rfc822" if told.recipient.isascii() else "utf-8"
    final = told.recipient if is_global else ascii_original(f"{kind};{told.recipient}").partition(";")[2]
    values += [
        ("Final-Recipient", f"{kind}; {final}"),
        ("Action", str(notification.action)),
        ("Status", str(told.status)),
    ]
    if told.remote:
        values.append(("Remote-MTA", f"dns; {told.remote}"))
    if told.reply:
        kind = "x-tierii" if told.is_local else "smtp"
        values.append(("Diagnostic-Code", f"{kind}; {_diagnostic(told.reply)}"))
    fields = [_field(name, value, is_global=is_global) for name, value in values]
    if told.attempted_at is not None:
        fields.append(date_field(told.attempted_at, name="Last-Attempt-Date"))
    if notification.retry_until is not None:
        fields.append(date_field(notification.retry_until, name="Will-Retry-Until"))
    return b"".join(fields)


def _field(name: str, value: str, *, is_global: bool) -> bytes:
    """Return one field, whatever the value is: in ASCII unless global, folded at spaces, long words cut."""
    text = _clean(value)
    if not is_global:
        text = text.encode("ascii", "backslashreplace").decode("ascii")
    longest = _MAX_WORD if text.isascii() else _MAX_WORD // 4
    lines, line = [], f"{name}:"
    for word in text.split(" "):
        for start in range(0, max(len(word), 1), longest):
            piece = word[start : start + longest]
            if line != f"{name}:" and len(line) + 1 + len(piece) > FOLD_COLUMNS and piece:
                lines.append(line)
                line = ""
            line += f" {piece}"
    return "\r\n".join([*lines, line]).encode() + b"\r\n"


def _clean(text: str) -> str:
    """Return text on one line: no control character, no lone surrogate."""
    return _UNPRINTABLE.sub(" ", text)


def _diagnostic(reply: str) -> str:
    return " ".join(_clean(reply[:_MAX_DIAGNOSTIC]).split())


def _shown_original(orcpt: str, *, is_global: bool) -> str:
    """Return the original recipient as a reader is to see it: decoded."""
    kind, _, text = orcpt.partition(";")
    if kind.lower() != "utf-8":
        return f"{kind}; {_unescaped(text)}"
    shown = _POINT.sub(_point, text) if is_global else ascii_original(orcpt).partition(";")[2]
    return f"{kind}; {shown}"


def _point(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if 0x20 < number <= 0x10FFFF and chr(number).isprintable() else found[0]


def _unescaped(xtext: str) -> str:
    """Return what xtext stands for, or xtext itself where that is not printable ASCII."""
    text = _XTEXT_ESCAPE.sub(lambda found: chr(int(found[1], 16)), xtext)
    return text if text.isascii() and text.isprintable() else xtext


# -- what comes back -------------------------------------------------------------------------------------------


def _is_whole(original: Original) -> bool:
    return original.is_wanted_full and original.size_bytes <= MAX_RETURNED_OCTETS


def _returned_part(original: Original, *, is_global: bool) -> bytes:
    """Return the original, or its header; with 8-bit octets only where MIME allows them."""
    if _is_whole(original):
        content, kind = original.content, "message/global" if is_global else "message/rfc822"
    else:
        content = _header_of(original.content)
        kind = "message/global-headers" if is_global else "text/rfc822-headers"
        if not is_global and not content.isascii():
            encoding, body = encode_text(content.decode("utf-8", "backslashreplace"))
            return b"Content-Type: text/rfc822-headers; charset=utf-8\r\n" + encoding + body
    encoding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    return f"Content-Type: {kind}\r\n".encode() + encoding + b"\r\n" + content


def _header_of(content: bytes) -> bytes:
    """Return the header in whole lines, its empty line left out."""
    end = content.find(b"\r\n\r\n")
    header = content[: end + 2] if end >= 0 else content
    if len(header) <= MAX_RETURNED_OCTETS:
        return header
    cut = header.rfind(b"\r\n", 0, MAX_RETURNED_OCTETS)
    return header[: cut + 2] if cut >= 0 else b""
