"""Rules about how much is sent where, and what came back of it.

Owns V1 and V2; guards that act while a campaign runs are campaigns.guards'.  Pure.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from tierii_mta.campaigns.preflight.case import Case, Network
from tierii_mta.campaigns.preflight.findings import Fault, Severity
from tierii_mta.outbound.shaping import OTHER

DAYS = 7
_FIRST_DAY = 1_000  # what a new sender begins with, per provider
_FACTOR = 2
_TARGET, _NEVER = 0.001, 0.003
_ENOUGH = 200  # deliveries before a rate says anything


async def check_growth(case: Case, network: Network) -> list[Fault]:
    """V1: no provider gets more than twice what it got on the best of the last days."""
    planned = by_provider(case.census.domains, network)
    best: Counter[str] = Counter()
    for each in case.history:
        best[each.provider] = max(best[each.provider], each.delivered)
    faults = []
    for provider, count in planned.most_common():
        allowed = max(_FIRST_DAY, _FACTOR * best[provider])
        if count > allowed and provider != OTHER:  # many small ones, not one that could be warmed up
            what = f"{count} mails to {provider}; the best of the last {DAYS} days was {best[provider]}"
            remedy = f"begin with {allowed} (`enqueue --limit`), and add no more than a third a day"
            faults.append(Fault(what=what, where=case.where("contacts"), remedy=remedy))
    return faults


def by_provider(domains: Counter[str], network: Network) -> Counter[str]:
    """Return how many contacts each provider has; those of domains that were not asked for count as `other`."""

    def provider_of(domain: str) -> str | None:
        destination = network.destinations.get(domain)
        return destination.provider if destination else None

    return by_known_provider(domains, provider_of)


def by_known_provider(domains: Counter[str], provider_of: Callable[[str], str | None]) -> Counter[str]:
    """Return how many contacts each provider has; those of whom it is not known count as `other`."""
    counted: Counter[str] = Counter()
    for domain, count in domains.items():
        counted[provider_of(domain) or OTHER] += count
    return counted


def check_complaints(case: Case) -> Iterator[Fault]:
    """V2: hardly anybody calls our mail spam."""
    delivered, complained = Counter[str](), Counter[str]()
    for each in case.history:
        delivered[each.provider] += each.delivered
        complained[each.provider] += each.complained
    for name, total in [("all providers", delivered.total()), *sorted(delivered.items())]:
        complaints = complained.total() if name == "all providers" else complained[name]
        rate = complaints / total if total else 0.0
        if total >= _ENOUGH and rate > _TARGET:
            severity = Severity.ERROR if rate >= _NEVER else Severity.WARNING
            what = f"{rate:.2%} of {total} mails to {name} in {DAYS} days were called spam"
            yield Fault(what=what, where=case.file, severity=severity)
