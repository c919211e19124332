"""All 203 cases of the RFC 7208 test suite."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.authentication.spf_suite import Case, cases, fetch
from tests.authentication.zones import WrittenDown
from tierii_mta.authentication.spf import check_spf
from tierii_mta.clock import Instant

NOW = Instant(1_700_000_000_000)


async def complaint(case: Case) -> str | None:
    """Return what is wrong with our answer to a case."""
    verdict = await check_spf(ip_address(case.client), case.sender, case.helo, WrittenDown(case.names), now=NOW)
    if verdict.result not in case.results:
        return f"{case.name}: {verdict.result}, not {case.results}: {verdict.reason}"
    if case.explanation not in (None, verdict.explanation or "DEFAULT"):
        return f"{case.name}: {verdict.explanation!r}, not {case.explanation!r}"
    return None


@pytest.mark.corpus
async def test_the_suite_of_rfc_7208_is_passed_in_all_cases(tmp_path: Path) -> None:
    suite = list(cases(fetch(tmp_path)))
    complaints = [await complaint(case) for case in suite]
    assert [each for each in complaints if each] == []
    assert len(suite) == 203
