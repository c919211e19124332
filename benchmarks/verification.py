"""Are the messages that arrived complete and signed? dkimpy says, for every one of them.

Owns reading what `smtp-sink -d` keeps: its own header fields, the last of which is the first `Received`, then the
message with bare line feeds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dkim

_RECIPIENT = re.compile(rb"^X-Rcpt-Args: <([^>]*)>", re.MULTILINE)
_OWN_HEADER = re.compile(rb"\AX-Client-Addr: .*?^Received: [^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one round left in the sink."""

    recipients: frozenset[str]
    messages: int
    verified: int  # with a DKIM-Signature that dkimpy accepts
    mean_bytes: int  # as they arrived, signature and all


def read(folder: Path, *, dkim_records: dict[str, bytes]) -> Kept:
    """Read and verify every message in a folder; `dkim_records` are the published keys by name."""
    found = [_parse(path.read_bytes()) for path in sorted(folder.iterdir())]
    messages = [message for _, message in found]
    return Kept(
        recipients=frozenset(recipient for recipients, _ in found for recipient in recipients),
        messages=len(messages),
        verified=sum(_verifies(message, dkim_records) for message in messages),
        mean_bytes=sum(map(len, messages)) // max(1, len(messages)),
    )


def _parse(dump: bytes) -> tuple[list[str], bytes]:
    own = _OWN_HEADER.match(dump)
    if own is None:
        raise SystemExit(f"smtp-sink kept something else than a message: {dump[:200]!r}")
    message = dump[own.end() :].removesuffix(b"\n")  # the dump ends with an empty line of its own
    return [one.decode() for one in _RECIPIENT.findall(own[0])], message.replace(b"\n", b"\r\n")


def _verifies(message: bytes, records: dict[str, bytes]) -> bool:
    return any(_signatures(message, records))


def _signatures(message: bytes, records: dict[str, bytes]) -> Iterator[bool]:
    verifier = dkim.DKIM(message)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
    for number in range(count):
        try:
            yield verifier.verify(idx=number, dnsfunc=lambda name, timeout=5: records.get(name.decode().rstrip(".")))
        except dkim.DKIMException:
            yield False
