"""The public suffix list: whose a domain is, where its owner publishes no DMARC record.

Owns the list, read at the first question and kept; DMARC itself asks the DNS (authentication.dmarc_walk).  Touches: the
file of the package publicsuffixlist.
"""

from functools import cache

from publicsuffixlist import PublicSuffixList


def registrable_domain(domain: str) -> str:
    """Return the part of a domain in A-labels that somebody registered; a public suffix itself as it is."""
    return _list().privatesuffix(domain) or domain


@cache
def _list() -> PublicSuffixList:
    return PublicSuffixList()
