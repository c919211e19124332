"""SPF: may this client use this sender's domain?

Owns the evaluation of records against one client, and its limits: ten terms that ask the DNS, two void look-ups, ten
MX hosts a term and ten names of the client, one deadline for all of it.  The grammar is authentication.spf_record's,
macros are authentication.spf_macros's.  RFC 7208; RFC 8616 §4 (UTF-8 local parts).  Touches: the DNS, by way of the
Resolver port.

A void look-up is a term's own question without an answer, or an MX host that does not exist.  A host that has
addresses of the other family only is none: it says nothing of how the record is kept.  What the client controls (its
PTR records) and what only an explanation needs is not counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

from tierii_mta.authentication.spf_macros import (
    MAX_NAME,
    Facts,
    MacroString,
    expand,
    fit_name,
    parse_macro_string,
)
from tierii_mta.authentication.spf_record import (
    MalformedRecord,
    Mechanism,
    Name,
    Record,
    choose_record,
    parse_record,
)
from tierii_mta.clock import Instant
from tierii_mta.resolver.answer import Absent, Answer, Found, MxRecord, Resolver, Tempfail

Asked = TypeVar("Asked")
MAX_TERMS = 10
MAX_VOID = 2
MAX_HOSTS = 10
_DEADLINE = timedelta(seconds=20)  # §4.6.4
_EXPLANATION_DEADLINE = timedelta(seconds=5)
_MAX_EXPLANATION = 1000  # characters


class SpfResult(StrEnum):
    """RFC 7208 §2.6."""

    NONE = "none"  # no domain, or one that publishes nothing
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Identity(StrEnum):
    """Whose domain is judged."""

    MAILFROM = "mailfrom"
    HELO = "helo"  # where the reverse-path is null


_BY_QUALIFIER = {
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfVerdict:
    """The result, and what led to it."""

    result: SpfResult
    reason: str
    identity: Identity
    sender: str  # what was judged: the reverse-path, or the client's name
    domain: str
    matched: tuple[str, ...] = ()  # the term that matched, as written; those that include it before it
    record_domain: str | None = None  # where the first of them stands
    explanation: str | None = None  # what the domain says of a fail: printable ASCII, a stranger's words
    terms: int = 0  # that asked the DNS
    void: int = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one domain's record says."""

    result: SpfResult
    reason: str
    domain: str
    matched: tuple[str, ...] = ()
    record: Record | None = None


class _Ended(Exception):
    """The whole check is over: an error of the DNS or of a record."""

    def __init__(self, result: SpfResult, reason: str) -> None:
        self.result, self.reason = result, reason
        super().__init__(reason)


async def check_spf(
    address: IPv4Address | IPv6Address,
    sender: str,
    client_name: str,
    resolver: Resolver,
    *,
    now: Instant,
    receiver: str = "unknown",
    deadline: timedelta = _DEADLINE,
) -> SpfVerdict:
    """Judge the domain of the reverse-path `sender`, or of the client's name where it is empty.  Never raises.

    `receiver` is our own name, which explanations may show.
    """
    identity = Identity.MAILFROM if sender else Identity.HELO
    local, _, domain = sender.rpartition("@") if sender else ("", "", client_name)
    facts = Facts(
        address=_plain(address),
        local=local or "postmaster",
        domain=domain,
        client_name=client_name,
        receiver=receiver,
        now=now,
    )
    check = _Check(facts, resolver)
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            outcome = await check.host(domain)
    except _Ended as ended:
        outcome = _Outcome(ended.result, ended.reason, domain)
    except TimeoutError:
        outcome = _Outcome(SpfResult.TEMPERROR, f"no result within {deadline.total_seconds():g} s", domain)
    return SpfVerdict(
        result=outcome.result,
        reason=outcome.reason,
        identity=identity,
        sender=sender or client_name,
        domain=domain,
        matched=outcome.matched,
        record_domain=outcome.domain if outcome.matched else None,
        explanation=await check.explanation(outcome),
        terms=check.terms,
        void=check.void,
    )


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return an address as records mean it: not mapped, without a zone."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


class _Check:
    """One check: what it knows and what it has spent."""

    def __init__(self, facts: Facts, resolver: Resolver) -> None:
        self.terms, self.void = 0, 0
        self._facts, self._resolver = facts, resolver
        self._validated: tuple[str, ...] | None = None

    async def host(self, domain: str) -> _Outcome:
        """Evaluate a domain's record (§4.3 to §4.7); raises `_Ended`."""
        domain = domain.removesuffix(".")
        if "." not in domain or domain.startswith("[") or not _can_exist(domain):
            return _Outcome(SpfResult.NONE, f"{domain or 'the empty name'} is no domain", domain)
        answer = await self._resolver.txt(_quoted(domain))
        if isinstance(answer, Tempfail):
            raise _Ended(SpfResult.TEMPERROR, f"the record of {domain} could not be fetched")
        try:
            octets = choose_record(answer.records) if isinstance(answer, Found) else None
            record = parse_record(octets) if octets is not None else None
        except MalformedRecord as error:
            raise _Ended(SpfResult.PERMERROR, f"{domain}: {error}") from error
        if record is None:
            return _Outcome(SpfResult.NONE, f"{domain} publishes no SPF record", domain)
        return await self._evaluate(record, domain)

    async def explanation(self, outcome: _Outcome) -> str | None:
        """Return what the domain says of its fail; None where nothing, or nothing that may be shown (§6.2)."""
        if outcome.result is not SpfResult.FAIL or outcome.record is None or outcome.record.explanation is None:
            return None
        try:
            async with asyncio.timeout(_EXPLANATION_DEADLINE.total_seconds()):
                return await self._explain(outcome.record.explanation, outcome.domain)
        except (TimeoutError, ValueError):  # a fault in it is as if it were not there
            return None

    async def _explain(self, exp: MacroString, domain: str) -> str | None:
        name = await self._name(exp, domain)
        answer = await self._resolver.txt(_quoted(name)) if _can_exist(name) else None
        if not isinstance(answer, Found) or len(answer.records) != 1:
            return None
        macro = parse_macro_string(answer.records[0].decode("ascii"), is_text=True)
        text = await self._expanded(macro, domain)
        return text if text.isascii() and text.isprintable() and len(text) <= _MAX_EXPLANATION else None

    async def _evaluate(self, record: Record, domain: str) -> _Outcome:
        for mechanism in record.mechanisms:
            inner = await self._matches(mechanism, domain)
            if inner is not None:
                matched = (mechanism.text, *inner)
                reason = f"{' → '.join(matched)} of {domain}"
                return _Outcome(_BY_QUALIFIER[mechanism.qualifier], reason, domain, matched, record)
        if record.redirect is None:
            return _Outcome(SpfResult.NEUTRAL, f"no term of {domain} matches", domain)
        self._count_term()
        outcome = await self.host(await self._name(record.redirect, domain))
        if outcome.result is SpfResult.NONE:
            raise _Ended(SpfResult.PERMERROR, f"redirect of {domain}: {outcome.reason}")
        return outcome

    async def _matches(self, mechanism: Mechanism, domain: str) -> tuple[str, ...] | None:
        """Return None for no match, else the terms of an included record that matched."""
        if mechanism.name not in (Name.ALL, Name.IP4, Name.IP6):
            self._count_term()
        match mechanism.name:
            case Name.ALL:
                return ()
            case Name.IP4 | Name.IP6:
                return () if mechanism.network is not None and self._facts.address in mechanism.network else None
            case Name.INCLUDE:
                return await self._included(mechanism, domain)
            case Name.A:
                is_match = await self._matches_a(mechanism, domain)
            case Name.MX:
                is_match = await self._matches_mx(mechanism, domain)
            case Name.EXISTS:
                is_match = bool(await self._ask(self._resolver.a, await self._target(mechanism, domain)))
            case Name.PTR:
                target = await self._target(mechanism, domain)
                is_match = any(_is_below(name, target) for name in await self._client_names())
        return () if is_match else None

    async def _included(self, mechanism: Mechanism, domain: str) -> tuple[str, ...] | None:
        outcome = await self.host(await self._target(mechanism, domain))
        if outcome.result is SpfResult.NONE:
            raise _Ended(SpfResult.PERMERROR, f"{mechanism.text} of {domain}: {outcome.reason}")
        return outcome.matched if outcome.result is SpfResult.PASS else None

    async def _matches_a(self, mechanism: Mechanism, domain: str) -> bool:
        return self._is_near(await self._ask(self._addresses, await self._target(mechanism, domain)), mechanism)

    async def _matches_mx(self, mechanism: Mechanism, domain: str) -> bool:
        records: tuple[MxRecord, ...] = await self._ask(self._resolver.mx, await self._target(mechanism, domain))
        if len(records) > MAX_HOSTS:
            raise _Ended(SpfResult.PERMERROR, f"{mechanism.text} of {domain}: more than {MAX_HOSTS} MX hosts")
        hosts = [each.host for each in records if _can_exist(each.host)]  # the null MX is none
        answers = await _all(self._addresses(host) for host in hosts)
        if any(self._is_near(each.records, mechanism) for each in answers if isinstance(each, Found)):
            return True
        for host, answer in zip(hosts, answers, strict=True):
            self._weigh(answer, host, is_void=isinstance(answer, Absent) and answer.nxdomain)
        return False

    def _is_near(self, records: Iterable[str], mechanism: Mechanism) -> bool:
        address = self._facts.address
        prefix = mechanism.prefix4 if isinstance(address, IPv4Address) else mechanism.prefix6
        distance = address.max_prefixlen - prefix
        return any((int(address) ^ int(ip_address(each))) >> distance == 0 for each in records)

    async def _addresses(self, host: str) -> Answer[str]:
        """Return a host's addresses of the client's family."""
        if isinstance(self._facts.address, IPv4Address):
            return await self._resolver.a(host)
        return await self._resolver.aaaa(host)

    async def _ask(self, look_up: Callable[[str], Awaitable[Answer[Asked]]], name: str) -> tuple[Asked, ...]:
        """Return what a term's own question brings, () for nothing; raises `_Ended`."""
        answer = await look_up(_quoted(name)) if _can_exist(name) else Absent(nxdomain=True)
        self._weigh(answer, name, is_void=isinstance(answer, Absent))
        return answer.records if isinstance(answer, Found) else ()

    def _weigh(self, answer: Answer[Asked], name: str, *, is_void: bool) -> None:
        if isinstance(answer, Tempfail):
            raise _Ended(SpfResult.TEMPERROR, f"{name} could not be looked up")
        self.void += is_void
        if self.void > MAX_VOID:
            raise _Ended(SpfResult.PERMERROR, f"more than {MAX_VOID} look-ups find nothing")

    def _count_term(self) -> None:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise _Ended(SpfResult.PERMERROR, f"more than {MAX_TERMS} terms ask the DNS")

    async def _target(self, mechanism: Mechanism, domain: str) -> str:
        return await self._name(mechanism.target, domain) if mechanism.target else domain

    async def _name(self, macro: MacroString, domain: str) -> str:
        return fit_name(await self._expanded(macro, domain))

    async def _expanded(self, macro: MacroString, domain: str) -> str:
        validated = "unknown"
        if macro.uses("p"):
            names = await self._client_names()
            below = [name for name in names if _is_below(name, domain)]
            validated = domain if domain in below else next(iter([*below, *names]), "unknown")
        return expand(macro, self._facts, domain=domain, validated=validated)

    async def _client_names(self) -> tuple[str, ...]:
        """Return the client's validated names (§5.5); what fails on the way is passed over. Asked for once a check."""
        if self._validated is None:
            answer = await self._resolver.ptr(str(self._facts.address))
            names = answer.records[:MAX_HOSTS] if isinstance(answer, Found) else ()
            answers = await _all(self._addresses(name) for name in names)
            self._validated = tuple(
                name
                for name, found in zip(names, answers, strict=True)
                if isinstance(found, Found) and any(ip_address(each) == self._facts.address for each in found.records)
            )
        return self._validated


async def _all(look_ups: Iterable[Coroutine[Any, Any, Answer[Asked]]]) -> list[Answer[Asked]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in look_ups]
    return [task.result() for task in tasks]


def _can_exist(name: str) -> bool:
    """Return whether a name can be asked for; what was made of a UTF-8 local part cannot (RFC 8616 §4)."""
    return name.isascii() and len(name) <= MAX_NAME and all(0 < len(label) < 64 for label in name.split("."))


def _quoted(name: str) -> str:
    """Return a name in which a backslash is just that."""
    return name.replace("\\", "\\\\")


def _is_below(name: str, domain: str) -> bool:
    """Return whether a name is the domain or one of its subdomains."""
    return f".{name.lower()}".endswith(f".{domain.lower()}")
