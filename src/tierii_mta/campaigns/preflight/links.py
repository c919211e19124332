"""Rules about links: what a filter thinks of them, and whether they lead anywhere.

Owns C4.  Asking is capped, and nobody is asked whose address is private: a template may come from anybody.  The address
that was judged is the one that is dialled, so that a name cannot mean another server a moment later.  Our own pages are
left out: a specimen's links are nobody's.  `check` is pure; `follow` touches the network by way of its ports.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from tierii_mta.authentication.suffixes import registrable_domain
from tierii_mta.campaigns.feeds.reach import is_public
from tierii_mta.campaigns.preflight.case import Case, Network
from tierii_mta.campaigns.preflight.findings import Fault
from tierii_mta.campaigns.preflight.header import one_click_urls
from tierii_mta.campaigns.preflight.page import Link
from tierii_mta.resolver.answer import Absent, Found, Resolver

MAX_FOLLOWED = 20
_OTHER_SCHEMES = frozenset({"mailto", "tel", "sms"})
_SHOWN_HOST = re.compile(r"(?:https?://)?((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})(?:[/:?#]\S{0,2000})?", re.IGNORECASE)
_GONE = frozenset({404, 410})


def check_links(case: Case) -> Iterator[Fault]:
    """C4: links are whole, say where they lead, and lead there; the page does nothing by itself."""
    seen: set[str] = set()
    for specimen in case.specimens:
        own = one_click_urls(specimen)
        page = specimen.page
        if page is None:
            continue
        faults = [fault for link in page.links if link.href not in own for fault in _faults_of_link(case, link)]
        faults += [f"{page.forms} forms; readers' programs drop or warn of them"] * bool(page.forms)
        faults += [f"{page.scripts} scripts or event attributes; they never run, and filters count them"] * bool(
            page.scripts
        )
        for what in faults:
            if what not in seen:
                seen.add(what)
                yield Fault(what=what, where=specimen.place)


def _faults_of_link(case: Case, link: Link) -> Iterator[str]:
    href = link.href[:80]
    parts = _split(link.href)
    if parts is None:
        yield f"the link {href!r} cannot be read"
        return
    scheme, host = parts
    if scheme in _OTHER_SCHEMES or link.href.startswith("#"):
        return
    if not scheme or not host:
        yield f"the link {href!r} is not absolute"
    elif scheme != "https":
        yield f"the link {href!r} is not https"
    if is_ip(host):
        yield f"the link {href!r} leads to an address instead of a name"
    if host in case.knowledge.shorteners:
        yield f"the link {href!r} hides where it leads behind {host}"
    shown = _SHOWN_HOST.fullmatch(link.text.strip())
    if shown and host and registrable_domain(shown[1].lower()) != registrable_domain(host):
        yield f"the link shows {shown[1].lower()} and leads to {host}"


async def follow_links(case: Case, network: Network) -> list[Fault]:
    """C4, with the network: each of the first twenty links leads somewhere, without a redirect to another domain."""
    base = case.sender.public_url
    own = tuple(f"{base}/{page}/" for page in "upv") if base else ()
    urls: dict[str, str] = {}
    for specimen in case.specimens:
        for link in specimen.page.links if specimen.page else ():
            if link.href.startswith(("https://", "http://")) and not link.href.startswith(own):
                urls.setdefault(link.href.partition("#")[0], specimen.place)
    chosen = list(urls.items())[:MAX_FOLLOWED]
    faults = await asyncio.gather(*(_follow(url, place, case, network) for url, place in chosen))
    return [fault for fault in faults if fault is not None]


async def _follow(url: str, place: str, case: Case, network: Network) -> Fault | None:
    parts = _split(url)
    if parts is None or not parts[1]:
        return None  # told without the network
    host = parts[1]
    if isinstance(addresses := await _addresses(host, network.resolver), str):
        return Fault(what=f"the host of the link {url[:80]!r} {addresses}", where=place)
    if not case.setup.allows_loopback and not all(map(is_public, addresses)):
        return Fault(what=f"the link {url[:80]!r} leads to a private address", where=place)
    answer = await network.web.ask("HEAD", url, at=addresses[0])
    if isinstance(answer, str):
        return Fault(what=f"the link {url[:80]!r} cannot be followed: {answer}", where=place)
    if answer.status in _GONE or answer.status >= 500:
        return Fault(what=f"the link {url[:80]!r} answers {answer.status}", where=place)
    return None


async def _addresses(host: str, resolver: Resolver) -> list[str] | str:
    """Return a host's addresses, or in words why there are none."""
    if is_ip(host):
        return [host]
    answers = [await resolver.a(host), await resolver.aaaa(host)]
    found = [address for answer in answers if isinstance(answer, Found) for address in answer.records]
    if found:
        return found
    return "does not exist" if all(isinstance(each, Absent) for each in answers) else "could not be looked up"


def _split(url: str) -> tuple[str, str] | None:
    """Return scheme and host in lower case; None where the address cannot be read."""
    with suppress(ValueError):
        parts = urlsplit(url)
        return parts.scheme.lower(), (parts.hostname or "").lower()
    return None


def is_ip(host: str) -> bool:
    """Whether a host is named by its number."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
