"""Who really sent a message: SPF, DKIM and ARC side by side, then DMARC on what they found.

Owns the order of the checks and what DMARC is told; each check owns itself (authentication.spf, .verify, .arc,
.dmarc), and what a result means for the mail is decided elsewhere (inbound).  A field of the header that is malformed
is passed over: nothing vouches for it.  Touches: the DNS, by way of the Resolver port, and what the body is read from.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address

from tierii_mta.authentication import arc, verify
from tierii_mta.authentication.arc import Chain
from tierii_mta.authentication.author import author_domains, normal_domain
from tierii_mta.authentication.body_hash import Body, hash_body
from tierii_mta.authentication.dmarc import DmarcVerdict, Identifier, Method, check_dmarc
from tierii_mta.authentication.report import arc_result, dkim_results, dmarc_result, spf_result
from tierii_mta.authentication.results import MethodResult
from tierii_mta.authentication.results_reader import split_fields
from tierii_mta.authentication.signature import Result
from tierii_mta.authentication.spf import SpfResult, SpfVerdict, check_spf
from tierii_mta.authentication.verify import Verdict
from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.header import HeaderField, MalformedHeader, parse_header_block
from tierii_mta.resolver.answer import Resolver
from tierii_mta.resolver.hurried import HurriedResolver

WITHIN = timedelta(seconds=20)  # RFC 7208 §4.6.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a message came."""

    remote: IPv4Address | IPv6Address  # the client
    client_name: str  # from HELO or EHLO
    reverse_path: Address | None  # None: the null sender
    receiver: str  # our own name


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticity:
    """All that was found."""

    remote: IPv4Address | IPv6Address
    spf: SpfVerdict
    dkim: Sequence[Verdict]
    arc: Chain
    dmarc: DmarcVerdict

    @property
    def results(self) -> list[MethodResult]:
        """The results for an Authentication-Results field, `iprev` apart."""
        return [
            spf_result(self.spf),
            *dkim_results(self.dkim),
            dmarc_result(self.dmarc),
            arc_result(self.arc, self.remote),
        ]


async def authenticate(
    head: bytes, body: Body, arrival: Arrival, resolver: Resolver, *, now: Instant, within: timedelta = WITHIN
) -> Authenticity:
    """Return what SPF, DKIM, ARC and DMARC find; raises only what reading the body raises.

    `head` is the header with or without the empty line, all line ends CR LF.  The body is read once, in a thread where
    it is large, and not at all where nothing signs it.  What the DNS has not told `within` that time is a temporary
    error of the check that asked; nothing else is lost.
    """
    resolver = HurriedResolver(resolver, within=within)
    fields = _readable(head)
    async with asyncio.TaskGroup() as group:
        spf_task = group.create_task(_check_spf(arrival, resolver, now))
        signatures_task = group.create_task(_check_signatures(fields, body, resolver, now))
    spf, (dkim, chain) = spf_task.result(), signatures_task.result()
    dmarc = await check_dmarc(author_domains(fields), identifiers(spf, dkim), resolver)
    return Authenticity(remote=arrival.remote, spf=spf, dkim=dkim, arc=chain, dmarc=dmarc)


def identifiers(spf: SpfVerdict, dkim: Sequence[Verdict]) -> list[Identifier]:
    """Return the domains that SPF and DKIM vouch for, and those they could not judge for now."""
    found = []
    if spf.result in (SpfResult.PASS, SpfResult.TEMPERROR):
        found.append(Identifier(Method.SPF, normal_domain(spf.domain), spf.result is SpfResult.PASS))
    for each in dkim:
        if each.result in (Result.PASS, Result.TEMPERROR) and each.domain:
            found.append(Identifier(Method.DKIM, each.domain, each.result is Result.PASS))
    return found


def _readable(head: bytes) -> Sequence[HeaderField]:
    """Return the fields of a header, those of a malformed one as far as each of them can be read."""
    try:
        return parse_header_block(head)[0]
    except MalformedHeader:
        pass
    fields: list[HeaderField] = []
    for octets in split_fields(head):
        with suppress(MalformedHeader):
            fields.extend(parse_header_block(octets)[0])
    return fields


async def _check_spf(arrival: Arrival, resolver: Resolver, now: Instant) -> SpfVerdict:
    sender = str(arrival.reverse_path) if arrival.reverse_path else ""
    return await check_spf(arrival.remote, sender, arrival.client_name, resolver, now=now, receiver=arrival.receiver)


async def _check_signatures(
    fields: Sequence[HeaderField], body: Body, resolver: Resolver, now: Instant
) -> tuple[list[Verdict], Chain]:
    signatures, chain = verify.read_signatures(fields), arc.read_chain(fields)
    bodies = await hash_body(body, verify.wanted(signatures) | chain.wanted)
    async with asyncio.TaskGroup() as group:
        dkim = group.create_task(verify.judge(signatures, fields, bodies, resolver, now))
        validated = group.create_task(arc.validate(chain, fields, bodies, resolver))
    return dkim.result(), validated.result()
