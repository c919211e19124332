"""The client's dialogue, byte by byte and without a socket."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import DsnRequest, Envelope
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp import limits
from tierii_mta.smtp.client import AT_REST, MOVES, Client, Ended, State

ANNA, BEN, CARLA = (Address.parse(f"{name}@example.net") for name in ("anna", "ben", "carla"))
NEWS = Address.parse("news@example.com")
MESSAGE = b"Subject: hi\r\n\r\nhello\r\n"
EVERYTHING = b"250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 100000\r\n"
STEPWISE = b"250-mx\r\n250 8BITMIME\r\n"


def envelope(*recipients: Address, is_8bit: bool = False, size_bytes: int = 0) -> Envelope:
    return Envelope(reverse_path=NEWS, recipients=recipients or (ANNA,), size_bytes=size_bytes, is_8bit=is_8bit)


def ready(ehlo: bytes = EVERYTHING) -> Client:
    client = Client("mta.example.com")
    client.receive(b"220 mx ESMTP\r\n")
    assert client.take_output() == b"EHLO mta.example.com\r\n"
    client.receive(ehlo)
    assert (client.state, client.take_output()) == (State.READY, b"")
    return client


def say(client: Client, octets: bytes) -> bytes:
    """Let the peer speak; return what the client writes, the message included."""
    client.receive(octets)
    written = client.take_output()
    while client.wants_piece:
        written += client.next_piece()
    return written


def begin(client: Client, *recipients: Address, message: bytes = MESSAGE) -> bytes:
    client.begin(envelope(*recipients), message)
    return client.take_output()


def ended(client: Client) -> Ended:
    assert client.ended is not None
    return client.ended


def decided(client: Client) -> tuple[State, int, bool]:
    return ended(client).state, ended(client).reply.code, ended(client).is_local


# --- greeting, EHLO, STARTTLS


def test_every_state_that_awaits_a_reply_says_what_each_kind_of_reply_does() -> None:
    assert set(MOVES) | {State.CLOSED} == set(State)
    assert all(len(moves) == 4 for moves in MOVES.values())


@pytest.mark.parametrize("code", [b"500", b"501", b"502", b"504", b"550", b"554"])
def test_a_host_that_refuses_ehlo_is_asked_with_helo(code: bytes) -> None:
    client = Client("mta.example.com")
    say(client, b"220 mx\r\n")
    assert say(client, code + b" 5.5.1 what?\r\n") == b"HELO mta.example.com\r\n"
    say(client, b"250 mx\r\n")
    assert client.state is State.READY
    assert not client.extensions.keywords


def test_a_host_that_refuses_ehlo_for_now_is_not_asked_with_helo() -> None:
    client = Client("mta.example.com")
    say(client, b"220 mx\r\n")
    assert say(client, b"450 later\r\n") == b"QUIT\r\n"
    assert decided(client) == (State.EHLO, 450, False)
    assert client.state is State.CLOSED


@pytest.mark.parametrize("banner", [b"554 5.7.1 go away\r\n", b"421 4.3.2 busy\r\n", b"450 4.7.1 later\r\n"])
def test_a_refusing_banner_decides_the_connection(banner: bytes) -> None:
    client = Client("mta.example.com")
    say(client, banner)
    assert decided(client) == (State.GREETING, int(banner[:3]), False)
    assert client.state is State.CLOSED


@pytest.mark.parametrize("banner", [b"354 go\r\n", b"hello\r\n", b"+OK pop3 ready\r\n", b"SSH-2.0-x\r\n"])
def test_a_banner_of_another_protocol_is_an_error_of_ours_to_name(banner: bytes) -> None:
    client = Client("mta.example.com")
    assert say(client, banner) == b""
    assert decided(client) == (State.GREETING, 451, True)
    assert str(ended(client).reply.enhanced) == "4.5.0"


def test_extensions_are_read_whatever_their_case_and_spacing() -> None:
    client = ready(b"250-mx\r\n250-pipelining\r\n250-Size  1000 \r\n250-AUTH LOGIN PLAIN\r\n250-\xc3\xa9\r\n250 \r\n")
    assert dict(client.extensions.keywords) == {"PIPELINING": "", "SIZE": "1000", "AUTH": "LOGIN PLAIN"}
    assert client.extensions.has_pipelining
    assert client.extensions.size_limit == 1000


@pytest.mark.parametrize("size", [b"0", b"", b"unlimited", b"-1", b"\xc2\xb2", b"9" * 30])
def test_a_size_that_is_no_limit_limits_nothing(size: bytes) -> None:
    assert ready(b"250-mx\r\n250 SIZE " + size + b"\r\n").extensions.size_limit is None


def test_starttls_is_used_where_offered_and_ehlo_is_said_again_inside() -> None:
    client = Client("mta.example.com", wants_tls=True)
    say(client, b"220 mx\r\n")
    assert say(client, b"250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n") == b"STARTTLS\r\n"
    assert say(client, b"220 go\r\n") == b""
    states = [client.state]
    client.tls_started()
    assert client.take_output() == b"EHLO mta.example.com\r\n"
    assert not client.extensions.keywords
    say(client, b"250-mx\r\n250 STARTTLS\r\n")
    assert [*states, client.state] == [State.HANDSHAKE, State.READY]
    assert not client.extensions.has_pipelining


@pytest.mark.parametrize("after", [b"250 injected\r\n", b"2", b"\x16\x03"])
def test_bytes_after_the_reply_to_starttls_are_a_tls_failure(after: bytes) -> None:
    client = Client("mta.example.com", wants_tls=True)
    say(client, b"220 mx\r\n")
    say(client, b"250-mx\r\n250 STARTTLS\r\n")
    assert say(client, b"220 go\r\n" + after) == b""
    assert client.state is State.CLOSED
    assert ended(client).is_tls
    assert decided(client) == (State.STARTTLS, 451, True)


@pytest.mark.parametrize("reply", [b"454 4.7.0 TLS not available\r\n", b"502 what?\r\n", b"421 bye\r\n", b"354 go\r\n"])
def test_a_refused_starttls_is_a_tls_failure(reply: bytes) -> None:
    client = Client("mta.example.com", wants_tls=True)
    say(client, b"220 mx\r\n")
    say(client, b"250-mx\r\n250 STARTTLS\r\n")
    say(client, reply)
    assert client.state is State.CLOSED
    assert ended(client).is_tls


@pytest.mark.parametrize("ehlo", [EVERYTHING, b"502 what?\r\n"])
def test_required_tls_that_is_not_offered_ends_the_connection(ehlo: bytes) -> None:
    client = Client("mta.example.com", wants_tls=True, requires_tls=True)
    say(client, b"220 mx\r\n")
    say(client, ehlo)
    say(client, b"250 mx\r\n")
    assert client.state is State.CLOSED
    assert ended(client).is_tls
    assert str(ended(client).reply.enhanced) == "4.7.4"


# --- transactions


def test_with_pipelining_the_envelope_is_one_write_and_the_message_another() -> None:
    client = ready()
    assert begin(client, ANNA, BEN) == (
        b"MAIL FROM:<news@example.com> SIZE=22\r\nRCPT TO:<anna@example.net>\r\nRCPT TO:<ben@example.net>\r\nDATA\r\n"
    )
    assert say(client, b"250 ok\r\n250 ok\r\n250 ok\r\n") == b""
    assert say(client, b"354 go\r\n") == MESSAGE + b".\r\n"
    assert client.dot_written
    assert say(client, b"250 2.0.0 queued\r\n") == b""
    assert decided(client) == (State.DOT, 250, False)
    assert client.is_reusable


def test_without_pipelining_every_command_waits_for_its_reply() -> None:
    client = ready(STEPWISE)
    assert begin(client, ANNA, BEN) == b"MAIL FROM:<news@example.com>\r\n"
    assert say(client, b"250 ok\r\n") == b"RCPT TO:<anna@example.net>\r\n"
    assert say(client, b"250 ok\r\n") == b"RCPT TO:<ben@example.net>\r\n"
    assert say(client, b"250 ok\r\n") == b"DATA\r\n"
    assert say(client, b"354 go\r\n") == MESSAGE + b".\r\n"
    say(client, b"250 ok\r\n")
    assert decided(client) == (State.DOT, 250, False)


def test_transactions_follow_each_other_without_rset() -> None:
    client = ready()
    for _ in range(3):
        assert begin(client).startswith(b"MAIL")
        say(client, b"250 ok\r\n250 ok\r\n354 go\r\n")
        say(client, b"250 ok\r\n")
        assert decided(client) == (State.DOT, 250, False)


@pytest.mark.parametrize("code", [b"200", b"250", b"251", b"252", b"299"])
def test_any_2xx_after_the_dot_is_success(code: bytes) -> None:
    client = ready()
    begin(client)
    say(client, b"250 ok\r\n250 ok\r\n354 go\r\n")
    say(client, code + b" ok\r\n")
    assert decided(client) == (State.DOT, int(code), False)
    assert client.is_reusable


@pytest.mark.parametrize("ehlo", [EVERYTHING, STEPWISE])
@pytest.mark.parametrize("code", [b"450", b"552", b"550"])
def test_a_refused_sender_decides_and_needs_no_rset(ehlo: bytes, code: bytes) -> None:
    client = ready(ehlo)
    begin(client)
    say(client, code + b" no\r\n" + (b"503 no\r\n503 no\r\n" if ehlo is EVERYTHING else b""))
    assert decided(client) == (State.MAIL, int(code), False)
    assert not client.recipients
    assert begin(client).startswith(b"MAIL")


@pytest.mark.parametrize("ehlo", [EVERYTHING, STEPWISE])
@pytest.mark.parametrize("refusal", [b"550 5.1.1 unknown", b"452 4.5.3 too many", b"552 5.2.2 full", b"450 4.2.1 busy"])
def test_a_refused_recipient_does_not_stop_the_others(ehlo: bytes, refusal: bytes) -> None:
    client = ready(ehlo)
    begin(client, ANNA, BEN, CARLA)
    written = b""
    for reply in (b"250 ok", b"251 ok", refusal, b"250 ok", b"354 go"):
        written += say(client, reply + b"\r\n")
    assert written.endswith(MESSAGE + b".\r\n")
    say(client, b"250 ok\r\n")
    assert [client.recipients[to].code for to in (ANNA, BEN, CARLA)] == [251, int(refusal[:3]), 250]
    assert decided(client) == (State.DOT, 250, False)
    assert begin(client).startswith(b"MAIL")


def test_when_all_recipients_are_refused_a_354_is_answered_with_a_lone_dot() -> None:
    client = ready()
    begin(client, ANNA, BEN)
    assert say(client, b"250 ok\r\n550 no\r\n450 no\r\n354 go\r\n") == b".\r\n"
    assert client.state is State.DOT
    assert not client.dot_written
    say(client, b"554 5.5.1 no valid recipients\r\n")
    assert decided(client) == (State.RCPT, 550, False)
    assert client.is_reusable
    assert begin(client).startswith(b"MAIL")


def test_a_host_that_takes_the_lone_dot_for_a_message_delivered_nothing() -> None:
    client = ready()
    begin(client)
    say(client, b"250 ok\r\n550 no\r\n354 go\r\n")
    say(client, b"250 queued\r\n")
    assert decided(client) == (State.RCPT, 550, False)


def test_when_all_recipients_are_refused_an_open_transaction_is_reset_with_the_next_one() -> None:
    client = ready()
    begin(client)
    say(client, b"250 ok\r\n550 no\r\n554 no valid recipients\r\n")
    assert decided(client) == (State.RCPT, 550, False)
    assert begin(client).startswith(b"RSET\r\nMAIL FROM")
    say(client, b"250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    say(client, b"250 ok\r\n")
    assert decided(client) == (State.DOT, 250, False)


def test_without_pipelining_data_is_not_said_for_nobody_and_rset_waits_for_its_reply() -> None:
    client = ready(STEPWISE)
    begin(client)
    say(client, b"250 ok\r\n")
    assert say(client, b"550 no\r\n") == b""
    assert decided(client) == (State.RCPT, 550, False)
    assert begin(client) == b"RSET\r\n"
    assert say(client, b"250 ok\r\n") == b"MAIL FROM:<news@example.com>\r\n"


def test_a_refused_data_decides_and_leaves_a_transaction_to_reset() -> None:
    client = ready()
    begin(client)
    say(client, b"250 ok\r\n250 ok\r\n451 4.3.0 not now\r\n")
    assert decided(client) == (State.DATA, 451, False)
    assert not client.dot_written
    assert begin(client).startswith(b"RSET\r\n")


def test_a_refused_rset_closes_before_anything_is_judged() -> None:
    client = ready()
    begin(client)
    say(client, b"250 ok\r\n250 ok\r\n451 4.3.0 not now\r\n")
    begin(client)
    assert say(client, b"500 what?\r\n250 ok\r\n250 ok\r\n354 go\r\n") == b""
    assert ended(client).state is State.RSET
    assert client.state is State.CLOSED


@pytest.mark.parametrize("code", [b"451", b"554"])
def test_a_refusal_after_the_dot_decides_and_the_session_goes_on(code: bytes) -> None:
    client = ready()
    begin(client)
    say(client, b"250 ok\r\n250 ok\r\n354 go\r\n")
    say(client, code + b" no\r\n")
    assert decided(client) == (State.DOT, int(code), False)
    assert client.dot_written
    assert begin(client).startswith(b"MAIL")


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (b"", State.MAIL),
        (b"250 ok\r\n", State.RCPT),
        (b"250 ok\r\n250 ok\r\n", State.RCPT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n", State.DATA),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", State.DOT),
    ],
)
@pytest.mark.parametrize("ehlo", [EVERYTHING, STEPWISE])
def test_421_closes_whatever_it_answers(before: bytes, state: State, ehlo: bytes) -> None:
    client = ready(ehlo)
    begin(client, ANNA, BEN)
    for line in before.splitlines(keepends=True):
        say(client, line)
    say(client, b"421 4.3.2 closing\r\n")
    assert decided(client) == (state, 421, False)
    assert client.state is State.CLOSED
    assert client.quit() == b""


def test_421_for_one_recipient_keeps_the_refusal_of_another() -> None:
    client = ready()
    begin(client, ANNA, BEN, CARLA)
    say(client, b"250 ok\r\n550 5.1.1 unknown\r\n421 4.7.0 too many\r\n")
    assert client.recipients[ANNA].code == 550
    assert CARLA not in client.recipients
    assert decided(client) == (State.RCPT, 421, False)


@pytest.mark.parametrize(
    ("replies", "state"),
    [
        (b"354 go\r\n", State.MAIL),
        (b"250 ok\r\n354 go\r\n", State.RCPT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n", State.DATA),
        (b"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", State.BODY),
        (b"250 ok\r\n250 ok\r\n354 go\r\n354 go\r\n", State.BODY),
        (b"250-ok\r\n550 no\r\n", State.MAIL),
        (b"25\r\n", State.MAIL),
    ],
)
def test_replies_out_of_step_are_a_protocol_error_and_no_message_is_written(replies: bytes, state: State) -> None:
    client = ready()
    begin(client)
    assert say(client, replies) == b""
    assert decided(client) == (state, 451, True)
    assert str(ended(client).reply.enhanced) == "4.5.0"
    assert not client.dot_written
    assert client.state is State.CLOSED


def test_a_3xx_after_the_dot_is_a_protocol_error_in_doubt() -> None:
    client = ready()
    begin(client)
    say(client, b"250 ok\r\n250 ok\r\n354 go\r\n")
    say(client, b"354 go on\r\n")
    assert decided(client) == (State.DOT, 451, True)
    assert client.dot_written


def test_a_refusal_before_the_dot_decides_and_the_dot_is_not_written() -> None:
    client = ready(b"250-mx\r\n250 PIPELINING\r\n")
    begin(client, message=b"x" * 3 * limits.PIECE_OCTETS)
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    client.next_piece()
    client.receive(b"552 5.3.4 too much\r\n")
    assert decided(client) == (State.BODY, 552, False)
    assert not client.dot_written
    assert not client.wants_piece
    assert client.state is State.CLOSED


def test_a_reply_that_begins_before_the_message_is_awaited_not_taken_for_the_final_one() -> None:
    client = ready()
    begin(client)
    assert say(client, b"250 ok\r\n250 ok\r\n354 go\r\n25") == b""
    assert say(client, b"0 ok\r\n") == b""
    assert decided(client) == (State.BODY, 451, True)


def test_a_large_message_goes_out_in_pieces_that_join_to_the_same_bytes() -> None:
    message = b".line\r\n" * 30_000
    client = ready(b"250-mx\r\n250 PIPELINING\r\n")
    begin(client, message=message)
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    pieces = []
    while client.wants_piece:
        pieces.append(client.next_piece())
    assert len(pieces) > 3
    assert max(map(len, pieces)) < 2 * limits.PIECE_OCTETS
    assert b"".join(pieces) == b"..line\r\n" * 30_000 + b".\r\n"


def test_whatever_comes_after_the_final_reply_makes_the_session_unusable_but_not_the_message() -> None:
    for extra in (b"250 ok\r\n", b"421 bye\r\n", b"2", b"\0"):
        client = ready()
        begin(client)
        say(client, b"250 ok\r\n250 ok\r\n354 go\r\n")
        say(client, b"250 ok\r\n" + extra)
        assert decided(client) == (State.DOT, 250, False)
        assert not client.is_reusable


def test_a_lost_connection_says_where_and_whether_the_dot_was_out() -> None:
    lost = Reply.of(421, "connection lost", "4.4.2")
    for replies, state, dot in (
        (b"", State.MAIL, False),
        (b"250 ok\r\n", State.RCPT, False),
        (b"250 ok\r\n250 ok\r\n", State.DATA, False),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", State.DOT, True),
    ):
        client = ready()
        begin(client)
        say(client, replies)
        client.lose(lost)
        assert decided(client) == (state, 421, True)
        assert client.dot_written is dot
        client.lose(Reply.of(421, "again", "4.4.2"))
        assert ended(client).reply is lost


# --- what never goes out


def test_a_message_the_host_cannot_take_is_refused_before_anything_is_said() -> None:
    utf8 = Envelope(reverse_path=NEWS, recipients=(Address.parse("ännchen@example.net"),), size_bytes=0)
    for request, message, enhanced, missing in (
        (utf8, MESSAGE, "5.6.7", "SMTPUTF8"),
        (envelope(is_8bit=True), MESSAGE, "5.6.3", "8BITMIME"),
        (envelope(), b"x" * 1001, "5.3.4", "SIZE"),
        (envelope(size_bytes=1001), MESSAGE, "5.3.4", "SIZE"),
    ):
        client = ready(b"250-mx\r\n250-PIPELINING\r\n250 SIZE 1000\r\n")
        client.begin(request, message)
        assert client.take_output() == b""
        assert str(ended(client).reply.enhanced) == enhanced
        assert ended(client).missing == missing
        assert ended(client).is_local
        assert ended(client).reply.is_permanent
        assert client.is_reusable


def test_the_parameters_a_message_needs_are_said_where_offered() -> None:
    client = ready()
    address = Address.parse("ännchen@example.net")
    client.begin(Envelope(reverse_path=None, recipients=(address,), size_bytes=22, is_8bit=True), MESSAGE)
    assert client.take_output().startswith(b"MAIL FROM:<> SIZE=22 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<\xc3\xa4nnchen@")


def test_an_address_no_command_can_carry_is_refused_alone() -> None:
    bad = Address('"a> SIZE=1 <"', "example.net")
    client = ready()
    assert begin(client, bad, ANNA).count(b"RCPT") == 1
    say(client, b"250 ok\r\n250 ok\r\n354 go\r\n")
    say(client, b"250 ok\r\n")
    assert client.recipients[bad].code == 553
    assert client.recipients[ANNA].code == 250
    client = ready()
    assert begin(client, bad) == b""
    assert decided(client) == (State.RCPT, 553, True)
    assert client.is_reusable
    client.begin(Envelope(reverse_path=bad, recipients=(ANNA,), size_bytes=0), MESSAGE)
    assert client.take_output() == b""
    assert str(ended(client).reply.enhanced) == "5.1.7"


def test_a_transaction_cannot_begin_inside_another() -> None:
    client = ready()
    begin(client)
    with pytest.raises(RuntimeError, match="mail"):
        begin(client)


# --- any peer

REPLIES = st.sampled_from(
    [
        b"250 ok\r\n",
        b"252 ok\r\n",
        b"354 go\r\n",
        b"450 no\r\n",
        b"550 5.1.1 no\r\n",
        b"421 x\r\n",
        b"502 \r\n",
        b"220 hi\r\n",
        EVERYTHING,
        b"250-",
        b"\n",
        b"25",
        b"\xff\0",
    ]
)


def converse(speech: bytes, cuts: Sequence[int]) -> tuple[Client, bytes]:
    """Begin one transaction and let the peer speak; return the client and what it wrote."""
    client = ready()
    written = begin(client, ANNA, BEN)
    for part in _ranges(len(speech), cuts):
        written += say(client, speech[part])
    return client, written


def _ranges(length: int, cuts: Sequence[int]) -> list[slice]:
    edges = [0, *sorted({min(cut, length) for cut in cuts}), length]
    return [slice(start, end) for start, end in pairwise(edges)]


@settings(max_examples=200)
@given(st.lists(REPLIES, max_size=7), st.lists(st.integers(0, 200), max_size=8))
def test_whatever_the_peer_says_success_is_never_invented(speech: list[bytes], cuts: list[int]) -> None:
    client, written = converse(b"".join(speech), cuts)
    assert client.state in AT_REST | set(MOVES)
    assert client.dot_written == written.endswith(MESSAGE + b".\r\n")
    if client.ended and client.ended.state is State.DOT and not client.ended.is_local:
        assert client.dot_written
        assert any(reply.is_positive for reply in client.recipients.values())


@settings(max_examples=100)
@given(st.lists(st.integers(0, 150), max_size=20))
def test_an_honest_dialogue_does_not_depend_on_how_its_bytes_are_cut(cuts: list[int]) -> None:
    client = ready()
    begin(client, ANNA, BEN)
    before = b"250 2.1.0 ok\r\n250-2.1.5 long\r\n250 2.1.5 ok\r\n550 5.1.1 no\r\n354 go\r\n"
    written = b"".join(say(client, before[part]) for part in _ranges(len(before), cuts))
    assert written == MESSAGE + b".\r\n"
    after = b"250-2.0.0 queued\r\n250 2.0.0 as 42\r\n"
    for part in _ranges(len(after), cuts):
        say(client, after[part])
    assert decided(client) == (State.DOT, 250, False)
    assert ended(client).reply.lines == ("queued", "as 42")
    assert client.is_reusable


# --- delivery status notifications


def asking(*recipients: Address) -> Envelope:
    request = DsnRequest(notify=frozenset({"SUCCESS"}), orcpt="rfc822;x@example.net")
    return Envelope(
        reverse_path=NEWS,
        recipients=recipients,
        size_bytes=0,
        ret="FULL",
        envid="e1",
        requests=dict.fromkeys(recipients[:1], request),
    )


def test_a_host_that_offers_dsn_learns_what_the_sender_asked_for() -> None:
    client = ready(b"250-mx\r\n250-PIPELINING\r\n250 DSN\r\n")
    client.begin(asking(ANNA, BEN), MESSAGE)
    assert client.take_output() == (
        b"MAIL FROM:<news@example.com> RET=FULL ENVID=e1\r\n"
        b"RCPT TO:<anna@example.net> NOTIFY=SUCCESS ORCPT=rfc822;x@example.net\r\n"
        b"RCPT TO:<ben@example.net>\r\nDATA\r\n"
    )


def test_a_host_without_dsn_is_not_bothered() -> None:
    client = ready(b"250-mx\r\n250 PIPELINING\r\n")
    client.begin(asking(ANNA), MESSAGE)
    assert client.take_output() == b"MAIL FROM:<news@example.com>\r\nRCPT TO:<anna@example.net>\r\nDATA\r\n"
