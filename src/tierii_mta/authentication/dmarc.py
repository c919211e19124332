"""DMARC: does an authenticated domain vouch for the author that readers see, and what does that domain ask for?

Owns policy discovery, alignment and the policy that applies; not which mail is refused for it (RFC 9989 §7.4: never for
a policy alone).  RFC 9989.  Touches: the DNS, by way of the Resolver port.

Several author domains are a fail: a reader sees one of them, and nobody can say which.  The strictest of their
policies is reported.  Where no record is found DMARC does not apply; the organisational domain, which greylisting and
reputation go by, then comes from the public suffix list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tierii_mta.authentication.dmarc_record import DmarcRecord, Policy
from tierii_mta.authentication.dmarc_walk import Step, Walk, Walker, can_exist, is_within
from tierii_mta.authentication.suffixes import registrable_domain
from tierii_mta.resolver.answer import Absent, Resolver, Tempfail

_MAX_AUTHORS = 5  # whose policies are looked for


class DmarcResult(StrEnum):
    """RFC 9989 §9.2, RFC 8601 §2.7."""

    NONE = "none"  # DMARC does not apply
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    TEMPERROR = "temperror"  # the DNS did not tell
    PERMERROR = "permerror"  # there is no author domain


class Method(StrEnum):
    """What authenticated a domain."""

    SPF = "spf"
    DKIM = "dkim"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that SPF or DKIM spoke of, in lower-case A-labels."""

    method: Method
    domain: str
    is_known: bool = True  # False: a failure of the DNS kept it from passing


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcVerdict:
    """The result, what led to it and what the domain asks for."""

    result: DmarcResult
    reason: str
    domain: str | None = None  # the author's
    organisation: str | None = None  # the author's organisational domain; None: not known
    is_listed: bool = False  # the organisation is from the public suffix list
    policy: Policy | None = None  # to apply to a fail: after test mode; None: no record
    published: Policy | None = None  # as published
    tag: str | None = None  # where that stands: p, sp, np
    record_domain: str | None = None  # whose record applies
    record: DmarcRecord | None = None
    aligned: tuple[Identifier, ...] = ()
    trace: tuple[Step, ...] = ()  # every name that was asked for, and what came


async def check_dmarc(authors: Sequence[str], identifiers: Sequence[Identifier], resolver: Resolver) -> DmarcVerdict:
    """Judge a message by the domains of its From fields and by what authenticated it.  Never raises.

    All domains in lower-case A-labels.  `identifiers`: those that passed, and those that a failure of the DNS kept from
    it (not `is_known`).
    """
    domains = list(dict.fromkeys(authors))
    if not domains:
        return DmarcVerdict(result=DmarcResult.PERMERROR, reason="the From field names no domain")
    walker = Walker(resolver)
    verdicts = [await _Check(domain, walker, resolver).judge(identifiers) for domain in domains[:_MAX_AUTHORS]]
    if len(domains) == 1:
        verdict = verdicts[0]
    else:
        strictest = max(verdicts, key=lambda each: each.policy.severity if each.policy else -1)
        reason = f"the From field names {len(domains)} domains"
        verdict = replace(strictest, result=DmarcResult.FAIL, reason=reason, aligned=())
    return replace(verdict, trace=walker.trace)


class _Check:
    """One author domain."""

    def __init__(self, author: str, walker: Walker, resolver: Resolver) -> None:
        self._author, self._walker, self._resolver = author, walker, resolver

    async def judge(self, identifiers: Sequence[Identifier]) -> DmarcVerdict:
        author, walk = self._author, await self._walker.walk(self._author)
        if walk.failure and author not in walk.records:
            return self._unknown(f"{walk.failure} could not be looked up")
        chosen = _choose(walk)
        if chosen is None or chosen[1].policy is None:
            return self._inapplicable(chosen)
        aligned, doubtful = await self._align(walk, chosen[1], identifiers)
        verdict = await self._with_policy(walk, *chosen)
        if aligned:
            names = ", ".join(f"{each.method} {each.domain}" for each in aligned)
            return replace(verdict, result=DmarcResult.PASS, reason=f"{names} vouches for {author}", aligned=aligned)
        if doubtful:
            reason = f"whether {doubtful.method} {doubtful.domain} vouches for {author} could not be looked up"
            return replace(verdict, result=DmarcResult.TEMPERROR, reason=reason)
        return verdict

    def _unknown(self, reason: str) -> DmarcVerdict:
        return DmarcVerdict(result=DmarcResult.TEMPERROR, reason=reason, domain=self._author)

    def _inapplicable(self, chosen: tuple[str, DmarcRecord] | None) -> DmarcVerdict:
        reason = f"the record of {chosen[0]} has no valid policy" if chosen else f"{self._author} has no DMARC record"
        return DmarcVerdict(
            result=DmarcResult.NONE,
            reason=reason,
            domain=self._author,
            organisation=registrable_domain(self._author),
            is_listed=True,
        )

    async def _with_policy(self, walk: Walk, domain: str, record: DmarcRecord) -> DmarcVerdict:
        """Return the verdict of a message that nothing vouches for."""
        is_subdomain, exists = domain != self._author, True
        reason, result = f"nothing vouches for {self._author}", DmarcResult.FAIL
        if is_subdomain and record.missing is not None and can_exist(self._author):
            answer = await self._resolver.a(self._author)
            exists = not (isinstance(answer, Absent) and answer.nxdomain)
            if isinstance(answer, Tempfail):
                reason, result = f"whether {self._author} exists could not be looked up", DmarcResult.TEMPERROR
        elif is_subdomain:
            exists = can_exist(self._author)
        published, tag = record.policy_for(is_subdomain=is_subdomain, exists=exists)
        return DmarcVerdict(
            result=result,
            reason=reason,
            domain=self._author,
            organisation=None if walk.failure else walk.organisation,
            policy=published.softened if record.is_testing else published,
            published=published,
            tag=tag,
            record_domain=domain,
            record=record,
        )

    async def _align(
        self, walk: Walk, record: DmarcRecord, identifiers: Sequence[Identifier]
    ) -> tuple[tuple[Identifier, ...], Identifier | None]:
        """Return what vouches for the author, and the first of which that is not known."""
        aligned, doubtful = [], []
        for each in identifiers:
            is_strict = record.is_spf_strict if each.method is Method.SPF else record.is_dkim_strict
            is_aligned = await self._is_aligned(walk, each.domain, is_strict=is_strict)
            if is_aligned and each.is_known:
                aligned.append(each)
            elif is_aligned is not False:
                doubtful.append(each)
        return tuple(aligned), next(iter(doubtful), None)

    async def _is_aligned(self, walk: Walk, domain: str, *, is_strict: bool) -> bool | None:
        """Return whether two domains belong together; None: not known."""
        if domain == self._author or is_strict:
            return domain == self._author
        if walk.failure:
            return None if domain.rpartition(".")[2] == self._author.rpartition(".")[2] else False
        if not is_within(domain, walk.organisation):
            return False  # an organisational domain is the domain itself or lies above it
        other = await self._walker.walk(domain)
        return None if other.failure else other.organisation == walk.organisation


def _choose(walk: Walk) -> tuple[str, DmarcRecord] | None:
    """Return whose record applies: the author's, else the organisation's, else the public suffix's (§4.10.1)."""
    records = walk.records
    for domain in (walk.start, walk.organisation, walk.suffix):
        if domain is not None and domain in records:
            return domain, records[domain]
    return None
