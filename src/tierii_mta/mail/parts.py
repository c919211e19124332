"""A received mail as the tree of its parts.

Owns the values that `mail.mime` reads a mail into, and which of its parts a reader sees as the message itself (after
RFC 8621 §4.1.4); not how octets become parts.  Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from tierii_mta.mail.charset import decode

_META_CHARSET = re.compile(rb"<meta[^>]{1,200}?charset=[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_WHERE_META_STANDS = 2_000  # octets from the start of an HTML document
_TEXT_OCTETS = 8 << 20  # what is longer is no text that somebody wrote


@dataclass(frozen=True, slots=True)
class Field:
    """A header field: `value` unfolded and decoded, as a reader sees it; `raw` all its octets, name included."""

    name: str  # as written
    value: str
    raw: bytes

    @property
    def octets(self) -> bytes:
        """The value as it stands, unfolded, without white space around it."""
        return unfolded(self.raw.partition(b":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part. Lenient throughout: what could not be understood has its default, and is told in `Mail.faults`."""

    content_type: str  # type/subtype in lower case
    parameters: Mapping[str, str]  # of Content-Type, decoded; names in lower case
    disposition: str | None  # "attachment", "inline", … in lower case
    filename: str | None
    fields: Sequence[Field]
    content: bytes  # transfer encoding undone; nothing for what has children
    children: tuple["Part", ...]  # of multipart/*; of an enclosed message the one message

    def get(self, name: str) -> str | None:
        """Return the value of the first field of this name, or None."""
        wanted = name.lower()
        return next((field.value for field in self.fields if field.name.lower() == wanted), None)

    def get_all(self, name: str) -> list[str]:
        """Return the values of all fields of this name, in order."""
        wanted = name.lower()
        return [field.value for field in self.fields if field.name.lower() == wanted]

    def text(self) -> str:
        """Return the content, 8 MB of it at most, as characters with line ends of `\\n`. For text; else it is noise."""
        label = self.parameters.get("charset")
        if label is None and self.content_type == "text/html":
            found = _META_CHARSET.search(self.content, 0, _WHERE_META_STANDS)
            label = found[1].decode("ascii") if found else None
        text = decode(self.content[:_TEXT_OCTETS], label)
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text

    def walk(self, *, enclosed: bool = False) -> Iterator["Part"]:
        """Yield this part and those below, depth first; the insides of enclosed messages only if asked for."""
        yield self
        if enclosed or not self.is_enclosure:
            yield from chain.from_iterable(child.walk(enclosed=enclosed) for child in self.children)

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith("multipart/")

    @property
    def is_enclosure(self) -> bool:
        """Whether the one child is another message, or its header."""
        return bool(self.children) and not self.is_multipart


@dataclass(frozen=True)
class Mail:
    """A message. `faults` are sentences about what had to be mended or left out, each told once."""

    root: Part
    faults: tuple[str, ...] = ()

    def body_text(self) -> str:
        """Return the plain text of the message itself, without attachments and enclosed messages; "" without any."""
        return self._bodies["text/plain"]

    def body_html(self) -> str:
        """Return the HTML of the message itself; "" without any."""
        return self._bodies["text/html"]

    @cached_property
    def _bodies(self) -> Mapping[str, str]:
        own = list(_own_leaves(self.root))
        return {wanted: _joined(own, wanted) for wanted in ("text/plain", "text/html")}


def unfolded(octets: bytes) -> bytes:
    """Return a value on one line: each line end and the white space beside it become one space."""
    if b"\n" not in octets:
        return octets.strip(b" \t\r")
    return b" ".join(line.strip(b" \t\r") for line in octets.split(b"\n")).strip()


def _joined(parts: Iterable[Part], content_type: str) -> str:
    texts = [part.text() for part in parts if part.content_type == content_type]
    texts = [text for text in texts if text.strip()]
    return "\n".join([text.removesuffix("\n") for text in texts[:-1]] + texts[-1:])


def _own_leaves(part: Part, *, is_first: bool = True) -> Iterator[Part]:
    """Yield the leaves that a reader sees as the message, every alternative of it included."""
    if part.is_multipart:
        yield from chain.from_iterable(
            _own_leaves(child, is_first=is_first and index == 0) for index, child in enumerate(_shown(part))
        )
    elif not part.children and part.disposition != "attachment" and (is_first or part.filename is None):
        yield part  # a named one further down is an attachment that does not say so


def _shown(part: Part) -> Sequence[Part]:
    """Return the children that the kind of multipart makes part of the message."""
    match part.content_type:
        case "multipart/signed" | "multipart/report":
            return part.children[:1]
        case "multipart/encrypted":
            return ()
        case "multipart/related":
            start = part.parameters.get("start", "").strip()
            return [child for child in part.children if start and child.get("Content-ID") == start] or part.children[:1]
    return part.children
