r"""Where a message ends: everybody's smuggling payloads through our engine, and through a Postfix beside it.

What both see is the same number of messages for each; what we keep goes out again as one message.
"""

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest

from tests.dialogues.engine import Owner
from tests.dialogues.world import NAME
from tests.smtp.payloads import BEHIND, EDGE, END, EXPECTED_STORED, PAYLOADS, Payload
from tests.support.postfix import REASON, Postfix, is_installed
from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import Envelope
from tierii_mta.smtp.client import Client, State
from tierii_mta.smtp.dialogue import MessageEnded, Rules

STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n)")
POLICIES = ("reject", "normalize")
RULES = Rules(name=NAME)
OPENING = b"MAIL FROM:<first@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"
each_payload = pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
each_policy = pytest.mark.parametrize("eol", POLICIES)


def at_the_message(eol: str, rules: Rules = RULES) -> Owner:
    owner = Owner(rules, eol=eol)
    owner.server.greet()
    for packet in (b"EHLO client.example\r\n", OPENING):
        owner.server.receive(packet)
        said = owner.attend()
    assert said.endswith(b"354 go ahead\r\n")
    return owner


def fed(owner: Owner, packets: Iterable[bytes]) -> bytes:
    """Return what is said to some packets."""
    said = []
    for packet in packets:
        owner.server.receive(packet)
        said.append(owner.attend())
    return b"".join(said)


def ends(owner: Owner) -> int:
    """Return how many messages were seen, kept or not."""
    return sum(isinstance(event, MessageEnded) for event in owner.events)


def expected(payload: Payload, eol: str) -> int:
    return EXPECTED_STORED[payload.rejecting if eol == "reject" else payload.normalizing]


def check(owner: Owner, payload: Payload, eol: str, said: bytes) -> None:
    assert ends(owner) == 1 + payload.is_end
    assert len(owner.stored) == expected(payload, eol)
    assert said.count(b"550 5.6.11") == ends(owner) - len(owner.stored)
    assert not any(STRAY.search(message) or b"\0" in message for message in owner.stored)


# --- our engine


@each_policy
@each_payload
def test_only_a_dot_alone_between_crlf_ends_a_message(payload: Payload, eol: str) -> None:
    owner = at_the_message(eol)
    check(owner, payload, eol, fed(owner, [b"body" + payload.octets + BEHIND, END]))


@each_policy
@each_payload
def test_however_the_packets_are_cut_it_is_the_same(payload: Payload, eol: str) -> None:
    wire = (
        b"body" + payload.octets[:40] + payload.octets[-10:] if len(payload.octets) > 50 else b"body" + payload.octets
    )
    for cut in range(len(wire) + 1):
        owner = at_the_message(eol)
        check(owner, payload, eol, fed(owner, [wire[:cut], wire[cut:] + BEHIND, END]))
    owner = at_the_message(eol)
    octets = wire + BEHIND
    said = fed(owner, [octets[at : at + 1] for at in range(len(octets))])
    check(owner, payload, eol, said + fed(owner, [END[at : at + 1] for at in range(len(END))]))


@each_policy
@each_payload
def test_at_the_edge_of_a_piece_it_is_the_same(payload: Payload, eol: str) -> None:
    for shift in range(min(len(payload.octets), 12) + 2):
        wire = b"x" * (EDGE + 1 - shift) + payload.octets + BEHIND
        owner = at_the_message(eol)
        pieces = [wire[start : start + EDGE] for start in range(0, len(wire), EDGE)]
        check(owner, payload, eol, fed(owner, [*pieces, END]))


@pytest.mark.parametrize("size", [EDGE - 1, EDGE, EDGE + 1, 2 * EDGE])
@pytest.mark.parametrize("excess", [0, 1])
def test_a_message_of_exactly_the_limit_is_kept_and_one_octet_more_is_not(size: int, excess: int) -> None:
    owner = at_the_message("reject", Rules(name=NAME, message_octets=size))
    wire = b"x" * (size - 2 + excess) + b"\r\n.\r\n"
    said = fed(owner, [wire[start : start + EDGE] for start in range(0, len(wire), EDGE)])
    assert said.startswith(b"552 5.3.4" if excess else b"250 ")
    assert [len(message) for message in owner.stored] == ([] if excess else [size])


@each_payload
def test_a_message_behind_data_before_the_354_is_never_read(payload: Payload) -> None:
    owner = Owner(RULES)
    owner.server.greet()
    said = fed(owner, [b"EHLO client.example\r\n", OPENING + b"body" + payload.octets + BEHIND, END])
    assert said.endswith(b"554 5.5.0 the client did not wait for the reply\r\n")
    assert (ends(owner), owner.stored, owner.is_closed) == (0, [], True)


@pytest.mark.parametrize("size", ["4", "40", "0", "-1", "99999999999", "", "x", "6 LAST", "0 LAST", "LAST"])
def test_no_form_of_bdat_makes_octets_into_commands(size: str) -> None:
    owner = Owner(RULES)
    owner.server.greet()
    opening = OPENING.removesuffix(b"DATA\r\n")
    said = fed(owner, [b"EHLO client.example\r\n", opening + f"BDAT {size}\r\n".encode() + b"RSET\r\n" + OPENING, END])
    assert said.endswith(b"502 5.5.1 BDAT is not offered\r\n421 4.7.0 what follows cannot be told from commands\r\n")
    assert (ends(owner), owner.stored, owner.is_closed) == (0, [], True)


# --- what goes out again


def relayed(message: bytes) -> tuple[bytes, list[bytes]]:
    """Send a message with our client to our engine; return what went over the wire after DATA, and what arrived."""
    client, owner, wire = Client("relay.example"), Owner(RULES), b""
    owner.server.greet()
    client.receive(owner.attend())
    address = Address("b", "example.test")
    while client.state is not State.CLOSED:
        if client.state is State.READY and client.ended is None:
            client.begin(Envelope(reverse_path=None, recipients=(address,), size_bytes=len(message)), message)
        elif client.state is State.READY:
            break
        octets = client.take_output()
        while client.wants_piece:
            octets += client.next_piece()
            wire = octets
        owner.server.receive(octets)
        client.receive(owner.attend())
    return wire, owner.stored


@each_payload
def test_what_is_kept_goes_out_as_one_clean_message(payload: Payload) -> None:
    owner = at_the_message("normalize")
    fed(owner, [b"body" + payload.octets + BEHIND, END])
    for message in owner.stored:
        wire, arrived = relayed(message)
        assert not STRAY.search(wire)
        assert wire.count(b"\r\n.\r\n") == 1
        assert wire.endswith(b"\r\n.\r\n")
        assert arrived == [message]


# --- Postfix beside us

NORMALIZING = """\
smtpd_forbid_bare_newline = normalize
smtpd_forbid_bare_newline_exclusions =
smtpd_discard_ehlo_keywords = chunking
virtual_transport = discard
"""


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with Postfix(["example.test"], more=NORMALIZING) as started:
        yield started


def seen_by(postfix: Postfix, packets: Iterable[bytes], *, opening: bytes = OPENING, answer: bytes = b"354 ") -> int:
    """Return how many messages Postfix takes from one session. It may hang up at any time."""
    with socket.create_connection((postfix.host, postfix.port), timeout=30) as client, client.makefile("rb") as replies:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet, code in ((b"", b"220 "), (b"EHLO client.example\r\n", b"250 "), (opening, answer)):
            client.sendall(packet)
            while not (line := replies.readline()).startswith(code):
                assert line, f"Postfix hung up before it said {code!r}"
        with suppress(ConnectionError):
            for packet in [*packets, b"QUIT\r\n"]:
                client.sendall(packet)
        count = 0
        with suppress(ConnectionError):
            while line := replies.readline():
                count += b"queued as" in line
    return count


@pytest.mark.skipif(not is_installed(), reason=REASON)
@each_payload
def test_a_postfix_sees_as_many_messages_as_we_do(payload: Payload, postfix: Postfix) -> None:
    wire = b"body" + payload.octets + BEHIND
    assert seen_by(postfix, [wire, END]) == 1 + payload.is_end
    if len(payload.octets) < 50:
        assert seen_by(postfix, [wire[at : at + 1] for at in range(len(wire))] + [END]) == 1 + payload.is_end
    at_an_edge = b"x" * (EDGE - len(payload.octets) // 2) + payload.octets + BEHIND
    assert seen_by(postfix, [at_an_edge, END]) == 1 + payload.is_end


@pytest.mark.skipif(not is_installed(), reason=REASON)
@pytest.mark.parametrize("size", ["4", "-1", "99999999999", "x", "6 LAST"])
def test_a_postfix_without_chunking_takes_no_message_from_bdat_either(size: str, postfix: Postfix) -> None:
    opening = OPENING.removesuffix(b"DATA\r\n") + f"BDAT {size}\r\n".encode()
    assert seen_by(postfix, [b"RSET\r\n", OPENING, END], opening=opening, answer=b"521 ") == 0
