"""Transcripts: what operators read of an attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.smtp.talk import Exchange, Said, Speaker, render

PEER, WE, NOTE = Speaker.PEER, Speaker.WE, Speaker.NOTE
OPENING: Said = [(PEER, b"220 mx ready\r\n"), (WE, b"EHLO us\r\n"), (PEER, b"250-mx\r\n250 PIPELINING\r\n")]


def lines(said: Said, opening: Said = OPENING) -> list[str]:
    return render([Exchange("mx.example", "192.0.2.1", opening, said)]).splitlines()


def test_each_line_says_who_spoke_and_to_whom() -> None:
    said = [
        (WE, b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"),
        (PEER, b"250 ok\r\n250 ok\r\n354 go\r\n"),
        (PEER, b"250 2.0.0 queued\r\n"),
    ]
    assert lines(said) == [
        "- mx.example [192.0.2.1]",
        "< 220 mx ready",
        "> EHLO us",
        "< 250-mx",
        "< 250 PIPELINING",
        "> MAIL FROM:<a@b.example>",
        "> RCPT TO:<c@d.example>",
        "> DATA",
        "< 250 ok",
        "< 250 ok",
        "< 354 go",
        "- the message",
        "< 250 2.0.0 queued",
    ]


def test_a_line_that_came_in_pieces_is_one_and_what_broke_off_is_shown() -> None:
    assert lines([(PEER, b"450 try"), (PEER, b" later\r\n421 go"), (NOTE, b"TLS begins")], []) == [
        "- mx.example [192.0.2.1]",
        "< 450 try later",
        "- TLS begins",
        "< 421 go",
    ]


def test_no_secret_is_shown() -> None:
    assert lines([(WE, b"AUTH PLAIN AGEAYg==\r\nauth login\r\n")], [])[1:] == ["> AUTH …"] * 2


@pytest.mark.parametrize("octets", [b"250 \x1b[2J\x00\r\n", "250 grün\u202e\r\n".encode(), b"250 \xff\r\n"])
def test_nothing_a_peer_says_reaches_a_terminal_or_a_database_unescaped(octets: bytes) -> None:
    assert all(line.isprintable() for line in lines([(PEER, octets)]))


def test_of_a_long_talk_the_beginning_and_the_end_are_kept() -> None:
    text = render([Exchange("mx.example", "192.0.2.1", OPENING, [(PEER, b"250-more\r\n" * 5000 + b"550 no\r\n")])])
    assert len(text) < 8300
    assert text.splitlines()[1] == "< 220 mx ready"
    assert text.splitlines()[-1] == "< 550 no"
    assert "characters are left out" in text


def test_a_session_that_was_open_says_so() -> None:
    assert render([Exchange("mx.example", "192.0.2.1", OPENING, [], is_reused=True)]).splitlines()[0] == (
        "- mx.example [192.0.2.1], a session that was open"
    )


def test_where_nobody_was_reached_there_is_nothing_to_tell() -> None:
    assert render([]) == ""


@given(st.lists(st.tuples(st.sampled_from(Speaker), st.binary(max_size=60))))
def test_any_octets_become_printable_lines(said: Said) -> None:
    assert all(line.isprintable() for line in lines(said))
