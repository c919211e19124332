"""Lines come out as they went in, however they were cut; a line without end takes no room."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.smtp.line_buffer import OVERLONG, LineBuffer

MOST = 10
OCTETS = st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"bc", b"x" * 9, b"x" * 10, b"x" * 25]), max_size=20).map(
    b"".join
)


def taken(octets: bytes, cuts: list[int], most: int = MOST) -> tuple[list[bytes], int]:
    """Return the lines of octets cut at some places, and how much waited at most."""
    buffer, lines, waited = LineBuffer(), [], 0
    edges = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    for start, end in pairwise(edges):
        buffer.add(octets[start:end])
        while (line := buffer.take_line(most)) is not None:
            lines.append(line)
        waited = max(waited, len(buffer))
    return lines, waited


@given(OCTETS, st.lists(st.integers(0, 200), max_size=10))
def test_lines_cut_anywhere_are_the_same_lines(octets: bytes, cuts: list[int]) -> None:
    whole = [line if len(line) <= MOST else OVERLONG for line in octets.splitlines(keepends=True) if b"\n" in line]
    lines, waited = taken(octets, cuts)
    assert lines == whole
    assert waited <= MOST


def test_a_line_of_the_full_length_is_taken_and_one_more_is_not() -> None:
    assert taken(b"12345678\r\n123456789\r\nok\n", []) == ([b"12345678\r\n", OVERLONG, b"ok\n"], 0)


def test_a_line_without_end_takes_no_room_and_is_told_once() -> None:
    buffer = LineBuffer()
    for _ in range(1000):
        buffer.add(b"x" * 100)
        assert buffer.take_line(MOST) is None
        assert len(buffer) <= MOST
    buffer.add(b"x\nnext\n")
    assert [buffer.take_line(MOST), buffer.take_line(MOST), buffer.take_line(MOST)] == [OVERLONG, b"next\n", None]


def test_what_waits_may_be_taken_as_it_is() -> None:
    buffer = LineBuffer()
    buffer.add(b"line\nmessage")
    assert buffer.take_line(MOST) == b"line\n"
    assert buffer.take_all() == b"message"
    assert len(buffer) == 0
    assert buffer.take_all() == b""
