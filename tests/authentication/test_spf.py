"""SPF beyond the suite: limits, deadlines, hostile names and texts, and what a verdict tells."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.authentication.zones import Names, WrittenDown
from tests.support.clock import ManualClock
from tests.support.dns import DnsServer
from tierii_mta.authentication.spf import Identity, SpfResult, SpfVerdict, check_spf
from tierii_mta.authentication.spf_macros import MalformedMacro, fit_name, parse_macro_string
from tierii_mta.authentication.spf_record import MalformedRecord, choose_record, parse_record
from tierii_mta.clock import Instant
from tierii_mta.resolver.answer import Answer, MxRecord, Resolver
from tierii_mta.resolver.stub import StubResolver

NOW = Instant(1_700_000_000_000)
CLIENT = "192.0.2.7"


async def checked(
    resolver: Resolver, sender: str = "ana@example.com", client: str = CLIENT, helo: str = "out.example.com"
) -> SpfVerdict:
    return await check_spf(ip_address(client), sender, helo, resolver, now=NOW, receiver="mx.example.net")


def zone(
    record: str,
    *,
    a: Mapping[str, Sequence[str]] = {},
    mx: Mapping[str, Sequence[MxRecord]] = {},
    **more: str,
) -> WrittenDown:
    """Return the DNS where example.com has this record, and names below it these."""
    txt = {"example.com": [record.encode()]}
    txt |= {f"{name}.example.com": [text.encode()] for name, text in more.items()}
    return WrittenDown(Names(txt=txt, a=a, mx=mx))


async def test_a_pass_names_the_terms_that_led_to_it() -> None:
    resolver = zone("v=spf1 include:inner.example.com -all", inner="v=spf1 ip4:198.51.100.1 +ip4:192.0.2.0/24 -all")
    verdict = await checked(resolver)
    assert verdict == SpfVerdict(
        result=SpfResult.PASS,
        reason="include:inner.example.com → +ip4:192.0.2.0/24 of example.com",
        identity=Identity.MAILFROM,
        sender="ana@example.com",
        domain="example.com",
        matched=("include:inner.example.com", "+ip4:192.0.2.0/24"),
        record_domain="example.com",
        terms=1,
    )


async def test_the_null_sender_is_judged_by_the_name_the_client_gave() -> None:
    resolver = WrittenDown(
        Names(
            txt={"out.example.com": [b"v=spf1 exists:%{l}.%{o} -all"]}, a={"postmaster.out.example.com": ["127.0.0.2"]}
        )
    )
    verdict = await checked(resolver, sender="")
    assert (verdict.result, verdict.identity, verdict.sender) == (SpfResult.PASS, Identity.HELO, "out.example.com")


@pytest.mark.parametrize(
    "sender", ["ana@localhost", "ana@[192.0.2.1]", "ana@", "ana", "@", "ana@a..b", "a@" + "b" * 64 + ".example"]
)
async def test_what_is_no_domain_has_no_policy_and_is_not_asked_for(sender: str) -> None:
    resolver = zone("v=spf1 -all")
    assert (await checked(resolver, sender)).result is SpfResult.NONE
    assert resolver.asked == []


async def test_hosts_with_addresses_of_the_other_family_are_no_void_look_ups() -> None:
    hosts = [f"mx{number}.example.com" for number in range(5)]
    names = Names(
        txt={"example.com": [b"v=spf1 mx ip6:2001:db8::/32 -all"]},
        a={host: ["198.51.100.1"] for host in hosts},
        mx={"example.com": [MxRecord(10, host) for host in hosts]},
    )
    verdict = await checked(WrittenDown(names), client="2001:db8::7")
    assert (verdict.result, verdict.void) == (SpfResult.PASS, 0)


async def test_mx_hosts_that_do_not_exist_are_void_look_ups() -> None:
    resolver = zone(
        "v=spf1 mx -all", mx={"example.com": [MxRecord(10, f"no{number}.example.net") for number in range(3)]}
    )
    verdict = await checked(resolver)
    assert (verdict.result, verdict.void) == (SpfResult.PERMERROR, 3)


async def test_the_zone_of_a_link_local_client_is_no_part_of_its_address() -> None:
    resolver = zone("v=spf1 exists:%{i}.example.com ptr ip6:fe80::1 -all")
    assert (await checked(resolver, client="fe80::1%eth0")).matched == ("ip6:fe80::1",)


async def test_the_null_mx_is_no_host() -> None:
    resolver = zone("v=spf1 mx -all", mx={"example.com": [MxRecord(0, ".")]})
    assert (await checked(resolver)).result is SpfResult.FAIL
    assert (".", "A") not in resolver.asked


class Silent(WrittenDown):
    """Answers TXT, and hangs at everything else."""

    async def a(self, host: str) -> Answer[str]:
        await asyncio.Event().wait()
        raise AssertionError("it was set")


async def test_one_deadline_ends_the_whole_check() -> None:
    resolver = Silent(Names(txt={"example.com": [b"v=spf1 a -all"]}))
    verdict = await check_spf(
        ip_address(CLIENT), "ana@example.com", "x", resolver, now=NOW, deadline=timedelta(milliseconds=20)
    )
    assert (verdict.result, verdict.reason) == (SpfResult.TEMPERROR, "no result within 0.02 s")


async def test_a_hostile_fan_out_stays_bounded() -> None:
    hosts = {f"h{number}.example.com": ["198.51.100.1"] for number in range(10)}
    mx = [MxRecord(0, host) for host in hosts]
    names = [f"d{number}.example.com" for number in range(20)]
    record = "v=spf1 " + " ".join(f"mx:{name}" for name in names) + " -all"
    resolver = zone(record, a=hosts, mx=dict.fromkeys(names, mx))
    verdict = await checked(resolver)
    assert (verdict.result, verdict.terms) == (SpfResult.PERMERROR, 11)
    assert len(resolver.asked) == 1 + 10 * 11


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%{s} may not use %{c} at %{t}%_%%", "ana@example.com may not use 192.0.2.7 at 1700000000 %"),
        ("%{h} said %{r}", "out.example.com said mx.example.net"),
        ("a\r\nb", None),
        ("a\tb", None),
        ("é", None),
        ("%{x}", None),
        ("x" * 1001, None),
    ],
)
async def test_an_explanation_is_printable_text_or_nothing(text: str, expected: str | None) -> None:
    verdict = await checked(zone("v=spf1 exp=why.example.com -all", why=text))
    assert (verdict.result, verdict.explanation) == (SpfResult.FAIL, expected)


async def test_a_utf_8_local_part_matches_no_term_that_asks_for_it() -> None:
    resolver = zone("v=spf1 exists:%{l}.example.com ~all", a={"é.example.com": ["127.0.0.2"]})
    assert (await checked(resolver, "é@example.com")).result is SpfResult.SOFTFAIL


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as running:
        yield running


async def test_names_made_of_odd_senders_are_asked_for_as_they_are(server: DnsServer) -> None:
    server.add("example.com", "TXT", "v=spf1 exists:%{l}.who.example.com -all")
    server.add(r"a\\046b c.who.example.com", "A", "127.0.0.2")
    stub = StubResolver(ManualClock(), nameservers=[server.address], timeout=timedelta(seconds=2))
    assert (await checked(stub, r"a\046b c@example.com")).result is SpfResult.PASS
    assert (await checked(stub, "a.b@example.com")).result is SpfResult.FAIL
    await stub.close()


@pytest.mark.parametrize(
    ("term", "complaint"),
    [
        ("ip4:192.0.2.1/33", "has a prefix that is not from 0 to 32"),
        ("a:%{d0}.example.com", "keeps no part of a macro"),
        ("foo=%{", "has '%{', which is no macro"),
        ("exp=%{c}.example.com", "asks for %{c}, which does not exist here"),
        ("all:x", "takes nothing"),
        ("spf2", "is no mechanism"),
        ("exists", "lacks a domain"),
    ],
)
async def test_a_faulty_term_spoils_the_record_and_is_named(term: str, complaint: str) -> None:
    verdict = await checked(zone(f"v=spf1 ip4:{CLIENT} {term}"))
    assert verdict.result is SpfResult.PERMERROR
    assert verdict.reason == f"example.com: the term {term!r} {complaint}"


async def test_more_digits_than_a_number_can_have_keep_everything() -> None:
    resolver = zone("v=spf1 exists:%{l" + "9" * 5000 + "r}.example.com -all", a={"b.a.example.com": ["127.0.0.2"]})
    assert (await checked(resolver, "a.b@example.com")).result is SpfResult.PASS


def test_a_name_that_is_too_long_loses_labels_from_the_left() -> None:
    assert fit_name("x." * 126 + "example.com.") == "x." * 121 + "example.com"
    assert fit_name("y" * 300) == "y" * 300


_TERMS = st.lists(
    st.sampled_from(
        [
            "v=spf1",
            " ",
            "a",
            ":",
            "/",
            "24",
            "%{",
            "d",
            "}",
            "%%",
            ".",
            "mx",
            "exp=",
            "redirect=",
            "x",
            "ip4",
            "-",
            "=",
            "\x00",
            "é",
        ]
    ),
    max_size=25,
).map("".join)


@given(_TERMS | st.text(max_size=50))
def test_any_text_is_a_record_or_is_malformed(text: str) -> None:
    with suppress(MalformedRecord):
        choose_record([text.encode()])
        parse_record(b"v=spf1 " + text.encode())
    with suppress(MalformedMacro):
        parse_macro_string(text, is_text=True)


@given(_TERMS, st.text(max_size=20), st.text(max_size=20))
async def test_any_record_sender_and_name_bring_a_verdict(record: str, sender: str, helo: str) -> None:
    resolver = WrittenDown(Names(txt={"example.com": [b"v=spf1 " + record.encode()], "why.x": [record.encode()]}))
    verdict = await checked(resolver, f"{sender}@example.com", helo=helo)
    assert verdict.result in set(SpfResult) - {SpfResult.NONE}
    await checked(resolver, "", helo=helo)
