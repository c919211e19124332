r"""The reader after DATA: only CR LF . CR LF ends a message, and a message cut anywhere is the same message."""

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.smtp.data import whole_message
from tierii_mta.smtp.data_reader import DataReader, Faults, with_crlf

STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n)")
PARTS = [b"\r", b"\n", b"\r\n", b".", b"..", b"x", b"\0", b"\r\n.\r\n", b"\r\n.", b"\r\n..", b"\x85", b" ", b"y" * 999]
WIRE = st.lists(st.sampled_from(PARTS) | st.binary(max_size=8), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def read(wire: bytes, cuts: list[int]) -> tuple[bytes, bytes, DataReader]:
    """Return the message, what is behind it, and the reader."""
    reader, pieces = DataReader(), []
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    for start, end in pairwise(edges):
        piece, rest = reader.feed(wire[start:end])
        pieces.append(piece)
        if reader.is_over:
            return b"".join(pieces), rest + wire[end:], reader
        assert rest == b""
    return b"".join(pieces), b"", reader


def plainly_read(wire: bytes) -> tuple[bytes, bytes] | None:
    """Read by the letter of RFC 5321 §4.5.2; None: there is no end."""
    lines, end, rest = (b"\r\n" + wire).partition(b"\r\n.\r\n")
    if not end:
        return None
    message = re.sub(rb"\r\n\.(?![\r\n])", b"\r\n", lines)
    return (message + b"\r\n")[2:], rest


def plain_faults(message: bytes) -> Faults:
    longest = max(len(line.removesuffix(b"\r")) for line in message.split(b"\n"))
    return Faults(
        has_bare_cr=re.search(rb"\r(?!\n)", message) is not None,
        has_bare_lf=re.search(rb"(?<!\r)\n", message) is not None,
        has_nul=b"\0" in message,
        longest_line=longest if longest > 998 else 0,
    )


@settings(max_examples=300)
@given(WIRE, CUTS)
def test_whatever_comes_is_read_by_the_letter_wherever_it_is_cut(wire: bytes, cuts: list[int]) -> None:
    wire += b"\r\n.\r\nNOOP\r\n"
    message, rest, reader = read(wire, cuts)
    assert (message, rest) == plainly_read(wire)
    assert reader.size == len(message)
    assert reader.faults == plain_faults(message)
    assert reader.faults.is_clean == (not STRAY.search(message) and b"\0" not in message)


@given(WIRE)
def test_octet_by_octet_no_more_than_four_are_held_back(wire: bytes) -> None:
    reader, given_back = DataReader(), 0
    for count in range(len(wire)):
        piece, _ = reader.feed(wire[count : count + 1])
        given_back += len(piece)
        if reader.is_over:
            return
        dots = wire[: count + 1].count(b"\n.") + wire.startswith(b".")
        assert count + 1 - given_back - dots <= 4


@settings(max_examples=300)
@given(WIRE, CUTS)
def test_what_our_client_stuffs_comes_out_again(message: bytes, cuts: list[int]) -> None:
    clean = with_crlf(message)
    clean += b"" if not clean or clean.endswith(b"\r\n") else b"\r\n"
    back, rest, reader = read(whole_message(message), cuts)
    assert back == clean
    assert rest == b""
    assert not reader.faults.has_bare_cr
    assert not reader.faults.has_bare_lf


@settings(max_examples=200)
@given(WIRE, CUTS)
def test_pieces_made_clean_one_by_one_are_the_message_made_clean(wire: bytes, cuts: list[int]) -> None:
    wire = wire.replace(b"\r\n.\r\n", b"") + b"\r\n.\r\n"
    reader, pieces = DataReader(), []
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    for start, end in pairwise(edges):
        if not reader.is_over:
            pieces.append(reader.feed(wire[start:end])[0])
    assert b"".join(map(with_crlf, pieces)) == with_crlf(b"".join(pieces))
    assert not STRAY.search(with_crlf(b"".join(pieces)))


def test_clean_octets_are_not_copied() -> None:
    message = b"a\r\nb\r\n"
    assert with_crlf(message) is message


@pytest.mark.parametrize("wire", [b".\r\n", b"\r\n.\r\n", b"..\r\n.\r\n", b"...\r\n.\r\n"])
def test_the_first_line_may_be_the_lone_dot(wire: bytes) -> None:
    assert read(wire, [])[0] == {3: b"", 5: b"\r\n", 7: b".\r\n", 8: b"..\r\n"}[len(wire)]


@pytest.mark.parametrize("edge", range(65_530, 65_545))
def test_an_end_at_the_edge_of_a_piece_is_an_end(edge: int) -> None:
    wire = b"x" * (edge - 5) + b"\r\n.\r\nQUIT\r\n"
    message, rest, reader = read(wire, [65_536])
    assert reader.is_over
    assert (len(message), rest) == (edge - 3, b"QUIT\r\n")


@pytest.mark.parametrize(
    ("lines", "longest"),
    [
        ([998], 0),
        ([999], 999),
        ([5000, 10, 6000, 10], 6000),
        ([0] * 5000 + [1500], 1500),
        ([1500] + [0] * 5000, 1500),
        ([200_000, 3], 200_000),
    ],
)
def test_the_longest_line_is_measured_over_all_pieces(lines: list[int], longest: int) -> None:
    for line_end in (b"\r\n", b"\n"):
        wire = b"".join(b"x" * octets + line_end for octets in lines) + b"\r\n.\r\n"
        for size in (1000, 65_536):
            reader = read(wire, list(range(0, len(wire), size)))[2]
            assert reader.faults.longest_line == longest


def _cpu_seconds(wire: bytes) -> float:
    """Return the least of some runs, so that a busy machine does not matter."""

    def once() -> float:
        reader, begun = DataReader(), time.process_time()
        for start in range(0, len(wire), 65_536):
            reader.feed(wire[start : start + 65_536])
        return time.process_time() - begun

    return min(once() for _ in range(3))


@pytest.mark.parametrize(
    "part", [b"\r\n", b"x", b"\r\n.", b"\r\n..", b"\r", b"\n", b"\0", b"\r\n.\r", b"text " * 15 + b"\r\n"]
)
def test_reading_takes_time_in_proportion_to_the_message(part: bytes) -> None:
    once = part * (2 << 20 >> len(part).bit_length())
    assert _cpu_seconds(once * 4) < 12 * _cpu_seconds(once)  # quadratic would be sixteen times, and more
