"""Replies: read whole whatever the pieces, bounded whatever the peer, and safe to log whatever the bytes."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.mail.reply import EnhancedCode, Reply
from tierii_mta.smtp import limits
from tierii_mta.smtp.replies import MalformedReply, ReplyReader


def read_all(octets: bytes, cuts: list[int] | None = None) -> list[Reply]:
    reader = ReplyReader()
    replies = []
    edges = [0, *sorted(min(cut, len(octets)) for cut in cuts or []), len(octets)]
    for start, end in pairwise(edges):
        reader.feed(octets[start:end])
        while (reply := reader.next_reply()) is not None:
            replies.append(reply)
    return replies


def test_a_reply_is_its_code_its_enhanced_code_and_its_lines() -> None:
    assert read_all(b"550 5.1.1 no such user\r\n") == [Reply(550, ("no such user",), EnhancedCode(5, 1, 1))]


def test_the_enhanced_code_is_split_off_each_line() -> None:
    [reply] = read_all(b"550-5.7.1 We do not know you.\r\n550-5.7.1\r\n550 5.7.1 See https://example.com/\r\n")
    assert reply == Reply(550, ("We do not know you.", "", "See https://example.com/"), EnhancedCode(5, 7, 1))


def test_a_line_with_another_enhanced_code_stays_whole() -> None:
    [reply] = read_all(b"550-5.7.1 no\r\n550 5.7.26 no, really\r\n")
    assert reply.lines == ("no", "5.7.26 no, really")


@pytest.mark.parametrize("octets", [b"250\r\n", b"250 \r\n", b"250\n"])
def test_a_reply_without_text_is_a_reply(octets: bytes) -> None:
    assert read_all(octets) == [Reply(250, ("",))]


def test_a_version_number_is_no_enhanced_code() -> None:
    assert read_all(b"220 2.0.0.example ESMTP\r\n") == [Reply(220, ("2.0.0.example ESMTP",))]


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"25\r\n", "not a reply"),
        (b"\r\n", "not a reply"),
        (b"hello\r\n", "not a reply"),
        (b"2500 ok\r\n", "not a reply"),
        (b"150 wait\r\n", "not a reply"),
        (b"600 ok\r\n", "not a reply"),
        (b"\xb2\xb5\xb0 ok\r\n", "not a reply"),
        (b"250-ok\r\n550 no\r\n", "code changes from 250 to 550"),
        (b"250-ok\r\nok\r\n", "not a reply"),
    ],
)
def test_what_is_no_reply_is_named(octets: bytes, what: str) -> None:
    with pytest.raises(MalformedReply, match=what):
        read_all(octets)


def test_a_reply_of_too_many_lines_is_refused() -> None:
    assert len(read_all(b"220-x\r\n" * (limits.REPLY_LINES - 1) + b"220 x\r\n")[0].lines) == limits.REPLY_LINES
    with pytest.raises(MalformedReply, match="100 lines"):
        read_all(b"220-x\r\n" * limits.REPLY_LINES + b"220 x\r\n")


@pytest.mark.parametrize(
    "octets", [b"x" * 40_000, b"250 " + b"x" * 40_000 + b"\r\n", (b"250-" + b"x" * 999 + b"\n") * 40]
)
def test_a_reply_of_too_many_octets_is_refused_before_it_ends(octets: bytes) -> None:
    with pytest.raises(MalformedReply, match="32768 octets"):
        read_all(octets, list(range(0, len(octets), 1000)))


def test_many_replies_in_one_buffer_are_not_one_long_reply() -> None:
    assert len(read_all(b"250 2.0.0 ok\r\n" * 10_000)) == 10_000


def test_text_is_safe_for_logs() -> None:
    [reply] = read_all(b"550 a\0b\x1b[31m \xff \xc3\xa9 \xe2\x80\xa8 \x7f\t.\r\n")
    assert reply.text == "a\\x00b\\x1b[31m \\xff é \\u2028 \\x7f\\t."


def test_an_error_quotes_little_of_the_peer_and_safely() -> None:
    with pytest.raises(MalformedReply) as raised:
        read_all(b"\0" * 1000 + b"\r\n")
    assert len(str(raised.value)) < 120
    assert str(raised.value).isprintable()


CODES = st.integers(200, 599)
TEXTS = st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b""))


@settings(max_examples=200)
@given(st.lists(st.tuples(CODES, st.lists(TEXTS, min_size=1, max_size=5)), max_size=5), st.lists(st.integers(0, 300)))
def test_replies_do_not_depend_on_how_the_bytes_are_cut(spoken: list[tuple[int, list[bytes]]], cuts: list[int]) -> None:
    octets = b"".join(
        b"%d%s%s\r\n" % (code, b" " if number == len(texts) - 1 else b"-", text)
        for code, texts in spoken
        for number, text in enumerate(texts)
    )
    whole = read_all(octets)
    assert read_all(octets, cuts) == whole
    assert [(reply.code, len(reply.lines)) for reply in whole] == [(code, len(texts)) for code, texts in spoken]
    assert all(line.isprintable() for reply in whole for line in reply.lines)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"250 ok\r\n", b"250-", b"\r\n", b"354 go\n", b"550"])))
def test_any_bytes_give_replies_within_the_limits_or_a_printable_complaint(pieces: list[bytes]) -> None:
    try:
        replies = read_all(b"".join(pieces))
    except MalformedReply as error:
        complaint = str(error)
        replies = []
    else:
        complaint = ""
    assert complaint.isprintable()
    assert all(200 <= reply.code < 600 and len(reply.lines) <= limits.REPLY_LINES for reply in replies)
