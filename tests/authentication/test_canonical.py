"""Canonical forms are those of RFC 6376 and of dkimpy, and cost no more than their input is long."""

import time
from collections.abc import Callable

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from tests.authentication.messages import bodies, values
from tierii_mta.authentication.canonical import (
    Canonicalization,
    canonical_body,
    canonical_header,
    relaxed_body,
    relaxed_header,
    simple_body,
)

octets = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"a", b"b", b"\xfc"]), max_size=40).map(b"".join)


@given(octets.map(lambda body: body + b"\r\n") | bodies())
def test_bodies_become_what_dkimpy_makes_of_them(body: bytes) -> None:
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)
    assert simple_body(body) == Simple.canonicalize_body(body)


@given(st.sampled_from([b"Subject", b"X-Odd "]), values())
def test_fields_become_what_dkimpy_makes_of_them(name: bytes, value: bytes) -> None:
    ((expected_name, expected_value),) = Relaxed.canonicalize_headers([(name, value)])
    assert relaxed_header(name + b":" + value + b"\r\n") == expected_name + b":" + expected_value


@given(octets)
def test_the_relaxed_body_is_its_own_relaxed_form(body: bytes) -> None:
    assert relaxed_body(relaxed_body(body)) == relaxed_body(body)


def test_the_examples_of_the_rfc() -> None:
    """RFC 6376 §3.4.5."""
    assert relaxed_header(b"A: X\r\n") + relaxed_header(b"B : Y\t\r\n\tZ  \r\n") == b"a:X\r\nb:Y Z\r\n"
    assert canonical_header(b"B : Y\t\r\n\tZ  \r\n", Canonicalization.SIMPLE) == b"B : Y\t\r\n\tZ  \r\n"
    assert canonical_body(b" C \r\nD \t E\r\n\r\n\r\n", Canonicalization.RELAXED) == b" C\r\nD E\r\n"
    assert canonical_body(b" C \r\nD \t E\r\n\r\n\r\n", Canonicalization.SIMPLE) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize(
    ("body", "relaxed", "simple"),
    [
        (b"", b"", b"\r\n"),
        (b"\r\n\r\n", b"", b"\r\n"),
        (b" \r\n\t\r\n", b"", b" \r\n\t\r\n"),
        (b"no end", b"no end\r\n", b"no end\r\n"),
        (b"no end \t", b"no end\r\n", b"no end \t\r\n"),
        (b"bare\r\r\n", b"bare\r\r\n", b"bare\r\r\n"),
    ],
)
def test_the_ends_of_bodies(body: bytes, relaxed: bytes, simple: bytes) -> None:
    assert relaxed_body(body) == relaxed
    assert simple_body(body) == simple


def test_eighty_thousand_spaces_are_one() -> None:
    assert relaxed_body(b"a" + b" " * 80_000 + b"b\r\n") == b"a b\r\n"
    assert relaxed_body(b"a" + b" " * 80_000 + b"\r\n") == b"a\r\n"
    assert relaxed_header(b"A:x" + b"\t" * 80_000 + b"y\r\n") == b"a:x y\r\n"
    assert relaxed_body((b" " * 990 + b"\r\n") * 1000) == b""


def cost(work: Callable[[bytes], bytes], data: bytes) -> float:
    """Return the processor time of this thread, the least of seven runs."""
    times = []
    for _ in range(7):
        start = time.thread_time_ns()
        work(data)
        times.append(time.thread_time_ns() - start)
    return min(times)


@pytest.mark.parametrize(
    "make",
    [
        lambda size: b"a" + b" " * size + b"b\r\n",
        lambda size: b" " * size,
        lambda size: b" \t" * (size // 2) + b"\r\n",
        lambda size: (b" " * 990 + b"x\r\n") * (size // 990),
        lambda size: b"\r\n" * (size // 2) + b"x",
        lambda size: b"x" + b"\r\n" * (size // 2),
        lambda size: b"a " * (size // 2) + b"\r\n",
    ],
)
@pytest.mark.parametrize("work", [relaxed_body, simple_body, lambda data: relaxed_header(b"A:" + data)])
def test_sixteen_times_the_input_costs_about_sixteen_times(
    make: Callable[[int], bytes], work: Callable[[bytes], bytes]
) -> None:
    """A quadratic algorithm would cost 256 times as much; the ratio of processor times leaves room for noise."""
    small, large = cost(work, make(1 << 15)), cost(work, make(1 << 19))
    assert large < 80 * max(small, 2_000)
