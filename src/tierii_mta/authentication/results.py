"""Authentication-Results: what was found about a message, as a header field.

Owns how a result is written: its properties by the names of the registry, its words quoted so that nothing a stranger
said can become more than a value, the field folded.  Not how results come about, nor the reading of such fields
(authentication.results_reader).  RFC 8601 §2.2.  Pure.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tierii_mta.mail.header import FOLD_COLUMNS

NAME = "Authentication-Results"
MAX_VALUE = 320  # octets of a property or reason; an address has at most 254
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")  # RFC 2045 §5.1
_ADDRESS = re.compile(r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+)?@[A-Za-z0-9.-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPED = re.compile(r'(["\\])')


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A fact that a result is about, e.g. `smtp.mailfrom=ana@example.com`."""

    kind: str  # smtp, header, body, policy
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """What one method found."""

    method: str  # spf, dkim, dmarc, arc, iprev, auth, …
    result: str
    reason: str = ""
    properties: Sequence[Property] = ()


def write_results(authserv_id: str, results: Iterable[MethodResult]) -> bytes:
    """Return the field, folded, with CR LF; `none` where there is no result.

    `authserv_id` is our own name; ValueError unless it is one word.  Values may be anything: what cannot be shown in a
    header becomes `?`, and what is too long is cut.
    """
    if not _TOKEN.fullmatch(authserv_id):
        raise ValueError(f"{authserv_id!r} cannot stand for us in {NAME}")
    groups = [[each.method + "=" + each.result, *_details(each)] for each in results] or [["none"]]
    lines = [f"{NAME}: {authserv_id};"]
    for group in groups:
        lines.extend(_folded(group, end="" if group is groups[-1] else ";"))
    return "\r\n".join(lines).encode() + b"\r\n"


def _details(result: MethodResult) -> Iterable[str]:
    if result.reason:
        yield "reason=" + _quoted(result.reason)
    for each in result.properties:
        yield f"{each.kind}.{each.name}={_value(each.value)}"


def _folded(words: Sequence[str], *, end: str) -> Iterable[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > FOLD_COLUMNS - len(end):
            yield line
            line = ""
        line = f"{line} {word}"
    yield line + end


def _value(text: str) -> str:
    text = _shown(text)
    return text if _TOKEN.fullmatch(text) or _ADDRESS.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(r"\\\1", _shown(text)) + '"'


def _shown(text: str) -> str:
    return _CONTROL.sub("?", text.encode("utf-8", "replace")[:MAX_VALUE].decode("utf-8", "ignore"))
