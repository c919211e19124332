"""Authentication-Results: written so that nothing is injected, read as in the wild, stripped of forgeries."""

import email
import email.policy
import re
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.authentication.results import MAX_VALUE, MethodResult, Property, write_results
from tierii_mta.authentication.results_reader import (
    MalformedResults,
    parse_results,
    split_fields,
    strip_results,
)
from tierii_mta.mail.header import MAX_LINE_OCTETS, parse_header_block

OURS = "mx.example.com"


def value_of(field: bytes) -> str:
    ((read,), _) = parse_header_block(field)
    return read.value.decode()


def spf(value: str, *, reason: str = "") -> MethodResult:
    return MethodResult(
        method="spf",
        result="pass",
        reason=reason,
        properties=(Property(kind="smtp", name="mailfrom", value=value),),
    )


def test_without_results_the_field_says_none() -> None:
    assert write_results(OURS, []) == b"Authentication-Results: mx.example.com;\r\n none\r\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("ana@example.com", "ana@example.com"),
        ("b=ana=example.net@example.com", "b=ana=example.net@example.com"),
        ("@example.com", "@example.com"),
        ("2001:db8::1", '"2001:db8::1"'),
        ('"a b"@example.com', '"\\"a b\\"@example.com"'),
        ("a; dkim=pass", '"a; dkim=pass"'),
        ("a\r\nX-Evil: b", '"a??X-Evil: b"'),
        ("a\0b\x85", '"a?b?"'),
        ("[192.0.2.1]", '"[192.0.2.1]"'),
        ("", '""'),
    ],
)
def test_a_value_stays_a_value_whatever_it_is(value: str, written: str) -> None:
    assert value_of(write_results(OURS, [spf(value)])) == f"{OURS}; spf=pass smtp.mailfrom={written}"


def test_our_own_name_is_one_word() -> None:
    with pytest.raises(ValueError, match="cannot stand for us"):
        write_results("mx.example.com; spf=pass", [])


def test_long_results_are_folded_between_words() -> None:
    field = write_results(OURS, [spf("a" * 40 + "@example.com", reason="because " * 3)] * 3)
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert len(parse_results(value_of(field)).results) == 3


_RESULTS = st.builds(
    MethodResult,
    method=st.sampled_from(["spf", "dkim", "dmarc", "arc", "iprev"]),
    result=st.sampled_from(["pass", "fail", "none"]),
    reason=st.text(max_size=40),
    properties=st.lists(
        st.builds(
            Property,
            kind=st.sampled_from(["smtp", "header", "policy"]),
            name=st.sampled_from(["mailfrom", "d", "oldest-pass"]),
            value=st.text(max_size=MAX_VALUE + 10),
        ),
        max_size=3,
    ).map(tuple),
)


@given(st.lists(_RESULTS, max_size=5))
def test_what_is_written_is_one_field_of_bounded_lines_and_is_read_as_it_was_meant(results: list[MethodResult]) -> None:
    field = write_results(OURS, results)
    assert max(map(len, field.split(b"\r\n"))) <= MAX_LINE_OCTETS
    read = parse_results(value_of(field))
    assert read.authserv_id == OURS
    assert [(each.method, each.result) for each in read.results] == [(each.method, each.result) for each in results]
    assert [[(p.kind, p.name) for p in each.properties] for each in read.results] == [
        [(p.kind, p.name) for p in each.properties] for each in results
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org 1; none", []),  # RFC 8601 B.2
        ("example.com; spf=pass smtp.mailfrom=example.net", [("spf", "pass", "", {"smtp.mailfrom": "example.net"})]),
        (
            'example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass reason="good stuff"',
            [("auth", "pass", "", {"smtp.auth": "sender@example.net"}), ("spf", "pass", "good stuff", {})],
        ),
        (  # RFC 8601 B.7
            "foo.example.net (foobar) 1 (baz); dkim (1) / 1 (2) = (3) fail policy (4) . (5) expired (6) = (7 (8)) 136",
            [("dkim", "fail", "", {"policy.expired": "136"})],
        ),
        (
            "mx.google.com; dkim=pass header.i=@example.com header.b=ab/c+d=; dmarc=pass (p=NONE) header.from=a.b",
            [
                ("dkim", "pass", "", {"header.i": "@example.com", "header.b": "ab/c+d="}),
                ("dmarc", "pass", "", {"header.from": "a.b"}),
            ],
        ),
        (
            "mx.microsoft.com 1; dmarc=bestguesspass action=none header.from=a.example;compauth=pass reason=100;",
            [("dmarc", "bestguesspass", "", {"header.from": "a.example"}), ("compauth", "pass", "100", {})],
        ),
        (
            'x; spf=pass smtp.mailfrom="john doe"@example.com',
            [("spf", "pass", "", {"smtp.mailfrom": "john doe@example.com"})],
        ),
        ('"quoted \\"id\\"" ;spf=none', [("spf", "none", "", {})]),
    ],
)
def test_fields_of_others_are_read(text: str, expected: list[tuple[str, str, str, dict[str, str]]]) -> None:
    assert [
        (each.method, each.result, each.reason, {f"{p.kind}.{p.name}": p.value for p in each.properties})
        for each in parse_results(text).results
    ] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "; spf=pass",
        "spf=pass smtp.mailfrom=a",
        "id x; spf=pass",
        "id; spf",
        "id; =pass",
        "id; spf=",
        "id; a b",
        "id; spf=pass a.b",
        "id; spf=pass (open",
        'id; spf=pass reason="open',
        '"id',
        "(id",
        "id; . ",
        "id" + ";a=b" * 200,
    ],
)
def test_what_is_no_such_field_is_refused(text: str) -> None:
    with pytest.raises(MalformedResults):
        parse_results(text)


@given(st.text(alphabet=st.sampled_from('ab;=./"\\() \t,1é\0'), max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(MalformedResults):
        parse_results(text)


OTHERS = (
    b"Subject: Authentication-Results: mx.example.com; spf=pass\r\n folded\r\n"
    b"ARC-Authentication-Results: i=1; mx.example.com; spf=pass\r\n"
)


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mx.example.com; spf=pass\r\n",
        b"authentication-RESULTS:mx.Example.COM;spf=pass\r\n",
        b"Authentication-Results : mx.example.com; spf=pass\r\n",
        b"Authentication-Results\r\n : mx.example.com; spf=pass\r\n",
        b" Authentication-Results: mx.example.com; spf=pass\r\n",
        b"\xef\xbb\xbfAuthentication-Results: mx.example.com; spf=pass\r\n",
        b"Authentication-Results\0: mx.example.com; spf=pass\r\n",
        b"Authentication-Results:\r\n\tmx.example.com;\r\n\tspf=pass\r\n",
        b"Authentication-Results: (a (nested) comment) mx.example.com (x) 1 (y); spf=pass\r\n",
        b'Authentication-Results: "mx.example.com"; spf=pass\r\n',
        b'Authentication-Results: "mx.exa\\mple.com"; spf=pass\r\n',
        b"Authentication-Results: mx.example.com.; spf=pass\r\n",
        b"Authentication-Results: mx.example.com\r\n",
        b"Authentication-Results: mx.example.com spf=pass\r\n",
        b"Authentication-Results: mx.example.com/1; spf=pass\r\n",
        b"Authentication-Results: mx. example.com; spf=pass\r\n",
        b"Authentication-Results: mx.(x)example.com; spf=pass\r\n",
        b"Authentication-Results: (unclosed mx.example.com; spf=pass\r\n",
        b"Authentication-Results: =?utf-8?b?bXguZXhhbXBsZS5jb20=?=; spf=pass\r\n",
        "Authentication-Results: ｍｘ.example.com; spf=pass\r\n".encode(),
        b"Authentication-Results: mx.ex\xffample.com; spf=pass\r\n",
        b"Authentication-Results: mx.example.com\x0b; spf=pass\r\n",
        b"Authentication-Results: ; mx.example.com; spf=pass\r\n",
        b"X-Other: text\rAuthentication-Results: mx.example.com; spf=pass\r\n",
        b"Authentication-Results: mx.example.com; spf=pass\n",
    ],
)
def test_what_could_be_read_as_ours_goes(field: bytes) -> None:
    end = b"\r\nAuthentication-Results: mx.example.com; in=body\r\n"
    assert strip_results(field + OTHERS + end, OURS) == OTHERS + end
    if not field.startswith(b" "):  # there it would continue the field before it
        assert strip_results(OTHERS + field + OTHERS, OURS) == OTHERS * 2


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mx.google.com; spf=pass smtp.helo=mx.example.com\r\n",
        b"Authentication-Results: example.com; spf=pass\r\n",
        b"Authentication-Results: a.mx.example.com; spf=pass\r\n",
        b'Authentication-Results: "other.example"; spf=pass (mx.example.com)\r\n',
        b"Authentication-Results: other.example 1; spf=pa\xffss\r\n",
        "Authentication-Results: bücher.example; spf=pass\r\n".encode(),
        b"Authentication-Results: spf=pass (no name) smtp.mailfrom=a.example\r\n".replace(b" (no name)", b""),
        b"Authentication-Results-2: mx.example.com; spf=pass\r\n",
        b"no field: at all\r\n",
        b"no field at all\r\n",
    ],
)
def test_what_others_say_stays(field: bytes) -> None:
    assert strip_results(OTHERS + field, OURS) == OTHERS + field


@given(
    st.lists(st.sampled_from([b"A: b", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"x", b"\0"]), max_size=30).map(
        b"".join
    )
)
def test_fields_that_are_split_are_the_header(head: bytes) -> None:
    assert b"".join(split_fields(head)) == head
    assert strip_results(head, OURS) == head


@given(st.binary(max_size=80))
def test_any_octets_can_be_stripped(octets: bytes) -> None:
    strip_results(b"Authentication-Results:" + octets + b"\r\nSubject: x\r\n", OURS)


def readings(field: bytes) -> list[str]:
    """Return what readers of several kinds take for the authserv-id."""
    value = email.message_from_bytes(field + b"\r\n", policy=email.policy.default).get("Authentication-Results", "")
    raw = field.partition(b":")[2].decode("utf-8", "replace").replace("\r\n", "")
    texts = [str(value), raw, re.sub(r"\([^()]*\)", "", raw), re.sub(r"\(.*?\)", "", raw), raw.replace("\\", "")]
    first = [text.partition(";")[0].strip() for text in texts]
    return [*first, *(text.strip('" ') for text in first), *((text.split() or [""])[0] for text in first)]


_WORDS = 'mx . example com mx.example.com MX.EXAMPLE.COM ( ) " \\ ; 1 spf=pass other.example é'
_ENCODED = "=?utf-8?q?mx.example.com?= =?utf-8?b?bXguZXhhbXBsZS5jb20=?="
_PIECES = st.sampled_from([*_WORDS.split(), *_ENCODED.split(), " ", "\r\n ", "\t", "\0"])


@settings(max_examples=200)
@given(st.lists(_PIECES, max_size=9).map("".join))
def test_no_reader_finds_our_name_in_a_field_that_is_left(value: str) -> None:
    field = f"Authentication-Results: {value}\r\n".encode()
    if strip_results(field, OURS):
        assert OURS not in [each.lower() for each in readings(field)]


@pytest.mark.parametrize(
    "piece", [b"(", b")", b'"', b"\\", b"()", b" ", b"\r\n ", b"\r", b"a.b=c ", b"a=b;", b"=?", b"/1", b"."]
)
@pytest.mark.parametrize("start", [b"Authentication-Results: ", b"Authentication-Results: id; a=b "])
def test_sixteen_times_the_field_costs_about_sixteen_times(start: bytes, piece: bytes) -> None:
    def cost(size: int) -> float:
        field = start + piece * size + b"\r\n"
        times = []
        for _ in range(3):
            begin = time.thread_time_ns()
            strip_results(field, OURS)
            with suppress(MalformedResults):
                parse_results(field.partition(b":")[2].decode())
            times.append(time.thread_time_ns() - begin)
        return min(times)

    assert cost(8_000) < 80 * max(cost(500), 20_000)
