"""A few things in a message that hardly any honest sender does.

Owns heuristics that an operator can check with his own eyes, over the header and the first part of the body; whoever
wants more runs rspamd.  What is said about an attachment is believed: names and types, not octets.  Pure and linear.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain, islice

from tierii_mta.inbound.screening.case import Case, Report, addresses
from tierii_mta.inbound.screening.verdict import Observation
from tierii_mta.mail.address import Address
from tierii_mta.mail.encoded_words import decode_words

_NAME = re.compile(
    rb"""(?:file)?name\*?[0-9]*\*?[ \t]*=[ \t]*(?:"([^"\r\n]{1,500})"|([^\s;"]{1,500}))""", re.IGNORECASE
)
_PART_FIELD = re.compile(
    rb"^content-(?:type|disposition)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE
)
_TYPED = re.compile(
    rb"[ \t\r\n]*application/(?:x-msdownload|x-msdos-program|x-dosexec|x-ms-installer|hta)\b", re.IGNORECASE
)
_PROGRAM_END = re.compile(  # not `com`, with which the names of too many sites end
    r"\.(?:exe|scr|pif|bat|cmd|cpl|msi|msp|hta|jar|js|jse|vbs|vbe|vb|ws|wsf|wsh|ps1|psm1|lnk|reg|chm|dll|sys|apk|appx"
    r"|application|gadget|inf|iso|img|vhd|vhdx|xll)[ .\"']*$",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_REVERSERS = frozenset("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}", re.IGNORECASE)
_LINK = re.compile(rb"https?://[^\s<>\"']{4,}", re.IGNORECASE)
_TAG = re.compile(rb"<[^<>]{0,2000}>")
_MAX_FIELDS = 200
_MANY = 50
_FEW_OCTETS = 200  # of text around a link
_Find = Callable[[Case], Iterator[Observation]]


class Content:
    """The heuristics."""

    name = "content"

    async def look(self, case: Case) -> Report:
        """Return what was found; what is in order is not mentioned."""
        rules: tuple[_Find, ...] = (_header, _author, _recipients, _attachments, _bare_link)
        return Report(observations=[one for find in rules for one in find(case)])


def _header(case: Case) -> Iterator[Observation]:
    if case.is_header_malformed:
        yield Observation(rule="header_malformed", detail="a line of the header is neither a field nor part of one")
    if not case.fields.get("date"):
        yield Observation(rule="date_missing", detail="no Date field")


def _author(case: Case) -> Iterator[Observation]:
    written = case.fields.get("from", ())
    if len(written) > 1:
        yield Observation(rule="from_several", detail=f"{len(written)} From fields")
    if case.author is None:
        yield Observation(rule="from_missing", detail="no From field with an address")
        return
    name = decode_words(written[0][:1000]).rpartition("<")[0]
    claimed = _ADDRESS.search(name)
    if claimed and not _is_related(claimed[0].rpartition("@")[2].lower(), case.author):
        yield Observation(rule="name_address", detail=f"is called {claimed[0]!r}, is of {case.author.domain}")


def _is_related(domain: str, author: Address) -> bool:
    own = author.domain
    return domain == own or domain.endswith(f".{own}") or own.endswith(f".{domain}")


def _recipients(case: Case) -> Iterator[Observation]:
    named = sum(len(addresses(value)) for name in ("to", "cc") for value in case.fields.get(name, ()))
    if named > _MANY:
        yield Observation(rule="many_recipients", detail=f"To and Cc name {named} or more")


def _attachments(case: Case) -> Iterator[Observation]:
    """Look at what the header and the parts say of themselves; the first find of each kind is enough."""
    own = (*case.fields.get("content-type", ()), *case.fields.get("content-disposition", ()))
    parts = (match[1] for match in _PART_FIELD.finditer(case.opening))
    said = list(islice(chain((value.encode() for value in own), parts), _MAX_FIELDS))
    names = [_decoded(match[1] or match[2]) for field in said for match in _NAME.finditer(field)]
    program = next((name for name in names if _PROGRAM_END.search(name)), None)
    if program is not None:
        yield Observation(rule="executable", detail=f"{program[-100:]!r}")
    elif any(_TYPED.match(field) for field in said):
        yield Observation(rule="executable", detail="by its content type")
    hidden = next((name for name in names if _REVERSERS.intersection(name)), None)
    if hidden is not None:
        yield Observation(rule="disguised", detail=ascii(hidden[-100:]))


def _decoded(name: bytes) -> str:
    """Return a name without encoded words (RFC 2047) and percent signs (RFC 2231)."""
    text = name.decode("utf-8", "replace")
    if "'" in text and "%" in text:
        octets = _PERCENT.sub(lambda found: chr(int(found[1], 16)), text.rpartition("'")[2])
        return octets.encode("latin-1", "replace").decode("utf-8", "replace")
    return decode_words(text)


def _bare_link(case: Case) -> Iterator[Observation]:
    """A short body without a subject whose only purpose is its link; a body that goes on is something else."""
    if decode_words(case.first("subject") or "").strip() or len(case.opening) > _FEW_OCTETS * 20:
        return
    link = _LINK.search(case.opening)
    text = _LINK.sub(b"", _TAG.sub(b" ", case.opening)) if link else b""
    if link and len(text.split()) * 5 < _FEW_OCTETS:
        yield Observation(rule="bare_link", detail=f"no subject, and a link: {link[0][:80].decode('utf-8', 'replace')}")
