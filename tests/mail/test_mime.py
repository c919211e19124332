"""Received mail in parts: what a reader sees, of sound mail and of broken mail."""

import base64
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.mime import ours, wrong
from tests.support.corpora import messages
from tierii_mta.mail.mime import Bounds, Mail, Part, parse, parse_fields

_TWO = b"""From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>
Subject: two
 parts
Content-Type: multipart/alternative; boundary="b"

preamble
--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--b
Content-Type: text/html; charset=iso-8859-1

<p>Gr\xfc\xdfe</p>
--b--
epilogue
"""


def _types(part: Part) -> list[str]:
    return [each.content_type for each in part.walk(enclosed=True)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_parts_are_read_whatever_ends_the_lines(line_end: bytes) -> None:
    mail = parse(_TWO.replace(b"\n", line_end))
    assert mail.root.get("subject") == "two parts"
    assert mail.root.get("FROM") == "Jürgen <j@example.org>"
    assert mail.body_text() == "Grüße"
    assert mail.body_html() == "<p>Grüße</p>"


def test_an_enclosed_message_is_one_child_and_no_part_of_the_text() -> None:
    mail = parse(
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nlook:\n--b\nContent-Type: message/rfc822\n\n"
        b"Subject: inner\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ninside\n--c--\n--b--\n"
    )
    assert _types(mail.root) == ["multipart/mixed", "text/plain", "message/rfc822", "multipart/mixed", "text/plain"]
    enclosure = mail.root.children[1]
    assert enclosure.children[0].get("subject") == "inner"
    assert enclosure.content == b""
    assert [part.content_type for part in mail.root.walk()] == ["multipart/mixed", "text/plain", "message/rfc822"]
    assert mail.body_text() == "look:"


@pytest.mark.parametrize("content_type", ["text/rfc822-headers", "message/global", "message/global-headers"])
def test_enclosed_headers_are_a_message_too(content_type: str) -> None:
    mail = parse(f"Content-Type: {content_type}\n\nSubject: inner\nTo: a@b.example\n".encode())
    assert mail.root.children[0].get("to") == "a@b.example"


def test_an_enclosed_message_in_base64_is_read() -> None:
    inner = base64.encodebytes(b"Subject: inner\n\nhello")
    mail = parse(b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + inner)
    assert mail.root.children[0].get("subject") == "inner"
    assert mail.root.children[0].text() == "hello"


def test_the_parts_of_a_digest_are_messages() -> None:
    mail = parse(
        b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\n1\n--b\n\nSubject: two\n\n2\n--b--"
    )
    assert [part.children[0].get("subject") for part in mail.root.children] == ["one", "two"]


def test_a_report_shows_its_first_part_only() -> None:
    mail = parse(
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nit failed\n"
        b"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\nFinal-Recipient: rfc822; x@y\n"
        b"--b\nContent-Type: text/rfc822-headers\n\nSubject: ours\n--b--\n"
    )
    assert mail.body_text() == "it failed"
    assert mail.root.children[1].content == b"Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; x@y"
    assert mail.root.children[2].children[0].get("subject") == "ours"


def test_attachments_are_no_part_of_the_text() -> None:
    mail = parse(
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Disposition: attachment\n\ntwo\n"
        b"--b\nContent-Type: text/plain; name=a.txt\n\nthree\n--b\n\nfour\n--b--"
    )
    assert mail.body_text() == "one\nfour"


def test_the_root_of_related_parts_may_be_named() -> None:
    mail = parse(
        b'Content-Type: multipart/related; boundary=b; start="<r>"\n\n--b\nContent-Type: text/css\n\np{}\n'
        b"--b\nContent-Type: text/html\nContent-ID: <r>\n\n<p>\n--b--"
    )
    assert mail.body_html() == "<p>"


def test_html_says_its_charset_itself() -> None:
    mail = parse(b"Content-Type: text/html\n\n<meta http-equiv=x content='text/html; charset=koi8-r'>\xf0\xd2")
    assert mail.body_html().endswith("Пр")


# -- broken mail ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", ""),
        (b"no header at all", "no header at all"),
        (b"\n\nbody", "\nbody"),
        (b"From x@y Mon Jan 1\nSubject: mbox\n\nbody", "body"),
        (b"\nSubject: after an empty line\n\nbody", "body"),
        (b"Subject: no empty line\nHello you\nbye", "Hello you\nbye"),
        (b"Subject: a field\nlost its fold\nMIME-Version: 1.0\n\nbody", "body"),
        (b"Content-Type: nonsense\n\nbody", "body"),
        (b"Content-Type: multipart/mixed\n\nbody", "body"),
        (b"Content-Type: multipart/mixed; boundary=b\n\nbody", "body"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nno end", "no end"),
        (b"Content-Type: multipart/mixed; boundary=b\n--b\n\nno empty line", "no empty line"),
        (
            b"Content-Type: multipart/mixed; boundary=B\n\n--b\nContent-Type: text/plain\n\nother case\n--b--\n",
            "other case",
        ),
        (b'Content-Type: multipart/mixed; boundary="b "\n\n--b \t\n\nwhite space\n--b--\n', "white space"),
        (b"Content-Transfer-Encoding: 'base64';\n\naGVsbG8", "hello"),
        (b"Content-Type: text/plain; charset=utf-8\n\nGr\xfc\xdfe", "Grüße"),
    ],
)
def test_broken_mail_is_read_as_its_sender_meant_it(octets: bytes, text: str) -> None:
    assert parse(octets).body_text() == text


def test_a_part_that_never_ends_ends_with_the_one_around_it() -> None:
    mail = parse(
        b"Content-Type: multipart/mixed; boundary=1\n\n--1\nContent-Type: multipart/mixed; boundary=2\n\n"
        b"--2\n\none\n--1\n\ntwo\n--1--\n"
    )
    assert mail.body_text() == "one\ntwo"
    assert mail.faults == ("a multipart has no end",)


def test_raw_octets_in_a_header_are_read() -> None:
    mail = parse("Subject: Grüße\nFrom: Jörg <j@x>\n".encode() + "To: Jörg <j@x>\n\n".encode("latin-1"))
    assert (mail.root.get("subject"), mail.root.get("to")) == ("Grüße", "Jörg <j@x>")


def test_a_field_keeps_its_octets() -> None:
    (field,) = parse_fields(b"Subject :  a\r\n\t=?utf-8?q?b?=\r\n")
    assert (field.name, field.value, field.octets) == ("Subject", "a b", b"a =?utf-8?q?b?=")
    assert field.raw == b"Subject :  a\r\n\t=?utf-8?q?b?=\r\n"


# -- bounds ---------------------------------------------------------------------------------------------------------


def _check(mail: Mail, bounds: Bounds) -> None:
    assert sum(1 for _ in mail.root.walk(enclosed=True)) <= 2 * bounds.parts
    assert _depth(mail.root) <= bounds.depth + 1


def _depth(part: Part) -> int:
    return 1 + max(map(_depth, part.children), default=0)


@pytest.mark.parametrize(
    "octets",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(5_000)),
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 5_000,
        b"Content-Type: message/rfc822\n\n" * 5_000,
    ],
)
def test_parts_in_parts_end_at_the_bound(octets: bytes) -> None:
    mail = parse(octets)
    _check(mail, Bounds())
    assert "parts are more than 20 deep" in mail.faults


def test_parts_without_declared_boundaries_end_at_the_bound() -> None:
    _check(parse(b"Content-Type: multipart/mixed\n\n--b\n" * 5_000), Bounds())


def test_messages_in_base64_in_one_another_end_at_the_bound() -> None:
    octets = b"Subject: innermost\n\n"
    for _ in range(25):
        octets = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(octets)
    _check(parse(octets), Bounds())


def test_a_hundred_thousand_parts_end_at_the_bound() -> None:
    mail = parse(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000)
    assert len(mail.root.children) == Bounds().parts - 1
    assert "there are more than 500 parts" in mail.faults


def test_fields_and_their_values_end_at_the_bounds() -> None:
    mail = parse(b"Subject: " + b"x" * 1_000_000 + b"\n" + b"A: b\n" * 5_000 + b"\nbody")
    assert len(mail.root.fields) == Bounds().fields
    assert len(mail.root.get("subject") or "") == Bounds().value_octets
    assert mail.body_text() == "body"
    assert mail.faults == ("a field is cut short", "a header has more than 1000 fields")


def test_decoded_octets_end_at_the_bound() -> None:
    part = b"--b\n\n" + b"x" * 600 + b"\n"
    mail = parse(b"Content-Type: multipart/mixed; boundary=b\n\n" + part * 3, Bounds(decoded_octets=1_500))
    assert [len(part.content) for part in mail.root.children] == [600, 600, 0]
    assert "the parts are too large together" in mail.faults


def test_a_text_ends_where_nobody_writes_any_more() -> None:
    mail = parse(b"\n" + "ä".encode() * (5 << 20))
    assert mail.body_text() == "ä" * (4 << 20)


# -- anything -------------------------------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        *(
            b"\n",
            b"\r\n",
            b"\r",
            b"\0",
            b" ",
            b"--",
            b"--a",
            b"--a--",
            b"\n--a\n",
            b"\n--b--\n",
            b"x",
            b"\xff",
            b"=?",
            b"?=",
        ),
        *(b"Content-Type: multipart/mixed; boundary=a\n", b"Content-Type: multipart/digest; boundary=b\n\n"),
        *(b"Content-Type: message/rfc822\n", b"Content-Transfer-Encoding: base64\n\n", b"Content-Type: text/html\n\n"),
        *(b"Content-Type: text/plain; charset=utf-7\n", b"Subject: =?utf-8?q?=C3?=\n", b"aGVsbG8=\n", b"=\n", b"=C3"),
    ]
)


def _read_all(octets: bytes) -> Mail:
    mail = parse(octets)
    for part in mail.root.walk(enclosed=True):
        part.text().encode("utf-8")
        assert not (part.children and part.content)
    mail.body_text()
    mail.body_html()
    return mail


@given(octets=st.binary(max_size=400) | st.lists(_PIECES | st.binary(max_size=8), max_size=40).map(b"".join))
def test_any_octets_are_a_mail(octets: bytes) -> None:
    _check(_read_all(octets), Bounds())


@pytest.mark.corpus
def test_every_message_of_the_public_corpora_is_read() -> None:
    for name in ("mime", "bounces", "reports"):
        for path, octets in messages(name):
            mail = _read_all(octets)
            assert mail.root.fields, path


@pytest.mark.corpus
def test_subjects_and_texts_of_real_clients_are_as_their_users_saw_them() -> None:
    german = english = 0
    for path, octets in messages("mime/legacy"):
        mail = parse(octets)
        shown = (mail.root.get("subject") or "") + mail.body_text() + mail.body_html()
        assert "\N{REPLACEMENT CHARACTER}" not in shown, path
        german += "Hasen" in shown and "Frösche" in shown
        english += "The Hare and the Tortoise" in shown or "est message" in shown
    assert german + english >= 50


@pytest.mark.corpus
def test_the_public_messages_hold_what_was_noted_of_them() -> None:
    assert wrong(ours) == ["legacy/026.eml"]  # its attachment is uuencoded, which nobody sends any more


@cache
def _corpus() -> list[bytes]:
    return [octets for _, octets in messages("mime")]


@pytest.mark.corpus
@given(data=st.data())
def test_mutilated_messages_of_the_corpus_are_read(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from(_corpus())))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(octets)))
        end = data.draw(st.integers(start, min(len(octets), start + 60)))
        octets[start:end] = data.draw(_PIECES | st.binary(max_size=20))
    _check(_read_all(bytes(octets)), Bounds())
