"""`check` and `plan` on the command line, and what `enqueue` refuses."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.support.dns import DnsServer


@pytest.fixture
def signed(cli: CommandLine, settings_file: Path) -> str:
    """Give the installation a key; return the record to publish."""
    record: str = cli("dkim", "new", "lantern.example", "--json").summary["value"]
    text = settings_file.read_text()
    settings_file.write_text(
        text.replace("{return_path:", "{dkim: [{selector: s1, key: keys/lantern.example.s1.pem}], return_path:")
    )
    return record


def _domains(campaign_file: Path) -> set[str]:
    rows = (campaign_file.parent / "people.csv").read_text().splitlines()[1:]
    return {row.partition(",")[0].rpartition("@")[2].lower() for row in rows if "@" in row}


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer() as dns:
        yield dns


def test_check_finds_a_sound_campaign_sound_and_accepts_nothing(
    cli: CommandLine, campaign_file: Path, signed: str
) -> None:
    outcome = cli("check", campaign_file, "--offline")

    assert outcome.code == 0, outcome.out
    assert "sound; of 11 rows 10 would be accepted; 0 errors" in outcome.out
    assert "warning C5" in outcome.out
    assert "left out without the network: A1, A2, A3" in outcome.err
    assert cli("status", "welcome").code == 6


def test_strict_makes_errors_of_warnings(cli: CommandLine, campaign_file: Path, signed: str) -> None:
    outcome = cli("check", campaign_file, "--offline", "--strict")

    assert outcome.code == 3
    assert "error   C5" in outcome.out
    assert "welcome: not fit to be sent" in outcome.err


def test_check_writes_findings_and_one_summary(cli: CommandLine, campaign_file: Path, signed: str) -> None:
    outcome = cli("check", campaign_file, "--offline", "--json", "--strict")

    *findings, summary = outcome.records
    assert {"rule", "group", "severity", "what", "where", "remedy"} == set(findings[0])
    assert summary["errors"] == sum(finding["severity"] == "error" for finding in findings)
    assert (summary["exit_code"], summary["rows"], summary["accepted"]) == (3, 11, 10)
    assert "not fit to be sent" in summary["error"]
    assert "H3" in summary["left_out"]


async def test_check_asks_our_dns(cli: CommandLine, campaign_file: Path, signed: str, dns: DnsServer) -> None:
    dns.add("mta.lantern.example", "A", "192.0.2.1")
    dns.add_ptr("192.0.2.1", "mta.lantern.example")
    dns.add("lantern.example", "MX", 10, "mta.lantern.example")
    dns.add("bounce.lantern.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    dns.add("_dmarc.lantern.example", "TXT", "v=DMARC1; p=none; rua=mailto:d@lantern.example")
    for domain in _domains(campaign_file):
        dns.add(domain, "MX", 10, f"mx.{domain}")
    asked = ("--json", "--set", f"dns={{nameservers: ['{dns.address}']}}")

    without_key = await asyncio.to_thread(cli, "check", campaign_file, *asked)
    dns.add("s1._domainkey.lantern.example", "TXT", signed)
    whole = await asyncio.to_thread(cli, "check", campaign_file, *asked)

    def told(records: list[dict[str, str]]) -> set[str]:
        return {record["rule"] for record in records if record.get("severity") == "error"}

    assert told(without_key.records) == {"A2"}
    assert without_key.code == 3
    assert told(whole.records) == set()
    assert whole.code == 0
    assert whole.summary["left_out"] == []


async def test_plan_shows_the_waterfall_the_providers_and_the_time(
    cli: CommandLine, campaign_file: Path, signed: str, dns: DnsServer
) -> None:
    with campaign_file.open("a") as file:
        file.write("segment: provider != 'yahoo'\n")
    for domain in _domains(campaign_file):
        dns.add(domain, "MX", 10, "aspmx.l.google.com")
    asked = ("--set", f"dns={{nameservers: ['{dns.address}']}}")

    offline = await asyncio.to_thread(cli, "plan", campaign_file, "--offline")
    online = await asyncio.to_thread(cli, "plan", campaign_file, "--json", *asked)

    assert "duplicate" in offline.out
    assert "provider: blank for 11 contacts, because the DNS is not asked" in offline.err
    assert "last mail: " in offline.out
    assert online.summary["providers"] == {"google": 10}
    assert not [notice for notice in online.summary["notices"] if notice.startswith("provider")]
    assert online.summary["waterfall"]["to_send"] == 10
    assert online.summary["forecast"]["seconds"] >= 0
    assert (await asyncio.to_thread(cli, "status", "welcome")).code == 6


def test_enqueue_refuses_what_a_profile_asks_for(cli: CommandLine, campaign_file: Path) -> None:
    text = campaign_file.read_text()
    campaign_file.write_text(text + "compliance: {profiles: [can-spam]}\n")

    refused = cli("enqueue", campaign_file, "--json")
    campaign_file.write_text(text + "compliance: {profiles: [can-spam], postal_address: '1 Main St'}\n")
    accepted = cli("enqueue", campaign_file)

    assert refused.code == 3
    assert "C5: no postal address is set, which can-spam asks for" in refused.err
    assert accepted.code == 0, accepted.err


def test_enqueue_refuses_mail_without_a_way_out(cli: CommandLine, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text().replace("footer: auto", "footer: none"))
    shutil.copy(campaign_file.parent / "welcome.html.j2", campaign_file.parent / "old.html.j2")
    (campaign_file.parent / "welcome.html.j2").write_text("<p>Hello {{ first_name }}</p>")

    outcome = cli("enqueue", campaign_file)

    assert outcome.code == 3
    assert "H5: the HTML part shows no unsubscribe link" in outcome.err


async def test_enforce_makes_enqueue_run_all_of_check(cli: CommandLine, campaign_file: Path, dns: DnsServer) -> None:
    asked = ("--set", f"dns={{nameservers: ['{dns.address}']}}", "--set", "compliance.preflight=enforce")

    outcome = await asyncio.to_thread(cli, "enqueue", campaign_file, *asked)

    assert outcome.code == 3
    assert "A2: lantern.example has no DKIM key" in outcome.err
    assert "A3: lantern.example has no DMARC record" in outcome.err


def test_an_unknown_profile_is_an_error_of_the_file(cli: CommandLine, campaign_file: Path) -> None:
    with campaign_file.open("a") as file:
        file.write("compliance: {profiles: [gdrp]}\n")

    outcome = cli("check", campaign_file, "--offline")

    assert outcome.code == 3
    assert "did you mean gdpr?" in outcome.err
