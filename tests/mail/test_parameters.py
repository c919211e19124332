"""Values with parameters, as the standards have them and as senders write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.mail.parameters import parse_parameters


@pytest.mark.parametrize(
    ("written", "value", "parameters"),
    [
        ("text/plain; charset=us-ascii (Plain text)", "text/plain", {"charset": "us-ascii"}),
        ('TEXT/Plain; Charset="utf-8"; format=flowed', "text/plain", {"charset": "utf-8", "format": "flowed"}),
        (
            'message/external-body; URL*0="ftp://"; URL*1="cs.utk.edu/x"',
            "message/external-body",
            {"url": "ftp://cs.utk.edu/x"},
        ),
        (
            "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
            "application/x-stuff",
            {"title": "This is ***fun***"},
        ),
        (
            "a/b; title*0*=us-ascii'en'This%20is%20more%20; title*1*=%2Afun%2A%20; title*2=\"isn't it!\"",
            "a/b",
            {"title": "This is more *fun* isn't it!"},
        ),
    ],
)
def test_the_examples_of_rfc_2045_and_rfc_2231(written: str, value: str, parameters: dict[str, str]) -> None:
    found = parse_parameters(written)
    assert (found.value, found.parameters) == (value, parameters)


@pytest.mark.parametrize(
    ("written", "value", "parameters"),
    [
        ('multipart/mixed boundary="b c"', "multipart/mixed", {"boundary": "b c"}),
        ('; filename="image001.png"', "", {"filename": "image001.png"}),
        ("attachment; filename=", "attachment", {"filename": ""}),
        ('attachment; filename = "a b.txt" ;', "attachment", {"filename": "a b.txt"}),
        ('attachment; filename="unfinished.txt', "attachment", {"filename": "unfinished.txt"}),
        ('attachment; filename="a \\"b\\".txt"', "attachment", {"filename": 'a "b".txt'}),
        ('attachment; filename="C:\\TEMP\\a.png"', "attachment", {"filename": "C:\\TEMP\\a.png"}),
        ("attachment; filename=one; filename=two", "attachment", {"filename": "one"}),
        ('attachment; filename="=?utf-8?q?M=C3=BC.pdf?="', "attachment", {"filename": "Mü.pdf"}),
        ("attachment; filename=plain.txt; filename*=utf-8''%E2%82%AC.txt", "attachment", {"filename": "€.txt"}),
        ("attachment; filename*1=b; filename*0=a", "attachment", {"filename": "ab"}),
        ("", "", {}),
        (";;;", "", {}),
        ("(only a comment", "", {}),
    ],
)
def test_values_as_senders_write_them(written: str, value: str, parameters: dict[str, str]) -> None:
    found = parse_parameters(written)
    assert (found.value, found.parameters) == (value, parameters)


@given(text=st.text(st.sampled_from("ab/;=*'\"\\%0()é \t,?-"), max_size=120))
def test_anything_is_read_somehow(text: str) -> None:
    found = parse_parameters(text)
    assert found.value == found.value.lower()
