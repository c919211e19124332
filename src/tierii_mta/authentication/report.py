"""The results of our checks in the words of Authentication-Results.

Owns which properties each method reports, by the names of the IANA registry; not how a field is written
(authentication.results).  RFC 8601 §2.7, RFC 6008 (header.b), RFC 8617 §6, RFC 9989 §9.1.  Pure.
"""

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from tierii_mta.authentication.arc import Chain, ChainResult
from tierii_mta.authentication.dmarc import DmarcResult, DmarcVerdict
from tierii_mta.authentication.results import MethodResult, Property
from tierii_mta.authentication.spf import Identity, SpfResult, SpfVerdict
from tierii_mta.authentication.verify import Verdict


class IprevResult(StrEnum):
    """RFC 8601 §2.7.3: does a name of the client lead back to its address?"""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"  # it has no name


def spf_result(verdict: SpfVerdict) -> MethodResult:
    """Return what SPF found."""
    name = "mailfrom" if verdict.identity is Identity.MAILFROM else "helo"
    reason = "" if verdict.result is SpfResult.PASS else verdict.reason
    return MethodResult(
        method="spf", result=verdict.result, reason=reason, properties=_properties(("smtp", name, verdict.sender))
    )


def dkim_results(verdicts: Iterable[Verdict]) -> list[MethodResult]:
    """Return what DKIM found of each signature; one result `none` where there is none."""
    return [
        MethodResult(
            method="dkim",
            result=each.result,
            reason=each.reason,
            properties=_properties(
                ("header", "d", each.domain),
                ("header", "s", each.selector),
                ("header", "a", each.algorithm),
                ("header", "b", each.start),
            ),
        )
        for each in verdicts
    ] or [MethodResult(method="dkim", result="none")]


def dmarc_result(verdict: DmarcVerdict) -> MethodResult:
    """Return what DMARC found."""
    return MethodResult(
        method="dmarc",
        result=verdict.result,
        reason="" if verdict.result is DmarcResult.PASS else verdict.reason,
        properties=_properties(("policy", "dmarc", verdict.policy), ("header", "from", verdict.domain)),
    )


def arc_result(chain: Chain, remote: IPv4Address | IPv6Address) -> MethodResult:
    """Return what ARC found."""
    has_passed = chain.result is ChainResult.PASS
    return MethodResult(
        method="arc",
        result=chain.result,
        reason=chain.reason,
        properties=_properties(
            ("smtp", "remote-ip", None if chain.result is ChainResult.NONE else str(remote)),
            ("header", "oldest-pass", str(chain.oldest_pass) if has_passed else None),
        ),
    )


def iprev_result(result: IprevResult, remote: IPv4Address | IPv6Address, reason: str = "") -> MethodResult:
    """Return whether the client's name and address fit."""
    return MethodResult(
        method="iprev", result=result, reason=reason, properties=_properties(("policy", "iprev", str(remote)))
    )


def _properties(*facts: tuple[str, str, str | None]) -> tuple[Property, ...]:
    return tuple(Property(kind=kind, name=name, value=value) for kind, name, value in facts if value)
