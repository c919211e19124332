"""All 203 cases of the RFC 7208 test suite: over names in memory, then over a real name server and our resolver."""

import itertools
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.authentication.spf_suite import TYPES, Case, cases, fetch
from tests.authentication.zones import Names, WrittenDown
from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.authentication.spf import check_spf
from tierii_mta.clock import Instant
from tierii_mta.resolver.answer import Resolver
from tierii_mta.resolver.stub import StubResolver

NOW = Instant(1_700_000_000_000)


async def complaint(case: Case, resolver: Resolver) -> str | None:
    """Return what is wrong with our answer to a case."""
    verdict = await check_spf(ip_address(case.client), case.sender, case.helo, resolver, now=NOW)
    if verdict.result not in case.results:
        return f"{case.name}: {verdict.result}, not {case.results}: {verdict.reason}"
    if case.explanation not in (None, verdict.explanation or "DEFAULT"):
        return f"{case.name}: {verdict.explanation!r}, not {case.explanation!r}"
    return None


def publish(names: Names, server: DnsServer) -> None:
    """Give a server the names; what fails for every type fails there, quickly."""
    for kind, records in (("TXT", names.txt), ("A", names.a), ("AAAA", names.aaaa), ("PTR", names.ptr)):
        for name, values in records.items():
            for value in values:
                server.add(name, kind, value)
    for name, hosts in names.mx.items():
        for host in hosts:
            server.add(name, "MX", host.preference, host.host)
    for name, target in names.cname.items():
        server.add(name, "CNAME", target)
    for name, kinds in names.failing.items():
        if all(kind in kinds for kind in TYPES):
            server.fail(name, "SERVFAIL")


async def served_complaints(scenario: list[Case]) -> list[str | None]:
    async with DnsServer() as server:
        publish(scenario[0].names, server)
        resolver = StubResolver(ManualClock(), nameservers=[server.address], timeout=timedelta(seconds=10))
        complaints = [await complaint(case, resolver) for case in scenario]
        await resolver.close()
    return complaints


@pytest.mark.corpus
async def test_the_suite_of_rfc_7208_is_passed_in_all_cases(tmp_path: Path) -> None:
    suite = list(cases(fetch(tmp_path)))
    assert len(suite) == 203
    complaints = [await complaint(case, WrittenDown(case.names)) for case in suite]
    for _, scenario in itertools.groupby(suite, key=lambda case: id(case.names)):
        complaints += await served_complaints(list(scenario))
    assert [each for each in complaints if each] == []
