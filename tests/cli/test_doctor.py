"""The doctor, with a DNS of our own."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import CommandLine
from tests.support.dns import DnsServer


async def diagnose(cli: CommandLine, dns: DnsServer) -> tuple[int, dict[str, dict[str, Any]]]:
    outcome = await asyncio.to_thread(
        cli, "doctor", "--json", "--set", json.dumps({"nameservers": [dns.address]}).join(("dns=", ""))
    )
    return outcome.code, {record["check"]: record for record in outcome.records if "check" in record}


async def test_a_domain_with_all_its_records_is_well(cli: CommandLine, settings_file: Path) -> None:
    key = await asyncio.to_thread(cli, "dkim", "new", "lantern.example", "--json")
    text = settings_file.read_text()
    settings_file.write_text(
        text.replace("{return_path:", "{dkim: [{selector: s1, key: keys/lantern.example.s1.pem}], return_path:")
    )
    async with DnsServer() as dns:
        dns.add("mta.lantern.example", "A", "192.0.2.1")
        dns.add_ptr("192.0.2.1", "mta.lantern.example")
        dns.add("bounce.lantern.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        dns.add("bounce.lantern.example", "MX", 10, "mta.lantern.example")
        dns.add("s1._domainkey.lantern.example", "TXT", key.summary["value"])
        dns.add("_dmarc.lantern.example", "TXT", "v=DMARC1; p=none")

        code, found = await diagnose(cli, dns)

    assert code == 0
    for check in (
        "hostname mta.lantern.example",
        "SPF of bounce.lantern.example",
        "MX of bounce.lantern.example",
        "DKIM s1._domainkey.lantern.example",
        "DMARC of lantern.example",
    ):
        assert found[check]["verdict"] == "ok", found[check]


async def test_what_is_missing_is_named_with_its_remedy(cli: CommandLine) -> None:
    async with DnsServer() as dns:
        dns.add("mta.lantern.example", "A", "192.0.2.1")

        code, found = await diagnose(cli, dns)

    assert code == 3
    assert found["DKIM of lantern.example"]["remedy"] == "tierii-mta dkim new lantern.example"
    assert found["SPF of bounce.lantern.example"]["verdict"] == "error"
    assert "PTR" in found["hostname mta.lantern.example"]["remedy"]


async def test_another_key_in_the_dns_is_an_error(cli: CommandLine, settings_file: Path) -> None:
    await asyncio.to_thread(cli, "dkim", "new", "lantern.example", "--type", "ed25519")
    other = await asyncio.to_thread(cli, "dkim", "new", "lantern.example", "--selector", "s2", "--json")
    text = settings_file.read_text()
    settings_file.write_text(
        text.replace("{return_path:", "{dkim: [{selector: s1, key: keys/lantern.example.s1.pem}], return_path:")
    )
    async with DnsServer() as dns:
        dns.add("s1._domainkey.lantern.example", "TXT", other.summary["value"])

        code, found = await diagnose(cli, dns)

    assert code == 3
    assert found["DKIM s1._domainkey.lantern.example"]["detail"] == "another key is published"


async def test_a_dns_that_fails_is_a_warning_not_a_verdict(cli: CommandLine) -> None:
    async with DnsServer() as dns:
        dns.fail("bounce.lantern.example", "SERVFAIL")

        _, found = await diagnose(cli, dns)

    assert found["SPF of bounce.lantern.example"]["verdict"] == "warning"
    assert "the DNS does not say" in found["SPF of bounce.lantern.example"]["detail"]


def test_offline_asks_nobody(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    outcome = cli("doctor", "--offline")

    assert outcome.code == 0
    assert "DKIM" not in outcome.out
    assert "others can look into it: chmod 700" in outcome.out
