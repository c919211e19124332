"""Header fields are written so that the stdlib's parser reads the same, and so that nothing can be injected."""

import email
import email.policy
import re
from datetime import timedelta
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader, DateHeader
from email.message import EmailMessage
from email.utils import getaddresses
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from tierii_mta.clock import Instant
from tierii_mta.mail.address import Address
from tierii_mta.mail.header import (
    HeaderField,
    HeaderInjection,
    MalformedHeader,
    address_field,
    date_field,
    parse_header_block,
    raw_field,
    text_field,
)

texts = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=300)
ascii_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300)
ANA = Address.parse("ana@example.com")


def parse(field: bytes) -> EmailMessage:
    return email.message_from_bytes(field + b"\r\n", policy=email.policy.default)


def assert_is_one_field(field: bytes, name: str) -> None:
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    assert lines[0].startswith(name.encode() + b":")
    assert all(line[:1] == b" " and line.strip() for line in lines[1:])
    assert all(len(line) <= 998 for line in lines)
    assert not re.search(rb"[\r\n\0]", b"".join(lines))


@given(texts | ascii_texts)
def test_a_subject_is_read_back_as_it_was_given(subject: str) -> None:
    field = text_field("Subject", subject)
    assert_is_one_field(field, "Subject")
    assert field.isascii()
    assert parse(field)["Subject"] == subject


@given(texts | ascii_texts)
def test_lines_with_encoded_words_keep_to_their_76_columns(subject: str) -> None:
    field = text_field("Subject", subject)
    if b"=?utf-8?" in field:
        assert max(map(len, field.split(b"\r\n"))) <= 76
        assert all(len(word) <= 75 for word in field.split())


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Spring is here", b"Subject: Spring is here\r\n"),
        ("", b"Subject:\r\n"),
        ("Grüße", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"),
        ("春が来た", b"Subject: =?utf-8?b?5pil44GM5p2l44Gf?=\r\n"),
        ("50% =?off?=", b"Subject: =?utf-8?q?50=25_=3D=3Foff=3F=3D?=\r\n"),
        ("word " * 20 + "end", b"Subject:" + b" word" * 14 + b"\r\n" + b" word" * 6 + b" end\r\n"),
        (" padded", b"Subject: =?utf-8?q?_padded?=\r\n"),
    ],
)
def test_encoding_and_folding_happen_only_where_needed(subject: str, expected: bytes) -> None:
    assert text_field("Subject", subject) == expected


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert parse(text_field("Subject", "a\ud800b"))["Subject"] == "a?b"


names = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=120)


@given(
    st.lists(
        st.tuples(names | ascii_texts, st.sampled_from(["ana@example.com", '"a b"@example.net'])),
        min_size=1,
        max_size=4,
    )
)
def test_display_names_are_read_back_as_they_were_given(people: list[tuple[str, str]]) -> None:
    field = address_field("To", [(display, Address.parse(text)) for display, text in people])
    assert_is_one_field(field, "To")
    # The reference parser folds a quoted tab into a space; in a display name they mean the same.
    expected = [(display.replace("\t", " ") if display.strip(" \t") else "", text) for display, text in people]
    assert [(display.replace("\t", " "), text) for display, text in read_mailboxes(field)] == expected


def read_mailboxes(field: bytes) -> list[tuple[str, str]]:
    """Read with the modern parser, or the old one: Python 3.11 keeps the space between two encoded words of a name."""
    if b"?=\r\n =?" in field:
        pairs = getaddresses([field.partition(b":")[2].decode().replace("\r\n", "")])
        return [(str(make_header(decode_header(name))), address) for name, address in pairs]
    header = cast("AddressHeader", parse(field)["To"])
    return [(address.display_name, address.addr_spec) for address in header.addresses]


@pytest.mark.parametrize(
    ("display", "expected"),
    [
        (None, b"To: ana@example.com\r\n"),
        ("  ", b"To: ana@example.com\r\n"),
        ("Ana Lima", b"To: Ana Lima <ana@example.com>\r\n"),
        ("Lima, Ana", b'To: "Lima, Ana" <ana@example.com>\r\n'),
        ('The "A" \\ Team', b'To: "The \\"A\\" \\\\ Team" <ana@example.com>\r\n'),
        ("Ána Lima", b"To: =?utf-8?q?=C3=81na_Lima?= <ana@example.com>\r\n"),
        ("evil@example.net>, <b", b'To: "evil@example.net>, <b" <ana@example.com>\r\n'),
    ],
)
def test_display_names_are_quoted_or_encoded_as_they_need(display: str | None, expected: bytes) -> None:
    assert address_field("To", [(display, ANA)]) == expected


def test_an_address_that_is_not_ascii_stays_as_it_is() -> None:
    field = address_field("To", [("Ana", Address.parse("jösé@exämple.com"))])
    assert field == "To: Ana <jösé@xn--exmple-cua.com>\r\n".encode()


def test_a_long_unsubscribe_url_is_never_encoded_nor_broken() -> None:
    url = "https://mail.example.com/u/" + "A1-_" * 60
    field = raw_field("List-Unsubscribe", f"<{url}>, <mailto:u+token@example.com?subject=unsubscribe>")
    assert field == f"List-Unsubscribe: <{url}>,\r\n <mailto:u+token@example.com?subject=unsubscribe>\r\n".encode()
    assert parse(field)["List-Unsubscribe"] == f"<{url}>, <mailto:u+token@example.com?subject=unsubscribe>"


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=90), max_size=30))
def test_a_raw_value_changes_only_where_it_is_folded(words: list[str]) -> None:
    field = raw_field("References", " ".join(words))
    assert_is_one_field(field, "References") if words else None
    assert field.replace(b"\r\n", b"") == b" ".join([b"References:", *(word.encode() for word in words)])


@pytest.mark.parametrize("value", ["x" * 990, "tab\there", "Grüße"])
def test_a_raw_value_that_cannot_stand_as_it_is_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="List-Id"):
        raw_field("List-Id", value)


@given(st.text(max_size=20), st.sampled_from("\r\n\0"), st.text(max_size=20))
def test_a_line_break_or_nul_is_refused_everywhere(before: str, control: str, after: str) -> None:
    value = before + control + after
    with pytest.raises(HeaderInjection):
        text_field("Subject", value)
    with pytest.raises(HeaderInjection):
        raw_field("List-Id", value)
    with pytest.raises(HeaderInjection):
        text_field(f"X{value}", "x")
    with pytest.raises(HeaderInjection):
        address_field("To", [(f"a{value}", ANA)])
    with pytest.raises(HeaderInjection):
        address_field("To", [("Ana", Address(f"a{value}", "example.com"))])


@pytest.mark.parametrize("name", ["", "Sub ject", "Subject:", "Sübject", "x" * 77])
def test_what_is_no_field_name_is_refused(name: str) -> None:
    with pytest.raises(HeaderInjection):
        date_field(START, name=name)


def test_a_mailbox_list_must_not_be_empty() -> None:
    with pytest.raises(ValueError, match="at least one"):
        address_field("To", [])


@given(st.integers(-(10**12), 4 * 10**12), st.integers(-14 * 60, 14 * 60))
def test_a_date_is_the_same_instant_in_any_zone(milliseconds: int, minutes: int) -> None:
    field = date_field(Instant(milliseconds), timedelta(minutes=minutes))
    moment = cast("DateHeader", parse(field)["Date"]).datetime
    assert moment is not None
    assert moment.timestamp() == milliseconds // 1000
    assert moment.utcoffset() in (timedelta(minutes=minutes), None)


def test_a_date_reads_as_people_know_it() -> None:
    assert date_field(START, timedelta(hours=-3, minutes=-30)) == b"Date: Mon, 21 Sep 2026 10:43:20 -0330\r\n"


def test_fields_are_read_as_they_stand() -> None:
    message = b"Received: from a\r\n\tby b\r\nSubject : hi \r\nX-Empty:\r\n\r\nbody: not a field\r\n"
    fields, body = parse_header_block(message)
    assert fields == [
        HeaderField("Received", b"Received: from a\r\n\tby b\r\n"),
        HeaderField("Subject", b"Subject : hi \r\n"),
        HeaderField("X-Empty", b"X-Empty:\r\n"),
    ]
    assert [field.value for field in fields] == [b"from a\tby b", b"hi", b""]
    assert message[body:] == b"body: not a field\r\n"


@pytest.mark.parametrize(
    ("message", "names", "body"),
    [
        (b"", [], b""),
        (b"\r\nbody", [], b"body"),
        (b"A: 1\nB: 2\n\nbody", ["A", "B"], b"body"),
        (b"A: 1", ["A"], b""),
        (b"A: 1\r\nB: 2\r\n", ["A", "B"], b""),
    ],
)
def test_odd_ends_of_a_header_are_understood(message: bytes, names: list[str], body: bytes) -> None:
    fields, offset = parse_header_block(message)
    assert [field.name for field in fields] == names
    assert message[offset:] == body


@pytest.mark.parametrize(
    "message", [b"no colon\r\n\r\n", b"A: 1\r\nno colon\r\n\r\n", b" continuation first\r\n", b": x\r\n"]
)
def test_a_line_that_is_no_field_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedHeader):
        parse_header_block(message)


@given(st.lists(st.tuples(st.sampled_from(["Subject", "X-A", "x"]), texts), max_size=8), st.binary(max_size=50))
def test_what_was_written_is_found_again_octet_by_octet(fields: list[tuple[str, str]], body: bytes) -> None:
    written = [text_field(name, value) for name, value in fields]
    found, offset = parse_header_block(b"".join(written) + b"\r\n" + body)
    assert [field.raw for field in found] == written
    assert offset == sum(map(len, written)) + 2
