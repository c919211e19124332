"""Encoded words of received fields: those of the standard's own table, and those of the wild."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.mail.encoded_words import decode_words
from tierii_mta.mail.header import text_field


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("(=?ISO-8859-1?Q?a?=)", "(a)"),
        ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
        ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
        ("(=?ISO-8859-1?Q?a?=  \t =?ISO-8859-2?Q?b?=)", "(ab)"),
        ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
        ("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
    ],
)
def test_the_examples_of_rfc_2047(written: str, read: str) -> None:
    assert decode_words(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"=?utf-8?Q?M=C3=BCller=2C_K.?="', '"Müller, K."'),  # in quotes
        ("Re:=?utf-8?q?Antw=C3=B6rt?=!", "Re:Antwört!"),  # without white space around it
        ("=?utf-8?Q?two words?=", "two words"),  # with a space inside
        ("=?utf-8?B?4oKs?==?utf-8?B?4oKs?=", "€€"),  # touching
        ("=?utf-8?Q?=E2=82?= =?utf-8?Q?=AC?=", "€"),  # a character in two words
        ("=?UTF-8?b?8J+YgA?=", "😀"),  # without padding
        ("=?x-unknown?q?gr=fcn?=", "grün"),
        ("=?utf-8?q?line=0D=0Abreak?=", "line  break"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        ("what=?", "what=?"),
        ("", ""),
    ],
)
def test_words_as_senders_write_them(written: str, read: str) -> None:
    assert decode_words(written) == read


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80))
def test_what_we_write_is_read_back(text: str) -> None:
    field = text_field("Subject", text).decode().removeprefix("Subject:").replace("\r\n", "").strip(" ")
    assert decode_words(field).strip(" ") == text.strip(" ")


@given(text=st.text(st.sampled_from("=?qQbB_ ab-8utf\t\0é"), max_size=120))
def test_anything_is_read_somehow(text: str) -> None:
    decode_words(text).encode("utf-8")
