"""Addresses have one normal form, and what is none is refused with its reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.mail.address import Address, InvalidAddress, parse_domain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Ana.Lima+x@EXAMPLE.com.", "Ana.Lima+x@example.com"),
        ('"a b"@example.com', '"a b"@example.com'),
        ('"a@\\"b"@example.com', '"a@\\"b"@example.com'),
        ("ana@exämple.com", "ana@xn--exmple-cua.com"),
        ("ana@ＥＸＡＭＰＬＥ.com", "ana@example.com"),
        ("ana@faß.example", "ana@xn--fa-hia.example"),
        ("ana@XN--exmple-cua.com", "ana@xn--exmple-cua.com"),
        ("jo\u0308rg@example.com", "jörg@example.com"),
        ("ana@[192.0.2.1]", "ana@[192.0.2.1]"),
        ("ana@[ipv6:2001:db8:0::1]", "ana@[IPv6:2001:db8::1]"),
        ("ana@localhost", "ana@localhost"),
    ],
)
def test_an_address_is_brought_to_its_normal_form(text: str, expected: str) -> None:
    assert str(Address.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not of the form"),
        ("ana", "not of the form"),
        ("@example.com", "not of the form"),
        ("ana@", "not of the form"),
        ("ana lima@example.com", "malformed local part"),
        (".ana@example.com", "malformed local part"),
        ("ana..lima@example.com", "malformed local part"),
        ("<ana@example.com>", "malformed local part"),
        ("ana@one@example.com", "malformed local part"),
        ("@relay.example:ana@example.com", "malformed local part"),
        ("ana(comment)@example.com", "malformed local part"),
        ('"a"b@example.com', "malformed local part"),
        ("ana@example..com", "malformed domain"),
        ("ana@-example.com", "malformed domain"),
        ("ana@ex_ample.com", "malformed domain"),
        ("ana@192.0.2.1", "written in brackets"),
        ("ana@[192.0.2]", "malformed address literal"),
        ("ana@[IPv6:fe80::1%eth0]", "malformed address literal"),
        ("ana@xn--a.com", "IDNA does not allow"),
        ("ana@\u2665.com", "IDNA does not allow"),
        ("ana\r\nRCPT TO:<x>@example.com", r"holds the character U\+000D"),
        ("ana\x1b[2J@example.com", r"holds the character U\+001B"),
        ("\u00a0ana@example.com", r"holds the character U\+00A0"),
        ("ana\u202e@example.com", r"holds the character U\+202E"),
        ("ana\ud800@example.com", r"holds the character U\+D800"),
        ("a" * 65 + "@example.com", "more than 64 octets"),
        ("ä" * 33 + "@example.com", "more than 64 octets"),
        ("ana@" + "a" * 64 + ".com", "malformed domain"),
        ("ana@" + ".".join(["a" * 60] * 4) + ".example", "longer than 254 octets"),
        ("a" * 1_000_000, "longer than an address can be"),
    ],
)
def test_what_is_no_address_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidAddress, match=reason):
        Address.parse(text)


@given(st.text(max_size=80))
def test_any_text_is_an_address_in_normal_form_or_refused(text: str) -> None:
    for candidate in (text, f"{text}@example.com", f"ana@{text}"):
        try:
            address = Address.parse(candidate)
        except InvalidAddress:
            continue
        assert Address.parse(str(address)) == address
        assert not set(str(address)) & set("\r\n\0")
        assert address.domain.isascii()


def test_one_person_has_one_key() -> None:
    key = Address.parse("ana@example.com").key
    for text in ("Ana@EXAMPLE.COM", '"ana"@example.com', '"a\\na"@example.com'):
        assert Address.parse(text).key == key
    assert Address.parse("an.a@example.com").key != key
    assert Address.parse('"a b"@example.com').key == '"a b"@example.com'
    assert Address.parse("JÖRG@example.com").key == Address.parse("jörg@example.com").key


def test_only_the_local_part_asks_for_smtputf8() -> None:
    assert Address.parse("jörg@example.com").needs_smtputf8
    assert not Address.parse("ana@exämple.com").needs_smtputf8


def test_a_domain_alone_follows_the_same_rules() -> None:
    assert parse_domain("EXÄMPLE.com.") == "xn--exmple-cua.com"
    with pytest.raises(InvalidAddress):
        parse_domain("example.com..")


def test_what_is_no_mailbox_is_none_where_that_is_asked_for() -> None:
    assert Address.parse_or_none("ann@example.com") == Address("ann", "example.com")
    assert [Address.parse_or_none(text) for text in ("ann", "", None)] == [None, None, None]
