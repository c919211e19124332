"""The header of a submitted message: what is required of it, what is changed in it, and that nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from tierii_mta.inbound.preparation import Instructions, Manuscript
from tierii_mta.mail.address import Address
from tierii_mta.mail.header import date_field, parse_header_block
from tierii_mta.mail.reply import PermanentError
from tierii_mta.queue.delivery import Priority

TRACE = b"Received: from a by b;\r\n\tdate\r\n"
NEW_ID = "<new@example.com>"
WHOLE = (
    b"X-First:  two  spaces \r\n"
    b"From: Shop <shop@example.com>\r\n"
    b"to: ann@a.example,\r\n\tbob@b.example\r\n"
    b"DATE: Sat, 21 Nov 2026 10:30:00 +0100\r\n"
    b"Message-Id: <m1@example.com>\r\n"
    b"Subject : an odd colon\r\n"
    b"\r\n"
)


def edited(head: bytes) -> bytes:
    return Manuscript.read(head).edited(trace=TRACE, message_id=NEW_ID, now=START)


def refusal(head: bytes) -> str:
    with pytest.raises(PermanentError) as refused:
        Manuscript.read(head)
    return str(refused.value.reply)


def test_a_whole_header_is_kept_octet_for_octet_below_our_trace() -> None:
    assert edited(WHOLE) == TRACE + WHOLE
    assert Manuscript.read(WHOLE).message_id == "<m1@example.com>"


@pytest.mark.parametrize("empty", [b"", b"Date:\r\nMessage-ID: \r\n"])
def test_a_date_and_a_message_id_are_added_where_there_is_none(empty: bytes) -> None:
    head = edited(b"From: a@example.com\r\n" + empty + b"X: y\r\n\r\n")
    kept = TRACE + b"From: a@example.com\r\nX: y\r\n"
    assert head == kept + date_field(START) + b"Message-ID: <new@example.com>\r\n\r\n"


def test_what_must_not_travel_is_taken_out_with_its_folded_lines() -> None:
    stays_here = (
        *(b"Bcc: c@c.example,\r\n d@d.example\r\n", b"bcc: e@e.example\r\n", b"Resent-Bcc: f@f.example\r\n"),
        *(b"Return-Path: <x@y.example>\r\n", b"X-Tierii-Priority: low\r\n", b"X-TIERII-Campaign: spring\r\n"),
        *(b"X-Tierii-Tag: order confirmation\r\n", b"Idempotency-Key: order-7\r\n"),
    )
    resent = b"Resent-From: a@example.com\r\nResent-To: b@b.example\r\n"
    head = b"".join(stays_here) + resent + WHOLE
    assert edited(head) == TRACE + resent + WHOLE
    assert Manuscript.read(head).instructions == Instructions(
        priority=Priority.LOW, label="spring", tag="order confirmation", idempotency_key="order-7"
    )


def test_a_header_without_an_empty_line_is_a_header() -> None:
    assert edited(WHOLE.removesuffix(b"\r\n")) == TRACE + WHOLE


def test_author_and_sender_are_read() -> None:
    read = Manuscript.read(b'From: "a@b.example" <Shop@Example.com> (c)\r\nSender: ann@example.com\r\n\r\n')
    assert (read.author, read.sender) == (Address("Shop", "example.com"), Address("ann", "example.com"))


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"\r\n", "no From"),
        (b"To: a@a.example\r\n\r\n", "no From"),
        (b"From: a@example.com\r\nFROM: b@example.com\r\n\r\n", "two FROM"),
        (b"From: a@example.com, b@example.com\r\n\r\n", "exactly one address"),
        (b"From: \r\n\r\n", "exactly one address"),
        (b"From: undisclosed-recipients:;\r\n\r\n", "exactly one address"),
        (b"From: Ann\r\n\r\n", "exactly one address"),
        (b"From: a@example.com\r\nSender: b@x.example, c@x.example\r\n\r\n", "Sender is to hold"),
        (b"From: a@example.com\r\nSubject: a\r\nSubject: b\r\n\r\n", "two Subject"),
        (b"From: a@example.com\r\nTo: a@a.example\r\nto: b@a.example\r\n\r\n", "two to"),
        (b"From: a@example.com\r\nno field at all\r\n\r\n", "no header field"),
        (b"From a@example.com Sat Nov 21\r\nFrom: a@example.com\r\n\r\n", "no header field"),
        (b" folded: first\r\nFrom: a@example.com\r\n\r\n", "no header field"),
        (b"From: a@example.com\r\nX: \x00\r\n\r\n", "control character"),
        (b"From: a@example.com\r\nX: \x1b[2J\r\n\r\n", "control character"),
        (b"From: a@example.com\r\nX: a\rb\r\n\r\n", "control character"),
        (b"From: a@example.com\r\nX: a\nBcc: b\r\n\r\n", "control character"),
        (b"From: a@example.com\r\nX-Tierii-Priority: urgent\r\n\r\n", "high, normal or low"),
        (b"From: a@example.com\r\nX-Tierii-Tag: \r\n\r\n", "X-Tierii-Tag is 1 to 64"),
        (b"From: a@example.com\r\nX-Tierii-Campaign: " + b"x" * 65 + b"\r\n\r\n", "1 to 64"),
        (b"From: a@example.com\r\nIdempotency-Key: \xc3\xa4\r\n\r\n", "1 to 255"),
        (b"From: a@example.com\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", "two Idempotency-Key"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(head: bytes, says: str) -> None:
    reply = refusal(head)
    assert reply.startswith("550 5.6.0 ")
    assert says in reply


def test_fifty_hops_are_borne_and_one_more_is_a_loop() -> None:
    hop = b"Received: from a by b; date\r\n"
    assert edited(hop * 50 + WHOLE).count(b"Received:") == 51
    assert refusal(hop * 51 + WHOLE).startswith("554 5.4.6 ")


NAMES = st.sampled_from(
    [
        b"X-Mark",
        b"Subject",
        b"Received",
        b"Bcc",
        b"bcc",
        b"To",
        b"Resent-To",
        b"Idempotency-Key",
        b"Date",
        b"Message-ID",
    ]
)
VALUES = st.lists(
    st.binary(max_size=30).map(lambda octets: bytes(o for o in octets if o > 31 and o != 127)), max_size=3
)
STRIPPED = {"bcc", "idempotency-key"}


@st.composite
def fields(draw: st.DrawFn) -> bytes:
    lines = [line or b"x" for line in draw(VALUES)]
    return draw(NAMES) + b":" + b"\r\n ".join([b"", *lines]) + b"\r\n"


@given(st.lists(fields(), max_size=8))
def test_untouched_fields_stay_as_they_are_whatever_they_hold(others: list[bytes]) -> None:
    head = b"From: a@example.com\r\n" + b"".join(others) + b"\r\n"
    try:
        manuscript = Manuscript.read(head)
    except PermanentError:
        return
    after, end = parse_header_block(manuscript.edited(trace=TRACE, message_id=NEW_ID, now=START))
    before, _ = parse_header_block(head)
    assert end == len(manuscript.edited(trace=TRACE, message_id=NEW_ID, now=START))
    kept = [field for field in before if field.name.lower() not in STRIPPED and not _is_empty(field.name, field.value)]
    added = [field.name for field in after[1 + len(kept) :]]
    assert after[0].raw == TRACE
    assert after[1 : 1 + len(kept)] == kept
    assert added == ["Date"] * (not manuscript.has_date) + ["Message-ID"] * (manuscript.message_id is None)


def _is_empty(name: str, value: bytes) -> bool:
    return name in ("Date", "Message-ID") and not value


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused_and_never_break(octets: bytes) -> None:
    for head in (octets, b"From: a@example.com\r\n" + octets, b"From: " + octets + b"\r\n\r\n"):
        try:
            kept = Manuscript.read(head).edited(trace=TRACE, message_id=NEW_ID, now=START)
        except PermanentError:
            continue
        assert kept.endswith(b"\r\n\r\n")
        assert not any(octet < 32 and octet not in (9, 10, 13) for octet in kept)
