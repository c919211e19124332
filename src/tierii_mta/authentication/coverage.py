"""What a DKIM signature of ours covers: which fields, and the hash of the body.

Owns the choice of fields; not the keys nor the signature (authentication.sign).  Always relaxed/relaxed, never `l=`.
Fields that decide what a reader sees or what a click does are signed once more than they occur, so that none can be
added.  Apart from signing because it needs no key: a press worker computes it.  RFC 6376 §3.7 and §5.4, RFC 8058 §4
(List-Unsubscribe and -Post are covered).  Pure.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from tierii_mta.authentication.canonical import relaxed_body, relaxed_header
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
_NAMES = (*OVERSIGNED, *SIGNED_IF_PRESENT)
COLUMNS = 76


@dataclass(frozen=True, slots=True)
class Coverage:
    """All of a message that its signatures depend on."""

    tags: str  # the tags h= and bh=, folded with CR LF SPACE
    header: bytes  # the covered fields in canonical form


def cover(message: bytes) -> Coverage:
    """Return what signatures of a message cover; ValueError if its header is malformed or has no From field.

    `message` has CR LF line ends.
    """
    fields, body_offset = parse_header_block(message)
    by_name: dict[str, list[bytes]] = {}
    for each in fields:
        by_name.setdefault(each.name.lower(), []).append(each.raw)
    if "from" not in by_name:
        raise ValueError("a message without a From field cannot be signed")
    body_hash = base64.b64encode(hashlib.sha256(relaxed_body(message[body_offset:])).digest()).decode("ascii")
    covered = [(name, raw) for name in _NAMES if name in by_name for raw in reversed(by_name[name])]
    names_tag = _names_tag(tuple([name for name, _ in covered]))
    return Coverage(f"{names_tag}\r\n bh={body_hash};", b"".join([relaxed_header(raw) for _, raw in covered]))


@lru_cache(maxsize=64)
def _names_tag(present: tuple[str, ...]) -> str:
    """Return `h=`, folded, for the covered fields there are; the mails of a campaign have the same ones."""
    names = []
    for name in _NAMES:
        names += [name] * (present.count(name) + (name in OVERSIGNED))
    return "\r\n ".join(_fold(f"h={':'.join(names)};"))


def _fold(text: str) -> list[str]:
    """Cut a colon-separated list behind colons, into lines of at most 76 columns where its names allow it."""
    lines, line = [], ""
    for piece in text.split(":"):
        if line and len(line) + 1 + len(piece) > COLUMNS:
            lines.append(f"{line}:")
            line = piece
        else:
            line = f"{line}:{piece}" if line else piece
    return [*lines, line]
