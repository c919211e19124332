"""Received mail, from octets to parts: whatever the octets are, and at bounded cost.

Owns header blocks, the nesting of parts and the decoding of each; not what the parts mean (correspondence) nor the
mail we write (mail.compose).  `parse` never raises.  It passes over the octets from front to back, so its work grows
with their number alone: a line that starts with `--` is looked up among the boundaries of the parts that are open.

Read as the best readers do, each time with a fault in `Mail.faults`: lines that end in LF or CR alone; a header that
ends without an empty line, or has lines that are no fields; a multipart whose boundary is missing, is not declared as
it is written, or has no end; an enclosed message in base64.  RFC 5322, RFC 2045, RFC 2046, RFC 6532.  Pure.
"""

import re
from dataclasses import dataclass

from tierii_mta.mail.charset import decode
from tierii_mta.mail.encoded_words import decode_words
from tierii_mta.mail.parameters import Parameters, parse_parameters
from tierii_mta.mail.parts import Field, Mail, Part, unfolded
from tierii_mta.mail.transfer import undo

__all__ = ["Bounds", "Field", "Mail", "Part", "parse", "parse_fields"]

_FIELD = re.compile(rb"(?!--)([!-9;-~]{1,200})[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)")
_EMPTY_LINE = re.compile(rb"\r*(?:\n|\Z)")
_MBOX_LINE = re.compile(rb">?From [^\n]*\n")
_KNOWN_FIELD = re.compile(
    rb"(?:X-|Content-|List-|Received|DKIM-|ARC-|Authentication-|Resent-|MIME-Version|Message-ID|In-Reply-To|References"
    rb"|Return-Path|Subject|Date|From|To|Cc|Sender|Reply-To|Auto-Submitted|Precedence)[!-9;-~]{0,100}[ \t]*:",
    re.IGNORECASE,
)
_UNDECLARED = re.compile(rb"^--([^\s][^\n]{0,200})\n(?i:Content-)[A-Za-z-]{1,40}[ \t]*:", re.MULTILINE)
_TYPE = re.compile(r"[^\s/]{1,127}/[^\s/]{1,127}")
_TOKEN = re.compile(r"[A-Za-z0-9-]+")
_ENCLOSURES = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
_IDENTITIES = frozenset({"", "7bit", "8bit", "binary"})
_MAX_BOUNDARY = 1_000
_MAX_FAULTS = 20
_MAX_FOREIGN_LINES = 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a mail is read. What is beyond is left out, with a fault."""

    depth: int = 20  # of parts and messages in one another; deeper ones stay octets
    parts: int = 500
    fields: int = 1_000  # of one header
    value_octets: int = 256 << 10  # of one field
    decoded_octets: int = 50 << 20  # of all parts together


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """A line that separates parts, or the end of the octets (level -1)."""

    level: int  # of the multipart it belongs to
    start: int  # where the content before it ends
    after: int
    is_last: bool = False


def parse(octets: bytes, bounds: Bounds = Bounds()) -> Mail:
    """Return the parts of a message; see the module."""
    faults: dict[str, None] = {}
    if b"\n" not in octets and b"\r" in octets:
        octets = octets.replace(b"\r", b"\n")
        faults["lines end in CR alone"] = None
    reader = _Reader(octets.removeprefix(_BYTE_ORDER_MARK), bounds, faults)
    root = reader.read_message(depth=0)
    return Mail(root, tuple(faults)[:_MAX_FAULTS])


def parse_fields(octets: bytes, bounds: Bounds = Bounds()) -> list[Field]:
    """Return the fields of a header block, such as one of a message/delivery-status; never raises."""
    return _Reader(octets, bounds, {}).read_fields()


class _Reader:
    """Reads one stretch of octets from front to back."""

    def __init__(
        self, octets: bytes, bounds: Bounds, faults: dict[str, None], *, parts: int = 0, decoded: int = 0
    ) -> None:
        self._octets, self._bounds, self._faults = octets, bounds, faults
        self._position = 0
        self._open: dict[bytes, list[int]] = {}  # boundary → levels of the multiparts that have it, innermost last
        self._level = 0  # how many multiparts are open
        self._delimiter = _Delimiter(-1, len(octets), len(octets))  # where the part read last has ended
        self.parts, self.decoded = parts, decoded

    # -- header blocks --------------------------------------------------------------------------------------------

    def read_fields(self) -> list[Field]:
        """Return the fields that stand here, and be at the start of the body."""
        octets, fields = self._octets, list[Field]()
        position, end = self._position, len(octets)
        while position < end:
            if self._level and octets.startswith(b"--", position) and self._delimiter_at(position):
                break  # the part has no body
            found = _FIELD.match(octets, position)
            if found:
                if len(fields) < self._bounds.fields:
                    fields.append(self._field(found[1], found[0]))
                else:
                    self._fault(f"a header has more than {self._bounds.fields} fields")
                position = found.end()
                continue
            if empty := _EMPTY_LINE.match(octets, position):
                position = empty.end()
                break
            position, is_over = self._past_foreign_line(position, fields)
            if is_over:
                break
        self._position = position
        return fields

    def _past_foreign_line(self, position: int, fields: list[Field]) -> tuple[int, bool]:
        """Return where to go on from a line that is no field, and whether the body starts there."""
        octets, after = self._octets, position
        if fields and not octets.startswith(b"--", position):  # not the first delimiter of the part itself
            for _ in range(_MAX_FOREIGN_LINES):  # what a field lost when it was folded anew
                after = octets.find(b"\n", after) + 1
                if not after or _EMPTY_LINE.match(octets, after):
                    break
                if _KNOWN_FIELD.match(octets, after):
                    self._fault("a header has a line that is no field")
                    return after, False
        if fields:
            self._fault("a header ends without an empty line")
        return position, True

    def _field(self, name: bytes, raw: bytes) -> Field:
        octets = unfolded(raw[len(name) :].lstrip(b" \t")[1:])
        if len(octets) > self._bounds.value_octets:
            self._fault("a field is cut short")
            octets = octets[: self._bounds.value_octets]
        value = decode(octets)
        if "\r" in value:
            value = value.replace("\r", " ")
        return Field(name.decode("ascii"), decode_words(value) if "=?" in value else value, raw)

    # -- parts ----------------------------------------------------------------------------------------------------

    def read_message(self, *, depth: int) -> Part:
        """Return the message that starts here, and be behind its end."""
        octets = self._octets
        if mbox := _MBOX_LINE.match(octets, self._position):
            self._position = mbox.end()
        empty = _EMPTY_LINE.match(octets, self._position)
        if empty and _KNOWN_FIELD.match(octets, empty.end()):
            self._fault("a message starts with an empty line")
            self._position = empty.end()
        return self._read_part(depth=depth)

    def _read_part(self, *, depth: int, is_in_digest: bool = False) -> Part:
        self.parts += 1
        fields = self.read_fields()
        kind = _content_type(fields, "message/rfc822" if is_in_digest else "text/plain")
        encoding = _transfer_encoding(fields)
        content, children = b"", tuple[Part, ...]()
        may_nest = depth < self._bounds.depth
        if not may_nest and (kind.value.startswith("multipart/") or kind.value in _ENCLOSURES):
            self._fault(f"parts are more than {self._bounds.depth} deep")
        if kind.value.startswith("multipart/") and may_nest:
            children = self._read_multipart(kind, depth=depth)
        elif kind.value in _ENCLOSURES and may_nest and encoding in _IDENTITIES:
            children = (self.read_message(depth=depth + 1),)
        else:
            content = self._read_content(encoding)
            if kind.value in _ENCLOSURES and may_nest:
                children, content = (self._read_encoded(content, depth=depth + 1),), b""
        disposition = _field_parameters(fields, "content-disposition")
        return Part(
            content_type=kind.value,
            parameters=kind.parameters,
            disposition=(disposition.value or None) if disposition else None,
            filename=(disposition and disposition.parameters.get("filename")) or kind.parameters.get("name") or None,
            fields=fields,
            content=content,
            children=children,
        )

    def _read_multipart(self, kind: Parameters, *, depth: int) -> tuple[Part, ...]:
        start = self._position
        boundary = kind.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
        children = self._read_children(boundary, kind, depth=depth) if boundary else None
        if children is None:
            self._position = start
            self._seek()
            boundary = self._undeclared_boundary()
            self._fault("a multipart has no part of the boundary it declares")
            children = self._read_children(boundary, kind, depth=depth) if boundary else None
        if children is None:
            self._position = start
            children = [self._bare_text()]
        return tuple(children)

    def _read_children(self, boundary: bytes, kind: Parameters, *, depth: int) -> list[Part] | None:
        """Return the parts between the lines of a boundary; None if there is no such line."""
        level, children = self._level, list[Part]()
        self._open.setdefault(boundary, []).append(level)
        self._level += 1
        self._seek()
        while self._delimiter.level == level and not self._delimiter.is_last:
            if self.parts >= self._bounds.parts:
                self._fault(f"there are more than {self._bounds.parts} parts")
                self._delimiter = _Delimiter(-1, len(self._octets), len(self._octets))
                break
            self._position = self._delimiter.after
            children.append(self._read_part(depth=depth + 1, is_in_digest=kind.value == "multipart/digest"))
        self._level -= 1
        self._open[boundary].pop()
        if self._delimiter.level == level:
            self._position = self._delimiter.after
            self._seek()  # past the epilogue
        elif children:
            self._fault("a multipart has no end")
        return children or None

    def _read_content(self, encoding: str) -> bytes:
        start = self._position
        self._seek()
        octets = self._octets[start : max(start, self._delimiter.start)]
        content, fault = undo(octets, encoding)
        if fault:
            self._fault(fault)
        self.decoded += len(content)
        if self.decoded > self._bounds.decoded_octets:
            self._fault("the parts are too large together")
            return b""
        return content

    def _read_encoded(self, content: bytes, *, depth: int) -> Part:
        """Return the message enclosed under a transfer encoding, which it may not have and sometimes has."""
        inner = _Reader(content, self._bounds, self._faults, parts=self.parts, decoded=self.decoded)
        message = inner.read_message(depth=depth)
        self.parts, self.decoded = inner.parts, inner.decoded
        return message

    def _bare_text(self) -> Part:
        """Return what a multipart without parts holds, as text for a reader."""
        self.parts += 1
        content = self._read_content("")
        return Part(
            content_type="text/plain",
            parameters={},
            disposition=None,
            filename=None,
            fields=(),
            content=content,
            children=(),
        )

    # -- delimiters -----------------------------------------------------------------------------------------------

    def _seek(self) -> None:
        """Find the next delimiter of an open multipart, from the start of a line on."""
        octets, position = self._octets, self._position
        self._delimiter = _Delimiter(-1, len(octets), len(octets))
        if not self._level:
            return
        at = position if octets.startswith(b"--", position) else self._dashes(position)
        while at >= 0:
            if found := self._delimiter_at(at):
                self._delimiter = found
                return
            at = self._dashes(at)

    def _dashes(self, after: int) -> int:
        """Return where the next line that starts with two dashes begins, or -1."""
        found = self._octets.find(b"\n--", after)
        return found + 1 if found >= 0 else -1

    def _delimiter_at(self, at: int) -> _Delimiter | None:
        """Return the delimiter that the line is, if it is one: of the innermost multipart that knows it."""
        octets = self._octets
        line_end = octets.find(b"\n", at)
        line_end, after = (line_end, line_end + 1) if line_end >= 0 else (len(octets), len(octets))
        if line_end - at > _MAX_BOUNDARY:
            return None
        said = octets[at + 2 : line_end].rstrip(b" \t\r")
        levels, is_last = self._open.get(said), False
        if not levels and said.endswith(b"--"):
            levels, is_last = self._open.get(said[:-2].rstrip(b" \t")), True
        if not levels:
            return None
        start = at - 1 if at else 0
        if start and octets[start - 1 : start] == b"\r":
            start -= 1
        return _Delimiter(levels[-1], start, after, is_last)

    def _undeclared_boundary(self) -> bytes:
        """Return what the first line that looks like a delimiter says, or nothing."""
        found = _UNDECLARED.search(self._octets, self._position, self._delimiter.start)
        return found[1].rstrip() if found else b""

    def _fault(self, what: str) -> None:
        if len(self._faults) < _MAX_FAULTS:
            self._faults[what] = None


def _field_parameters(fields: list[Field], name: str) -> Parameters | None:
    field = next((field for field in fields if field.name.lower() == name), None)
    return parse_parameters(decode(field.octets)) if field else None


def _content_type(fields: list[Field], default: str) -> Parameters:
    """Return the first Content-Type; what is malformed is plain text (RFC 2045 §5.2)."""
    kind = _field_parameters(fields, "content-type")
    if kind is None:
        return Parameters(default, {})
    return kind if _TYPE.fullmatch(kind.value) else Parameters("text/plain", kind.parameters)


def _transfer_encoding(fields: list[Field]) -> str:
    said = next((field.value for field in fields if field.name.lower() == "content-transfer-encoding"), "")
    found = _TOKEN.search(said)
    return found[0].lower() if found else ""
