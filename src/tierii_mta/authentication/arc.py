"""ARC: what earlier hands say of a message, and whether their chain is whole.

Owns the validation of RFC 8617 §5.2 and the rule that only hands somebody trusts are listened to (`Chain.heard`);
not who is trusted (the settings) nor sealing, which we do not do.  Touches: the DNS, by way of the Resolver port.

A validation: `read_chain` (structure, pure) → `hash_body` (one reading with DKIM's) → `validate` (the newest
message signature, then every seal).
"""

import asyncio
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile

from tierii_mta.authentication.body_hash import Hashed, Wanted
from tierii_mta.authentication.canonical import Canonicalization
from tierii_mta.authentication.keys import KeyKind
from tierii_mta.authentication.results_reader import ForeignResults, MalformedResults, parse_results
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
)
from tierii_mta.authentication.tags import MalformedTags, names, need, need_octets, number, parse_tags
from tierii_mta.mail.header import HeaderField
from tierii_mta.resolver.answer import Resolver

MAX_INSTANCES = 50  # §4.2.1
_RESULTS, _MESSAGE_SIGNATURE, _SEAL = "arc-authentication-results", "arc-message-signature", "arc-seal"
_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,3})[ \t\r\n]*;")


class ChainResult(StrEnum):
    """RFC 8617 §4.4."""

    NONE = "none"  # nobody added anything
    PASS = "pass"  # noqa: S105
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """One ARC set: who added it, what they said, and what their signatures are worth."""

    instance: int  # 1 is the oldest
    sealer: str  # d= of the seal
    claim: str  # cv= of the seal: what it found when it came
    results: ForeignResults | None  # what it found about the message; None: it cannot be read
    covers_author: bool  # its message signature covers the From field
    seal: Result = Result.NEUTRAL  # neutral: not looked at
    signature: Result = Result.NEUTRAL  # of the message as it is now
    reason: str = ""

    def saw_pass(self, author: str) -> bool:
        """Return whether it says that DMARC passed for this author domain, by name."""
        return self.results is not None and any(
            each.method == "dmarc"
            and each.result == "pass"
            and any((p.kind, p.name, p.value.lower()) == ("header", "from", author) for p in each.properties)
            for each in self.results.results
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All hands a message went through, the oldest first."""

    result: ChainResult
    reason: str = ""
    hands: Sequence[Hand] = ()
    oldest_pass: int = 0  # the oldest message signature from which on all hold; 0: all do (§5.2)
    is_temporary: bool = False  # it fails because a key could not be fetched now

    @property
    def sealers(self) -> list[str]:
        """Who sealed, the oldest first."""
        return [hand.sealer for hand in self.hands]

    def heard(self, trusted: Container[str]) -> Iterator[Hand]:
        """Yield the trusted hands, the newest first, up to the first that is not trusted.

        None of a chain that does not pass, nor where the newest signature leaves the From field open.
        """
        if self.result is ChainResult.PASS and self.hands[-1].covers_author:
            yield from takewhile(lambda hand: hand.sealer in trusted, reversed(self.hands))

    def witness(self, author: str, trusted: Container[str]) -> Hand | None:
        """Return the newest trusted hand that saw DMARC pass for this author domain, if any."""
        return next((hand for hand in self.heard(trusted) if hand.saw_pass(author)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessageSignature:
    domain: str
    selector: str
    kind: KeyKind
    header: Canonicalization
    body: Wanted
    covered: Sequence[str]
    body_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seal:
    domain: str
    selector: str
    kind: KeyKind
    signature: bytes
    claim: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """The three fields of one instance."""

    instance: int
    results: HeaderField
    message_signature: HeaderField
    seal: HeaderField
    read_signature: _MessageSignature
    read_seal: _Seal


@dataclass(frozen=True, slots=True)
class ReadChain:
    """A chain of sound structure, or why there is none."""

    sets: Sequence[_Set]
    chain: Chain | None  # what is certain without the DNS

    @property
    def wanted(self) -> set[Wanted]:
        """The hashes of the body that it needs."""
        return {each.read_signature.body for each in self.sets}


class _Broken(Exception):
    """The chain fails."""


def read_chain(fields: Sequence[HeaderField]) -> ReadChain:
    """Read the ARC sets of a message (§5.2 steps 1 to 3)."""
    ours = [each for each in fields if each.name.lower() in (_RESULTS, _MESSAGE_SIGNATURE, _SEAL)]
    if not ours:
        return ReadChain((), Chain(result=ChainResult.NONE))
    sets: list[_Set] = []
    try:
        for instance, by_name in enumerate(_by_instance(ours), 1):
            sets.append(_read_set(instance, by_name))
        _check_claims(sets)
    except _Broken as broken:
        hands = [_hand(each) for each in sets]
        return ReadChain((), Chain(result=ChainResult.FAIL, reason=str(broken), hands=hands))
    return ReadChain(sets, None)


async def validate(
    read: ReadChain, fields: Sequence[HeaderField], bodies: Mapping[Wanted, Hashed], resolver: Resolver
) -> Chain:
    """Check every signature of a chain (§5.2 steps 4 to 7), all keys fetched at once."""
    if read.chain is not None:
        return read.chain
    async with asyncio.TaskGroup() as group:
        signatures = [group.create_task(_judge_signature(each, fields, bodies, resolver)) for each in read.sets]
        seals = [group.create_task(_judge_seal(read.sets[:place], resolver)) for place in range(1, len(read.sets) + 1)]
    hands = [
        replace(_hand(each), signature=signature.result()[0], seal=seal.result()[0], reason=_reason(signature, seal))
        for each, signature, seal in zip(read.sets, signatures, seals, strict=True)
    ]
    return _conclude(hands)


def _by_instance(fields: Sequence[HeaderField]) -> list[Mapping[str, HeaderField]]:
    """Return the fields of each instance, by lower-case name; raises `_Broken` unless the sets are 1 to N."""
    sets: dict[int, dict[str, HeaderField]] = {}
    for field in fields:
        name, instance = field.name.lower(), _instance(field)
        if name in sets.setdefault(instance, {}):
            raise _Broken(f"there are two {field.name} fields of instance {instance}")
        sets[instance][name] = field
    for instance in range(1, len(sets) + 1):
        if len(sets.get(instance, ())) != 3:
            raise _Broken(f"instance {instance} is not whole")
    return [sets[instance] for instance in sorted(sets)]


def _instance(field: HeaderField) -> int:
    value = field.raw.partition(b":")[2]
    try:
        if field.name.lower() == _RESULTS:
            found = _INSTANCE.match(value)
            instance = int(found[1]) if found else None
        else:
            instance = number(parse_tags(value), "i")
    except MalformedTags as error:
        raise _Broken(f"{field.name} {error}") from error
    if instance is None or not 1 <= instance <= MAX_INSTANCES:
        raise _Broken(f"{field.name} has no instance from 1 to {MAX_INSTANCES}")
    return instance


def _read_set(instance: int, fields: Mapping[str, HeaderField]) -> _Set:
    try:
        return _Set(
            instance=instance,
            results=fields[_RESULTS],
            message_signature=fields[_MESSAGE_SIGNATURE],
            seal=fields[_SEAL],
            read_signature=_read_signature(parse_tags(fields[_MESSAGE_SIGNATURE].raw.partition(b":")[2])),
            read_seal=_read_seal(parse_tags(fields[_SEAL].raw.partition(b":")[2])),
        )
    except MalformedTags as error:
        raise _Broken(f"instance {instance} {error}") from error
    except Judged as judged:
        raise _Broken(f"instance {instance}: {judged.reason}") from judged


def _read_signature(tags: Mapping[str, str]) -> _MessageSignature:
    """Read an ARC-Message-Signature (§4.1.2)."""
    if "h" not in tags:
        raise MalformedTags("lacks the tag h=")
    covered = names(tags["h"])
    if _SEAL in covered:
        raise MalformedTags("covers a seal")
    number(tags, "t")
    header, body = canonicalizations(tags.get("c", "relaxed/relaxed"))
    return _MessageSignature(
        domain=domain_tag(tags, "d"),
        selector=domain_tag(tags, "s"),
        kind=key_kind(tags),
        header=header,
        body=Wanted(body, number(tags, "l")),
        covered=covered,
        body_hash=need_octets(tags, "bh"),
        signature=need_octets(tags, "b"),
    )


def _read_seal(tags: Mapping[str, str]) -> _Seal:
    """Read an ARC-Seal (§4.1.3)."""
    if "h" in tags:
        raise MalformedTags("has a seal with h=")
    number(tags, "t")
    claim = need(tags, "cv").lower()
    if claim not in set(ChainResult):
        raise MalformedTags("has a seal with an unknown cv=")
    return _Seal(
        domain=domain_tag(tags, "d"),
        selector=domain_tag(tags, "s"),
        kind=key_kind(tags),
        signature=need_octets(tags, "b"),
        claim=claim,
    )


def _check_claims(sets: Sequence[_Set]) -> None:
    """Raise `_Broken` unless the first seal found no chain and each later one found a good one."""
    for each in reversed(sets):
        if each.read_seal.claim == ChainResult.FAIL:
            raise _Broken(f"instance {each.instance} found the chain broken")
        if (each.read_seal.claim == ChainResult.NONE) != (each.instance == 1):
            raise _Broken(f"instance {each.instance} cannot have found cv={each.read_seal.claim}")


def _hand(each: _Set) -> Hand:
    value = each.results.value.decode("utf-8", "replace").partition(";")[2]
    try:
        results = parse_results(value)
    except MalformedResults:
        results = None  # the chain stands or falls with its signatures alone
    return Hand(
        instance=each.instance,
        sealer=each.read_seal.domain,
        claim=each.read_seal.claim,
        results=results,
        covers_author="from" in each.read_signature.covered,
    )


_Judgement = tuple[Result, str]


async def _judge_signature(
    each: _Set, fields: Sequence[HeaderField], bodies: Mapping[Wanted, Hashed], resolver: Resolver
) -> _Judgement:
    signature = each.read_signature
    try:
        check_body(bodies[signature.body], signature.body.length, signature.body_hash)
        key = await fetch_key(signature.selector, signature.domain, resolver)
        check_key(key, signature.kind)
        others = [field for field in fields if field is not each.message_signature]
        covered = choose_covered(others, signature.covered)
        check_signature(key, signature.signature, covered, each.message_signature, signature.header)
    except Judged as judged:
        return judged.result, f"message signature: {judged.reason}"
    return Result.PASS, ""


async def _judge_seal(sets: Sequence[_Set], resolver: Resolver) -> _Judgement:
    """Judge the seal of the last of these sets, which covers all of them (§5.1.1)."""
    sealed, last = sets[-1].read_seal, sets[-1]
    covered = [field.raw for each in sets for field in (each.results, each.message_signature, each.seal)]
    try:
        key = await fetch_key(sealed.selector, sealed.domain, resolver)
        check_key(key, sealed.kind)
        check_signature(key, sealed.signature, covered[:-1], last.seal, Canonicalization.RELAXED)
    except Judged as judged:
        return judged.result, f"seal: {judged.reason}"
    return Result.PASS, ""


def _reason(*tasks: "asyncio.Task[_Judgement]") -> str:
    return "; ".join(reason for _, reason in (task.result() for task in tasks) if reason)


def _conclude(hands: Sequence[Hand]) -> Chain:
    newest = hands[-1]
    broken = next((hand for hand in reversed(hands) if hand.seal is not Result.PASS), None)
    if newest.signature is not Result.PASS:
        broken = newest
    if broken is not None:
        is_temporary = Result.TEMPERROR in (broken.seal, broken.signature if broken is newest else None)
        reason = f"instance {broken.instance}: {broken.reason}"
        return Chain(result=ChainResult.FAIL, reason=reason, hands=hands, is_temporary=is_temporary)
    failing = [hand.instance for hand in hands if hand.signature is not Result.PASS]
    oldest_pass = failing[-1] + 1 if failing else 0
    return Chain(result=ChainResult.PASS, hands=hands, oldest_pass=oldest_pass)
