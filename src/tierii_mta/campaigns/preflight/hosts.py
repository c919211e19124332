"""Rules about our machines and addresses: names, TLS, the author's domain, the host of links, block lists, programmes.

Owns A5 to A10.  Touches: the DNS and our own web endpoint, by way of the ports.  RFC 1912 §2.1, RFC 5321 §4.1.4,
RFC 7505, RFC 5782.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address
from urllib.parse import urlsplit

from tierii_mta.authentication.suffixes import registrable_domain
from tierii_mta.campaigns.preflight.case import Case, Network
from tierii_mta.campaigns.preflight.findings import Fault, Severity
from tierii_mta.campaigns.preflight.links import is_ip
from tierii_mta.mail.address import Address
from tierii_mta.outbound.security import TlsPolicy
from tierii_mta.resolver.answer import Absent, Found, Resolver, Tempfail

_NO_REPLY = re.compile(r"(?:no|do-?not|dont)[._-]?reply.*", re.IGNORECASE)
_PROGRAMMES = {
    "google-postmaster-tools": "Google Postmaster Tools",
    "yahoo-cfl": "the complaint feedback loop of Yahoo",
    "microsoft-jmrp": "the junk mail reporting of Microsoft",
    "microsoft-snds": "the address data of Microsoft (SNDS)",
}
PROGRAMMES = frozenset(_PROGRAMMES)
_LISTED = IPv4Network("127.0.0.0/8")
_REFUSED = IPv4Network("127.255.255.0/24")  # the list does not want to be asked


async def check_names(case: Case, network: Network) -> list[Fault]:
    """A5: each address has a name, which leads back to it and is the one we introduce ourselves by."""
    faults = []
    for address, ehlo in network.addresses.items():
        answer = await network.resolver.ptr(address)
        if isinstance(answer, Tempfail):
            faults.append(Fault(what=f"the DNS does not say: {answer.why}", where=address, severity=Severity.WARNING))
            continue
        names = [name.lower() for name in answer.records] if isinstance(answer, Found) else []
        confirmed = [name for name in names if await _leads_to(name, address, network.resolver)]
        remedy = f"let whoever routes {address} set its PTR record to {ehlo}, and let {ehlo} resolve to it"
        if not names:
            faults.append(Fault(what=f"{address} has no PTR record", where=address, remedy=remedy))
        elif not confirmed:
            what = f"{', '.join(names)} does not lead back to {address}"
            faults.append(Fault(what=what, where=address, remedy=remedy))
        elif ehlo.lower() not in confirmed:
            what = f"{address} is {', '.join(confirmed)} and says EHLO {ehlo}"
            faults.append(Fault(what=what, where=address, severity=Severity.WARNING, remedy=remedy))
    return faults


async def _leads_to(name: str, address: str, resolver: Resolver) -> bool:
    answer = await (resolver.aaaa(name) if ":" in address else resolver.a(name))
    return isinstance(answer, Found) and any(ip_address(each) == ip_address(address) for each in answer.records)


def check_tls(case: Case) -> Iterator[Fault]:
    """A6: the mail is encrypted on its way wherever a host offers it."""
    for provider in case.setup.shaping.providers:
        for source in case.setup.sources:
            knobs = case.setup.shaping.knobs(source=source.name, domain="", provider=provider)
            if knobs.tls is TlsPolicy.NONE:
                yield Fault(what=f"TLS to {provider} is switched off", where=knobs.origins["tls"])


def check_author(case: Case) -> Iterator[Fault]:
    """A7: the author is of a domain of our own, and reads answers."""
    specification = case.specification
    for key, email in _authors(case):
        domain = Address.parse(email).domain
        if domain in case.knowledge.freemail:
            severity = None if key == "from" else Severity.WARNING
            yield Fault(what=f"{email} is of a freemail provider", where=case.where(key, "email"), severity=severity)
    local = Address.parse(specification.reply_to.email if specification.reply_to else specification.sender.email).local
    if _NO_REPLY.fullmatch(local):
        where = case.where("reply_to" if specification.reply_to else "from", "email")
        remedy = "take an address that somebody reads"
        yield Fault(what=f"answers go to {local}", where=where, severity=Severity.WARNING, remedy=remedy)


async def check_author_receives(case: Case, network: Network) -> list[Fault]:
    """A7, with the network: mail to From and Reply-To can arrive."""
    faults = []
    for key, email in _authors(case):
        domain = Address.parse(email).domain
        answer = await network.resolver.mx(domain)
        where = case.where(key, "email")
        remedy = f"publish an MX record for {domain}"
        if isinstance(answer, Tempfail):
            what = f"the MX of {domain} could not be looked up: {answer.why}"
            faults.append(Fault(what=what, where=where, severity=Severity.WARNING, remedy="try again later"))
        elif isinstance(answer, Absent):
            has_address = isinstance(await network.resolver.a(domain), Found)
            severity = Severity.WARNING if has_address else None
            faults.append(Fault(what=f"{domain} has no MX record", where=where, severity=severity, remedy=remedy))
        elif [record.host for record in answer.records] == ["."]:
            faults.append(Fault(what=f"{domain} says that it takes no mail", where=where, remedy=remedy))
    return faults


def _authors(case: Case) -> Iterator[tuple[str, str]]:
    specification = case.specification
    yield "from", specification.sender.email
    if specification.reply_to is not None:
        yield "reply_to", specification.reply_to.email


def check_link_host(case: Case) -> Iterator[Fault]:
    """A8: our links are https, on a name of the author's organisation."""
    where = "web.public_url"
    if case.sender.public_url is None:
        if case.specification.is_marketing:
            yield Fault(what="no public address is set", where=where)
        return
    parts = urlsplit(case.sender.public_url)
    host = parts.hostname or ""
    if case.setup.allows_loopback and parts.scheme == "http":
        yield Fault(what=f"{case.sender.public_url} is not https", where=where, severity=Severity.INFO)
        return
    if parts.scheme != "https":
        yield Fault(what=f"{case.sender.public_url} is not https", where=where)
    if parts.port is not None:
        yield Fault(what=f"{case.sender.public_url} names a port", where=where)
    if is_ip(host):
        yield Fault(what=f"{host} is an address instead of a name", where=where)
    elif registrable_domain(host) != registrable_domain(case.domain.name):
        yield Fault(what=f"{host} is not of the organisation of {case.domain.name}", where=where)


async def ask_link_host(case: Case, network: Network) -> list[Fault]:
    """A8, with the network: the host answers, and its certificate is good."""
    if case.sender.public_url is None:
        return []
    answer = await network.web.ask("GET", f"{case.sender.public_url}/healthz")
    if isinstance(answer, str):
        what = f"{case.sender.public_url} cannot be reached: {answer}"
    elif answer.status != 200:
        what = f"{case.sender.public_url}/healthz answers {answer.status}"
    else:
        return []
    return [
        Fault(what=what, where="web.public_url", remedy="start the daemon, and lead this address to its web process")
    ]


async def ask_blocklists(case: Case, network: Network) -> list[Fault]:
    """A9: none of our addresses is on a list that the operator's settings name."""
    faults = []
    for zone in case.setup.blocklists:
        for address in network.addresses:
            name = ip_address(address).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
            answer = await network.resolver.a(f"{name}.{zone}")
            listed = [ip_address(each) for each in answer.records] if isinstance(answer, Found) else []
            if any(each in _LISTED and each not in _REFUSED for each in listed):
                faults.append(Fault(what=f"{address} is listed by {zone}", where=address))
    return faults


def check_programmes(case: Case) -> Iterator[Fault]:
    """A10: the operator hears from providers."""
    missing = [title for name, title in _PROGRAMMES.items() if name not in case.setup.enrolled]
    if missing:
        yield Fault(what=f"you do not say that you take part in {', '.join(missing)}", where="compliance.enrolled")
    if case.specimens and not case.specimens[0].field("Feedback-ID"):
        what = "there is no Feedback-ID, by which Google tells campaigns apart"
        remedy = 'add headers: {Feedback-ID: "campaign:kind:sender"}'
        yield Fault(what=what, where=case.where("headers"), remedy=remedy)
