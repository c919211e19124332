"""Where the mail of an audience goes: MX, provider, or nowhere, domain by domain.

Owns the look-ups and their bound: domains with most contacts first, so many of them, in so much time.  Domains that
were not asked for are left out of every share.  RFC 5321 §5.1, RFC 7505.  Touches: the DNS, by way of the port.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping

from tierii_mta.campaigns.preflight.case import Destination, Reach
from tierii_mta.outbound.shaping import OTHER, Shaping
from tierii_mta.resolver.answer import Absent, Found, Resolver

MAX_DOMAINS = 1_000
_WITHIN_S = 30.0
_AT_ONCE = 50


async def look_up(
    domains: Counter[str],
    resolver: Resolver,
    shaping: Shaping,
    *,
    most: int = MAX_DOMAINS,
    at_once: int = _AT_ONCE,
    within_s: float = _WITHIN_S,
) -> Mapping[str, Destination]:
    """Return where the most frequent domains lead; what is not known in time is left out."""
    found: dict[str, Destination] = {}
    waiting = iter([name for name, _ in domains.most_common(most)])

    async def work() -> None:
        for name in waiting:
            found[name] = await _destination(name, resolver, shaping)

    workers = [asyncio.create_task(work()) for _ in range(at_once)]
    _, late = await asyncio.wait(workers, timeout=within_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in workers:
        if task not in late:
            task.result()
    return found


async def _destination(domain: str, resolver: Resolver, shaping: Shaping) -> Destination:
    answer = await resolver.mx(domain)
    if isinstance(answer, Found):
        hosts = [record.host for record in sorted(answer.records, key=lambda record: (record.preference, record.host))]
        if hosts == ["."]:
            return Destination(Reach.NULL_MX, OTHER)
        return Destination(Reach.MX, shaping.provider_of(hosts))
    if not isinstance(answer, Absent):
        return Destination(Reach.UNKNOWN, OTHER)
    if answer.nxdomain:
        return Destination(Reach.NOWHERE, OTHER)
    answers = [await resolver.a(domain), await resolver.aaaa(domain)]
    if any(isinstance(each, Found) for each in answers):
        return Destination(Reach.ADDRESS, shaping.provider_of([domain]))
    is_known = all(isinstance(each, Absent) for each in answers)
    return Destination(Reach.NOWHERE if is_known else Reach.UNKNOWN, OTHER)
