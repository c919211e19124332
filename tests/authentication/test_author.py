"""The author's domains: none can be shown to a reader and hidden from DMARC."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.authentication.author import author_domains
from tierii_mta.mail.header import HeaderField


def domains(*values: str) -> list[str]:
    return author_domains(HeaderField("From", f"From: {value}\r\n".encode()) for value in values)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ana@example.com", ["example.com"]),
        ("Ana <ana@Example.COM>", ["example.com"]),
        ("ana@example.com.", ["example.com"]),
        ('"ceo@bank.example" <ana@example.com>', ["example.com"]),
        ('"ceo \\" @bank.example" <ana@example.com>', ["example.com"]),
        ("Ana (ceo@bank.example (really)) <ana@example.com>", ["example.com"]),
        ("=?utf-8?q?ceo=40bank.example?= <ana@example.com>", ["example.com"]),
        ("ana@bücher.example", ["xn--bcher-kva.example"]),
        ("ana@(where) example . com", ["example.com"]),
        ("ana @ example.com", ["example.com"]),
        ("Ana\r\n <ana@\r\n example.com>", ["example.com"]),
        ("ana@example.com, bob@example.com", ["example.com"]),
        ("Friends: ana@example.com, bob@example.net;", ["example.com", "example.net"]),
        ("ceo@bank.example <ana@example.com>", ["bank.example", "example.com"]),
        ("<ana@example.com> ceo@bank.example", ["example.com", "bank.example"]),
        ('(") <ceo@bank.example> (")', ["bank.example"]),
        ("\\(<ceo@bank.example>", ["bank.example"]),
        ("ceo\\@bank.example", ["bank.example"]),
        ('"<ceo@bank.example>', ["bank.example"]),
        ("(<ceo@bank.example>", ["bank.example"]),
        (") (<ceo@bank.example>", ["bank.example"]),
        ("ceo@bank.example@evil.example", ["bank.example", "evil.example"]),
        ("ceo@bank\x00.exa\x7fmple", ["bank.example"]),
        ("ceo@bank\u3000.example", ["bank.example"]),
        ("ceo@bank\u200b.example", ["bank.example"]),
        ('"ceo@bank.example"@example.com', ["example.com"]),
        ("ceo@bank.example; a@evil.example", ["bank.example", "evil.example"]),
        ("a@[x@y]", ["[x@y]"]),
        ("a@[192.0.2.1", ["[192.0.2.1"]),
        ("ceo@x_y.bank.example", ["x_y.bank.example"]),
        ("ana@[192.0.2.1]", ["[192.0.2.1]"]),
        ("ana@" + "é" * 300, ["é" * 300]),
        ("Ana", []),
        ("undisclosed:;", []),
        ("", []),
    ],
)
def test_every_domain_that_may_be_the_authors_counts(value: str, expected: list[str]) -> None:
    assert domains(value) == expected


def test_all_from_fields_count_and_no_other() -> None:
    fields = [HeaderField("from", b"from: a@one.example\r\n"), HeaderField("Sender", b"Sender: b@two.example\r\n")]
    assert author_domains([*fields, HeaderField("FROM", b"FROM: c@three.example")]) == ["one.example", "three.example"]


def test_of_very_many_authors_ten_are_enough() -> None:
    assert len(domains(",".join(f"a@{number}é.example" for number in range(10_000)))) == 10


@given(st.binary(max_size=80))
def test_any_octets_may_stand_in_a_from_field(octets: bytes) -> None:
    author_domains([HeaderField("From", b"From:" + octets)])


@given(st.text(alphabet='"()\\<>@, a\té', max_size=40))
def test_an_address_in_angle_brackets_at_the_end_of_anything_balanced_is_found(text: str) -> None:
    found = domains(f"{text} <ana@example.com>")
    balanced = not set(text) & set('"()\\')
    assert "example.com" in found or not balanced


@pytest.mark.parametrize("piece", ["(", ")", '"', "\\", "@", "@ ", " ", "a@b ", "()", '""', "(\\"])
def test_sixteen_times_the_input_costs_about_sixteen_times(piece: str) -> None:
    def cost(size: int) -> float:
        field = [HeaderField("From", b"From: " + (piece * size).encode())]
        times = []
        for _ in range(3):
            start = time.thread_time_ns()
            author_domains(field)
            times.append(time.thread_time_ns() - start)
        return min(times)

    assert cost(32_000) < 80 * max(cost(2_000), 20_000)
