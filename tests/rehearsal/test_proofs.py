"""The demo's checks find what is wrong with a mail, not only what is right."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.support.clock import START
from tests.support.dns import DnsServer
from tierii_mta.authentication.dkim import DkimKey, sign
from tierii_mta.authentication.keys import KeyKind, dns_record, generate_key, load_private_key
from tierii_mta.clock import SystemClock
from tierii_mta.rehearsal.exchange import Received
from tierii_mta.rehearsal.internet import DOMAINS, SEALED, Internet
from tierii_mta.rehearsal.proofs import StepFailed, one_click_link, verify_signatures

PLAIN = (
    b"From: a@lantern.example\r\nTo: b@open.example\r\nSubject: hello\r\nDate: Mon, 21 Sep 2026 13:33:20 +0000\r\n"
    b"Message-ID: <1@lantern.example>\r\nList-Unsubscribe: <http://127.0.0.1:1/u/token>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nhi\r\n"
)


def received(data: bytes) -> Received:
    return Received(
        at=START,
        client="127.0.0.1",
        helo="a.example",
        sender="",
        recipients=("b@open.example",),
        data=data,
        tls=None,
        reply="250 ok",
        is_answered=False,
    )


@pytest.fixture
async def signed() -> AsyncIterator[tuple[Received, str]]:
    """A mail with an RSA and an Ed25519 signature, and the server that has their keys."""
    pems = {"rsa": generate_key(KeyKind.RSA), "ed": generate_key(KeyKind.ED25519)}
    keys = [DkimKey("lantern.example", selector, load_private_key(pem)) for selector, pem in pems.items()]
    async with DnsServer() as dns:
        for selector, pem in pems.items():
            dns.add(f"{selector}._domainkey.lantern.example", "TXT", dns_record(pem))
        signature = sign(PLAIN, keys, now=SystemClock().now(), expires=None)
        yield received(signature + PLAIN), dns.address


async def test_good_signatures_of_both_kinds_are_counted(signed: tuple[Received, str]) -> None:
    message, nameserver = signed

    assert await verify_signatures([message, message], nameserver, per_message=2) == 4


async def test_a_changed_body_is_found(signed: tuple[Received, str]) -> None:
    message, nameserver = signed
    changed = replace(message, data=message.data.replace(b"\r\n\r\nhi", b"\r\n\r\nho"))

    with pytest.raises(StepFailed, match=r"signature 1 of the mail to b@open\.example"):
        await verify_signatures([changed], nameserver, per_message=2)


async def test_an_unsigned_mail_is_found(signed: tuple[Received, str]) -> None:
    _, nameserver = signed

    with pytest.raises(StepFailed, match="bears 0 signatures, not 2"):
        await verify_signatures([received(PLAIN)], nameserver, per_message=2)


async def test_the_one_click_link_is_found_under_its_signature(signed: tuple[Received, str]) -> None:
    message, _ = signed

    assert one_click_link(message) == "http://127.0.0.1:1/u/token"


@pytest.mark.parametrize(
    "lost", [b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b"<http://127.0.0.1:1/u/token>"]
)
def test_a_mail_without_one_click_is_found(lost: bytes) -> None:
    with pytest.raises(StepFailed, match="offers no one-click"):
        one_click_link(received(PLAIN.replace(lost, b"")))


def test_a_signature_that_leaves_the_link_out_is_found() -> None:
    bare = b"DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; h=from:to:subject; bh=; b=\r\n" + PLAIN

    with pytest.raises(StepFailed, match="does not cover List-Unsubscribe"):
        one_click_link(received(bare))


async def test_the_small_internet_has_an_mx_for_each_domain_on_one_port() -> None:
    async with Internet(SystemClock()) as internet:
        assert set(internet.sinks) == set(DOMAINS)
        assert {sink.port for sink in internet.sinks.values()} == {internet.port}
        assert len({sink.address[0] for sink in internet.sinks.values()}) == len(DOMAINS)
        assert not list(internet.messages)


async def test_the_small_internet_closes_its_doors() -> None:
    async with Internet(SystemClock()) as internet:
        address = internet.sinks[SEALED].address

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
