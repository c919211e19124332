"""The checks as the settings wire them: weights, lists, and what is counted and told of refusals."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tests.inbound.screening.cases import CLIENT, incoming
from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.daemon.metrics import Metrics
from tierii_mta.daemon.screening import CheckCounts, Memory, build_screening, policy
from tierii_mta.daemon.settings import settings_from
from tierii_mta.daemon.settings.screening import ChecksSettings
from tierii_mta.inbound.checks import Decision, Verdict
from tierii_mta.inbound.screening.verdict import Observation, Policy, verdict
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.storage.database import Database

REFUSED = verdict([Observation(rule="null_mx", detail="x"), Observation(rule="spf_none", detail="x")], Policy())


@pytest.fixture
def log() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with capture_logs() as lines:
        yield lines


def test_weights_and_lists_of_the_settings_are_the_policy() -> None:
    settings = ChecksSettings.model_validate(
        {
            "weights": {"spf_fail": 6, "dmarc_reject": "quarantine"},
            "thresholds": {"reject": None},
            "lists": [{"zone": "Block.Example", "weight": "reject"}, {"zone": "allow.example", "weight": -4}],
        }
    )
    wired = policy(settings)
    assert (wired.weights["spf_fail"], wired.weights["dmarc_reject"]) == (6.0, Decision.QUARANTINE)
    assert (wired.weights["list:block.example"], wired.weights["list:allow.example"]) == (Decision.REJECT, -4.0)
    assert wired.weights["spf_none"] == 0.5
    assert wired.thresholds() == {"greylist": 3.0, "quarantine": 6.0}


async def test_all_checks_of_the_settings_judge_a_message(tmp_path: Path, log: list[Any]) -> None:
    clock, metrics = ManualClock(), Metrics()
    database = await Database.open("sqlite", data_dir=tmp_path, clock=clock, node="one")
    async with DnsServer() as dns:
        dns.add("elsewhere.example", "TXT", f"v=spf1 ip4:{CLIENT} -all")
        dns.add("elsewhere.example", "MX", 0, ".")
        loaded = settings_from({"hostname": "mta.example.com", "dns": {"nameservers": [dns.address]}}, tmp_path)
        screened = build_screening(
            loaded.settings,
            clock=clock,
            codec=TokenCodec(b"a secret of the installation"),
            memory=Memory(greylist=database.greylist, correspondents=database.correspondents),
            witness=CheckCounts(metrics, clock),
        )
        judged = await screened.checks.check(incoming())
        await screened.close()
    await database.close()
    found = ["iprev_missing", "helo_unknown", "null_mx", "spf_pass", "dkim_none", "dmarc_none"]
    assert [one.check for one in judged.findings] == found
    assert str(judged.reply).startswith("550 5.7.27")
    assert judged.fields.startswith(b"Authentication-Results: mta.example.com;\r\n iprev=permerror")
    text = metrics.text()
    assert 'tierii_inbound_verdicts_total{decision="reject"} 1.0' in text
    assert 'tierii_inbound_findings_total{check="null_mx"} 1.0' in text
    (line,) = [one for one in log if one["event"] == "message.refused"]
    assert (line["decision"], line["reasons"], line["score"]) == (
        "reject",
        ["null_mx", "iprev_missing", "helo_unknown"],
        2.5,
    )


def test_refusals_are_told_twenty_times_a_minute_and_then_counted(log: list[Any]) -> None:
    clock, metrics = ManualClock(), Metrics()
    counts = CheckCounts(metrics, clock)
    for _ in range(50):
        counts.judged(incoming(), REFUSED)
        counts.judged(incoming(), Verdict())
    assert len(log) == 20
    clock.advance(timedelta(minutes=1))
    counts.judged(incoming(), REFUSED)
    assert log[-1]["unsaid"] == 30
    counts.judged(incoming(), REFUSED)
    assert "unsaid" not in log[-1]
    counts.troubled("rspamd", "late")
    text = metrics.text()
    assert 'tierii_inbound_verdicts_total{decision="reject"} 52.0' in text
    assert 'tierii_inbound_check_troubles_total{check="rspamd",how="late"} 1.0' in text
