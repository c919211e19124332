"""What we write on top of a message we take in, and what stands there already.

Owns the Received and Return-Path fields (RFC 5321 §4.4; the protocol words of RFC 3848 and RFC 6531, the clause `tls`
of RFC 8314 §4.3), and the two facts read from a header without judging it: how many hosts it passed, and its
Message-ID.  Pure.
"""

import re

from tierii_mta.clock import Instant
from tierii_mta.inbound.session import Session
from tierii_mta.mail.address import Address
from tierii_mta.mail.header import date_field

_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_MAX_MESSAGE_ID = 998  # octets: a line
_ODD = re.compile(r"[^A-Za-z0-9._:\[\]-]")  # what no host name or literal holds


def received(
    session: Session,
    *,
    by: str,
    id: str,
    at: Instant,
    recipient: Address | None = None,
    is_smtputf8: bool = False,
    hides_client: bool = False,
) -> bytes:
    """Return the Received field of a message that came through `session`, folded, with its line end.

    `by` is our name, `id` what logs know the message by.  `recipient` is named where there is only one: others need
    not learn of each other.
    """
    client = by if hides_client else _client(session)
    version, _, cipher = (session.tls or "").partition(" ")
    lines = [f"Received: from {client}", f"by {by} with {protocol(session, is_smtputf8=is_smtputf8)}"]
    lines.append(f"id {id}" + (f" for <{recipient}>" if recipient is not None else ""))
    if cipher:
        lines.append(f"tls {cipher} ({version})")
    date = date_field(at).partition(b" ")[2].rstrip().decode("ascii")
    return ("\r\n\t".join(lines) + f";\r\n\t{date}\r\n").encode()


def _client(session: Session) -> str:
    name = _ODD.sub("?", session.client_name) or "unknown"
    literal = f"[{session.remote}]" if session.remote.version == 4 else f"[IPv6:{session.remote}]"
    return f"{name} ({literal})"


def protocol(session: Session, *, is_smtputf8: bool = False) -> str:
    """Return the word for how a message came: SMTP, ESMTP, UTF8SMTP, with S for TLS and A for an authenticated user."""
    if not session.is_extended and session.tls is None and session.user is None:
        return "SMTP"
    secure, known = "S" if session.tls is not None else "", "A" if session.user is not None else ""
    return ("UTF8SMTP" if is_smtputf8 else "ESMTP") + secure + known


def return_path(reverse_path: Address | None) -> bytes:
    """Return the field that final delivery puts on top: where reports of failure would go."""
    return f"Return-Path: <{reverse_path or ''}>\r\n".encode()


def hops(head: bytes) -> int:
    """Return how many hosts put a Received field into a header."""
    return sum(1 for _ in _RECEIVED.finditer(head))


def message_id(head: bytes) -> str | None:
    """Return the first Message-ID field's value, unfolded; None where it is missing, empty or longer than a line."""
    found = _MESSAGE_ID.search(head)
    value = found[1].replace(b"\r\n", b"").strip() if found else b""
    return value.decode("utf-8", "replace").replace("\0", "?") if 0 < len(value) <= _MAX_MESSAGE_ID else None
