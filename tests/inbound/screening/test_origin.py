"""The client's address, the name it gives itself, and the sender's domain, asked of a real DNS server."""

import pytest

from tests.inbound.screening.cases import BOUNCE, CLIENT, case, rules
from tests.support.dns import DnsServer
from tierii_mta.inbound.screening.origin import ClientName, ReverseName, SenderDomain
from tierii_mta.resolver.stub import StubResolver

V6 = "2001:db8::25"


# -- iprev


async def test_an_address_whose_name_leads_back_to_it_passes(dns: DnsServer, resolver: StubResolver) -> None:
    dns.add_ptr(CLIENT, "other.example")
    dns.add_ptr(CLIENT, "mx.elsewhere.example")
    dns.add("mx.elsewhere.example", "A", "192.0.2.8")
    dns.add("mx.elsewhere.example", "A", CLIENT)
    report = await ReverseName(resolver).look(case())
    assert rules(report) == ["iprev_pass"]
    assert report.observations[0].detail == f"{CLIENT} is mx.elsewhere.example"


async def test_an_ipv6_address_is_compared_as_an_address(dns: DnsServer, resolver: StubResolver) -> None:
    dns.add_ptr(V6, "mx.elsewhere.example")
    dns.add("mx.elsewhere.example", "AAAA", "2001:0db8:0::0025")
    assert rules(await ReverseName(resolver).look(case(client=V6))) == ["iprev_pass"]


async def test_a_link_local_client_has_no_zone_to_others(dns: DnsServer, resolver: StubResolver) -> None:
    dns.add_ptr("fe80::1", "mx.elsewhere.example")
    dns.add("mx.elsewhere.example", "AAAA", "fe80::1")
    assert rules(await ReverseName(resolver).look(case(client="fe80::1%eth0"))) == ["iprev_pass"]


async def test_a_name_that_does_not_lead_back_fails(dns: DnsServer, resolver: StubResolver) -> None:
    dns.add_ptr(CLIENT, "mx.bank.example")
    dns.add("mx.bank.example", "A", "192.0.2.99")
    assert rules(await ReverseName(resolver).look(case())) == ["iprev_fail"]


async def test_an_address_without_a_name_is_told_apart(resolver: StubResolver) -> None:
    assert rules(await ReverseName(resolver).look(case())) == ["iprev_missing"]


async def test_what_cannot_be_looked_up_is_no_failure(dns: DnsServer, resolver: StubResolver) -> None:
    dns.add_ptr(CLIENT, "mx.elsewhere.example")
    dns.fail("mx.elsewhere.example", "SERVFAIL")
    assert rules(await ReverseName(resolver).look(case())) == ["iprev_temperror"]
    dns.fail("8.2.0.192.in-addr.arpa", "SERVFAIL")
    assert rules(await ReverseName(resolver).look(case(client="192.0.2.8"))) == ["iprev_temperror"]


async def test_an_address_with_a_thousand_names_costs_ten_look_ups(dns: DnsServer, resolver: StubResolver) -> None:
    for number in range(60):
        dns.add_ptr(CLIENT, f"n{number}.example")
    assert rules(await ReverseName(resolver).look(case())) == ["iprev_fail"]
    assert sum(count for (_, kind), count in dns.queries.items() if kind == "A") == 10


# -- HELO


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("mx.elsewhere.example", []),
        ("MX.Elsewhere.Example.", []),
        ("six.example", []),
        ("mx_1.elsewhere.example", []),
        (f"[{CLIENT}]", []),
        (CLIENT, []),
        ("mta.example.com", ["helo_ours"]),
        ("MTA.example.com", ["helo_ours"]),
        ("[192.0.2.1]", ["helo_ours"]),
        ("192.0.2.1", ["helo_ours"]),
        ("[192.0.2.99]", ["helo_literal"]),
        ("[IPv6:2001:db8::1]", ["helo_literal"]),
        ("localhost", ["helo_short"]),
        ("who are you", ["helo_malformed"]),
        ("-x-.example", ["helo_malformed"]),
        ("nowhere.example", ["helo_unknown"]),
        ("broken.example", ["helo_temperror"]),
    ],
)
async def test_the_name_in_ehlo(dns: DnsServer, resolver: StubResolver, said: str, found: list[str]) -> None:
    dns.add("mx.elsewhere.example", "A", CLIENT)
    dns.add("mx_1.elsewhere.example", "A", CLIENT)
    dns.add("six.example", "AAAA", V6)
    dns.fail("broken.example", "SERVFAIL")
    check = ClientName(resolver, own_names=["mta.example.com"], own_addresses=["192.0.2.1"])
    assert rules(await check.look(case(helo=said))) == found


async def test_the_operators_own_servers_are_not_judged(dns: DnsServer, resolver: StubResolver) -> None:
    trusted = case(is_trusted=True, helo="mta.example.com")
    assert rules(await ClientName(resolver, own_names=["mta.example.com"]).look(trusted)) == []
    assert rules(await ReverseName(resolver).look(trusted)) == []
    assert not dns.queries


# -- the sender's domain


@pytest.mark.parametrize(
    ("sender", "found"),
    [
        ("ada@mx.example", []),
        ("ada@address.example", []),
        ("ada@six.example", []),
        ("ada@null.example", ["null_mx"]),
        ("ada@both.example", []),
        ("ada@nowhere.example", ["sender_unknown"]),
        ("ada@empty.example", ["sender_unknown"]),
        ("ada@broken.example", ["sender_temperror"]),
        ("ada@[192.0.2.7]", []),
        ("", []),
    ],
)
async def test_the_domain_of_the_sender(dns: DnsServer, resolver: StubResolver, sender: str, found: list[str]) -> None:
    dns.add("mx.example", "MX", 10, "host.mx.example")
    dns.add("address.example", "A", CLIENT)
    dns.add("six.example", "AAAA", V6)
    dns.add("null.example", "MX", 0, ".")
    dns.add("both.example", "MX", 0, ".")
    dns.add("both.example", "MX", 10, "host.mx.example")
    dns.add("empty.example", "TXT", "nothing here")
    dns.fail("broken.example", "SERVFAIL")
    assert rules(await SenderDomain(resolver).look(case(sender=sender, recipients=[BOUNCE]))) == found
