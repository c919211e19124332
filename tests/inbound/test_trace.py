"""What is written on top of a received message, and read from its header."""

from email import message_from_bytes
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any

import pytest

from tierii_mta.clock import Instant, to_datetime
from tierii_mta.inbound.session import Door, Session
from tierii_mta.inbound.trace import hops, message_id, protocol, received, return_path
from tierii_mta.mail.address import Address

AT = Instant(1_795_000_000_000)
TLS = "TLSv1.3 TLS_AES_256_GCM_SHA384"


def session(**facts: Any) -> Session:
    values: dict[str, Any] = {
        "id": "s1",
        "door": Door.INBOUND,
        "remote": ip_address("192.0.2.7"),
        "remote_port": 4711,
        "local": "127.0.0.1:25",
        "started_at": AT,
        "client_name": "mx.elsewhere.example",
        "is_extended": True,
    }
    return Session(**values | facts)


def test_received_names_client_server_protocol_cipher_and_recipient() -> None:
    field = received(
        session(tls=TLS), by="mta.example.com", id="s1.1", at=AT, recipient=Address.parse("sales@example.com")
    )
    assert field == (
        b"Received: from mx.elsewhere.example ([192.0.2.7])\r\n"
        b"\tby mta.example.com with ESMTPS\r\n"
        b"\tid s1.1 for <sales@example.com>\r\n"
        b"\ttls TLS_AES_256_GCM_SHA384 (TLSv1.3);\r\n"
        b"\tWed, 18 Nov 2026 11:06:40 +0000\r\n"
    )
    text = message_from_bytes(field + b"\r\n")["Received"]
    assert parsedate_to_datetime(text.rpartition(";")[2].strip()) == to_datetime(AT)


def test_several_recipients_are_not_told_of_each_other() -> None:
    assert b" for " not in received(session(), by="mta.example.com", id="s1.1", at=AT)


def test_an_ipv6_address_is_written_as_a_literal() -> None:
    field = received(session(remote=ip_address("2001:db8::1")), by="mta.example.com", id="s1.1", at=AT)
    assert b"([IPv6:2001:db8::1])" in field


@pytest.mark.parametrize("name", ["(a)", "x;y", "a\\b", "<b>", "bücher.example", ""])
def test_a_client_cannot_write_a_comment_or_a_clause_of_its_own(name: str) -> None:
    line = received(session(client_name=name), by="mta.example.com", id="s1.1", at=AT).splitlines()[0].decode()
    assert line.removeprefix("Received: from ").removesuffix(" ([192.0.2.7])").replace("?", "").isascii()
    assert not set(line.removeprefix("Received: from ").partition(" ")[0]) & set("();<>\\")


@pytest.mark.parametrize(
    ("facts", "is_smtputf8", "word"),
    [
        ({"is_extended": False}, False, "SMTP"),
        ({}, False, "ESMTP"),
        ({"tls": TLS}, False, "ESMTPS"),
        ({"user": "shop"}, False, "ESMTPA"),
        ({"tls": TLS, "user": "shop"}, False, "ESMTPSA"),
        ({}, True, "UTF8SMTP"),
        ({"tls": TLS, "user": "shop"}, True, "UTF8SMTPSA"),
    ],
)
def test_the_protocol_has_the_registered_word(facts: dict[str, Any], is_smtputf8: bool, word: str) -> None:
    assert protocol(session(**facts), is_smtputf8=is_smtputf8) == word


def test_the_return_path_of_the_null_sender_is_empty() -> None:
    assert return_path(None) == b"Return-Path: <>\r\n"
    assert return_path(Address.parse("ada@elsewhere.example")) == b"Return-Path: <ada@elsewhere.example>\r\n"


def test_hosts_are_counted_however_their_fields_are_written() -> None:
    head = b"Received: a\r\n\tby b\r\nRECEIVED : c\r\nX-Received: d\r\nSubject: x\r\n Received: folded\r\n\r\n"
    assert hops(head) == 2


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"Message-ID: <1@a.example>\r\n\r\n", "<1@a.example>"),
        (b"Subject: x\r\nmessage-id:\r\n <1@a.example>\r\nTo: y\r\n\r\n", "<1@a.example>"),
        (b"Message-Id:\r\n\r\n", None),
        (b"X-Message-ID: <1@a.example>\r\n\r\n", None),
        (b"Message-ID: " + b"x" * 999 + b"\r\n\r\n", None),
        (b"\r\n", None),
    ],
)
def test_the_message_id_is_read_as_it_stands(head: bytes, found: str | None) -> None:
    assert message_id(head) == found
