"""Signing: the DKIM-Signature fields to put in front of a message.

Owns which fields are signed and how the signature is written; not the keys (authentication.keys).  Always
relaxed/relaxed, never `l=`.  Fields that decide what a reader sees or what a click does are signed once more than they
occur, so that none can be added.  RFC 6376 §5, RFC 8463, RFC 8058 §4 (List-Unsubscribe and -Post are covered).
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta

from tierii_mta.authentication.canonical import relaxed_body, relaxed_header
from tierii_mta.authentication.keys import DkimKey
from tierii_mta.clock import Instant
from tierii_mta.mail.header import parse_header_block

OVERSIGNED = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "cc",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
SIGNED_IF_PRESENT = (
    "sender",
    "in-reply-to",
    "references",
    "content-id",
    "content-description",
    "content-disposition",
    "list-help",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
    "feedback-id",
    "auto-submitted",
    "precedence",
    "cfbl-address",
    "cfbl-feedback-id",
)
_COLUMNS = 76


def sign(message: bytes, keys: Sequence[DkimKey], *, now: Instant, expires: timedelta | None = None) -> bytes:
    """Return one DKIM-Signature field per key, in the order of the keys, to put in front of `message`.

    `message` has CR LF line ends; ValueError if its header is malformed or has no From field.  `expires` counts from
    `now`; None: never.
    """
    fields, body_offset = parse_header_block(message)
    by_name: dict[str, list[bytes]] = {}
    for each in fields:
        by_name.setdefault(each.name.lower(), []).append(each.raw)
    if "from" not in by_name:
        raise ValueError("a message without a From field cannot be signed")
    names, covered = _cover(by_name)
    hashed = hashlib.sha256(covered)
    body_hash = base64.b64encode(hashlib.sha256(relaxed_body(message[body_offset:])).digest()).decode("ascii")
    lines = [*_fold(f"h={':'.join(names)};"), f"bh={body_hash};"]
    times = _times(now, expires)
    return b"".join(_signature(key, [f"s={key.selector}; {times}", *lines], hashed.copy()) for key in keys)


def _cover(fields: Mapping[str, Sequence[bytes]]) -> tuple[list[str], bytes]:
    """Return the names for `h=`, and what they stand for: the last field of a name comes first (§5.4.2)."""
    names: list[str] = []
    covered: list[bytes] = []
    for name in (*OVERSIGNED, *SIGNED_IF_PRESENT):
        present = fields.get(name, ())
        names.extend([name] * len(present))
        covered.extend(relaxed_header(raw) for raw in reversed(present))
        if name in OVERSIGNED:
            names.append(name)
    return names, b"".join(covered)


def _times(now: Instant, expires: timedelta | None) -> str:
    if expires is None:
        return f"t={now // 1000};"
    if expires < timedelta(seconds=1):
        raise ValueError("a signature lives for at least a second")
    return f"t={now // 1000}; x={now // 1000 + int(expires.total_seconds())};"


def _signature(key: DkimKey, lines: Sequence[str], hashed: "hashlib._Hash") -> bytes:
    """Write one field. Its relaxed form is its lines joined with spaces, so it needs no canonicaliser."""
    value = [f"v=1; a={key.algorithm}; c=relaxed/relaxed; d={key.domain};", *lines, "b="]
    hashed.update(f"dkim-signature:{' '.join(value)}".encode("ascii"))
    signature = base64.b64encode(key.sign_digest(hashed.digest())).decode("ascii")
    value[-1] = f"b={signature[: _COLUMNS - 2]}"
    value.extend(signature[start : start + _COLUMNS] for start in range(_COLUMNS - 2, len(signature), _COLUMNS))
    return ("DKIM-Signature: " + "\r\n ".join(value) + "\r\n").encode("ascii")


def _fold(text: str) -> list[str]:
    """Cut a colon-separated list behind colons, into lines of at most 76 columns where its names allow it."""
    lines, line = [], ""
    for piece in text.split(":"):
        if line and len(line) + 1 + len(piece) > _COLUMNS:
            lines.append(f"{line}:")
            line = piece
        else:
            line = f"{line}:{piece}" if line else piece
    return [*lines, line]
