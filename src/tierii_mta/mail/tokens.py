"""Signed tokens: what links, return paths and Message-IDs carry so that the way back can be believed.

Owns the one codec and the payloads of links to our pages and of signed addresses; not what a token permits (its reader
does) nor the URLs around it.  A key per purpose and form is derived from the installation's secret with HKDF
(RFC 5869), so a token for one purpose never opens as another.  Nothing is hidden in a token: it is authentic, not
secret, and holds no address.  Pure.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tierii_mta.errors import ConfigurationError
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey

MIN_SECRET_OCTETS = 16
_VERSION = 1
_URL_MAC_OCTETS = 16
_LOCAL_MAC_OCTETS = 10
_PERSON_OCTETS = 16
_BLOCK_OCTETS = 64  # of SHA-256
_BOUND_OCTETS = 4  # of the recipient's key, inside a return path
_TAG_OCTETS = 4  # of a list, inside an address to unsubscribe at
_MAX_ROOM_OCTETS = 6  # for the delivery in one
_MAX_TOKEN_CHARACTERS = 2048
_MAX_DELIVERY = (1 << 63) - 1


class Purpose(StrEnum):
    """What a token is for; each has keys of its own."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    WEB_VIEW = "web-view"
    OPEN = "open"
    CLICK = "click"
    BOUNCE = "bounce"  # the return path (VERP)
    REPLY = "reply"
    MESSAGE_ID = "message-id"
    FORWARD = "forward"  # the reverse-path of mail sent on (mail.srs)


_MARK_OF: Mapping[Purpose, str] = MappingProxyType({Purpose.BOUNCE: "b", Purpose.REPLY: "r", Purpose.UNSUBSCRIBE: "u"})
_PURPOSE_OF: Mapping[str, Purpose] = MappingProxyType({mark: purpose for purpose, mark in _MARK_OF.items()})


class TokenCodec:
    """Seals and opens tokens under one secret; tokens of `previous` secrets still open, new ones use the first.

    A token is version, key id, payload and a truncated HMAC-SHA256 over all three.  The person key depends on the
    current secret alone.
    """

    def __init__(self, secret: bytes, *, previous: Sequence[bytes] = ()) -> None:
        self._rings = [_Ring(each) for each in (secret, *previous)]

    def person_key(self, address: Address) -> PersonKey:
        """Return what queue and suppression list know the person by; equal for addresses that differ only in case."""
        return PersonKey(self._rings[0].person.mac(address.key.encode())[:_PERSON_OCTETS])

    def seal(self, purpose: Purpose, payload: bytes) -> str:
        """Return a token for a URL: base64url without padding, MAC of 16 octets."""
        token = self._rings[0].seal(self._rings[0].url[purpose], payload, _URL_MAC_OCTETS)
        return base64.urlsafe_b64encode(token).rstrip(b"=").decode("ascii")

    def open(self, purpose: Purpose, token: str) -> bytes | None:
        """Return the payload, or None if the token is malformed, forged, or made for another purpose."""
        octets = _from_base64url(token)
        if octets is None:
            return None
        keys = ((ring, ring.url[purpose]) for ring in self._rings)
        return next(
            (found for ring, key in keys if (found := ring.open(key, octets, _URL_MAC_OCTETS)) is not None), None
        )

    def seal_local(self, purpose: Purpose, payload: bytes) -> str:
        """Return a token for the local part of an address or a Message-ID: lower-case base32, MAC of 10 octets."""
        token = self._rings[0].seal(self._rings[0].local[purpose], payload, _LOCAL_MAC_OCTETS)
        return base64.b32encode(token).rstrip(b"=").decode("ascii").lower()

    def open_local(self, purpose: Purpose, text: str) -> bytes | None:
        """Return the payload or None, like `open`; upper and lower case are one, as relays fold local parts."""
        octets = _from_base32(text)
        if octets is None:
            return None
        keys = ((ring, ring.local[purpose]) for ring in self._rings)
        return next(
            (found for ring, key in keys if (found := ring.open(key, octets, _LOCAL_MAC_OCTETS)) is not None), None
        )

    def sign_local(self, purpose: Purpose, octets: bytes) -> str:
        """Return the MAC alone, for what stands legibly beside it in an address: 16 characters of base32."""
        mac = self._rings[0].local[purpose].mac(octets)[:_LOCAL_MAC_OCTETS]
        return base64.b32encode(mac).decode("ascii").lower()

    def is_signed_local(self, purpose: Purpose, octets: bytes, mac: str) -> bool:
        """Whether `sign_local` has made the MAC, now or under an earlier secret; upper and lower case are one."""
        given = _from_base32(mac)
        return given is not None and any(
            hmac.compare_digest(ring.local[purpose].mac(octets)[:_LOCAL_MAC_OCTETS], given) for ring in self._rings
        )


class _Key:
    """HMAC-SHA256 under one key (RFC 2104), from two keyed states that are copied for each MAC.

    `hmac.HMAC` does the same behind objects of Python that cost as much again; `hmac.digest` keys it anew and gives the
    interpreter lock away, which a busy event loop then waits for, four times a message.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes, info: str) -> None:
        padded = _derive(secret, info).ljust(_BLOCK_OCTETS, b"\0")
        self._inner = sha256(bytes(octet ^ 0x36 for octet in padded))
        self._outer = sha256(bytes(octet ^ 0x5C for octet in padded))

    def mac(self, octets: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(octets)
        outer.update(inner.digest())
        return outer.digest()


class _Ring:
    """The keys derived from one secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET_OCTETS:
            raise ConfigurationError(
                f"the secret has {len(secret)} octets, fewer than {MIN_SECRET_OCTETS}",
                where="secret",
                remedy="let the daemon create data_dir/secret, or give at least 16 random octets",
            )
        self.key_id = _derive(secret, "key-id")[:1]
        self.person = _Key(secret, "person")
        self.url = {purpose: _Key(secret, f"url:{purpose}") for purpose in Purpose}
        self.local = {purpose: _Key(secret, f"local:{purpose}") for purpose in Purpose}
        self._head = bytes((_VERSION,)) + self.key_id

    def seal(self, key: _Key, payload: bytes, mac_octets: int) -> bytes:
        body = self._head + payload
        return body + key.mac(body)[:mac_octets]

    def open(self, key: _Key, token: bytes, mac_octets: int) -> bytes | None:
        body, mac = token[:-mac_octets], token[-mac_octets:]
        if len(body) < 2 or body[:2] != self._head:
            return None
        return body[2:] if hmac.compare_digest(key.mac(body)[:mac_octets], mac) else None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """What an unsubscribe link says: who, from which list, and, if known, because of which mail."""

    key: PersonKey
    list_id: str
    delivery: int | None


def seal_unsubscribe(codec: TokenCodec, key: PersonKey, list_id: str, delivery: int | None = None) -> str:
    """Return the token of an unsubscribe link. It never expires and works after the delivery was purged."""
    return _seal_person(codec, Purpose.UNSUBSCRIBE, key, delivery, list_id)


def open_unsubscribe(codec: TokenCodec, token: str) -> Unsubscribe | None:
    """Return what the link says, or None for a token that is not ours or not for unsubscribing."""
    found = _open_person(codec, Purpose.UNSUBSCRIBE, token)
    return Unsubscribe(key=found[0], list_id=found[2], delivery=found[1]) if found is not None else None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a link to the preferences page says: whose, about the mail of which domain, and because of which mail."""

    key: PersonKey
    sender: str
    delivery: int | None


def seal_preferences(codec: TokenCodec, key: PersonKey, sender: str, delivery: int | None = None) -> str:
    """Return the token of a link to a person's preferences page."""
    return _seal_person(codec, Purpose.PREFERENCES, key, delivery, sender)


def open_preferences(codec: TokenCodec, token: str) -> Preferences | None:
    """Return what the link says, or None for a token that is not ours or not for preferences."""
    found = _open_person(codec, Purpose.PREFERENCES, token)
    return Preferences(key=found[0], sender=found[2], delivery=found[1]) if found is not None else None


@dataclass(frozen=True, slots=True)
class WebView:
    """What a web-view link says: which mail, and whose. It is for looking alone."""

    key: PersonKey
    delivery: int


def seal_web_view(codec: TokenCodec, key: PersonKey, delivery: int) -> str:
    """Return the token of a link to one mail on the web."""
    return _seal_person(codec, Purpose.WEB_VIEW, key, delivery)


def open_web_view(codec: TokenCodec, token: str) -> WebView | None:
    """Return what the link says, or None for a token that is not ours or not for looking."""
    found = _open_person(codec, Purpose.WEB_VIEW, token)
    return WebView(key=found[0], delivery=found[1]) if found is not None and found[1] is not None else None


def _seal_person(codec: TokenCodec, purpose: Purpose, key: PersonKey, delivery: int | None, text: str = "") -> str:
    if len(key) != _PERSON_OCTETS:
        raise ValueError("not a person key")
    number = b"" if delivery is None else _pack_delivery(delivery)
    return codec.seal(purpose, key + bytes((len(number),)) + number + text.encode())


def _open_person(codec: TokenCodec, purpose: Purpose, token: str) -> tuple[PersonKey, int | None, str] | None:
    payload = codec.open(purpose, token)
    if payload is None or len(payload) <= _PERSON_OCTETS:
        return None
    key, size, rest = payload[:_PERSON_OCTETS], payload[_PERSON_OCTETS], payload[_PERSON_OCTETS + 1 :]
    return PersonKey(key), int.from_bytes(rest[:size], "big") if size else None, rest[size:].decode()


@dataclass(frozen=True, slots=True)
class SignedAddress:
    """What an address of ours says that only we can have made: what for, and because of which mail."""

    purpose: Purpose
    delivery: int
    leaver: "Leaver | None" = None


@dataclass(frozen=True, slots=True)
class Leaver:
    """What an address to unsubscribe at says besides: who leaves, and which list, known by its tag."""

    key: PersonKey
    list_tag: bytes


def list_tag(list_id: str | None) -> bytes:
    """Return what stands for a list where its id has no room."""
    return hashlib.sha256((list_id or "").encode()).digest()[:_TAG_OCTETS]


def unsubscribe_address(codec: TokenCodec, delivery: int, recipient: Address, list_id: str | None, at: str) -> Address:
    """Return the address at a domain that unsubscribes by a mail of any content, also after the delivery was purged.

    Its local part has at most 63 octets; of a delivery beyond 2^48 it is the plain signed address.
    """
    number = _pack_delivery(delivery)
    if len(number) > _MAX_ROOM_OCTETS:
        return signed_address(codec, Purpose.UNSUBSCRIBE, delivery, recipient, at)
    key = codec.person_key(recipient)  # its beginning last, as in every signed address
    payload = number + list_tag(list_id) + key[_BOUND_OCTETS:] + key[:_BOUND_OCTETS]
    return Address(f"{_MARK_OF[Purpose.UNSUBSCRIBE]}+{codec.seal_local(Purpose.UNSUBSCRIBE, payload)}", at)


def signed_address(codec: TokenCodec, purpose: Purpose, delivery: int, recipient: Address, domain: str) -> Address:
    """Return the address `x+<token>@domain` of one delivery, bound to its recipient; at most 43 octets of local part.

    x tells bounce, reply and unsubscribe apart; there is none for other purposes (KeyError).  `domain` is in A-labels,
    as `mail.address.parse_domain` returns it.
    """
    payload = _pack_delivery(delivery) + codec.person_key(recipient)[:_BOUND_OCTETS]
    return Address(f"{_MARK_OF[purpose]}+{codec.seal_local(purpose, payload)}", domain)


def is_signed_form(local: str) -> bool:
    """Whether a local part is written as those of signed addresses are, whoever made it."""
    return local[:1].lower() in _PURPOSE_OF and local[1:2] == "+"


def open_signed_address(codec: TokenCodec, address: Address, recipient: Address | None = None) -> SignedAddress | None:
    """Return what the address says, or None if it is no signed address of ours.

    With `recipient`, also None unless it was made for that person.
    """
    mark, _, token = address.local.partition("+")
    purpose = _PURPOSE_OF.get(mark.lower())
    payload = codec.open_local(purpose, token) if purpose is not None else None
    if purpose is None or payload is None or len(payload) <= _BOUND_OCTETS:
        return None
    if recipient is not None and not hmac.compare_digest(
        codec.person_key(recipient)[:_BOUND_OCTETS], payload[-_BOUND_OCTETS:]
    ):
        return None
    number, rest = payload[:-_BOUND_OCTETS], b""
    if len(number) > _PERSON_OCTETS:
        number, rest = payload[: -_PERSON_OCTETS - _TAG_OCTETS], payload[-_PERSON_OCTETS - _TAG_OCTETS :]
    leaver = Leaver(PersonKey(rest[-_BOUND_OCTETS:] + rest[_TAG_OCTETS:-_BOUND_OCTETS]), rest[:_TAG_OCTETS])
    return SignedAddress(purpose, int.from_bytes(number, "big"), leaver if rest else None)


def return_path(codec: TokenCodec, delivery: int, recipient: Address, domain: str) -> Address:
    """Return the VERP of one delivery: its signed address for bounces."""
    return signed_address(codec, Purpose.BOUNCE, delivery, recipient, domain)


def open_return_path(codec: TokenCodec, address: Address, recipient: Address | None = None) -> int | None:
    """Return the delivery a bounce came back to, or None if the address is not a return path of ours.

    With `recipient`, also None unless the return path was made for that person.
    """
    found = open_signed_address(codec, address, recipient)
    return found.delivery if found is not None and found.purpose is Purpose.BOUNCE else None


def _pack_delivery(delivery: int) -> bytes:
    if not 0 <= delivery <= _MAX_DELIVERY:
        raise ValueError("not a delivery id")
    return delivery.to_bytes(max(1, (delivery.bit_length() + 7) // 8), "big")


def _derive(secret: bytes, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tierii-mta " + info.encode()).derive(secret)


def _from_base64url(token: str) -> bytes | None:
    """Decode the one canonical spelling of a token; anything else is None."""
    if len(token) > _MAX_TOKEN_CHARACTERS or not token.isascii():
        return None
    try:
        octets = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return octets if base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii") == token else None


def _from_base32(text: str) -> bytes | None:
    if len(text) > _MAX_TOKEN_CHARACTERS or not text.isascii():
        return None
    folded = text.upper()
    try:
        octets = base64.b32decode(folded + "=" * (-len(folded) % 8))
    except binascii.Error:
        return None
    return octets if base64.b32encode(octets).rstrip(b"=").decode("ascii") == folded else None
