"""What the signatures of DKIM and of ARC have in common: their tags, their keys and the hash of what they cover.

Owns the results of RFC 8601 §2.7.1, the checks of a key (RFC 6376 §6.1.2, RFC 8301: no SHA-1, no RSA below 1024 bits;
RFC 8463) and RFC 8616 (domains in U-labels); not which tags a field must have nor what a result leads to
(authentication.verify, authentication.arc).  Touches: the DNS, by way of the Resolver port.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from cryptography.exceptions import InvalidSignature

from tierii_mta.authentication.body_hash import Hashed
from tierii_mta.authentication.canonical import Canonicalization, canonical_header
from tierii_mta.authentication.keys import MAX_RSA_BITS, MIN_RSA_BITS, KeyKind, KeyRevoked, PublicKey, parse_record
from tierii_mta.authentication.tags import MalformedTags, need
from tierii_mta.mail.address import InvalidAddress, parse_domain
from tierii_mta.mail.header import HeaderField
from tierii_mta.resolver.answer import Found, Resolver, Tempfail

_ALGORITHMS = {"rsa-sha256": KeyKind.RSA, "ed25519-sha256": KeyKind.ED25519}
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")
_SIGNATURE_VALUE = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


class Result(StrEnum):
    """RFC 8601 §2.7.1; `none` is an empty list of verdicts."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"  # the message or its header is not what was signed
    NEUTRAL = "neutral"  # signed in a way we cannot process
    TEMPERROR = "temperror"  # the key could not be fetched now
    PERMERROR = "permerror"  # the signature or its key is malformed or missing
    POLICY = "policy"  # good perhaps, but not acceptable: weak key, part of the body, expired


class Judged(Exception):
    """Ends the judging of one signature early."""

    def __init__(self, result: Result, reason: str) -> None:
        self.result, self.reason = result, reason
        super().__init__(reason)


def key_kind(tags: Mapping[str, str]) -> KeyKind:
    """Return which key `a=` asks for; raises `MalformedTags` or `Judged`."""
    algorithm = need(tags, "a").lower()
    if algorithm == "rsa-sha1":
        raise Judged(Result.PERMERROR, "rsa-sha1 no longer counts (RFC 8301)")
    if algorithm not in _ALGORITHMS:
        raise Judged(Result.NEUTRAL, "the algorithm is not known here")
    return _ALGORITHMS[algorithm]


def canonicalizations(text: str) -> tuple[Canonicalization, Canonicalization]:
    """Return the forms of header and body that `c=` names; raises `Judged`."""
    header, _, body = text.lower().partition("/")
    if not {header, body or "simple"} <= set(Canonicalization):
        raise Judged(Result.NEUTRAL, "the canonicalisation is not known here")
    return Canonicalization(header), Canonicalization(body or "simple")


def domain_tag(tags: Mapping[str, str], tag: str) -> str:
    """Return the domain or selector of a tag in A-labels; underscores occur and do no harm. Raises `MalformedTags`."""
    return read_domain(need(tags, tag), tag)


def read_domain(text: str, tag: str) -> str:
    """Do what `domain_tag` does, for part of a tag's value."""
    if _NAME.fullmatch(text.lower()) and len(text) <= 253:
        return text.lower()
    try:
        domain = parse_domain(text)
    except InvalidAddress as cause:
        raise MalformedTags(f"has a tag {tag}= that is not a domain") from cause
    if domain.startswith("["):
        raise MalformedTags(f"has a tag {tag}= that is an address")
    return domain


def readable(value: str | None) -> str | None:
    """Return a tag for a verdict; not what could not be a name (it reaches logs and header fields)."""
    return value.lower() if value and _NAME.fullmatch(value.lower()) else None


async def fetch_key(selector: str, domain: str, resolver: Resolver) -> PublicKey:
    """Return the key that is published; raises `Judged`."""
    answer = await resolver.txt(f"{selector}._domainkey.{domain}")
    if isinstance(answer, Tempfail):
        raise Judged(Result.TEMPERROR, "the key could not be fetched")
    if not isinstance(answer, Found):
        raise Judged(Result.PERMERROR, "the key is not published")
    problem = ""
    for record in answer.records:  # more than one is the domain's mistake; the first that can be read counts
        try:
            return parse_record(record)
        except KeyRevoked as error:
            raise Judged(Result.PERMERROR, str(error)) from error
        except MalformedTags as error:
            problem = problem or str(error)
    raise Judged(Result.PERMERROR, f"the key record {problem}")


def check_key(key: PublicKey, kind: KeyKind) -> None:
    """Raise `Judged` unless a signature of this kind may be checked with the key."""
    if key.kind is not kind:
        raise Judged(Result.PERMERROR, "the key is of another kind than the signature")
    if key.hashes and "sha256" not in key.hashes:
        raise Judged(Result.PERMERROR, "the key does not allow SHA-256")
    if not {"*", "email"} & set(key.services):
        raise Judged(Result.PERMERROR, "the key is not for mail")
    if key.kind is KeyKind.RSA and not MIN_RSA_BITS <= key.bits <= MAX_RSA_BITS:
        raise Judged(Result.POLICY, f"an RSA key of {key.bits} bits is not accepted")


def check_body(body: Hashed, length: int | None, digest: bytes) -> None:
    """Raise `Judged` unless the hash is that of the whole body; `length` is what the signature covers of it (`l=`)."""
    if length is not None and length > body.size:
        raise Judged(Result.PERMERROR, "covers more body than there is")
    if body.digest != digest:
        raise Judged(Result.FAIL, "the body is not what was signed")
    if length is not None and length < body.size:
        raise Judged(Result.POLICY, "covers only part of the body")


def choose_covered(fields: Iterable[HeaderField], covered: Sequence[str]) -> list[bytes]:
    """Return the fields that `h=` names: from the last one up; one more than there are stands for none (§5.4.2)."""
    waiting: dict[str, list[bytes]] = {}
    for each in fields:
        waiting.setdefault(each.name.lower(), []).append(each.raw)
    return [waiting[name].pop() for name in covered if waiting.get(name)]


def check_signature(
    key: PublicKey, signature: bytes, covered: Iterable[bytes], field: HeaderField, how: Canonicalization
) -> None:
    """Raise `Judged` unless the key signed these fields, in this order, and the signature's own field behind them."""
    hashed = hashlib.sha256()
    for raw in covered:
        hashed.update(canonical_header(raw, how))
    hashed.update(_unsigned(field, how))
    try:
        key.verify_digest(signature, hashed.digest())
    except InvalidSignature:
        raise Judged(Result.FAIL, "the header is not what was signed") from None


def _unsigned(field: HeaderField, how: Canonicalization) -> bytes:
    """Return the signature's own field as it was when signed: `b=` empty, no line end at its end (§3.7)."""
    name, _, value = field.raw.partition(b":")
    emptied = name + b":" + _SIGNATURE_VALUE.sub(rb"\1", value, count=1)
    return canonical_header(emptied, how).removesuffix(b"\r\n")
