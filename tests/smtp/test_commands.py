"""Commands: every argument checked, nothing smuggled."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.envelope import DsnRequest
from tierii_mta.smtp import commands
from tierii_mta.smtp.commands import InvalidCommand

ANYTHING = st.text(max_size=20) | st.text('"\\<> \r\n\0a@.', max_size=12)


def test_the_null_sender_is_an_empty_path() -> None:
    assert commands.mail_from(None) == b"MAIL FROM:<>\r\n"


def test_parameters_appear_only_when_asked_for() -> None:
    address = Address.parse("anna@example.com")
    assert commands.mail_from(address) == b"MAIL FROM:<anna@example.com>\r\n"
    assert (
        commands.mail_from(address, size_bytes=42, is_8bit=True, is_smtputf8=True)
        == b"MAIL FROM:<anna@example.com> SIZE=42 BODY=8BITMIME SMTPUTF8\r\n"
    )


def test_what_the_sender_wants_to_be_told_travels_as_it_came() -> None:
    address = Address.parse("anna@example.com")
    assert commands.mail_from(address, ret="HDRS", envid="order+2B7").endswith(b"> RET=HDRS ENVID=order+2B7\r\n")
    asked = DsnRequest(notify=frozenset({"SUCCESS", "FAILURE"}), orcpt="rfc822;ann+2Btag@example.net")
    assert commands.rcpt_to(address, asked).endswith(b"> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;ann+2Btag@example.net\r\n")
    assert commands.rcpt_to(address, DsnRequest(notify=frozenset({"NEVER"}))).endswith(b"> NOTIFY=NEVER\r\n")


def test_an_original_recipient_is_in_utf_8_where_the_transaction_is() -> None:
    address, asked = Address.parse("jürgen@example.com"), DsnRequest(orcpt="utf-8;jürgen@example.com")
    assert commands.rcpt_to(address, asked, is_smtputf8=True).endswith(" ORCPT=utf-8;jürgen@example.com\r\n".encode())
    assert commands.rcpt_to(address, asked).endswith(b" ORCPT=utf-8;j\\x{FC}rgen@example.com\r\n")
    long = DsnRequest(orcpt=f"utf-8;{'ü' * 120}@example.com")
    assert commands.rcpt_to(address, long) == commands.rcpt_to(address)


@pytest.mark.parametrize("orcpt", ["rfc822;a b", "rfc822;a\r\nDATA", "rfc822", "rfc822;", "r c;a", "rfc822;a\x85"])
def test_no_original_recipient_smuggles_anything(orcpt: str) -> None:
    with pytest.raises(InvalidCommand):
        commands.rcpt_to(Address.parse("a@example.com"), DsnRequest(orcpt=orcpt), is_smtputf8=True)


@pytest.mark.parametrize(
    "given",
    [{"ret": "ALL"}, {"ret": "FULL\r\nDATA"}, {"envid": ""}, {"envid": "a b"}, {"envid": "a=b"}, {"envid": "é"}],
)
def test_no_parameter_of_mail_smuggles_anything(given: dict[str, str]) -> None:
    with pytest.raises(InvalidCommand):
        commands.mail_from(None, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("notify", [{"NEVER", "SUCCESS"}, {"success"}, {"SUCCESS\r\n"}])
def test_notify_says_what_the_rfc_knows(notify: set[str]) -> None:
    with pytest.raises(InvalidCommand):
        commands.rcpt_to(Address.parse("a@example.com"), DsnRequest(notify=frozenset(notify)))


def test_a_local_part_in_quotes_keeps_them_and_one_that_needs_quotes_gets_them() -> None:
    assert commands.rcpt_to(Address.parse('"anna b"@example.com')) == b'RCPT TO:<"anna b"@example.com>\r\n'
    assert commands.rcpt_to(Address('anna "b" \\', "example.com")) == b'RCPT TO:<"anna \\"b\\" \\\\"@example.com>\r\n'
    assert commands.rcpt_to(Address("anna..b", "example.com")) == b'RCPT TO:<"anna..b"@example.com>\r\n'


def test_a_utf8_local_part_travels_as_utf8() -> None:
    assert commands.rcpt_to(Address.parse("ännchen@example.com")) == "RCPT TO:<ännchen@example.com>\r\n".encode()


@pytest.mark.parametrize(
    "address",
    [
        Address("a\r\nRCPT TO:<b", "example.com"),
        Address("a\nb", "example.com"),
        Address("a\0b", "example.com"),
        Address('"a> SIZE=1 <"', "example.com"),
        Address('"a\\> b"', "example.com"),
        Address("a>b", "example.com"),
        Address('"a', "example.com"),
        Address("", "example.com"),
        Address("a\x85b", "example.com"),
        Address("a", "example.com> SIZE=1"),
        Address("a", "example.com\r\nDATA"),
        Address("a", "exämple.com"),
        Address("a", ""),
        Address("a", "[127.0.0.1"),
        Address("a" * 3000, "example.com"),
    ],
    ids=repr,
)
def test_an_address_no_command_can_carry_is_refused(address: Address) -> None:
    with pytest.raises(InvalidCommand):
        commands.rcpt_to(address)
    with pytest.raises(InvalidCommand):
        commands.mail_from(address)


@pytest.mark.parametrize("name", ["", "mta example", "mta\r\nMAIL", "-mta.example", "mta.example\0", "x" * 256])
def test_a_name_no_host_could_read_is_refused(name: str) -> None:
    with pytest.raises(InvalidCommand):
        commands.ehlo(name)


def test_an_address_literal_is_a_name() -> None:
    assert commands.ehlo("[127.0.0.1]") == b"EHLO [127.0.0.1]\r\n"
    assert commands.helo("[IPv6:::1]") == b"HELO [IPv6:::1]\r\n"


@settings(max_examples=200)
@given(ANYTHING, ANYTHING)
def test_whatever_the_address_holds_there_is_one_command_with_one_path(local: str, domain: str) -> None:
    try:
        line = commands.mail_from(Address(local, domain), size_bytes=1)
    except InvalidCommand:
        return
    assert re.fullmatch(rb"MAIL FROM:<[^<>\r\n\0]+@[^<>\r\n\0 ]+> SIZE=1\r\n", line)


@settings(max_examples=100)
@given(st.from_regex(r"[a-z.+_-]{1,10}@[a-z]{1,5}\.example", fullmatch=True))
def test_a_parsed_address_travels_as_it_is(text: str) -> None:
    try:
        address = Address.parse(text)
    except InvalidAddress:
        return
    assert commands.rcpt_to(address) == f"RCPT TO:<{address}>\r\n".encode()
