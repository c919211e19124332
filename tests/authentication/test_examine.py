"""Who really sent a message, over a real DNS: all checks at once, and what they add up to."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from tests.authentication.test_verify import ED25519, NOW, RECORDS
from tests.support.dns import DnsServer
from tierii_mta.authentication.arc import ChainResult
from tierii_mta.authentication.body_hash import Body
from tierii_mta.authentication.dkim import Result, sign
from tierii_mta.authentication.dmarc import DmarcResult
from tierii_mta.authentication.dmarc_record import Policy
from tierii_mta.authentication.examine import Arrival, Authenticity, authenticate
from tierii_mta.authentication.results import write_results
from tierii_mta.authentication.spf import Identity, SpfResult
from tierii_mta.mail.address import Address
from tierii_mta.resolver.stub import StubResolver

HEAD = b"From: Acme <news@example.com>\r\nTo: ana@example.net\r\nSubject: Spring\r\n\r\n"
BODY = b"Hello Ana\r\n"
ARRIVAL = Arrival(
    remote=ip_address("192.0.2.7"),
    client_name="out.example.com",
    reverse_path=Address.parse("bounces@mail.example.com"),
    receiver="mx.example.net",
)


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as running:
        running.add("mail.example.com", "TXT", "v=spf1 ip4:192.0.2.0/28 -all")
        running.add("out.example.com", "TXT", "v=spf1 a -all")
        running.add("out.example.com", "A", "192.0.2.7")
        running.add("_dmarc.example.com", "TXT", "v=DMARC1; p=reject")
        running.add(ED25519.dns_name, "TXT", RECORDS[ED25519.dns_name])
        yield running


async def examined(resolver: StubResolver, head: bytes, arrival: Arrival = ARRIVAL) -> Authenticity:
    return await authenticate(head, Body.of(BODY), arrival, resolver, now=NOW)


async def test_mail_of_its_author_passes_every_check(resolver: StubResolver) -> None:
    found = await examined(resolver, sign(HEAD + BODY, [ED25519], now=NOW) + HEAD)
    assert found.spf.result is SpfResult.PASS
    assert [each.result for each in found.dkim] == [Result.PASS]
    assert found.arc.result is ChainResult.NONE
    assert (found.dmarc.result, found.dmarc.organisation) == (DmarcResult.PASS, "example.com")
    assert {each.domain for each in found.dmarc.aligned} == {"mail.example.com", "example.com"}


async def test_a_forged_author_fails_though_its_client_may_send_for_others(resolver: StubResolver) -> None:
    arrival = replace(ARRIVAL, remote=ip_address("192.0.2.99"))
    found = await examined(resolver, HEAD, arrival)
    assert (found.spf.result, found.spf.matched) == (SpfResult.FAIL, ("-all",))
    assert (found.dmarc.result, found.dmarc.policy) == (DmarcResult.FAIL, Policy.REJECT)


async def test_the_null_sender_is_judged_by_the_clients_name(resolver: StubResolver) -> None:
    found = await examined(resolver, HEAD, replace(ARRIVAL, reverse_path=None))
    assert (found.spf.result, found.spf.identity) == (SpfResult.PASS, Identity.HELO)
    assert found.dmarc.result is DmarcResult.PASS


async def test_a_dns_failure_that_may_hide_a_pass_is_temporary(server: DnsServer, resolver: StubResolver) -> None:
    server.fail("mail.example.com", "SERVFAIL")
    server.fail(ED25519.dns_name, "SERVFAIL")
    found = await examined(resolver, sign(HEAD + BODY, [ED25519], now=NOW) + HEAD)
    assert (found.spf.result, found.dkim[0].result) == (SpfResult.TEMPERROR, Result.TEMPERROR)
    assert found.dmarc.result is DmarcResult.TEMPERROR


async def test_one_deadline_makes_errors_of_what_is_late_and_keeps_the_rest(
    server: DnsServer, resolver: StubResolver
) -> None:
    head = HEAD.replace(b"news@", b"news@late.")
    head = sign(head + BODY, [ED25519], now=NOW) + head
    await examined(resolver, sign(HEAD + BODY, [ED25519], now=NOW) + HEAD)  # all but the late one is in the cache
    server.fail("_dmarc.late.example.com", "timeout")
    found = await authenticate(head, Body.of(BODY), ARRIVAL, resolver, now=NOW, within=timedelta(seconds=1))
    assert (found.spf.result, found.dkim[0].result) == (SpfResult.PASS, Result.PASS)
    assert found.dmarc.result is DmarcResult.TEMPERROR


async def test_a_malformed_line_neither_hides_the_author_nor_stops_the_checks(resolver: StubResolver) -> None:
    found = await examined(resolver, b"no field at all\r\n" + HEAD, replace(ARRIVAL, remote=ip_address("192.0.2.99")))
    assert (found.dmarc.result, found.dmarc.domain) == (DmarcResult.FAIL, "example.com")


async def test_a_body_that_nothing_signs_is_not_read(resolver: StubResolver) -> None:
    def pieces() -> Iterator[bytes]:
        raise AssertionError("it was read")

    body = Body(pieces=pieces, size_bytes=10_000_000)
    found = await authenticate(HEAD, body, ARRIVAL, resolver, now=NOW)
    assert found.dmarc.result is DmarcResult.PASS


async def test_what_was_found_can_be_written_into_the_header(resolver: StubResolver) -> None:
    found = await examined(resolver, sign(HEAD + BODY, [ED25519], now=NOW) + HEAD)
    text = write_results("mx.example.net", found.results).decode()
    assert text == (
        "Authentication-Results: mx.example.net;\r\n"
        " spf=pass smtp.mailfrom=bounces@mail.example.com;\r\n"
        " dkim=pass header.d=example.com header.s=e1 header.a=ed25519-sha256\r\n"
        f" header.b={shown(found.dkim[0].start)};\r\n"
        " dmarc=pass policy.dmarc=reject header.from=example.com;\r\n"
        " arc=none\r\n"
    )


def shown(start: str | None) -> str:
    """Return base64 as a value: a slash needs quotes."""
    assert start
    return f'"{start}"' if "/" in start else start
