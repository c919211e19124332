"""SPF, DKIM, DMARC and ARC as findings, over a real DNS; and that only a proven author is somebody we know."""

from base64 import b64encode
from collections.abc import Collection
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from tests.authentication.test_verify import ED25519, NOW, RECORDS, RSA
from tests.inbound.screening.cases import CLIENT, HEAD, case, head, rules
from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.authentication.canonical import Canonicalization, canonical_header
from tierii_mta.authentication.dkim import sign
from tierii_mta.authentication.results import write_results
from tierii_mta.inbound.screening.case import Report
from tierii_mta.inbound.screening.credentials import Credentials
from tierii_mta.resolver.stub import StubResolver

BODY = b"Hello.\r\n"
AUTHOR = head("From: Acme <news@example.com>")  # of the domain whose keys the tests have
SENDER = "b@elsewhere.example"


async def look(resolver: StubResolver, sealers: Collection[str] = (), **facts: Any) -> Report:
    check = Credentials(resolver, clock=ManualClock(NOW), hostname="mta.example.com", sealers=sealers)
    return await check.look(case(**{"sender": SENDER, "body": BODY} | facts))


def sealed(head: bytes) -> bytes:
    """Return a header under the ARC set of lists.example, which says that it saw DMARC pass (RFC 8617 §5.1)."""
    results = b"ARC-Authentication-Results: i=1; lists.example; dmarc=pass header.from=example.com\r\n"
    hashed = b64encode(sha256(BODY).digest()).decode()
    common = "i=1; a=rsa-sha256; d=lists.example; s=s"
    author = next(line for line in head.splitlines(keepends=True) if line.startswith(b"From:"))
    signature = _signed(f"ARC-Message-Signature: {common}; c=relaxed/relaxed; h=from; bh={hashed}; b=", author)
    return _signed(f"ARC-Seal: {common}; cv=none; b=", results, signature) + signature + results + head


def _signed(field: str, *covered: bytes) -> bytes:
    """Return a field with its signature over other fields and itself."""
    own = canonical_header(f"{field}\r\n".encode(), Canonicalization.RELAXED).removesuffix(b"\r\n")
    octets = b"".join(canonical_header(one, Canonicalization.RELAXED) for one in covered) + own
    assert isinstance(RSA.private_key, RSAPrivateKey)
    value = RSA.private_key.sign(octets, PKCS1v15(), SHA256())
    return f"{field}{b64encode(value).decode()}\r\n".encode()


@pytest.fixture
def zone(dns: DnsServer) -> DnsServer:
    """A sender's domain that allows our client, and an author's domain with keys."""
    dns.add("elsewhere.example", "TXT", f"v=spf1 ip4:{CLIENT} -all")
    for name, record in RECORDS.items():
        dns.add(name, "TXT", record)
    return dns


def signed(message: bytes = AUTHOR) -> bytes:
    return sign(message + BODY, [ED25519], now=NOW) + message


async def test_a_domain_without_any_records_is_only_noted(resolver: StubResolver) -> None:
    assert rules(await look(resolver)) == ["spf_none", "dkim_none", "dmarc_none"]


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        (f"v=spf1 ip4:{CLIENT} -all", "spf_pass"),
        ("v=spf1 -all", "spf_fail"),
        ("v=spf1 ~all", "spf_softfail"),
        ("v=spf1 ?all", "spf_neutral"),
        ("v=spf1 nonsense", "spf_permerror"),
    ],
)
async def test_each_result_of_spf_has_a_rule(dns: DnsServer, resolver: StubResolver, record: str, rule: str) -> None:
    dns.add("elsewhere.example", "TXT", record)
    assert rules(await look(resolver))[0] == rule


async def test_the_null_senders_host_needs_no_record(resolver: StubResolver) -> None:
    report = await look(resolver, sender="")
    assert (report.observations[0].rule, report.observations[0].times) == ("spf_none", 0)


async def test_a_signed_message_passes_and_a_changed_one_fails(zone: DnsServer, resolver: StubResolver) -> None:
    zone.add("_dmarc.example.com", "TXT", "v=DMARC1; p=reject")
    assert rules(await look(resolver, head=signed())) == ["spf_pass", "dkim_pass", "dmarc_pass"]
    changed = await look(resolver, head=signed(), body=b"Hullo.\r\n")
    assert rules(changed) == ["spf_pass", "dkim_fail", "dmarc_reject"]
    assert "example.com asks to reject" in changed.observations[-1].detail


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        ("none", "dmarc_fail"),
        ("quarantine", "dmarc_quarantine"),
        ("reject", "dmarc_reject"),
        ("reject; t=y", "dmarc_quarantine"),
    ],
)
async def test_what_the_authors_domain_asks_for(
    zone: DnsServer, resolver: StubResolver, policy: str, rule: str
) -> None:
    zone.add("_dmarc.example.com", "TXT", f"v=DMARC1; p={policy}")
    assert rules(await look(resolver, head=AUTHOR))[-1] == rule


@pytest.mark.parametrize("trace", ["List-Id: <l.lists.example>", "Resent-From: bob@elsewhere.example"])
async def test_what_a_list_or_a_forwarder_passed_on_is_not_refused(
    zone: DnsServer, resolver: StubResolver, trace: str
) -> None:
    zone.add("_dmarc.example.com", "TXT", "v=DMARC1; p=reject")
    assert rules(await look(resolver, head=head("From: news@example.com", trace)))[-1] == "dmarc_list"


async def test_without_the_dns_nothing_but_temporary_errors_is_found(zone: DnsServer, resolver: StubResolver) -> None:
    for name in ("elsewhere.example", "_dmarc.example.com", "_dmarc.com", *RECORDS):
        zone.fail(name, "SERVFAIL")
    found = rules(await look(resolver, head=signed()))
    assert found == ["spf_temperror", "dkim_temperror", "dmarc_temperror"]


async def test_a_sealer_of_the_settings_lifts_a_failed_dmarc_and_no_other(
    zone: DnsServer, resolver: StubResolver
) -> None:
    zone.add("_dmarc.example.com", "TXT", "v=DMARC1; p=reject")
    zone.add("s._domainkey.lists.example", "TXT", RECORDS[RSA.dns_name])
    received = sealed(AUTHOR)
    report = await look(resolver, head=received, sealers=["lists.example"])
    assert rules(report) == ["spf_pass", "dkim_none", "dmarc_vouched", "arc"]
    assert report.observations[-1].detail == "pass: sealed by lists.example"
    assert rules(await look(resolver, head=received, sealers=["other.example"]))[2] == "dmarc_list"


@pytest.mark.parametrize(
    ("facts", "proven"),
    [
        ({"head": AUTHOR}, [SENDER]),
        ({"head": signed()}, [SENDER, "news@example.com"]),
        ({"head": AUTHOR, "client": "192.0.2.99"}, []),
        ({"head": signed(), "client": "192.0.2.99", "body": b"Hullo."}, []),
        ({"head": signed(), "sender": ""}, ["news@example.com"]),
    ],
)
async def test_an_address_is_proven_by_its_domain_alone(
    zone: DnsServer, resolver: StubResolver, facts: dict[str, Any], proven: list[str]
) -> None:
    assert [str(one) for one in (await look(resolver, **facts)).proven] == proven


async def test_the_results_are_written_as_a_field(zone: DnsServer, resolver: StubResolver) -> None:
    field = write_results("mta.example.com", (await look(resolver, head=signed())).methods).decode()
    assert field.startswith("Authentication-Results: mta.example.com;")
    for result in (f"spf=pass smtp.mailfrom={SENDER}", "dkim=pass header.d=example.com", "dmarc=", "arc=none"):
        assert result in " ".join(field.split())


async def test_what_our_own_servers_hand_on_is_not_looked_up(dns: DnsServer, resolver: StubResolver) -> None:
    report = await look(resolver, is_trusted=True, head=HEAD)
    assert (rules(report), list(report.methods)) == ([], [])
    assert not dns.queries
