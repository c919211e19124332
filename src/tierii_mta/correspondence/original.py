"""The message that a report is about: enclosed as a part, or what is left of it in the report's text.

Owns finding its header, and where in a text it starts, so that nothing in it is taken for the words of who reports; not
whether it is ours (the addresses it brings are candidates, mail.tokens opens them).  RFC 6522 §3 (message/rfc822,
text/rfc822-headers), RFC 6533 (message/global, message/global-headers).  Pure.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tierii_mta.correspondence.addresses import addresses_in
from tierii_mta.correspondence.reading import Original
from tierii_mta.mail.mime import Mail, Part
from tierii_mta.mail.tokens import is_signed_form

ENCLOSING = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers", "message/rfc822-headers"}
)
MAX_LINES = 5_000  # of a text
_MAX_FIELDS = 500
_MAX_ADDRESSES = 50
_MAX_VALUE = 2_000
_TELLING = frozenset(
    {"from", "to", "subject", "date", "message-id", "received", "return-path", "mime-version", "sent", "cc", "reply-to"}
)
_FIELD = re.compile(r"(?P<indent>[ \t>|]{0,8})(?P<name>[A-Za-z][A-Za-z0-9-]{0,60}):(?!//)[ \t]*(?P<value>.*)$")
_QUOTES = " \t>|"
_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,500}@[^<>\s@]{1,255}>")

Pair = tuple[str, str]
"""A field: its name in lower case, and its value."""


@dataclass(frozen=True, slots=True)
class Block:
    """A header inside a text: its first line, the line after its last, and its fields."""

    start: int
    end: int
    fields: Sequence[Pair]

    @property
    def names(self) -> frozenset[str]:
        """The names in lower case."""
        return frozenset(name for name, _ in self.fields)


def original_of(mail: Mail) -> Original | None:
    """Return the message that a report encloses: a part of its own, else a header in the text, else None."""
    enclosed = [fields for part in enclosed_parts(mail) if (fields := _fields_of(part))]
    if enclosed:
        return original_from(max(enclosed, key=lambda fields: any(name == "message-id" for name, _ in fields)))
    found = (block_in(text.split("\n", MAX_LINES)[:MAX_LINES]) for text in _texts(mail))
    block = next(filter(None, found), None)
    return original_from(block.fields) if block else None


def _texts(mail: Mail) -> Iterable[str]:
    """Where a header may stand that no part holds: the body, or a status part that runs on into the message."""
    yield mail.body_text()
    yield from (part.text() for part in mail.root.walk() if part.content_type.endswith("delivery-status"))


def enclosed_parts(mail: Mail) -> list[Part]:
    """Return the parts that hold a message or its header, outermost alone, in order."""
    return [part for part in mail.root.walk() if part is not mail.root and part.content_type in ENCLOSING]


def original_from(fields: Iterable[Pair]) -> Original:
    """Return what a header tells. Of several Message-IDs the last one counts: relays put theirs on top."""
    known = [(name, value[:_MAX_VALUE]) for name, value in fields][:_MAX_FIELDS]
    ids = [found[0] for name, value in known if name == "message-id" and (found := _MESSAGE_ID.search(value))]
    signed = (
        address for _, value in known for address in addresses_in(value) if is_signed_form(address.partition("@")[0])
    )
    return Original(
        message_id=ids[-1] if ids else None,
        subject=next((value.strip() for name, value in known if name == "subject"), None),
        sender=next((address for name, value in known if name == "from" for address in addresses_in(value)), None),
        recipients=_some(address for name, value in known if name == "to" for address in addresses_in(value)),
        addresses=_some(signed),
    )


def block_in(lines: Sequence[str]) -> Block | None:
    """Return the header that a text quotes, or None: the first with a Message-ID, else with the most telling fields.

    Quote marks and indentation before each line are passed over; two telling fields make a header.
    """
    blocks = list(_blocks(lines[:MAX_LINES]))
    return max(blocks, key=_worth, default=None)


def _worth(block: Block) -> tuple[bool, int, int]:
    return "message-id" in block.names, len(block.names & _TELLING), -block.start


def _blocks(lines: Sequence[str]) -> Iterable[Block]:
    at = 0
    while at < len(lines):
        block = _block_at(lines, at)
        if len(block.names & _TELLING) >= 2:
            yield block
        at = max(block.end, at + 1)


def _block_at(lines: Sequence[str], start: int) -> Block:
    """Return the run of fields, with their continuations, that begins at a line; an empty one where none begins."""
    fields: list[Pair] = []
    indent, at = "", start
    while at < len(lines) and len(fields) < _MAX_FIELDS:
        field = _FIELD.match(lines[at])
        if field and (not fields or field["indent"] == indent):
            indent = field["indent"]
            fields.append((field["name"].lower(), field["value"]))
        elif fields and _continues(lines[at], indent):
            name, value = fields[-1]
            fields[-1] = (name, f"{value[:_MAX_VALUE]} {lines[at].lstrip(_QUOTES).rstrip()}")
        else:
            break
        at += 1
    return Block(start, at, fields)


def _continues(line: str, indent: str) -> bool:
    lead = len(line) - len(line.lstrip(_QUOTES))
    return len(indent) < lead < len(line)


def _fields_of(part: Part) -> list[Pair]:
    """The header of an enclosed message; from its text where it was not read as one."""
    if part.children:
        return [(field.name.lower(), field.value) for field in part.children[0].fields]
    block = block_in(part.text().split("\n", MAX_LINES)[:MAX_LINES])
    return list(block.fields) if block else []


def _some(addresses: Iterable[str]) -> tuple[str, ...]:
    """The first of them, each once."""
    seen: dict[str, None] = {}
    for address in addresses:
        seen.setdefault(address)
        if len(seen) == _MAX_ADDRESSES:
            break
    return tuple(seen)
