"""What the DNS must say for our mail to arrive, asked domain by domain: SPF, DKIM, DMARC, MX, and our own name.

Owns which records are looked for; asks through our own resolver.  RFC 7208, RFC 6376, RFC 7489, RFC 1912 §2.1.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from tierii_mta.authentication.keys import dns_record
from tierii_mta.cli.dkim import read_key
from tierii_mta.clock import Clock
from tierii_mta.daemon.names import make_resolver
from tierii_mta.daemon.settings import Settings
from tierii_mta.errors import ConfigurationError
from tierii_mta.resolver.answer import Answer, Found, Resolver, Tempfail


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it is, what to do."""

    check: str
    verdict: Verdict
    detail: str
    remedy: str | None = None


async def domain_findings(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    """Yield what the DNS says about our host name and each domain we send as."""
    resolver = make_resolver(settings, clock)
    yield await _own_name(settings.hostname, resolver)
    for domain in settings.domains:
        return_path = settings.return_path(domain)
        yield await _spf(return_path, resolver)
        yield await _mx(return_path, resolver)
        async for finding in _dkim(settings, domain, resolver):
            yield finding
        yield await _dmarc(domain, resolver)


async def _own_name(hostname: str, resolver: Resolver) -> Finding:
    """Check that the EHLO name leads to an address and the address back to the name."""
    check = f"hostname {hostname}"
    addresses = [*_values(await resolver.a(hostname)), *_values(await resolver.aaaa(hostname))]
    if not addresses:
        return Finding(check, Verdict.WARNING, "has no address in the DNS", "many servers refuse such an EHLO name")
    for address in addresses:
        names = _values(await resolver.ptr(address))
        if hostname not in [str(name).rstrip(".").lower() for name in names]:
            return Finding(
                check, Verdict.WARNING, f"{address} does not map back to it", f"set the PTR record of {address}"
            )
    return Finding(check, Verdict.OK, ", ".join(addresses))


async def _spf(domain: str, resolver: Resolver) -> Finding:
    answer = await resolver.txt(domain)
    records = [text for text in _texts(answer) if text == "v=spf1" or text.startswith("v=spf1 ")]
    check = f"SPF of {domain}"
    if isinstance(answer, Tempfail):
        return _unknown(check, answer)
    if len(records) == 1:
        return Finding(check, Verdict.OK, records[0])
    if records:
        return Finding(check, Verdict.ERROR, f"{len(records)} records", "publish exactly one (RFC 7208 §4.5)")
    return Finding(
        check, Verdict.ERROR, "no record", f'publish: {domain}. IN TXT "v=spf1 mx -all", with your addresses'
    )


async def _mx(domain: str, resolver: Resolver) -> Finding:
    answer = await resolver.mx(domain)
    check = f"MX of {domain}"
    if isinstance(answer, Tempfail):
        return _unknown(check, answer)
    if isinstance(answer, Found):
        return Finding(check, Verdict.OK, ", ".join(f"{record.preference} {record.host}" for record in answer.records))
    return Finding(check, Verdict.WARNING, "no record", "bounces come back to this domain: point its MX at this server")


async def _dkim(settings: Settings, domain: str, resolver: Resolver) -> AsyncIterator[Finding]:
    keys = settings.domains[domain].dkim
    if not keys:
        yield Finding(f"DKIM of {domain}", Verdict.ERROR, "no key in the settings", f"tierii-mta dkim new {domain}")
    for key in keys:
        name = f"{key.selector}._domainkey.{domain}"
        check = f"DKIM {name}"
        try:
            wanted = _tags(dns_record(read_key(key.key)))["p"]
        except ConfigurationError as problem:
            yield Finding(check, Verdict.ERROR, str(problem))
            continue
        answer = await resolver.txt(name)
        published = [_tags(text).get("p") for text in _texts(answer)]
        if isinstance(answer, Tempfail):
            yield _unknown(check, answer)
        elif not published:
            yield Finding(check, Verdict.ERROR, "no record", "`tierii-mta dkim show` prints what to publish")
        elif published != [wanted]:
            yield Finding(
                check, Verdict.ERROR, "another key is published", "`tierii-mta dkim show` prints the right one"
            )
        else:
            yield Finding(check, Verdict.OK, "the key in the settings is published")


async def _dmarc(domain: str, resolver: Resolver) -> Finding:
    answer = await resolver.txt(f"_dmarc.{domain}")
    check = f"DMARC of {domain}"
    if isinstance(answer, Tempfail):
        return _unknown(check, answer)
    records = [text for text in _texts(answer) if text.startswith("v=DMARC1")]
    if records:
        return Finding(check, Verdict.OK, records[0])
    remedy = f'large providers want one: _dmarc.{domain}. IN TXT "v=DMARC1; p=none"'
    return Finding(check, Verdict.WARNING, "no record", remedy)


def _unknown(check: str, answer: Tempfail) -> Finding:
    return Finding(check, Verdict.WARNING, f"the DNS does not say: {answer.why}", "try again later")


def _values(answer: Answer[str]) -> list[str]:
    return list(answer.records) if isinstance(answer, Found) else []


def _texts(answer: Answer[bytes]) -> list[str]:
    return [record.decode("ascii", "replace") for record in answer.records] if isinstance(answer, Found) else []


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip(): "".join(value.split()) for name, _, value in pairs if name.strip()}
