"""Messages are put together so that the stdlib's parser finds the same parts in them."""

import email
import email.policy
import re
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.mail.compose import Attachment, Skeleton, encode_text
from tierii_mta.mail.header import HeaderInjection, raw_field, text_field

HEADER = [text_field("Subject", "Hi"), raw_field("Message-ID", "<1@example.com>")]
BOTH = Skeleton(has_html=True, has_text=True)
LOGO = Attachment(filename="logo.png", content=bytes(range(256)) * 3, media_type="image/png", content_id="logo")
MENU = Attachment(filename="menu.pdf", content=b"%PDF-1.7\r\n" * 100, media_type="application/pdf")

characters = st.characters(exclude_categories=["Cs"])
nasty = st.sampled_from(
    ["\r\n", "\n", "\r", "=", ".", "--=_", "--=_a", "\u2028", "\x00", "\t ", "x" * 1000, "ü" * 400, "From "]
)
bodies = st.lists(st.text(characters, max_size=60) | nasty, max_size=12).map("".join)


def parse(message: bytes) -> EmailMessage:
    return email.message_from_bytes(message, policy=email.policy.default)


def content(part: object) -> str:
    payload = cast("EmailMessage", part).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


def lines_normal(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") else text + "\n"


def assert_fit_for_the_wire(message: bytes) -> None:
    assert message.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|[\0\x80-\xff]", message)
    assert max(map(len, message.split(b"\r\n"))) <= 998


@settings(max_examples=200)
@given(bodies, bodies)
def test_text_and_html_are_read_back_as_they_were_given(text: str, html: str) -> None:
    message = BOTH.assemble(HEADER, text, html)
    assert_fit_for_the_wire(message)
    parsed = parse(message)
    assert parsed["Subject"] == "Hi"
    assert parsed["MIME-Version"] == "1.0"
    assert parsed.get_content_type() == "multipart/alternative"
    assert not parsed.defects
    parts = list(parsed.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [content(part) for part in parts] == [lines_normal(text), lines_normal(html)]


@given(bodies)
def test_a_single_part_needs_no_multipart(text: str) -> None:
    for skeleton, parts, kind in (
        (Skeleton(has_html=False, has_text=True), (text, None), "text/plain"),
        (Skeleton(has_html=True, has_text=False), (None, text), "text/html"),
    ):
        message = skeleton.assemble(HEADER, *parts)
        assert_fit_for_the_wire(message)
        assert parse(message).get_content_type() == kind
        assert content(parse(message)) == lines_normal(text)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Hello\n", "7bit"),
        ("x" * 999, "quoted-printable"),
        ("Grüße aus Köln, wo alles blüht\n", "quoted-printable"),
        ("春が来た\n", "base64"),
        ("--=_ looks like a boundary\n", "quoted-printable"),
        ("nul \0\n", "quoted-printable"),
    ],
)
def test_each_part_has_the_encoding_that_suits_it(text: str, encoding: str) -> None:
    message = Skeleton(has_html=False, has_text=True).assemble(HEADER, text, None)
    assert parse(message)["Content-Transfer-Encoding"] == encoding


def structure(part: EmailMessage) -> object:
    if not part.is_multipart():
        return part.get_content_type()
    return (part.get_content_subtype(), *[structure(each) for each in part.iter_parts()])  # type: ignore[arg-type]


def test_inline_pictures_are_related_to_the_html_and_files_are_mixed_in() -> None:
    message = Skeleton(has_html=True, has_text=True, attachments=[MENU, LOGO]).assemble(HEADER, "t", "<h1>h</h1>")
    assert_fit_for_the_wire(message)
    parsed = parse(message)
    related = ("related", "text/html", "image/png")
    assert structure(parsed) == ("mixed", ("alternative", "text/plain", related), "application/pdf")
    (menu,) = parsed.iter_attachments()
    assert menu.get_filename() == "menu.pdf"
    assert menu.get_content_disposition() == "attachment"
    assert menu.get_payload(decode=True) == MENU.content
    (logo,) = [part for part in parsed.walk() if part.get_content_type() == "image/png"]
    assert logo["Content-ID"] == "<logo>"
    assert logo.get_content_disposition() == "inline"
    assert logo.get_payload(decode=True) == LOGO.content


def test_without_html_an_inline_picture_is_a_file() -> None:
    message = Skeleton(has_html=False, has_text=True, attachments=[LOGO]).assemble(HEADER, "t", None)
    assert structure(parse(message)) == ("mixed", "text/plain", "image/png")


def test_a_message_as_attachment_is_sent_as_octets_because_it_may_not_be_base64() -> None:
    mail = Attachment(filename="a.eml", content=b"Subject: x\r\n\r\n", media_type="message/rfc822")
    message = Skeleton(has_html=False, has_text=True, attachments=[mail]).assemble(HEADER, "t", None)
    assert structure(parse(message)) == ("mixed", "text/plain", "application/octet-stream")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=120))
def test_a_file_name_is_read_back_as_it_was_given(filename: str) -> None:
    file = Attachment(filename=filename, content=b"x", media_type="text/csv")
    message = Skeleton(has_html=False, has_text=True, attachments=[file]).assemble(HEADER, "t", None)
    assert_fit_for_the_wire(message)
    (part,) = parse(message).iter_attachments()
    assert part.get_filename() == filename.strip()  # the stdlib strips what it reads


@pytest.mark.parametrize(
    "attachment",
    [
        Attachment(filename="a\r\nBcc: x", content=b"", media_type="text/csv"),
        Attachment(filename="a", content=b"", media_type="text/csv\r\nBcc: x"),
        Attachment(filename="a", content=b"", media_type="text/csv", content_id="a>\r\nBcc: x"),
    ],
)
def test_nothing_can_be_injected_through_an_attachment(attachment: Attachment) -> None:
    with pytest.raises(HeaderInjection):
        Skeleton(has_html=True, has_text=True, attachments=[attachment])


@pytest.mark.parametrize(
    "field", [b"Subject: x", b"Subject: x\r\n\r\n", b"Subject: x\nBcc: y\r\n", b"x\r\n", b" x\r\n"]
)
def test_octets_that_are_not_whole_fields_are_refused(field: bytes) -> None:
    with pytest.raises(HeaderInjection):
        BOTH.assemble([field], "t", "h")


def test_the_parts_must_be_those_of_the_skeleton() -> None:
    with pytest.raises(ValueError, match="not those of the skeleton"):
        BOTH.assemble(HEADER, "t", None)
    with pytest.raises(ValueError, match="needs a text or an HTML part"):
        Skeleton(has_html=False, has_text=False)


def test_the_same_content_gives_the_same_octets_and_other_attachments_other_boundaries() -> None:
    again = Skeleton(has_html=True, has_text=True)
    assert again.assemble(HEADER, "t", "h") == BOTH.assemble(HEADER, "t", "h")
    one, two = (
        parse(Skeleton(has_html=True, has_text=True, attachments=[each]).assemble(HEADER, "t", "h"))
        for each in (LOGO, MENU)
    )
    assert one.get_boundary() != two.get_boundary()


def test_a_part_cannot_forge_the_end_of_another() -> None:
    boundary = parse(BOTH.assemble(HEADER, "t", "h")).get_boundary()
    message = BOTH.assemble(HEADER, f"before\n--{boundary}--\nafter\n--{boundary}\n", "h")
    assert [content(part) for part in parse(message).iter_parts()] == [
        f"before\n--{boundary}--\nafter\n--{boundary}\n",
        "h\n",
    ]


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        (["a" * 998], b"7bit"),
        (["a" * 999], b"quoted-printable"),
        (["a" * 990] * 3 + ["b" * 998, ""], b"7bit"),
        (["a", "b" * 999, "c"], b"quoted-printable"),
        (["", "", "a" * 998, "", "b" * 999], b"quoted-printable"),
    ],
)
def test_a_line_travels_as_it_is_up_to_998_octets(lines: list[str], encoding: bytes) -> None:
    header, body = encode_text("\n".join(lines))
    assert header.startswith(b"Content-Transfer-Encoding: " + encoding)
    assert max(map(len, body.split(b"\r\n"))) <= 998
