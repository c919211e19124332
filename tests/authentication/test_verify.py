"""Verdicts on signatures: dkimpy's are accepted, and each way to be wrong has its name. Keys come from a real DNS."""

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.authentication.messages import messages
from tests.authentication.test_keys import WEAK_RSA
from tests.support.dns import DnsServer
from tierii_mta.authentication.dkim import DkimKey, Result, dns_record, sign, verify
from tierii_mta.authentication.keys import load_private_key
from tierii_mta.clock import Instant
from tierii_mta.resolver.answer import Absent, Answer, Found, MxRecord, Resolver
from tierii_mta.resolver.stub import StubResolver

RSA = DkimKey("example.com", "r1", rsa.generate_private_key(public_exponent=65537, key_size=2048))
ED25519 = DkimKey("example.com", "e1", Ed25519PrivateKey.generate())
KEYS = (RSA, ED25519)
NOW = Instant(int(time.time()) * 1000)
MAIL = b"From: Acme <news@example.com>\r\nTo: ana@example.net\r\nSubject: Spring\r\n\r\nHello Ana\r\n"


def pem(key: DkimKey) -> bytes:
    return key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


RECORDS = {key.dns_name: dns_record(pem(key)) for key in KEYS}


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as running:
        for name, record in RECORDS.items():
            running.add(name, "TXT", record)
        yield running


async def results(message: bytes, resolver: Resolver, now: Instant = NOW) -> list[tuple[Result, str]]:
    return [(verdict.result, verdict.reason) for verdict in await verify(message, resolver, now)]


async def test_our_own_signatures_pass_and_say_whose_they_are(resolver: StubResolver) -> None:
    rsa_verdict, ed25519_verdict = await verify(sign(MAIL, KEYS, now=NOW) + MAIL, resolver, NOW)
    assert rsa_verdict.result is ed25519_verdict.result is Result.PASS
    assert (rsa_verdict.domain, rsa_verdict.selector, rsa_verdict.key_bits) == ("example.com", "r1", 2048)
    assert (ed25519_verdict.algorithm, ed25519_verdict.key_bits) == ("ed25519-sha256", 256)


async def test_a_message_without_signature_has_no_verdict(resolver: StubResolver) -> None:
    assert await verify(MAIL, resolver, NOW) == []


class Published:
    """A resolver that knows our key records and nothing else, for examples by the hundred."""

    async def txt(self, name: str) -> Answer[bytes]:
        return Found((RECORDS[name].encode(),)) if name in RECORDS else Absent(nxdomain=True)

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return Absent(nxdomain=True)

    async def a(self, host: str) -> Answer[str]:
        return Absent(nxdomain=True)

    async def aaaa(self, host: str) -> Answer[str]:
        return Absent(nxdomain=True)

    async def ptr(self, address: str) -> Answer[str]:
        return Absent(nxdomain=True)


@settings(max_examples=60)
@given(messages(), st.sampled_from([b"relaxed", b"simple"]), st.sampled_from([b"relaxed", b"simple"]), st.booleans())
def test_what_dkimpy_signs_passes(message: bytes, header: bytes, body: bytes, is_rsa: bool) -> None:
    key, algorithm = (RSA, b"rsa-sha256") if is_rsa else (ED25519, b"ed25519-sha256")
    assert isinstance(ED25519.private_key, Ed25519PrivateKey)
    seed = ED25519.private_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    field = dkim.sign(
        message,
        key.selector.encode(),
        key.domain.encode(),
        pem(RSA) if is_rsa else base64.b64encode(seed),
        canonicalize=(header, body),
        signature_algorithm=algorithm,
    )
    assert asyncio.run(results(field + message, Published())) == [(Result.PASS, "")]


@settings(max_examples=60)
@given(messages(), st.data())
def test_one_changed_octet_of_a_covered_part_is_noticed(message: bytes, data: st.DataObject) -> None:
    signature = sign(message, [ED25519], now=NOW)
    head, _, body = message.partition(b"\r\n\r\n")
    place = data.draw(st.integers(0, len(body)))
    changed = head + b"\r\n\r\n" + body[:place] + b"!" + body[place:]
    assert asyncio.run(results(signature + changed, Published())) == [(Result.FAIL, "the body is not what was signed")]
    changed = message.replace(b"Ana <ana@", b"Ann <ana@")
    assert asyncio.run(results(signature + changed, Published())) == [
        (Result.FAIL, "the header is not what was signed")
    ]


RFC_8463_MAIL = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.

""".replace(b"\n", b"\r\n")


async def test_the_example_of_rfc_8463_passes(server: DnsServer, resolver: StubResolver) -> None:
    domain = "_domainkey.football.example.com"
    server.add(f"brisbane.{domain}", "TXT", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    server.add(
        f"test.{domain}",
        "TXT",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
        "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
        "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
        "Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    )
    assert await results(RFC_8463_MAIL, resolver) == [(Result.PASS, ""), (Result.PASS, "")]


def edited(pattern: bytes, replacement: bytes) -> Callable[[bytes], bytes]:
    return lambda signature: re.sub(pattern, replacement, signature, count=1)


@pytest.mark.parametrize(
    ("edit", "result", "reason"),
    [
        (edited(rb"v=1;", b"v=2;"), Result.PERMERROR, "the signature is not of version 1"),
        (edited(rb"v=1; ", b""), Result.PERMERROR, "the signature lacks the tag v="),
        (edited(rb"v=1;", b"v=1; v=1;"), Result.PERMERROR, "the signature repeats the tag v="),
        (edited(rb"v=1;", b"junk; v=1;"), Result.PERMERROR, "the signature is not a list of tag=value"),
        (edited(rb"ed25519-sha256", b"rsa-sha1"), Result.PERMERROR, "rsa-sha1 no longer counts (RFC 8301)"),
        (edited(rb"ed25519-sha256", b"dsa-sha256"), Result.NEUTRAL, "the algorithm is not known here"),
        (edited(rb"ed25519-sha256", b"rsa-sha256"), Result.PERMERROR, "the key is of another kind than the signature"),
        (edited(rb"relaxed/relaxed", b"loose"), Result.NEUTRAL, "the canonicalisation is not known here"),
        (
            edited(rb"d=example.com", b"d=exa mple.com"),
            Result.PERMERROR,
            "the signature has a tag d= that is not a domain",
        ),
        (edited(rb"v=1;", b"v=1; q=http;"), Result.NEUTRAL, "the key is not published in the DNS"),
        (
            edited(rb"v=1;", b"v=1; i=@evil.example;"),
            Result.PERMERROR,
            "the signature has an i= that is not of its domain",
        ),
        (edited(rb"v=1;", b"v=1; l=4;"), Result.FAIL, "the body is not what was signed"),
        (edited(rb"v=1;", b"v=1; l=400;"), Result.PERMERROR, "covers more body than there is"),
        (edited(rb"v=1;", b"v=1; l=-1;"), Result.PERMERROR, "the signature has a tag l= that is not a number"),
        (edited(rb"h=from:from:", b"h="), Result.PERMERROR, "the signature does not cover the From field"),
        (edited(rb"bh=\S+;", b"bh=AAAA;"), Result.FAIL, "the body is not what was signed"),
        (edited(rb"bh=\S+;", b"bh=*;"), Result.PERMERROR, "the signature has a tag bh= that is not base64"),
        (edited(rb" b=\S+", b" b=AAAA"), Result.FAIL, "the header is not what was signed"),
        (edited(rb"s=e1", b"s=gone"), Result.PERMERROR, "the key is not published"),
        (edited(rb"v=1;", b"v=1; n=changed;"), Result.FAIL, "the header is not what was signed"),
    ],
)
async def test_each_flaw_of_a_signature_has_its_verdict(
    resolver: StubResolver, edit: Callable[[bytes], bytes], result: Result, reason: str
) -> None:
    signature = sign(MAIL, [ED25519], now=NOW)
    assert edit(signature) != signature
    assert await results(edit(signature) + MAIL, resolver) == [(result, reason)]


ED25519_RECORD = RECORDS[ED25519.dns_name]


@pytest.mark.parametrize(
    ("record", "result", "reason"),
    [
        ("v=DKIM1; p=", Result.PERMERROR, "the key is revoked"),
        ("not a record", Result.PERMERROR, "the key record is not a list of tag=value"),
        ("KEY; h=sha1", Result.PERMERROR, "the key does not allow SHA-256"),
        ("KEY; s=tlsrpt", Result.PERMERROR, "the key is not for mail"),
        ("KEY; s=email; t=y; x=unknown", Result.PASS, ""),
    ],
)
async def test_the_key_record_has_a_say(
    server: DnsServer, resolver: StubResolver, record: str, result: Result, reason: str
) -> None:
    server.remove(ED25519.dns_name)
    server.add(ED25519.dns_name, "TXT", record.replace("KEY", ED25519_RECORD))
    (verdict,) = await verify(sign(MAIL, [ED25519], now=NOW) + MAIL, resolver, NOW)
    assert (verdict.result, verdict.reason) == (result, reason)
    assert verdict.is_testing is ("t=y" in record)


async def test_a_strict_key_does_not_sign_for_subdomains(server: DnsServer, resolver: StubResolver) -> None:
    server.remove(ED25519.dns_name)
    server.add(ED25519.dns_name, "TXT", ED25519_RECORD + "; t=s")
    signature = sign(MAIL, [ED25519], now=NOW)
    assert await results(signature + MAIL, resolver) == [(Result.PASS, "")]
    below = signature.replace(b"v=1;", b"v=1; i=@sub.example.com;")
    assert await results(below + MAIL, resolver) == [(Result.PERMERROR, "the key does not allow subdomains")]


async def test_a_dns_failure_is_temporary(server: DnsServer, resolver: StubResolver) -> None:
    server.fail(ED25519.dns_name, "SERVFAIL")
    expected = [(Result.TEMPERROR, "the key could not be fetched")]
    assert await results(sign(MAIL, [ED25519], now=NOW) + MAIL, resolver) == expected


WEAK_RECORD = (
    "v=DKIM1; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAMssNQ2hrkbx5hE5uz9Oh8Jy/4kdaQo+3J/kkifiByD4LspJ"
    "WrWAKfiJlmNSRaJPTTTzYHQKqbJpAUHfDOAwvs3QxDd7NosiomA8yEp76nwDQ/h7p2YTpbvc4MWCc/ChMQIDAQAB"
)


async def test_an_rsa_key_below_1024_bits_is_refused_though_its_signature_is_good(
    server: DnsServer, resolver: StubResolver
) -> None:
    message, domain = MAIL, b"weak.example"
    signature = dkim.sign(message, b"w", domain, WEAK_RSA)
    with pytest.raises(Exception, match="768 bits"):
        load_private_key(WEAK_RSA)
    server.add("w._domainkey.weak.example", "TXT", WEAK_RECORD)
    expected = [(Result.POLICY, "an RSA key of 768 bits is not accepted")]
    assert await results(signature + message, resolver) == expected


async def test_an_expired_signature_is_not_acceptable(resolver: StubResolver) -> None:
    signed = sign(MAIL, [ED25519], now=NOW, expires=timedelta(hours=1)) + MAIL
    assert await results(signed, resolver, Instant(NOW + 3_600_000)) == [(Result.PASS, "")]
    expected = [(Result.POLICY, "the signature has expired")]
    assert await results(signed, resolver, Instant(NOW + 3_601_000)) == expected


async def test_a_signature_over_part_of_the_body_is_not_acceptable(resolver: StubResolver) -> None:
    signature = dkim.sign(MAIL, b"r1", b"example.com", pem(RSA), length=True)
    assert await results(signature + MAIL, resolver) == [(Result.PASS, "")]
    expected = [(Result.POLICY, "covers only part of the body")]
    assert await results(signature + MAIL + b"Buy this!\r\n", resolver) == expected


async def test_a_second_author_that_nobody_signed_is_not_acceptable(resolver: StubResolver) -> None:
    verifier = dkim.DKIM(MAIL)
    verifier.frozen_sign = set()
    signature = verifier.sign(b"r1", b"example.com", pem(RSA), include_headers=[b"from", b"subject"])
    assert await results(signature + MAIL, resolver) == [(Result.PASS, "")]
    expected = [(Result.POLICY, "does not cover every From field")]
    assert await results(b"From: evil@example.org\r\n" + signature + MAIL, resolver) == expected


async def test_only_ten_signatures_are_judged(server: DnsServer, resolver: StubResolver) -> None:
    signature = sign(MAIL, [ED25519], now=NOW)
    assert await results(signature * 50 + MAIL, resolver) == [(Result.PASS, "")] * 10
    assert server.count(ED25519.dns_name) == 1


async def test_a_large_body_is_judged_like_a_small_one(resolver: StubResolver) -> None:
    message = MAIL + b"line of text \t with  space\r\n" * 40_000
    assert await results(sign(message, KEYS, now=NOW) + message, resolver) == [(Result.PASS, "")] * 2


async def test_a_malformed_header_cannot_be_judged(resolver: StubResolver) -> None:
    ((result, _),) = await results(b"not a header\r\n\r\n", resolver)
    assert result is Result.PERMERROR


@given(st.binary(max_size=200))
def test_any_octets_may_stand_in_a_signature(octets: bytes) -> None:
    value = octets.replace(b"\r", b"").replace(b"\n", b"")
    asyncio.run(results(b"DKIM-Signature: v=1; a=rsa-sha256;" + value + b"\r\n" + MAIL, Published()))
