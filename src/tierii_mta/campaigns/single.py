"""One mail of the command `send`: composed from files, ready to be accepted.

Owns how it is put together: templates rendered with `--var`, or a raw message completed with what RFC 5322 §3.6
requires.  The octets are unsigned and CR LF only; the queue's intake keeps them and the attempt signs them.  Reads the
files it is given.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import getaddresses
from pathlib import Path
from typing import Any

from jinja2 import Template

from tierii_mta.campaigns.inquiry import recording_undefined
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.template import Sources, TemplateBroken, Templates, make_context
from tierii_mta.clock import Clock
from tierii_mta.errors import CheckFailed, UsageError
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.compose import Skeleton
from tierii_mta.mail.envelope import Envelope
from tierii_mta.mail.header import (
    MAX_LINE_OCTETS,
    HeaderField,
    HeaderInjection,
    MalformedHeader,
    address_field,
    date_field,
    parse_header_block,
    raw_field,
    text_field,
)
from tierii_mta.mail.message_id import random_message_id
from tierii_mta.mail.plaintext import TextMaker
from tierii_mta.outbound.content import RenderFailed

_SUBJECT = "--subject"
_REQUIRED_ONCE = ("from", "date", "message-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What the command line asks to send: html, text or both, or raw alone."""

    sender: str  # an address, or `Name <address>`
    recipients: Sequence[str]
    subject: str = ""
    html: Path | None = None
    text: Path | None = None
    raw: Path | None = None
    variables: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """A mail to be accepted."""

    envelope: Envelope
    data: bytes
    message_id: str


def fingerprint(mail: Mail) -> str:
    """Return a hash of what is asked for: equal as long as no word of it and of its files changes.

    Not of the composed mail, whose Date and Message-ID are new each time.
    """
    files = [path and hashlib.sha256(path.read_bytes()).hexdigest() for path in (mail.html, mail.text, mail.raw)]
    asked = [mail.sender, list(mail.recipients), mail.subject, *files, sorted((mail.variables or {}).items())]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def compose_single(mail: Mail, *, sender: Sender, clock: Clock) -> Single:
    """Return the mail's octets and envelope.

    Raises `UsageError` (2: addresses, which files), `CheckFailed` (3: a file or template), `Refused` (5: From is not
    ours).
    """
    name, address = parse_mailbox(mail.sender, "--from")
    recipients = [parse_mailbox(each, "--to") for each in mail.recipients]
    if not recipients:
        raise UsageError("nobody to send to", where="--to", remedy="give at least one address")
    sender.domain_of(address, where="--from")
    if mail.raw is not None:
        if mail.html or mail.text or mail.subject or mail.variables:
            raise UsageError("--raw goes without --html, --text, --subject and --var")
        data, identity = _complete(mail.raw, sender, clock)
    elif mail.html or mail.text:
        identity = random_message_id(clock, address.domain)
        data = _composed(
            mail, (name, address), recipients, [date_field(clock.now()), raw_field("Message-ID", identity)]
        )
    else:
        raise UsageError("nothing to send", remedy="give --html, --text or --raw")
    if len(data) > sender.max_message_bytes:
        raise CheckFailed(f"the mail has {len(data)} octets, more than {sender.max_message_bytes}")
    by_person: dict[str, Address] = {}
    for _, each in recipients:
        by_person.setdefault(each.key, each)
    addresses = tuple(by_person.values())
    header = data[: data.find(b"\r\n\r\n")]
    envelope = Envelope(
        reverse_path=address,
        recipients=addresses,
        size_bytes=len(data),
        is_8bit=not data.isascii(),
        needs_smtputf8=not header.isascii() or any(each.needs_smtputf8 for each in (address, *addresses)),
    )
    return Single(envelope=envelope, data=data, message_id=identity)


def parse_mailbox(text: str, where: str) -> tuple[str | None, Address]:
    """Return the display name, if any, and the address of `Name <address>` or `address`; raises `UsageError`."""
    name, bracket, rest = text.strip().rpartition("<")
    bare = rest.removesuffix(">") if bracket else text.strip()
    try:
        return (name.strip().strip('"') or None), Address.parse(bare)
    except InvalidAddress as cause:
        raise UsageError(f"{text!r} {cause}", where=where) from cause


def _composed(
    mail: Mail,
    author: tuple[str | None, Address],
    recipients: Sequence[tuple[str | None, Address]],
    fields: Sequence[bytes],
) -> bytes:
    parts = _render(mail, recipients[0][1])
    html = parts.get("html")
    text = parts["text"] if "text" in parts else TextMaker().to_text(html or "")
    try:
        header = [
            address_field("From", [author]),
            address_field("To", recipients),
            text_field("Subject", " ".join(parts["subject"].split())),
            *fields,
        ]
    except HeaderInjection as cause:
        raise UsageError(f"cannot be written into a header: {cause}") from cause
    return Skeleton(has_html=html is not None, has_text=True).assemble(header, text, html)


def _render(mail: Mail, recipient: Address) -> dict[str, str]:
    """Return subject and parts; raises `CheckFailed` with every name that no --var gives."""
    texts = {_SUBJECT: mail.subject} | {str(path): _read(path) for path in (mail.html, mail.text) if path}
    sources = Sources(texts, {name: name for name in texts})
    variables = dict(mail.variables or {})
    context = make_context({"email": str(recipient), **variables}, variables={}, dates=frozenset(), constants={})
    missing: set[str] = set()
    _render_all(mail, Templates(sources, undefined=recording_undefined(missing)), context, missing)
    if missing:
        names = ", ".join(sorted(missing))
        raise CheckFailed(f"no value for {names}", remedy=f"add --var {min(missing)}=...")
    return _render_all(mail, Templates(sources), context, missing)


def _render_all(mail: Mail, templates: Templates, context: Mapping[str, Any], missing: set[str]) -> dict[str, str]:
    try:
        compiled: dict[str, Template] = {"subject": templates.text(_SUBJECT)}
        if mail.html:
            compiled["html"] = templates.html(str(mail.html))
        if mail.text:
            compiled["text"] = templates.text(str(mail.text))
        return {part: templates.render(template, context) for part, template in compiled.items()}
    except TemplateBroken as cause:
        raise CheckFailed(cause.what, where=f"{cause.file}:{cause.line}") from cause
    except RenderFailed as cause:
        if missing:
            return {}
        raise CheckFailed(f"does not render: {cause}", remedy="mend the template") from cause


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as cause:
        raise CheckFailed(f"cannot be read: {cause.strerror}", where=str(path), remedy="check the path") from cause
    except UnicodeDecodeError as cause:
        raise CheckFailed("is not UTF-8", where=str(path), remedy="save the file as UTF-8") from cause


def _complete(path: Path, sender: Sender, clock: Clock) -> tuple[bytes, str]:
    """Return a raw message with CR LF, Date and Message-ID, without Bcc; and its Message-ID."""
    try:
        raw = path.read_bytes()
    except OSError as cause:
        raise CheckFailed(f"cannot be read: {cause.strerror}", where=str(path), remedy="check the path") from cause
    data = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    _check_lines(data, path)
    try:
        fields, body = parse_header_block(data)
    except MalformedHeader as cause:
        raise CheckFailed(str(cause), where=str(path), remedy="begin with the header: `Name: value` lines") from cause
    by_name = _single_fields(fields, path)
    author = _author(by_name.get("from"), path)
    sender.domain_of(author, where=str(path))
    kept = [field.raw for field in fields if field.name.lower() != "bcc"]
    identity = by_name["message-id"].value.decode("ascii", "replace") if "message-id" in by_name else ""
    if "date" not in by_name:
        kept.append(date_field(clock.now()))
    if not identity:
        identity = random_message_id(clock, author.domain)
        kept.append(raw_field("Message-ID", identity))
    return b"".join([*kept, b"\r\n", data[body:]]), identity


def _check_lines(data: bytes, path: Path) -> None:
    for number, line in enumerate(data.split(b"\r\n"), 1):
        if len(line) > MAX_LINE_OCTETS:
            raise CheckFailed(
                f"a line has {len(line)} octets, more than {MAX_LINE_OCTETS}",
                where=f"{path}:{number}",
                remedy="fold it",
            )
        if b"\0" in line:
            raise CheckFailed("holds a NUL", where=f"{path}:{number}")


def _single_fields(fields: Sequence[HeaderField], path: Path) -> dict[str, HeaderField]:
    found: dict[str, HeaderField] = {}
    for field in fields:
        name = field.name.lower()
        if name in found and name in _REQUIRED_ONCE:
            raise CheckFailed(f"has two {field.name} fields", where=str(path), remedy="keep one")
        found[name] = field
    return found


def _author(field: HeaderField | None, path: Path) -> Address:
    addresses = getaddresses([field.value.decode("utf-8", "replace")]) if field else []
    try:
        return Address.parse(addresses[0][1] if len(addresses) == 1 else "")
    except InvalidAddress as cause:
        raise CheckFailed(f"From {cause}", where=str(path), remedy="write one From field with one address") from cause
