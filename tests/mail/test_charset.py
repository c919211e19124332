"""What octets are read as, under true labels, false ones and none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.mail.charset import decode, find_codec


@pytest.mark.parametrize(
    ("octets", "label", "text"),
    [
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "ISO-8859-1", "Grüße"),
        ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
        ("こんにちは".encode("iso2022_jp"), "ISO-2022-JP", "こんにちは"),
        ("你好".encode("gb18030"), "GB2312", "你好"),
        ("“smart”".encode("cp1252"), "iso-8859-1", "“smart”"),  # what Windows calls Latin-1
        ("①".encode("cp932"), "Shift_JIS", "①"),
        (b"abc", "us-ascii", "abc"),
        (b"hi", "utf-16", "楨"),
    ],
)
def test_a_label_that_fits_is_believed(octets: bytes, label: str, text: str) -> None:
    assert decode(octets, label) == text


@pytest.mark.parametrize("label", [None, "us-ascii", "iso-8859-1", "windows-1252", "x-unknown", ""])
def test_utf_8_is_recognised_under_a_western_label_and_under_none(label: str | None) -> None:
    assert decode("Grüße — ✓".encode(), label) == "Grüße — ✓"


@pytest.mark.parametrize("label", [None, "utf-8", "us-ascii"])
def test_what_is_not_utf_8_is_windows_1252(label: str | None) -> None:
    assert decode("Grüße".encode("cp1252"), label) == "Grüße"


@pytest.mark.parametrize("label", [None, "utf-8", "us-ascii"])
def test_one_broken_character_does_not_change_the_charset(label: str | None) -> None:
    assert decode("Grüße aus K".encode() + b"\xc3n", label) == "Grüße aus K\N{REPLACEMENT CHARACTER}n"


def test_japanese_is_recognised_without_a_label() -> None:
    assert decode("不在".encode("iso2022_jp")) == "不在"
    assert decode("不在".encode("iso2022_jp"), "us-ascii") == "不在"


@pytest.mark.parametrize("label", ["zlib", "bz2", "base64", "hex", "rot13", "uu", "idna", "punycode", "unicode_escape"])
def test_no_label_reaches_a_codec_that_is_no_charset(label: str) -> None:
    assert find_codec(label) is None


@given(
    octets=st.binary(max_size=200), label=st.none() | st.text(max_size=20) | st.sampled_from(["utf-7", "utf-16", "hz"])
)
def test_whatever_comes_is_text_that_can_be_stored(octets: bytes, label: str | None) -> None:
    text = decode(octets, label)
    text.encode("utf-8")  # no half of a surrogate pair
    assert "\0" not in text
