"""Message-IDs: the same one for every attempt of a delivery, and a way back from it.

Owns how ours are made and recognised; threading by other people's ids is not here.  RFC 5322 §3.6.4.  Pure.
"""

import re

from tierii_mta.clock import Clock
from tierii_mta.mail.tokens import Purpose, TokenCodec

_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_BRACKETED = re.compile(r"<([^<>]{1,998})>")
_BARE = re.compile(r"(?<![^\s<>,;\"()])[^\s<>,;\"()@]{1,500}@[^\s<>,;\"()]{1,498}")
_MAX_DELIVERY = (1 << 63) - 1
_MAX_CHARACTERS = 100_000  # of a field


def message_id(codec: TokenCodec, delivery: int, domain: str) -> str:
    """Return the Message-ID of a delivery, `<token@domain>`; `domain` in A-labels."""
    if not 0 <= delivery <= _MAX_DELIVERY:
        raise ValueError("not a delivery id")
    payload = delivery.to_bytes(max(1, (delivery.bit_length() + 7) // 8), "big")
    return _bracketed(codec.seal_local(Purpose.MESSAGE_ID, payload), domain)


def open_message_id(codec: TokenCodec, text: str) -> int | None:
    """Return the delivery a Message-ID of ours belongs to, or None. Brackets and white space around it may be missing.

    The token alone is believed: gateways rewrite domains.
    """
    token, at, _ = text.strip().removeprefix("<").removesuffix(">").partition("@")
    payload = codec.open_local(Purpose.MESSAGE_ID, token) if at else None
    return int.from_bytes(payload, "big") if payload else None


def message_ids_in(field: str) -> tuple[str, ...]:
    """Return the ids of an In-Reply-To or References field, with angle brackets, in order, each once.

    Takes what clients write: words around the ids (the obs- syntax of RFC 5322 §4.5.4), white space that folding left
    inside of one, ids without brackets where there is none with.  Looks at the last 100,000 characters.
    """
    text = field[-_MAX_CHARACTERS:]
    found = ["".join(each.split()) for each in _BRACKETED.findall(text)] or _BARE.findall(text)
    return tuple(dict.fromkeys(f"<{each}>" for each in found if each))


def random_message_id(clock: Clock, domain: str) -> str:
    """Return a new Message-ID for mail that has no delivery id yet: milliseconds and 80 random bits, in hex."""
    return _bracketed(f"{clock.now():x}.{clock.token(10).hex()}", domain)


def _bracketed(left: str, domain: str) -> str:
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"{domain!r} cannot stand in a Message-ID")
    return f"<{left}@{domain}>"
