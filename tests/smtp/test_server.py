"""The engine as a whole: what waits is taken one by one, and nothing but the client's own octets moves it."""

import base64
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialogues.engine import Owner
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.dialogue import (
    Abandoned,
    Closing,
    Credentials,
    DataAsked,
    Introduced,
    MessageEnded,
    Piece,
    Rules,
    State,
    TlsAgreed,
)
from tierii_mta.smtp.requests import Mail, Recipient
from tierii_mta.smtp.server import Server

RULES = Rules(name="mx.example.test", has_tls=True, has_auth=True, auth_needs_tls=False)
OK = Reply.of(250, "ok", "2.0.0")
GO = Reply.of(354, "go")


def greeted(rules: Rules = RULES) -> Server:
    server = Server(rules)
    server.greet()
    server.take_output()
    return server


def at_data(server: Server) -> None:
    """Lead a server up to the question whether the message may come."""
    server.receive(b"EHLO client.example\r\n")
    assert isinstance(server.next_event(), Introduced)
    server.receive(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
    for kind in (Mail, Recipient):
        assert isinstance(server.next_event(), kind)
        server.answer(OK)
    assert isinstance(server.next_event(), DataAsked)
    server.take_output()


def test_commands_sent_ahead_are_taken_one_answer_after_the_other() -> None:
    server = greeted()
    server.receive(b"EHLO client.example\r\n")
    server.next_event()
    server.receive(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\n")
    assert isinstance(server.next_event(), Mail)
    assert server.is_asking
    assert server.waiting == len(b"RCPT TO:<b@example.test>\r\n")
    assert server.next_event() is None
    server.answer(OK)
    assert isinstance(server.next_event(), Recipient)


def test_a_message_comes_in_pieces_and_is_answered_once() -> None:
    server = greeted()
    at_data(server)
    server.answer(GO)
    server.receive(b"one\r\n")
    assert server.next_event() == Piece(b"one")
    server.receive(b"..two\r\n.\r\nNOOP\r\n")
    assert server.next_event() == Piece(b"\r\n.two\r\n")
    ended = server.next_event()
    assert isinstance(ended, MessageEnded)
    assert ended.size == 11
    assert server.next_event() is None
    server.answer(OK)
    assert server.next_event() is None
    assert server.take_output() == b"354 go\r\n250 2.0.0 ok\r\n250 2.0.0 Ok\r\n"


@pytest.mark.parametrize("answer", [GO, Reply.of(451, "no", "4.3.0")], ids=str)
def test_octets_that_come_while_data_is_judged_end_the_session(answer: Reply) -> None:
    server = greeted()
    at_data(server)
    server.receive(b"MAIL FROM:<evil@example.net>\r\n")
    server.answer(answer)
    assert server.take_output().startswith(b"554 5.5.0")
    assert isinstance(server.next_event(), Closing)
    assert server.state is State.CLOSED


def test_octets_that_come_while_credentials_are_judged_end_the_session() -> None:
    server = greeted()
    server.receive(b"EHLO client.example\r\n")
    server.next_event()
    server.receive(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n")
    assert isinstance(server.next_event(), Credentials)
    server.receive(b"MAIL FROM:<a@example.net>\r\n")
    server.answer(Reply.of(235, "welcome", "2.7.0"))
    assert not server.conversation.is_authenticated
    assert server.state is State.CLOSED


def test_octets_between_starttls_and_the_handshake_end_the_session() -> None:
    server = greeted()
    server.receive(b"EHLO client.example\r\n")
    server.next_event()
    server.receive(b"STARTTLS\r\n")
    assert isinstance(server.next_event(), TlsAgreed)
    server.receive(b"MAIL FROM:<evil@example.net>\r\n")
    assert server.next_event() is None
    server.tls_started()
    assert isinstance(server.next_event(), Closing)
    assert not server.conversation.is_secure


def test_what_comes_before_the_greeting_ends_the_session_and_is_not_read() -> None:
    server = Server(RULES)
    server.receive(b"EHLO client.example\r\n")
    assert server.next_event() is None
    server.greet()
    assert server.take_output().startswith(b"554 5.5.0")
    assert isinstance(server.next_event(), Closing)


def test_a_closed_session_takes_and_says_nothing_more() -> None:
    server = greeted()
    server.receive(b"QUIT\r\nNOOP\r\n")
    assert isinstance(server.next_event(), Closing)
    server.take_output()
    assert server.next_event() is None
    assert server.waiting == 0
    server.receive(b"NOOP\r\n")
    server.count_error(100)
    server.close(Reply.of(421, "again", "4.3.2"))
    assert server.next_event() is None
    assert (server.waiting, server.take_output()) == (0, b"")


def test_the_owner_may_close_at_any_time_even_while_asked() -> None:
    server = greeted()
    at_data(server)
    server.close(Reply.of(421, "shutting down", "4.3.2"))
    assert server.take_output() == b"421 4.3.2 shutting down\r\n"
    assert not server.is_asking
    with pytest.raises(RuntimeError, match="nobody asked"):
        server.answer(OK)


def test_errors_that_only_the_owner_sees_end_the_session_too() -> None:
    server = greeted()
    server.count_error(RULES.errors - 1)
    assert server.state is State.GREETED
    server.count_error()
    assert server.take_output().startswith(b"421 4.7.0")


def test_a_line_without_end_takes_no_room() -> None:
    server = greeted()
    for _ in range(100):
        server.receive(b"x" * 65_536)
        assert server.next_event() is None
        assert server.waiting <= RULES.command_octets
    server.receive(b"\r\n")
    assert server.next_event() is None
    assert server.take_output().startswith(b"500 5.5.2")


@pytest.mark.parametrize(("quads", "reply"), [(3071, b"334 UGFz"), (3072, b"500 5.5.2")])
def test_an_answer_to_auth_fits_12288_octets_with_its_line_end(quads: int, reply: bytes) -> None:
    server = greeted()
    for line in (b"EHLO client.example", b"AUTH LOGIN", base64.b64encode(b"abc" * quads)):
        server.take_output()
        server.receive(line + b"\r\n")
        server.next_event()
    assert server.take_output().startswith(reply)


def test_an_idle_session_costs_less_than_two_kilobytes() -> None:
    server = greeted()
    server.receive(b"EHLO client.example\r\n")
    server.next_event()
    server.take_output()
    shared = {id(server.conversation.rules)}
    assert _size(server, shared) < 2048


def _size(thing: object, seen: set[int]) -> int:
    """Return the octets of an object and what it alone holds."""
    if id(thing) in seen or isinstance(thing, type | State) or thing is None:
        return 0
    seen.add(id(thing))
    held = [getattr(thing, name, None) for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    if isinstance(thing, list | tuple):
        held += thing
    return sys.getsizeof(thing) + sum(_size(each, seen) for each in held)


# --- a conversation cut anywhere

STORY = (
    b"EHLO client.example\r\n",
    b"NOOP\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<unknown@example.test>\r\nDATA\r\n",
    b"one\r\n..two\r\nthree\nfour\r\n.\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n",
    b".\r\nAUTH LOGIN\r\n",
    b"YWxpY2U=\r\n",
    b"c2VjcmV0\r\n",
    b"RSET\r\nnonsense\r\nQUIT\r\n",
)


def played(cuts: list[int]) -> tuple[bytes, list[bytes], list[type]]:
    """Return what is said, what is stored and which events occur when each packet is cut at some places."""
    owner = Owner(RULES, eol="normalize")
    owner.server.greet()
    said = b""
    for packet in STORY:
        edges = sorted({0, *(cut % len(packet) for cut in cuts), len(packet)})
        for start, end in pairwise(edges):
            owner.server.receive(packet[start:end])
            said += owner.attend()
    return said, owner.stored, [type(event) for event in owner.events if not isinstance(event, Piece)]


@settings(max_examples=100)
@given(st.lists(st.integers(0, 1000), max_size=30))
def test_a_conversation_cut_anywhere_is_the_same_conversation(cuts: list[int]) -> None:
    said, stored, events = played(cuts)
    assert (said, stored, events) == played([])
    assert stored == [b"one\r\n.two\r\nthree\r\nfour\r\n", b""]
    assert said.endswith(b"221 2.0.0 Bye\r\n")
    assert events.count(MessageEnded) == 2
    assert Abandoned not in events
