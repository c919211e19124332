"""Transfer encodings, sound and broken."""

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.mail.transfer import undo


@given(octets=st.binary(max_size=300))
def test_what_was_encoded_comes_back(octets: bytes) -> None:
    assert undo(base64.encodebytes(octets), "base64") == (octets, None)
    assert undo(quopri.encodestring(octets), "quoted-printable") == (octets, None)


@pytest.mark.parametrize(
    ("encoded", "content"),
    [
        (b"aGVsbG8", b"hello"),  # no padding
        (b"aGVsbG8=\r\nIHdvcmxk\r\n", b"hello world"),  # blocks that were padded each
        (b"aGVsbG8= and more", b"hello"),
        (b"aGVsbG8g!d29ybGQ=", b"hello world"),
        (b"aGVsbG8=\n____\nThe list of friends\n", b"hello"),
        (b"aGVsbG8g\nd29ybGQh\n____\nThis list is\nrun by friends\n", b"hello world!"),
        (b"aGVsbG8hA", b"hello!"),  # six bits too many
        (b"", b""),
    ],
)
def test_broken_base64_yields_what_there_is(encoded: bytes, content: bytes) -> None:
    assert undo(encoded, "base64")[0] == content


@pytest.mark.parametrize(
    ("encoded", "content"),
    [
        (b"a=\r\nb", b"ab"),
        (b"a= \t\r\nb", b"ab"),
        (b"100=% and =ZZ", b"100=% and =ZZ"),
        (b"=e4", b"\xe4"),
        (b"end=", b"end"),
    ],
)
def test_broken_quoted_printable_yields_what_there_is(encoded: bytes, content: bytes) -> None:
    assert undo(encoded, "quoted-printable") == (content, None)


def test_text_that_claims_to_be_base64_stays_text() -> None:
    text = b"Hello, this is not base64 at all: it has commas, and dots.\r\n"
    assert undo(text, "base64") == (text, "a part claims to be base64 and is not")


def test_an_unknown_encoding_leaves_the_octets() -> None:
    assert undo(b"begin 644 a", "x-uuencode") == (b"begin 644 a", "a part has an unknown transfer encoding")
