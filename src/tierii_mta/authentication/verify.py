"""Verifying: what each DKIM-Signature of a message is worth.

Owns reading a signature, fetching its key and judging it; not what a verdict means for the mail (DMARC, reputation).
The results are those of RFC 8601 §2.7.1.  RFC 6376 §6, RFC 8301 (no SHA-1, no RSA below 1024 bits), RFC 8463, RFC 8616.
Touches: the DNS, by way of the Resolver port.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature

from tierii_mta.authentication.canonical import Canonicalization, canonical_body, canonical_header
from tierii_mta.authentication.keys import MAX_RSA_BITS, MIN_RSA_BITS, KeyKind, KeyRevoked, PublicKey, parse_record
from tierii_mta.authentication.tags import MalformedTags, names, need, need_octets, number, parse_tags
from tierii_mta.clock import Instant
from tierii_mta.mail.address import InvalidAddress, parse_domain
from tierii_mta.mail.header import HeaderField, MalformedHeader, parse_header_block
from tierii_mta.resolver.answer import Found, Resolver, Tempfail

MAX_SIGNATURES = 10
_LARGE_OCTETS = 65_536  # hashed in a thread from here on
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one signature is worth, and why."""

    result: Result
    reason: str = ""
    domain: str | None = None  # d=, in A-labels
    selector: str | None = None
    algorithm: str | None = None
    key_bits: int | None = None
    is_testing: bool = False


class _Judged(Exception):
    """Ends the judging of one signature early."""

    def __init__(self, result: Result, reason: str) -> None:
        self.result, self.reason = result, reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    """A DKIM-Signature that is well formed."""

    field: HeaderField
    domain: str
    selector: str
    kind: KeyKind
    algorithm: str
    header: Canonicalization
    body: Canonicalization
    covered: Sequence[str]  # h=
    body_hash: bytes
    signature: bytes
    identity_domain: str
    length: int | None
    expires: int | None


async def verify(message: bytes, resolver: Resolver, now: Instant) -> list[Verdict]:
    """Judge the first ten signatures of a message with CR LF line ends, in their order; [] where there is none."""
    try:
        fields, body_offset = parse_header_block(message)
    except MalformedHeader as error:
        return [Verdict(result=Result.PERMERROR, reason=str(error))]
    signed = [each for each in fields if each.name.lower() == "dkim-signature"][:MAX_SIGNATURES]
    if not signed:
        return []
    bodies = _Bodies(message[body_offset:])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_judge(each, fields, bodies, resolver, now)) for each in signed]
    return [task.result() for task in tasks]


class _Bodies:
    """The body's canonical forms and their hashes, each worked out once however many signatures ask for it."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._forms: dict[Canonicalization, bytes] = {}
        self._hashes: dict[tuple[Canonicalization, int | None], bytes] = {}
        self._turn = asyncio.Lock()

    async def hash(self, how: Canonicalization, length: int | None) -> tuple[int, bytes]:
        """Return the length of the canonical body, and the hash of its first `length` octets or of all."""
        async with self._turn:
            if (how, length) not in self._hashes:
                if len(self._body) > _LARGE_OCTETS:
                    await asyncio.to_thread(self._work, how, length)
                else:
                    self._work(how, length)
        return len(self._forms[how]), self._hashes[how, length]

    def _work(self, how: Canonicalization, length: int | None) -> None:
        if how not in self._forms:
            self._forms[how] = canonical_body(self._body, how)
        self._hashes[how, length] = hashlib.sha256(memoryview(self._forms[how])[:length]).digest()


async def _judge(
    field: HeaderField, fields: Sequence[HeaderField], bodies: _Bodies, resolver: Resolver, now: Instant
) -> Verdict:
    tags: Mapping[str, str] = {}
    key: PublicKey | None = None
    result, reason = Result.PASS, ""
    try:
        tags = parse_tags(field.raw.partition(b":")[2])
        signature = _read_signature(field, tags)
        await _check_body(signature, bodies)
        key = await _fetch_key(signature, resolver)
        _check_key(signature, key)
        _check_signature(signature, key, fields)
        _check_policy(signature, fields, now)
    except MalformedTags as error:
        result, reason = Result.PERMERROR, f"the signature {error}"
    except _Judged as judged:
        result, reason = judged.result, judged.reason
    return Verdict(
        result=result,
        reason=reason,
        domain=_readable(tags.get("d")),
        selector=_readable(tags.get("s")),
        algorithm=_readable(tags.get("a")),
        key_bits=key.bits if key else None,
        is_testing=key.is_testing if key else False,
    )


def _readable(value: str | None) -> str | None:
    """Return a tag for the verdict; not what could not be a name (it reaches logs and header fields)."""
    return value.lower() if value and _NAME.fullmatch(value.lower()) else None


def _read_signature(field: HeaderField, tags: Mapping[str, str]) -> _Signature:
    """Check the syntax of §3.5; raises `MalformedTags` or `_Judged`."""
    if need(tags, "v") != "1":
        raise MalformedTags("is not of version 1")
    algorithm = need(tags, "a").lower()
    if algorithm == "rsa-sha1":
        raise _Judged(Result.PERMERROR, "rsa-sha1 no longer counts (RFC 8301)")
    if algorithm not in _ALGORITHMS:
        raise _Judged(Result.NEUTRAL, "the algorithm is not known here")
    if "dns/txt" not in names(tags.get("q", "dns/txt")):
        raise _Judged(Result.NEUTRAL, "the key is not published in the DNS")
    header, _, body = tags.get("c", "simple/simple").lower().partition("/")
    if not {header, body or "simple"} <= set(Canonicalization):
        raise _Judged(Result.NEUTRAL, "the canonicalisation is not known here")
    domain = _domain(need(tags, "d"), "d")
    covered = names(need(tags, "h"))
    if "from" not in covered:
        raise MalformedTags("does not cover the From field")
    signed_at, expires = number(tags, "t"), number(tags, "x")
    if signed_at is not None and expires is not None and expires < signed_at:
        raise MalformedTags("expires before it was made")
    return _Signature(
        field=field,
        domain=domain,
        selector=_domain(need(tags, "s"), "s"),
        kind=_ALGORITHMS[algorithm],
        algorithm=algorithm,
        header=Canonicalization(header),
        body=Canonicalization(body or "simple"),
        covered=covered,
        body_hash=need_octets(tags, "bh"),
        signature=need_octets(tags, "b"),
        identity_domain=_identity_domain(tags, domain),
        length=number(tags, "l"),
        expires=expires,
    )


def _domain(text: str, tag: str) -> str:
    """Return a domain or selector in A-labels (RFC 8616 allows U-labels); underscores occur and do no harm."""
    if _NAME.fullmatch(text.lower()) and len(text) <= 253:
        return text.lower()
    try:
        return parse_domain(text)
    except InvalidAddress as cause:
        raise MalformedTags(f"has a tag {tag}= that is not a domain") from cause


def _identity_domain(tags: Mapping[str, str], domain: str) -> str:
    if "i" not in tags:
        return domain
    identity = _domain(tags["i"].rpartition("@")[2], "i")
    if identity != domain and not identity.endswith(f".{domain}"):
        raise MalformedTags("has an i= that is not of its domain")
    return identity


async def _check_body(signature: _Signature, bodies: _Bodies) -> None:
    size, digest = await bodies.hash(signature.body, signature.length)
    if signature.length is not None and signature.length > size:
        raise _Judged(Result.PERMERROR, "covers more body than there is")
    if digest != signature.body_hash:
        raise _Judged(Result.FAIL, "the body is not what was signed")
    if signature.length is not None and signature.length < size:
        raise _Judged(Result.POLICY, "covers only part of the body")


async def _fetch_key(signature: _Signature, resolver: Resolver) -> PublicKey:
    answer = await resolver.txt(f"{signature.selector}._domainkey.{signature.domain}")
    if isinstance(answer, Tempfail):
        raise _Judged(Result.TEMPERROR, "the key could not be fetched")
    if not isinstance(answer, Found):
        raise _Judged(Result.PERMERROR, "the key is not published")
    problem = ""
    for record in answer.records:  # more than one is the domain's mistake; the first that can be read counts
        try:
            return parse_record(record)
        except KeyRevoked as error:
            raise _Judged(Result.PERMERROR, str(error)) from error
        except MalformedTags as error:
            problem = problem or str(error)
    raise _Judged(Result.PERMERROR, f"the key record {problem}")


def _check_key(signature: _Signature, key: PublicKey) -> None:
    if key.kind is not signature.kind:
        raise _Judged(Result.PERMERROR, "the key is of another kind than the signature")
    if key.hashes and "sha256" not in key.hashes:
        raise _Judged(Result.PERMERROR, "the key does not allow SHA-256")
    if not {"*", "email"} & set(key.services):
        raise _Judged(Result.PERMERROR, "the key is not for mail")
    if key.is_strict and signature.identity_domain != signature.domain:
        raise _Judged(Result.PERMERROR, "the key does not allow subdomains")
    if key.kind is KeyKind.RSA and not MIN_RSA_BITS <= key.bits <= MAX_RSA_BITS:
        raise _Judged(Result.POLICY, f"an RSA key of {key.bits} bits is not accepted")


def _check_signature(signature: _Signature, key: PublicKey, fields: Sequence[HeaderField]) -> None:
    waiting: dict[str, list[bytes]] = {}
    for each in fields:
        waiting.setdefault(each.name.lower(), []).append(each.raw)
    hashed = hashlib.sha256()
    for name in signature.covered:
        if waiting.get(name):  # from the last one up; one more than there are stands for none (§5.4.2)
            hashed.update(canonical_header(waiting[name].pop(), signature.header))
    hashed.update(_unsigned(signature))
    try:
        key.verify_digest(signature.signature, hashed.digest())
    except InvalidSignature:
        raise _Judged(Result.FAIL, "the header is not what was signed") from None


def _unsigned(signature: _Signature) -> bytes:
    """Return the signature's own field as it was when signed: `b=` empty, no line end at its end (§3.7)."""
    name, _, value = signature.field.raw.partition(b":")
    emptied = name + b":" + _SIGNATURE_VALUE.sub(rb"\1", value, count=1)
    canonical = canonical_header(emptied, signature.header)
    return canonical.removesuffix(b"\r\n")


def _check_policy(signature: _Signature, fields: Sequence[HeaderField], now: Instant) -> None:
    if signature.expires is not None and signature.expires < now // 1000:
        raise _Judged(Result.POLICY, "the signature has expired")
    authors = sum(each.name.lower() == "from" for each in fields)
    if authors > signature.covered.count("from"):
        raise _Judged(Result.POLICY, "does not cover every From field")  # §8.15
