"""Delivery status notifications read: the fields of a message/delivery-status.

Owns the blocks and fields of RFC 3464 with the liberties that real ones take (blank lines anywhere or nowhere, fields
in any order, addresses bare or in brackets, xtext or not), and their UTF-8 form (RFC 6533 §3 and §6); not what a status
or a diagnostic means (diagnosis).  Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tierii_mta.correspondence.addresses import first_address
from tierii_mta.correspondence.bounces.claim import MAX_TEXT, Claim, Voice
from tierii_mta.mail.mime import Mail
from tierii_mta.mail.reply import EnhancedCode

STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_DISGUISES = frozenset({"text/plain", "application/octet-stream", "text/delivery-status"})  # gateways relabel the part
MAX_RECIPIENTS = 1_000
_MAX_LINES = 20_000
_FIELD = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9-]{1,60})[ \t]{0,5}:(?P<value>.*)")
_OPENING = re.compile(r"\s{0,20}(?:Reporting-MTA|(?:Final|Original)-Recipient)[ \t]{0,5}:", re.IGNORECASE)
_TYPED = re.compile(r"\s*(?P<type>[A-Za-z0-9-]{1,40})\s*;(?P<rest>.*)", re.DOTALL)
_ACTIONS = frozenset({"failed", "delayed", "delivered", "relayed", "expanded"})
_MEANT = {"fail": "failed", "failure": "failed", "error": "failed", "expired": "failed", "delay": "delayed"}
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_POINT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_OF_A_RECIPIENT = frozenset({"final-recipient", "original-recipient", "action", "status"})
_COMPLETE = frozenset({"action", "status"})
_RECIPIENTS = frozenset({"final-recipient", "original-recipient"})
_OF_THE_MESSAGE = frozenset({"reporting-mta", "original-envelope-id"})
_PROGRAMS = frozenset({"x-unix", "unix"})

Block = Mapping[str, str]
"""Fields of one block: names in lower case, values unfolded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What the fields say, of the message and of each recipient."""

    claims: tuple[Claim, ...]
    reporting_mta: str | None = None
    envelope_id: str | None = None


def status_report(mail: Mail, *, is_marked: bool = False) -> StatusReport | None:
    """Return what the status parts of a message say, or None if it has none. They may be empty of recipients.

    In a message with the marks of a report (`is_marked`) a part of another type counts if it opens with such fields.
    """
    parts = list(mail.root.walk())
    texts = [part.text() for part in parts if part.content_type in STATUS_TYPES]
    if not texts and is_marked:
        disguised = (part.text() for part in parts if part.content_type in _DISGUISES)
        texts = [text for text in disguised if _OPENING.match(text)]
    return report_of("\n\n".join(texts)) if texts else None


def report_of(text: str, source: str = "rfc3464") -> StatusReport:
    """Return what a text of status fields says; lines that are no fields are passed over."""
    about_message: dict[str, str] = {}
    claims: list[Claim] = []
    for block in _blocks(text):
        for name in _OF_THE_MESSAGE & block.keys():
            about_message.setdefault(name, block[name])
        if _OF_A_RECIPIENT & block.keys() and (claim := _claim(block, source)):
            claims.append(claim)
    return StatusReport(
        claims=tuple(claims[:MAX_RECIPIENTS]),
        reporting_mta=_untyped(about_message.get("reporting-mta", "")) or None,
        envelope_id=about_message.get("original-envelope-id") or None,
    )


def _blocks(text: str) -> Iterator[Block]:
    """Yield the blocks. A blank line ends one that has what a recipient needs; a field that comes again begins one."""
    block: dict[str, str] = {}
    for name, value in _fields(text):
        known = block.keys()
        is_whole = not _OF_A_RECIPIENT & known or (known >= _COMPLETE and not _RECIPIENTS.isdisjoint(known))
        has_ended = name in _OF_A_RECIPIENT and name in block if name else is_whole
        if has_ended and block:
            yield block
            block = {}
        if name and name not in block:
            block[name] = value
    if block:
        yield block


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and unfolded value of each field, and ("", "") for a blank line."""
    name, value = "", ""
    for line in text.split("\n", _MAX_LINES)[:_MAX_LINES]:
        if line[:1] in (" ", "\t") and line.strip() and name:
            value = f"{value} {line.strip()}"[:MAX_TEXT]
            continue
        if name:
            yield name, value
        found = _FIELD.match(line)
        name, value = (found["name"].lower(), found["value"].strip()[:MAX_TEXT]) if found else ("", "")
        if not line.strip():
            yield "", ""
    if name:
        yield name, value


def _claim(block: Block, source: str) -> Claim | None:
    final, original = _address(block.get("final-recipient", "")), _address(block.get("original-recipient", ""), True)
    recipient = final or original or _address(block.get("x-actual-recipient", ""))
    action = block.get("action", "").partition(" ")[0].strip(';,."').lower()
    action = _MEANT.get(action, action)
    status = _status(block.get("status", ""))
    if action not in _ACTIONS:
        action = (
            "delayed" if status and status.klass == 4 else "delivered" if status and status.klass == 2 else "failed"
        )
    if recipient is None and not (block.get("action") and block.get("status")):
        return None
    kind, text = _typed(block.get("diagnostic-code", ""))
    return Claim(
        recipient=recipient,
        original_recipient=original if original != recipient else None,
        source=source,
        action=action,
        status=status,
        text=text or _comment(block.get("status", "")),
        voice=Voice.PROGRAM if kind in _PROGRAMS else Voice.SERVER if kind in ("smtp", "") else Voice.KEEPER,
        remote_mta=_untyped(block.get("remote-mta", "")).partition(" ")[0] or None,
    )


def _address(value: str, is_xtext: bool = False) -> str | None:
    """Return the address of a typed field; only what is one, so that a pipe or a file name is none."""
    kind, rest = _typed(value)
    rest = _POINT.sub(_point, rest) if kind == "utf-8" or "\\x{" in rest else rest
    found = first_address(rest.strip(" <>"))
    if found is None or rest.lstrip(" <").startswith(("|", "/")):
        return None
    return _unescaped(found) if is_xtext else found


def _unescaped(address: str) -> str:
    """Undo xtext (RFC 3461 §4) where it is: what an encoder had no need to escape was never escaped."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)) if found[1] in ("2B", "3D") else found[0], address)


def _point(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else found[0]


def _status(value: str) -> EnhancedCode | None:
    found = _STATUS.search(value[:100])
    return EnhancedCode.parse(found[0]) if found else None


def _comment(status: str) -> str:
    """What stands in brackets behind the status: some systems give their reason there alone."""
    return status.partition("(")[2].rpartition(")")[0].strip()


def _typed(value: str) -> tuple[str, str]:
    """Return type and rest of a value such as `rfc822; ann@example.com`; the type may be missing."""
    found = _TYPED.match(value)
    return (found["type"].lower(), found["rest"].strip()) if found else ("", value.strip())


def _untyped(value: str) -> str:
    return _typed(value)[1].strip(" <>")


def merged(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """Return the claims with one for each recipient: the first, unless a later one says failed or says more."""
    kept: dict[str, Claim] = {}
    for claim in claims:
        known = kept.get(claim.key)
        if known is None or _weight(claim) > _weight(known):
            kept[claim.key] = claim
    return tuple(kept.values())


def _weight(claim: Claim) -> tuple[bool, bool]:
    return claim.action == "failed", bool(claim.text)
