r"""The writer after DATA: no message can be read as two, and every message comes out as it went in."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.smtp.data import DataWriter, whole_message

STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n)")
BODIES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"x", b"\0", b"\r\n.\r\n", b"\x85", b"\xe2\x80\xa8", b" "])
    | st.binary(max_size=8),
    max_size=40,
).map(b"".join)
# Ends of data that some server somewhere has taken for one (SMTP smuggling).
SMUGGLING = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\r.\r\n", b"\r\n.\rx", b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n", b"\r\r\n.\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n. \r\n", b"\x0b.\x0b", b"\n\r.\n\r",
]  # fmt: skip


def in_pieces(message: bytes, cuts: list[int]) -> bytes:
    writer = DataWriter()
    edges = [0, *sorted(min(cut, len(message)) for cut in cuts), len(message)]
    return b"".join([*(writer.feed(message[a:b]) for a, b in pairwise(edges)), writer.finish()])


def unstuffed(wire: bytes) -> bytes:
    """Read as a server does: lines up to the lone dot, a leading dot removed."""
    assert wire.endswith(b".\r\n")
    lines = wire.split(b"\r\n")[:-2]
    assert b"." not in lines, "a lone dot inside the message"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)


def normalised(message: bytes) -> bytes:
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    return lines if not lines or lines.endswith(b"\r\n") else lines + b"\r\n"


@settings(max_examples=200)
@given(BODIES)
def test_no_stray_line_end_is_ever_written_and_reading_gives_the_message_back(message: bytes) -> None:
    wire = whole_message(message)
    assert not STRAY.search(wire)
    assert unstuffed(wire) == normalised(message)


@settings(max_examples=200)
@given(BODIES, st.lists(st.integers(0, 200), max_size=10))
def test_pieces_cut_anywhere_give_the_same_bytes(message: bytes, cuts: list[int]) -> None:
    assert in_pieces(message, cuts) == whole_message(message)


@pytest.mark.parametrize("payload", SMUGGLING)
def test_a_smuggled_end_of_data_stays_data_wherever_it_is_cut(payload: bytes) -> None:
    message = b"body" + payload + b"MAIL FROM:<evil@example.com>\r\n"
    for cut in range(len(message) + 1):
        wire = in_pieces(message, [cut])
        assert not STRAY.search(wire)
        assert wire.count(b"\r\n.\r\n") == 1
        assert unstuffed(wire) == normalised(message)


def test_an_empty_message_is_a_lone_dot() -> None:
    assert whole_message(b"") == in_pieces(b"", []) == b".\r\n"


def test_a_first_line_of_a_dot_is_doubled() -> None:
    assert whole_message(b".\r\n") == b"..\r\n.\r\n"


def test_a_clean_message_is_not_touched() -> None:
    message = b"Subject: hi\r\n\r\nhello\r\n"
    assert whole_message(message) == message + b".\r\n"
