"""Sender rewriting (SRS): the reverse-path of mail that a mailbox sends on, so that SPF passes and a bounce finds back.

Owns the addresses `SRS0=…` and `SRS1=…`: making them, and opening those that come back; not who is sent what
(correspondence.mailboxes).  The format is that of the SRS paper, which other forwarders know, with a MAC of 80 bits:

    SRS0=MAC=TT=domain=local    a sender of elsewhere; TT is the day, and the address expires three weeks after it
    SRS1=MAC=host=…             a sender that `host` has rewritten before us: bounces go to `host`, which opens the rest
    SRS0=MAC=TT=_=NUMBER        a sender too long for a local part of 64 octets: kept under a number of ours

Upper and lower case are one, as relays fold local parts.  Pure.
"""

import re
from datetime import timedelta

from tierii_mta.clock import Instant
from tierii_mta.mail.address import MAX_LOCAL_OCTETS, Address, InvalidAddress
from tierii_mta.mail.tokens import Purpose, TokenCodec

LIFETIME = timedelta(days=21)
_DAY_MS = 86_400_000
_DAYS = 1 << 10  # what two characters of base32 hold
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_OURS = re.compile(r"(?i:srs0)[=+-]([A-Za-z2-7]{16})=([A-Za-z2-7]{2})=([^=]+)=(.+)")
_THEIRS = re.compile(r"(?i:srs1)[=+-]([A-Za-z2-7]{16})=([^=]+)=([=+-].+)")
_FOREIGN_FIRST = re.compile(r"(?i:srs0)([=+-].+)")
_FOREIGN_SECOND = re.compile(r"(?i:srs1)[=+-][^=]+=([^=]+)=([=+-].+)")
_NUMBERED = "_"  # in the place of the domain


def rewrite(codec: TokenCodec, sender: Address, *, domain: str, number: int, at: Instant) -> Address:
    """Return the reverse-path that stands for `sender` in our `domain`; `number` finds a sender too long for it."""
    for local in (_second(codec, sender), _first(codec, sender.domain, sender.local, at)):
        if local is not None and len(local.encode()) <= MAX_LOCAL_OCTETS and not local.endswith('"'):
            return Address(local, domain)
    return Address(_first(codec, _NUMBERED, str(number), at), domain)


def is_srs_form(local: str) -> bool:
    """Whether a local part is written as a rewritten sender's, whoever made it."""
    return local[:5].lower() in {"srs0=", "srs0+", "srs0-", "srs1=", "srs1+", "srs1-"}


def open_srs(codec: TokenCodec, local: str, *, at: Instant | None = None) -> Address | int | None:
    """Return whom a local part of ours stands for: an address, or the number that finds it. None: it is forged,
    malformed or, where `at` says the time, expired.
    """
    if (found := _OURS.fullmatch(local)) is not None:
        mac, day, domain, rest = found.groups()
        if not _is_signed(codec, mac, day, domain, rest) or (at is not None and _has_expired(day, at)):
            return None
        return int(rest) if domain == _NUMBERED else _address(rest, domain)
    if (found := _THEIRS.fullmatch(local)) is not None and _is_signed(codec, *found.groups()):
        return _address(f"SRS0{found[3]}", found[2])
    return None


def _first(codec: TokenCodec, domain: str, local: str, at: Instant) -> str:
    day = at // _DAY_MS % _DAYS
    written = _BASE32[day >> 5] + _BASE32[day & 31]
    return f"SRS0={_mac(codec, written, domain, local)}={written}={domain}={local}"


def _second(codec: TokenCodec, sender: Address) -> str | None:
    """Return the local part for a sender that was rewritten before; the middle hop of three is left out."""
    if (found := _FOREIGN_SECOND.fullmatch(sender.local)) is not None:
        host, rest = found.groups()
    elif (found := _FOREIGN_FIRST.fullmatch(sender.local)) is not None:
        host, rest = sender.domain, found[1]
    else:
        return None
    return f"SRS1={_mac(codec, host, rest)}={host}={rest}"


def _mac(codec: TokenCodec, *parts: str) -> str:
    return codec.sign_local(Purpose.FORWARD, "=".join(parts).lower().encode())


def _is_signed(codec: TokenCodec, mac: str, *parts: str) -> bool:
    return codec.is_signed_local(Purpose.FORWARD, "=".join(parts).lower().encode(), mac)


def _has_expired(day: str, at: Instant) -> bool:
    then = _BASE32.index(day[0].lower()) << 5 | _BASE32.index(day[1].lower())
    return (at // _DAY_MS - then) % _DAYS > LIFETIME // timedelta(days=1)


def _address(local: str, domain: str) -> Address | None:
    try:
        return Address.parse(f"{local}@{domain}")
    except InvalidAddress:
        return None
