"""The message of ours that a report is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.correspondence.original import block_in, original_of
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import message_id
from tierii_mta.mail.mime import parse
from tierii_mta.mail.tokens import Purpose, TokenCodec, return_path, signed_address

CODEC = TokenCodec(b"a secret of the installation")
ANN = Address("ann", "example.com")
VERP = str(return_path(CODEC, 7, ANN, "sender.example"))
ID = message_id(CODEC, 7, "sender.example")
HEADER = f"""\
Return-Path: <{VERP}>
Received: from a by b; Sat, 21 Nov 2026 17:00:00 +0000
Message-ID: {ID}
From: "Shop" <news@sender.example>
To: Ann <ann@example.com>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
"""


def report(enclosed: str, content_type: str = "message/rfc822") -> bytes:
    return f"""\
From: MAILER-DAEMON@example.com
Subject: failure notice
Content-Type: multipart/report; report-type=delivery-status; boundary=X

--X
Content-Type: text/plain

It failed.

--X
Content-Type: {content_type}

{enclosed}
--X--
""".encode()


@pytest.mark.parametrize(
    "content_type", ["message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"]
)
def test_an_enclosed_message_brings_its_ids_and_whatever_address_we_may_have_signed(content_type: str) -> None:
    original = original_of(parse(report(HEADER, content_type)))
    assert original is not None
    assert original.message_id == ID
    assert original.subject == "Grüße"
    assert original.sender == "news@sender.example"
    assert original.recipients == ("ann@example.com",)
    assert VERP in original.addresses
    assert "news@sender.example" not in original.addresses


@pytest.mark.parametrize("quote", ["", "> ", "   ", "| "])
def test_a_header_quoted_in_the_text_of_a_report_is_found(quote: str) -> None:
    quoted = "\n".join(quote + line for line in HEADER.splitlines())
    text = (
        f"Hi. This is the program.\n\nSorry: it failed.\n\n--- Below is a copy of the message.\n\n{quoted}\n\nHello\n"
    )
    original = original_of(parse(b"From: MAILER-DAEMON@example.com\n\n" + text.encode()))
    assert original is not None
    assert original.message_id == ID
    assert original.recipients == ("ann@example.com",)
    assert VERP in original.addresses


def test_a_folded_field_is_one_field_and_a_signed_address_in_any_field_is_kept() -> None:
    unsubscribe = signed_address(CODEC, Purpose.UNSUBSCRIBE, 7, ANN, "sender.example")
    header = f"{HEADER}List-Unsubscribe: <https://sender.example/u/x>,\n <mailto:{unsubscribe}>\n"
    block = block_in(header.splitlines())
    assert block is not None
    assert dict(block.fields)["list-unsubscribe"].endswith(f"<mailto:{unsubscribe}>")
    original = original_of(parse(report(header)))
    assert original is not None
    assert original.addresses == (VERP, str(unsubscribe))


def test_of_two_message_ids_the_last_is_ours_and_a_relay_s_stands_on_top() -> None:
    original = original_of(parse(report("Message-ID: <relay@other.example>\n" + HEADER)))
    assert original is not None
    assert original.message_id == ID


def test_a_text_without_a_header_brings_nothing() -> None:
    assert original_of(parse(b"Subject: hello\n\nPlease note: we moved.\nTime: noon\n")) is None


def test_a_header_of_a_hundred_thousand_lines_is_cut() -> None:
    assert block_in(["Received: from a by b"] * 100_000) is None  # one telling field, however often
    assert block_in([*HEADER.splitlines(), *(["X: y"] * 100_000)]) is not None


@given(st.lists(st.text(alphabet=st.sampled_from("Receivd:Fromt >|\t-a@b.c"), max_size=30), max_size=20))
def test_any_lines_can_be_searched(lines: list[str]) -> None:
    block = block_in(lines)
    assert block is None or 0 <= block.start < block.end <= len(lines)


@given(st.binary(max_size=300))
def test_any_octets_can_be_searched(octets: bytes) -> None:
    original_of(parse(report("") + octets))
