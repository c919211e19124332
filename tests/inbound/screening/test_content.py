"""The few heuristics: what they find, what they leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inbound.screening.cases import HEAD, case, head, rules
from tierii_mta.inbound.screening.case import FIRST_OCTETS, addresses
from tierii_mta.inbound.screening.content import Content


async def found(head: bytes = HEAD, body: bytes = b"Hello.\r\n") -> list[str]:
    return rules(await Content().look(case(head=head, body=body)))


def attachment(disposition: str, kind: str = "application/octet-stream") -> bytes:
    return f"--b\r\nContent-Type: {kind}\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--b--\r\n".encode()


async def test_an_ordinary_message_shows_nothing() -> None:
    assert await found() == []
    body = attachment('attachment; filename="report for example.com.pdf"')
    assert (
        await found(body=b'<a href="https://x.example/setup.exe">get setup.exe</a> name="setup.exe"\r\n' + body) == []
    )


@pytest.mark.parametrize(
    "disposition",
    [
        'attachment; filename="invoice.exe"',
        "attachment; filename=invoice.EXE",
        'attachment; filename="invoice.pdf.js"',
        'attachment; filename="invoice.exe  "',
        "attachment;\r\n\tfilename*=UTF-8''invoice%2Eexe",
        'attachment; filename*0="long"; filename*1="invoice.vbs"',
        'attachment; filename="=?utf-8?B?aW52b2ljZS5leGU=?="',
    ],
)
async def test_a_program_is_found_by_its_name(disposition: str) -> None:
    assert await found(body=attachment(disposition)) == ["executable"]


async def test_a_program_is_found_by_its_type_and_in_the_header() -> None:
    assert await found(body=attachment("attachment", "application/x-msdownload")) == ["executable"]
    assert await found(head('Content-Type: application/octet-stream; name="x.scr"')) == ["executable"]


async def test_a_name_that_reads_backwards_is_found() -> None:
    body = attachment("attachment; filename*=UTF-8''ann%E2%80%AEfdp.txt")
    assert await found(body=body) == ["disguised"]


@pytest.mark.parametrize(
    ("author", "rule"),
    [
        ('"service@bank.example" <x@evil.example>', ["name_address"]),
        ("=?utf-8?Q?service=40bank.example?= <x@evil.example>", ["name_address"]),
        ('"x@evil.example" <x@evil.example>', []),
        ('"x@mail.evil.example" <x@evil.example>', []),
        ("Ada, of elsewhere <ada@elsewhere.example>", []),
        ("ada@elsewhere.example", []),
        ("nobody at all", ["from_missing"]),
    ],
)
async def test_the_name_of_the_author(author: str, rule: list[str]) -> None:
    assert await found(head(f"From: {author}")) == rule


async def test_fields_that_are_missing_or_there_twice() -> None:
    assert await found(head(without=["From", "Date"])) == ["date_missing", "from_missing"]
    assert await found(b"From: eve@evil.example\r\n" + HEAD) == ["from_several"]
    assert await found(b"this is no field\r\n" + HEAD) == ["header_malformed"]


async def test_more_than_fifty_recipients_in_the_header() -> None:
    many = ", ".join(f"p{number}@many.example" for number in range(30))
    assert await found(head(f"To: {many}", f"Cc: {many}")) == ["many_recipients"]
    assert await found(head(f"To: {many}")) == []


@pytest.mark.parametrize(
    ("subject", "body", "rule"),
    [
        ("", "https://evil.example/x\r\n", ["bare_link"]),
        ("", '<p>look <a href="https://evil.example/x">here</a></p>\r\n', ["bare_link"]),
        ("photos", "https://evil.example/x\r\n", []),
        ("", "See you at nine.\r\n", []),
        ("", "word " * 60 + "https://fine.example/\r\n", []),
    ],
)
async def test_no_subject_and_hardly_more_than_a_link(subject: str, body: str, rule: list[str]) -> None:
    assert await found(head(f"Subject: {subject}"), body.encode()) == rule


def test_addresses_are_taken_as_they_come() -> None:
    written = '"a, b" <one@a.example>, <two@b.example>, (c) three@c.example'
    assert [str(one) for one in addresses(written)] == ["one@a.example", "two@b.example"]
    assert [str(one) for one in addresses("one@a.example, two@b.example")] == ["one@a.example", "two@b.example"]
    assert addresses("<not one>") == []
    assert addresses('<one@a.example>, "no end \\" <two@b.example>') == addresses("<one@a.example>")
    assert addresses('"\\' * 4000) == [], "read once, not once for each quote"


async def test_only_the_first_part_of_a_body_is_read() -> None:
    filler = b"x" * 99 + b"\n"
    late = filler * (FIRST_OCTETS // 100 + 1) + attachment('attachment; filename="late.exe"')
    assert await found(body=late) == []
    assert len(case(body=[filler] * 5000).opening) == FIRST_OCTETS


@given(st.binary(max_size=400), st.binary(max_size=400))
async def test_whatever_comes_is_looked_at_without_a_fault(head: bytes, body: bytes) -> None:
    await Content().look(case(head=head + b"\r\n\r\n", body=body))
    await Content().look(case(head=b"From:" + head + b"\r\n\r\n", body=b"Content-Type: a; name*=" + body))
