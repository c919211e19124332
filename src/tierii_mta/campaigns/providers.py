"""The stage `enrich`: who runs the mail servers of the contacts' domains.

Owns the domains of one audience and their providers, from the closed list of shaping.yaml: an enrichment that notes
domains as rows are read, asks for each of them once when all were read, and keeps what it learnt by domain.  Nothing is
added to the contacts themselves: what a mail is made of does not hang on the DNS.  Never fails a run: what is not known
in time stays unknown.  Touches: the DNS, by way of the port.
"""

from collections import Counter
from collections.abc import Sequence

from tierii_mta.campaigns.audience import Contact
from tierii_mta.campaigns.preflight.case import Reach
from tierii_mta.campaigns.preflight.destinations import look_up
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.resolver.answer import Resolver

MAX_DOMAINS = 200_000
_WITHIN_S = 300.0
_AT_ONCE = 100


class MxProviders:
    """The providers of one audience: `audience.Enrichment`, and `segmenting.Providers` once it has finished."""

    def __init__(self, resolver: Resolver | None, shaping: Shaping, *, within_s: float = _WITHIN_S) -> None:
        """`resolver`: None where the DNS may not be asked, so that nothing is known."""
        self._resolver, self._shaping, self._within_s = resolver, shaping, within_s
        self._domains: Counter[str] = Counter()
        self._beyond = 0  # contacts of domains that were too many
        self._known: dict[str, str] = {}

    async def enrich(self, contacts: Sequence[Contact]) -> Sequence[Contact]:
        """Note the domains."""
        domains = self._domains
        for contact in contacts:
            domain = contact.address.domain
            if domain in domains or len(domains) < MAX_DOMAINS:
                domains[domain] += 1
            else:
                self._beyond += 1
        return contacts

    async def finish(self) -> Sequence[str]:
        """Ask for every domain, those with most contacts first; say for how many contacts nothing is known."""
        if self._resolver is not None:
            self._known = await self._ask(self._resolver)
        unknown = [name for name in self._domains if name not in self._known]
        contacts = sum(self._domains[name] for name in unknown) + self._beyond
        self._domains.clear()
        if not contacts:
            return ()
        why = "did not answer" if self._resolver is not None else "is not asked"
        shown = f", for instance of {unknown[0]}" if unknown else ""
        return (f"provider: blank for {contacts} contacts, because the DNS {why}{shown}",)

    async def _ask(self, resolver: Resolver) -> dict[str, str]:
        found = await look_up(
            self._domains, resolver, self._shaping, most=MAX_DOMAINS, at_once=_AT_ONCE, within_s=self._within_s
        )
        return {name: each.provider for name, each in found.items() if each.reach is not Reach.UNKNOWN}

    def provider_of(self, domain: str) -> str | None:
        """Return the provider of a domain; None where it is not known."""
        return self._known.get(domain)
