"""Responses are read exactly, whoever wrote them."""

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tierii_mta.resolver.answer import Absent, Tempfail
from tierii_mta.resolver.response import Continue, Missing, Records, read

NAME = dns.name.from_text("example.com")


def respond(
    *answer: str, authority: tuple[str, ...] = (), rcode: dns.rcode.Rcode = dns.rcode.NOERROR
) -> dns.message.Message:
    message = dns.message.make_response(dns.message.make_query(NAME, "A"))
    message.set_rcode(rcode)
    for section, lines in ((message.answer, answer), (message.authority, authority)):
        for line in lines:
            owner, ttl, kind, text = line.split(" ", 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, text))
    return dns.message.from_wire(message.to_wire())


SOA = "ns. root. 1 2 3 4 {}"


@pytest.mark.parametrize(("ttl", "minimum", "expected"), [(100, 50, 50), (20, 50, 20)])
def test_a_negative_answer_holds_for_the_smaller_of_soa_ttl_and_minimum(ttl: int, minimum: int, expected: int) -> None:
    message = respond(authority=(f"com. {ttl} SOA {SOA.format(minimum)}",), rcode=dns.rcode.NXDOMAIN)
    assert read(message, NAME, dns.rdatatype.A) == Missing(Absent(nxdomain=True), expected)


def test_a_negative_answer_without_a_covering_soa_is_not_kept() -> None:
    foreign = (f"example.net. 100 SOA {SOA.format(100)}",)
    assert read(respond(), NAME, dns.rdatatype.A) == Missing(Absent(nxdomain=False), 0)
    assert read(respond(authority=foreign, rcode=dns.rcode.NXDOMAIN), NAME, dns.rdatatype.A) == Missing(
        Absent(nxdomain=True), 0
    )


def test_a_referral_is_not_an_answer() -> None:
    reading = read(respond(authority=("com. 100 NS a.gtld-servers.net.",)), NAME, dns.rdatatype.A)
    assert isinstance(reading, Tempfail)


def test_a_chain_that_leaves_the_response_goes_on_elsewhere() -> None:
    reading = read(respond("example.com. 60 CNAME host.example.net."), NAME, dns.rdatatype.A)
    assert reading == Continue(dns.name.from_text("host.example.net"), 1, 60)


def test_records_of_other_names_are_not_taken() -> None:
    reading = read(respond("evil.example. 60 A 192.0.2.9", "EXAMPLE.com. 60 A 192.0.2.1"), NAME, dns.rdatatype.A)
    assert isinstance(reading, Records)
    assert [record.to_text() for record in reading.records] == ["192.0.2.1"]


def test_an_answer_about_another_name_alone_is_temporary() -> None:
    reading = read(respond("evil.example. 60 A 192.0.2.9"), NAME, dns.rdatatype.A)
    assert reading == Tempfail("the answer speaks of another name")


def test_a_truncated_answer_is_not_believed() -> None:
    message = respond("example.com. 60 A 192.0.2.1")
    message.flags |= dns.flags.TC
    assert isinstance(read(message, NAME, dns.rdatatype.A), Tempfail)


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP])
def test_every_other_rcode_is_temporary(rcode: dns.rcode.Rcode) -> None:
    reading = read(respond(rcode=rcode), NAME, dns.rdatatype.A)
    assert reading == Tempfail(f"the name server answered {dns.rcode.to_text(rcode)}")
