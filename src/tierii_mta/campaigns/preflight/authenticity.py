"""Rules about who vouches for the mail: SPF, DKIM, DMARC, alignment, asked of the DNS as receivers ask.

Owns A1 to A4.  RFC 7208, RFC 6376, RFC 8301, RFC 9989, RFC 7489 §3.1.  Touches: the DNS, by way of the Resolver port;
signatures are verified by dkimpy, which shares no code with what made them.
"""

import asyncio
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa

from tierii_mta.authentication.dkim import DkimKey
from tierii_mta.authentication.dmarc import DmarcResult, DmarcVerdict, Identifier, Method, check_dmarc
from tierii_mta.authentication.keys import KeyRevoked, parse_record
from tierii_mta.authentication.spf import SpfResult, SpfVerdict, check_spf
from tierii_mta.authentication.tags import MalformedTags
from tierii_mta.campaigns.preflight.case import Case, Network, Specimen
from tierii_mta.campaigns.preflight.findings import Fault, Severity
from tierii_mta.resolver.answer import Absent, Resolver, Tempfail

_GOOD_RSA_BITS = 2048


async def check_spf_of_every_address(case: Case, network: Network) -> list[Fault]:
    """A1: each address we send from passes SPF for the return path."""
    if not network.addresses:
        what = "which address the mail leaves from is not known"
        remedy = "set outbound.sources, or let the hostname resolve to this machine"
        return [Fault(what=what, where="outbound.sources", severity=Severity.WARNING, remedy=remedy)]
    faults = []
    for address, ehlo in network.addresses.items():
        verdict = await _spf(case, network.resolver, address, ehlo)
        if verdict.result is not SpfResult.PASS:
            severity = Severity.WARNING if verdict.result is SpfResult.TEMPERROR else None
            what = f"SPF of {case.domain.return_path} for {address}: {verdict.result} ({verdict.reason})"
            family = "ip6" if ":" in address else "ip4"
            remedy = f"{case.domain.return_path}. IN TXT: one `v=spf1` record with {family}:{address}"
            faults.append(Fault(what=what, where=case.domain.return_path, severity=severity, remedy=remedy))
    return faults


async def _spf(case: Case, resolver: Resolver, address: str, ehlo: str) -> SpfVerdict:
    sender = f"preflight@{case.domain.return_path}"
    return await check_spf(ip_address(address), sender, ehlo, resolver, now=case.now)


def check_keys(case: Case) -> Iterator[Fault]:
    """A2: the domain has a key that receivers accept, and the mail bears its signature."""
    if not case.domain.keys:
        remedy = f"make one with `tierii-mta dkim new {case.domain.name}`"
        yield Fault(what=f"{case.domain.name} has no DKIM key", where=f"domains.{case.domain.name}", remedy=remedy)
    for key in case.domain.keys:
        if isinstance(key.private_key, rsa.RSAPrivateKey) and key.private_key.key_size < _GOOD_RSA_BITS:
            what = f"the RSA key has {key.private_key.key_size} bits; {_GOOD_RSA_BITS} are asked for"
            yield Fault(what=what, where=key.dns_name, severity=Severity.WARNING)
    for specimen in case.specimens:
        signed = len(specimen.mail.root.get_all("DKIM-Signature"))
        if signed != len(case.domain.keys):
            what = f"the mail bears {signed} signatures, not {len(case.domain.keys)}"
            yield Fault(what=what, where=specimen.place)


async def verify_signatures(case: Case, network: Network) -> list[Fault]:
    """A2, with the network: the keys are published, and a foreign program verifies the signatures with them."""
    faults: list[Fault] = []
    published: dict[str, bytes] = {}
    for key in case.domain.keys:
        answer = await network.resolver.txt(key.dns_name)
        remedy = f"publish what `tierii-mta dkim show {case.domain.name}` prints"
        if isinstance(answer, Tempfail):
            faults.append(_unknown(key.dns_name, answer))
        elif isinstance(answer, Absent) or len(answer.records) != 1:
            count = 0 if isinstance(answer, Absent) else len(answer.records)
            faults.append(Fault(what=f"{count} key records are published, not one", where=key.dns_name, remedy=remedy))
        else:
            published[key.dns_name] = answer.records[0]
            if what := _mismatch(key, answer.records[0]):
                faults.append(Fault(what=what, where=key.dns_name, remedy=remedy))
    if not faults:
        for specimen in case.specimens:
            faults += await asyncio.to_thread(lambda one: list(_unverified(one, published)), specimen)
    return faults


def _mismatch(key: DkimKey, record: bytes) -> str | None:
    try:
        public = parse_record(record)
    except KeyRevoked:
        return "the published key is revoked"
    except MalformedTags as cause:
        return f"the published record {cause}"
    if public.key != key.private_key.public_key():
        return "another key is published than the one that signs"
    return "the record says t=y: receivers treat the mail as unsigned" if public.is_testing else None


def _unverified(specimen: Specimen, published: Mapping[str, bytes]) -> Iterator[Fault]:
    def ask(name: bytes | str, timeout: float = 0) -> bytes | None:
        text = name.decode() if isinstance(name, bytes) else name
        return published.get(text.rstrip("."))

    for number in range(len(specimen.mail.root.get_all("DKIM-Signature"))):
        try:
            is_good = dkim.DKIM(specimen.data).verify(idx=number, dnsfunc=ask)
        except dkim.DKIMException as cause:
            yield Fault(what=f"dkimpy cannot check signature {number + 1}: {cause}", where=specimen.place)
        else:
            if not is_good:
                yield Fault(what=f"dkimpy refuses signature {number + 1}", where=specimen.place)


async def check_dmarc_record(case: Case, network: Network) -> list[Fault]:
    """A3: the From domain has a DMARC record, and somebody gets its reports."""
    domain = case.domain.name
    verdict = await check_dmarc([domain], [Identifier(Method.DKIM, domain)], network.resolver)
    where = f"_dmarc.{domain}"
    if verdict.result is DmarcResult.TEMPERROR:
        return [Fault(what=verdict.reason, where=where, severity=Severity.WARNING)]
    if verdict.record is None:
        return [Fault(what=verdict.reason, where=where)]
    faults = []
    if not verdict.record.reports_to:
        what = f"the record of {verdict.record_domain} names nobody to report to"
        remedy = f"add rua=mailto:dmarc@{verdict.record_domain}"
        faults.append(Fault(what=what, where=where, severity=Severity.WARNING, remedy=remedy))
    return faults


async def check_alignment(case: Case, network: Network) -> list[Fault]:
    """A4: SPF or DKIM, better both, vouch for the very domain of From."""
    author, return_path = case.specification.from_address.domain, case.domain.return_path
    signer = {key.domain for key in case.domain.keys}
    identifiers = {
        Method.SPF: [Identifier(Method.SPF, return_path)],
        Method.DKIM: [Identifier(Method.DKIM, each) for each in sorted(signer)],
    }
    verdicts = {method: await _alignment(author, each, network) for method, each in identifiers.items()}
    if any(verdict.result is DmarcResult.TEMPERROR for verdict in verdicts.values()):
        what = "whether SPF and DKIM are aligned could not be looked up"
        return [Fault(what=what, where=author, severity=Severity.WARNING, remedy="try again later")]
    missing = [method for method, verdict in verdicts.items() if not verdict.aligned]
    if DmarcResult.NONE in {verdict.result for verdict in verdicts.values()}:
        return []  # without a record nothing is aligned: A3 says so
    severity = None if len(missing) == len(verdicts) else Severity.WARNING
    told = {
        Method.SPF: f"the return path {return_path}",
        Method.DKIM: f"the signing domain {', '.join(signer) or '(none)'}",
    }
    return [
        Fault(what=f"{told[method]} is not aligned with {author}", where=author, severity=severity)
        for method in missing
    ]


async def _alignment(author: str, identifiers: list[Identifier], network: Network) -> DmarcVerdict:
    return await check_dmarc([author], identifiers, network.resolver)


def _unknown(where: str, answer: Tempfail) -> Fault:
    return Fault(
        what=f"the DNS does not say: {answer.why}", where=where, severity=Severity.WARNING, remedy="try again later"
    )
