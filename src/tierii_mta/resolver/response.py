"""What a DNS response says about the question.

Owns the reading of one response: alias chains, the difference between a missing name and a missing type, the time it
holds.  RFC 1034 §3.6.2 (CNAME), RFC 2308 §2 (NXDOMAIN, NODATA, referral), RFC 8020.  Pure, over dnspython's messages.
"""

from dataclasses import dataclass
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.SOA
import dns.rrset

from tierii_mta.resolver.answer import Absent, Tempfail

MAX_ALIASES = 16


@dataclass(frozen=True, slots=True)
class Records:
    """The records asked for, each once, in the order given."""

    records: tuple[dns.rdata.Rdata, ...]
    ttl_seconds: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A definite no; `ttl_seconds` is 0 where no SOA says how long it holds."""

    answer: Absent
    ttl_seconds: int


@dataclass(frozen=True, slots=True)
class Continue:
    """The chain leads out of this response: ask for `target`."""

    target: dns.name.Name
    aliases: int
    ttl_seconds: int


Reading = Records | Missing | Continue | Tempfail


def read(response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Reading:
    """Return what a response says about `name`; anything but NOERROR and NXDOMAIN is a Tempfail."""
    if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Tempfail(f"the name server answered {dns.rcode.to_text(response.rcode())}")
    if response.flags & dns.flags.TC:
        return Tempfail("the answer is truncated even over TCP")
    target, aliases, ttl = name, 0, 0xFFFFFFFF
    while True:
        records = response.get_rrset(response.answer, target, dns.rdataclass.IN, kind)
        if records is not None:
            return Records(tuple(records), min(ttl, records.ttl))
        alias = response.get_rrset(response.answer, target, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias is None:
            break
        aliases += 1
        if aliases > MAX_ALIASES:
            return Tempfail(f"more than {MAX_ALIASES} aliases, or a loop of them")
        ttl = min(ttl, alias.ttl)
        target = cast("dns.rdtypes.ANY.CNAME.CNAME", alias[0]).target
    return _read_absence(response, target, aliases, ttl)


def _read_absence(response: dns.message.Message, target: dns.name.Name, aliases: int, ttl: int) -> Reading:
    soa = _covering_soa(response, target)
    if response.rcode() == dns.rcode.NXDOMAIN:
        return Missing(Absent(nxdomain=True), min(ttl, soa or 0))
    if soa is not None:
        return Missing(Absent(nxdomain=False), min(ttl, soa))
    if aliases:
        return Continue(target, aliases, ttl)
    if response.answer and all(rrset.name != target for rrset in response.answer):
        return Tempfail("the answer speaks of another name")  # "no such record" would be our guess
    if any(rrset.rdtype == dns.rdatatype.NS for rrset in response.authority):
        return Tempfail("the name server only refers to others; it must resolve recursively")
    return Missing(Absent(nxdomain=False), 0)


def _covering_soa(response: dns.message.Message, name: dns.name.Name) -> int | None:
    """Return for how long a negative answer about `name` holds (RFC 2308 §5), or None where no SOA covers it."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name):
            return min(rrset.ttl, cast("dns.rdtypes.ANY.SOA.SOA", rrset[0]).minimum)
    return None
