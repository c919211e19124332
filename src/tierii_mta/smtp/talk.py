"""What was said in an attempt: recorded as references to the octets, written out only if it is kept.

Owns the record and its text; no message content gets into it (a session records commands and replies), and no secrets.
Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from tierii_mta.smtp.replies import safe_text

LIMIT = 8192  # characters of one attempt's text
_SECRET = b"AUTH "
_GO_AHEAD = b"354"


class Speaker(IntEnum):
    """Whose octets they are."""

    PEER = 0
    WE = 1
    NOTE = 2  # nobody said it: it happened


Said = list[tuple[Speaker, bytes]]


class Exchange(NamedTuple):
    """One session's part in an attempt."""

    host: str
    address: str
    opening: Sequence[tuple[Speaker, bytes]]  # greeting, EHLO, TLS; with a reused session said before
    said: Sequence[tuple[Speaker, bytes]]
    is_reused: bool = False


def render(exchanges: Iterable[Exchange], limit: int = LIMIT) -> str:
    """Return the text operators read, `<` the peer and `>` we; of more than `limit` characters the middle is cut."""
    text = "\n".join(line for one in exchanges for line in _lines(one))
    if len(text) <= limit:
        return text
    head = text[: limit // 2].rpartition("\n")[0]
    tail = text[-limit // 2 :].partition("\n")[2]
    return f"{head}\n- {len(text) - len(head) - len(tail)} characters are left out\n{tail}"


def _lines(one: Exchange) -> Iterator[str]:
    yield f"- {one.host} [{one.address}]{', a session that was open' if one.is_reused else ''}"
    yield from _dialogue(one.opening)
    yield from _dialogue(one.said)


def _dialogue(said: Sequence[tuple[Speaker, bytes]]) -> Iterator[str]:
    pending = b""  # of the peer: what is not yet a line
    for speaker, octets in said:
        if speaker is Speaker.NOTE:
            yield f"- {safe_text(octets)}"
        elif speaker is Speaker.WE:
            yield from (f"> {_without_secret(line)}" for line in octets.splitlines())
        else:
            *lines, pending = (pending + octets).split(b"\n")
            for line in lines:
                yield "< " + safe_text(line.removesuffix(b"\r"))
                if line.startswith(_GO_AHEAD):
                    yield "- the message"
    if pending:
        yield f"< {safe_text(pending)}"


def _without_secret(line: bytes) -> str:
    return "AUTH …" if line[: len(_SECRET)].upper() == _SECRET else safe_text(line)
