"""Verifying: what each DKIM-Signature of a message is worth.

Owns reading a signature and judging it; not what a verdict means for the mail (DMARC, reputation).  The results are
those of RFC 8601 §2.7.1.  RFC 6376 §6; keys and algorithms in authentication.signature.  Touches: the DNS, by way of
the Resolver port.

A judgement: `read_signatures` (syntax) → `hash_body` (one reading for all of them) → `judge` (body, key, header,
policy).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tierii_mta.authentication.body_hash import Body, Hashed, Wanted, hash_body
from tierii_mta.authentication.canonical import Canonicalization
from tierii_mta.authentication.keys import KeyKind, PublicKey
from tierii_mta.authentication.signature import (
    Judged,
    Result,
    canonicalizations,
    check_body,
    check_key,
    check_signature,
    choose_covered,
    domain_tag,
    fetch_key,
    key_kind,
    read_domain,
    readable,
)
from tierii_mta.authentication.tags import MalformedTags, names, need, need_octets, number, parse_tags
from tierii_mta.clock import Instant
from tierii_mta.mail.header import HeaderField, MalformedHeader, parse_header_block
from tierii_mta.resolver.answer import Resolver

MAX_SIGNATURES = 10
_SHOWN = 8  # characters of `b=` that tell signatures apart, RFC 6008 §4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one signature is worth, and why."""

    result: Result
    reason: str = ""
    domain: str | None = None  # d=, in A-labels
    selector: str | None = None
    algorithm: str | None = None
    start: str | None = None  # the first characters of b=
    key_bits: int | None = None
    is_testing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A DKIM-Signature that is well formed."""

    field: HeaderField
    domain: str
    selector: str
    kind: KeyKind
    header: Canonicalization
    body: Wanted
    covered: Sequence[str]  # h=
    body_hash: bytes
    signature: bytes
    identity_domain: str
    expires: int | None


@dataclass(frozen=True, slots=True)
class Read:
    """A DKIM-Signature that was read: its verdict already, or what a verdict must be found for."""

    verdict: Verdict  # of a good signature as long as nothing says otherwise
    signature: Signature | None


async def verify(message: bytes, resolver: Resolver, now: Instant) -> list[Verdict]:
    """Judge the first ten signatures of a message with CR LF line ends, in their order; [] where there is none."""
    try:
        fields, body_offset = parse_header_block(message)
    except MalformedHeader as error:
        return [Verdict(result=Result.PERMERROR, reason=str(error))]
    signatures = read_signatures(fields)
    bodies = await hash_body(Body.of(message[body_offset:]), wanted(signatures)) if signatures else {}
    return await judge(signatures, fields, bodies, resolver, now)


def read_signatures(fields: Sequence[HeaderField]) -> list[Read]:
    """Return the first ten signatures, in their order."""
    signed = [each for each in fields if each.name.lower() == "dkim-signature"][:MAX_SIGNATURES]
    return [_read(each) for each in signed]


def wanted(signatures: Sequence[Read]) -> set[Wanted]:
    """Return the hashes of the body that they need."""
    return {each.signature.body for each in signatures if each.signature}


async def judge(
    signatures: Sequence[Read],
    fields: Sequence[HeaderField],
    bodies: Mapping[Wanted, Hashed],
    resolver: Resolver,
    now: Instant,
) -> list[Verdict]:
    """Return a verdict on each, all keys fetched at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_judge(each, fields, bodies, resolver, now)) for each in signatures]
    return [task.result() for task in tasks]


def _read(field: HeaderField) -> Read:
    tags: Mapping[str, str] = {}
    signature, result, reason = None, Result.PASS, ""
    try:
        tags = parse_tags(field.raw.partition(b":")[2])
        signature = _read_signature(field, tags)
    except MalformedTags as error:
        result, reason = Result.PERMERROR, f"the signature {error}"
    except Judged as judged:
        result, reason = judged.result, judged.reason
    verdict = Verdict(
        result=result,
        reason=reason,
        domain=signature.domain if signature else readable(tags.get("d")),
        selector=signature.selector if signature else readable(tags.get("s")),
        algorithm=readable(tags.get("a")),
        start=_start(tags.get("b", "")),
    )
    return Read(verdict, signature)


def _start(text: str) -> str | None:
    """Return the first characters of `b=` where they are base64."""
    start = text[:_SHOWN]
    return start if start and start.isascii() and start.replace("+", "").replace("/", "").isalnum() else None


def _read_signature(field: HeaderField, tags: Mapping[str, str]) -> Signature:
    """Check the syntax of §3.5; raises `MalformedTags` or `Judged`."""
    if need(tags, "v") != "1":
        raise MalformedTags("is not of version 1")
    kind = key_kind(tags)
    if "dns/txt" not in names(tags.get("q", "dns/txt")):
        raise Judged(Result.NEUTRAL, "the key is not published in the DNS")
    header, body = canonicalizations(tags.get("c", "simple/simple"))
    domain = domain_tag(tags, "d")
    covered = names(need(tags, "h"))
    if "from" not in covered:
        raise MalformedTags("does not cover the From field")
    signed_at, expires = number(tags, "t"), number(tags, "x")
    if signed_at is not None and expires is not None and expires < signed_at:
        raise MalformedTags("expires before it was made")
    return Signature(
        field=field,
        domain=domain,
        selector=domain_tag(tags, "s"),
        kind=kind,
        header=header,
        body=Wanted(body, number(tags, "l")),
        covered=covered,
        body_hash=need_octets(tags, "bh"),
        signature=need_octets(tags, "b"),
        identity_domain=_identity_domain(tags, domain),
        expires=expires,
    )


def _identity_domain(tags: Mapping[str, str], domain: str) -> str:
    if "i" not in tags:
        return domain
    identity = read_domain(tags["i"].rpartition("@")[2], "i")
    if identity != domain and not identity.endswith(f".{domain}"):
        raise MalformedTags("has an i= that is not of its domain")
    return identity


async def _judge(
    read: Read, fields: Sequence[HeaderField], bodies: Mapping[Wanted, Hashed], resolver: Resolver, now: Instant
) -> Verdict:
    signature, key = read.signature, None
    if signature is None:
        return read.verdict
    result, reason = Result.PASS, ""
    try:
        check_body(bodies[signature.body], signature.body.length, signature.body_hash)
        key = await fetch_key(signature.selector, signature.domain, resolver)
        check_key(key, signature.kind)
        _check_identity(signature, key)
        covered = choose_covered(fields, signature.covered)
        check_signature(key, signature.signature, covered, signature.field, signature.header)
        _check_policy(signature, fields, now)
    except Judged as judged:
        result, reason = judged.result, judged.reason
    return replace(
        read.verdict,
        result=result,
        reason=reason,
        key_bits=key.bits if key else None,
        is_testing=key.is_testing if key else False,
    )


def _check_identity(signature: Signature, key: PublicKey) -> None:
    if key.is_strict and signature.identity_domain != signature.domain:
        raise Judged(Result.PERMERROR, "the key does not allow subdomains")


def _check_policy(signature: Signature, fields: Sequence[HeaderField], now: Instant) -> None:
    if signature.expires is not None and signature.expires < now // 1000:
        raise Judged(Result.POLICY, "the signature has expired")
    authors = sum(each.name.lower() == "from" for each in fields)
    if authors > signature.covered.count("from"):
        raise Judged(Result.POLICY, "does not cover every From field")  # §8.15
