"""Sealing, for tests of ARC: adds one hand's three fields to a message (RFC 8617 §5.1)."""

import base64
import hashlib
from collections.abc import Sequence

from tierii_mta.authentication.canonical import relaxed_body, relaxed_header
from tierii_mta.authentication.dkim import DkimKey
from tierii_mta.mail.header import parse_header_block

_ORDER = ("arc-authentication-results", "arc-message-signature", "arc-seal")


def seal(
    message: bytes,
    key: DkimKey,
    instance: int,
    *,
    claim: str | None = None,
    results: str = "mx.example.net; dmarc=pass header.from=example.com",
    covered: Sequence[str] = ("from", "to", "subject"),
    extra: str = "",
) -> bytes:
    """Return the message with the fields of one instance on top, signed by the key."""
    claim = claim or ("none" if instance == 1 else "pass")
    whose = f"a={key.algorithm}; d={key.domain}; s={key.selector}; t=1700000000"
    fields, body_offset = parse_header_block(message)
    digest = base64.b64encode(hashlib.sha256(relaxed_body(message[body_offset:])).digest()).decode()
    by_name = {each.name.lower(): each.raw for each in fields}
    results_field = f"ARC-Authentication-Results: i={instance}; {results}\r\n".encode()
    signature = _signed(
        f"ARC-Message-Signature: i={instance}; {whose}; c=relaxed/relaxed;{extra}"
        f" h={':'.join(covered)}; bh={digest}; b=",
        [by_name[name] for name in covered if name in by_name],
        key,
    )
    earlier = [each for each in fields if each.name.lower() in _ORDER]
    earlier.sort(key=lambda each: (_instance(each.raw), _ORDER.index(each.name.lower())))
    sealed = _signed(
        f"ARC-Seal: i={instance}; cv={claim}; {whose}; b=",
        [*[each.raw for each in earlier], results_field, signature],
        key,
    )
    return sealed + signature + results_field + message


def _signed(start: str, covered: Sequence[bytes], key: DkimKey) -> bytes:
    hashed = hashlib.sha256(b"".join(relaxed_header(raw) for raw in covered))
    hashed.update(relaxed_header(start.encode()).removesuffix(b"\r\n"))
    return start.encode() + base64.b64encode(key.sign_digest(hashed.digest())) + b"\r\n"


def _instance(raw: bytes) -> int:
    return int(raw.partition(b"i=")[2].partition(b";")[0])
