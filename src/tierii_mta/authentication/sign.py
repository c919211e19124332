"""Signing: the DKIM-Signature fields to put in front of a message.

Owns how the signature is written; not what it covers (authentication.coverage) nor the keys (authentication.keys).
RFC 6376 §5, RFC 8463.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import timedelta

from tierii_mta.authentication.coverage import COLUMNS, Coverage, cover
from tierii_mta.authentication.keys import DkimKey
from tierii_mta.clock import Instant


def sign(message: bytes, keys: Sequence[DkimKey], *, now: Instant, expires: timedelta | None = None) -> bytes:
    """Return one DKIM-Signature field per key, in the order of the keys, to put in front of `message`.

    `message` has CR LF line ends; ValueError if its header is malformed or has no From field.  `expires` counts from
    `now`; None: never.
    """
    return sign_coverage(cover(message), keys, now=now, expires=expires)


def sign_coverage(
    coverage: Coverage, keys: Sequence[DkimKey], *, now: Instant, expires: timedelta | None = None
) -> bytes:
    """Do what `sign` does, for a message whose coverage is known."""
    hashed = hashlib.sha256(coverage.header)
    times = _times(now, expires)
    return b"".join(_signature(key, f"s={key.selector}; {times}", coverage.tags, hashed.copy()) for key in keys)


def _times(now: Instant, expires: timedelta | None) -> str:
    if expires is None:
        return f"t={now // 1000};"
    if expires < timedelta(seconds=1):
        raise ValueError("a signature lives for at least a second")
    return f"t={now // 1000}; x={now // 1000 + int(expires.total_seconds())};"


def _signature(key: DkimKey, line: str, tags: str, hashed: "hashlib._Hash") -> bytes:
    """Write one field. Its relaxed form is its lines joined with spaces, so it needs no canonicaliser."""
    value = [f"v=1; a={key.algorithm}; c=relaxed/relaxed; d={key.domain};", line, tags, "b="]
    hashed.update(f"dkim-signature:{' '.join(value)}".replace("\r\n", "").encode("ascii"))
    signature = base64.b64encode(key.sign_digest(hashed.digest())).decode("ascii")
    value[-1] = f"b={signature[: COLUMNS - 2]}"
    value.extend(signature[start : start + COLUMNS] for start in range(COLUMNS - 2, len(signature), COLUMNS))
    return ("DKIM-Signature: " + "\r\n ".join(value) + "\r\n").encode("ascii")
