r"""Sessions nobody would hold, against the engine: `python -m tests.smtp.fuzz [--seconds N | --inputs N] [--seed S]`.

An input is one session: packets of the dialogues and of the smuggling table, mutated in their octets and their order,
under drawn rules, with an owner who accepts, refuses, hesitates and hangs up at random.  `Session` checks after each
packet that the engine keeps its promises.  Input n of seed s is always the same: `--seed s --start n --inputs 1`.
"""

import argparse
import sys
import time
from collections.abc import Callable
from random import Random

from tests.dialogues.replies import faults
from tests.dialogues.script import Say, scripts
from tests.smtp.payloads import BEHIND, END, PAYLOADS
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.conversation import COMMANDS
from tierii_mta.smtp.dialogue import (
    ASKING,
    Closing,
    Credentials,
    DataAsked,
    Event,
    MessageEnded,
    Piece,
    Rules,
    State,
    TlsAgreed,
)
from tierii_mta.smtp.requests import Mail, Recipient
from tierii_mta.smtp.server import Server

_OK, _GO = Reply.of(250, "ok", "2.0.0"), Reply.of(354, "go")
_REFUSALS = (
    Reply.of(451, "later", "4.3.0"),
    Reply.of(550, "no\r\n250 2.0.0 injected \x00\u2028", "5.7.1"),
    Reply(554, ("no", "x" * 600, ""), Reply.of(554, "", "5.7.1").enhanced),
)
_GOOD_BYE = Reply.of(421, "enough", "4.7.0")
_WELCOME: dict[type[Event], Reply] = {
    Credentials: Reply.of(235, "welcome", "2.7.0"),
    Mail: _OK,
    Recipient: _OK,
    DataAsked: _GO,
    MessageEnded: _OK,
}
_RULES = (
    Rules(name="mx.example.test"),
    Rules(name="mx.example.test", recipients=2, messages=2, errors=6, idle_commands=4, message_octets=1000),
    Rules(name="mx.example.test", has_tls=True, has_auth=True, needs_auth=True, has_dsn=True, takes_bare_lf=True),
    Rules(name="mx.example.test", has_auth=True, auth_needs_tls=False, has_dsn=True, command_octets=512, errors=100),
)
_OPENING = (b"EHLO a\r\n", b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
_TOKENS = (
    *(f"{verb}\r\n".encode() for verb in COMMANDS),
    *(payload.octets for payload in PAYLOADS),
    b"\r\n", b"\n", b"\r", b"\0", b".", b"<", b">", b'"', b"\\", b"@", b":", b" ", b"=", b"+", b"*", b",", b"\xff",
    b"\xc3\xa9", b"\xe2\x80\xa8", b"SIZE=", b"BODY=8BITMIME", b"SMTPUTF8", b"RET=HDRS", b"ENVID=", b"NOTIFY=NEVER",
    b"ORCPT=utf-8;", b"AUTH PLAIN ", b"AUTH LOGIN\r\n", b"YWxpY2U=\r\n", b"EHLO a\r\n", b"MAIL FROM:<>\r\n",
    b"RCPT TO:<postmaster>\r\n", b"DATA\r\n", b"\r\n.\r\n", b"STARTTLS\r\n", b"\x16\x03\x01", b"9" * 21, b"x" * 600,
)  # fmt: skip


class Violation(AssertionError):
    """The engine broke a promise."""


def _promise(is_kept: bool, what: str) -> None:
    if not is_kept:
        raise Violation(what)


class Session:
    """One session with an owner of moods. `patience`: how seldom a refusal is, in 1/n."""

    def __init__(self, rules: Rules, random: Random) -> None:
        self.server = Server(rules)
        self.events = 0
        self.messages = 0
        self._random = random
        self._patience = random.choice((3, 10, 1000, 1000))
        self._is_message_open = False
        self._octets = 0  # of the message under way
        self._owed: Event | None = None  # asked, and not answered yet
        self._is_over = False  # Closing was seen

    def greet(self) -> None:
        """Greet, and attend."""
        self.server.greet()
        self.attend()

    def take(self, packet: bytes) -> None:
        """Take a packet and check every promise."""
        was_closed = self.server.state is State.CLOSED
        self.server.receive(packet)
        self.attend()
        _promise(not was_closed or not self.server.take_output(), "it said something after the end")

    def attend(self) -> None:
        """Meet all events, in the owner's mood."""
        if self._owed is not None:
            self._answer(self._owed)
        bound = self.events + 4 * self.server.waiting + 16
        while (event := self.server.next_event()) is not None:
            self.events += 1
            _promise(self.events < bound, "more events than octets")
            self._meet(event)
        self._check_rest()

    def finish(self) -> None:
        """Go away; what the owner still owes is answered."""
        while self._owed is not None:
            self.attend()
        if self._random.random() < 0.3:
            self.server.close(_GOOD_BYE)
        self.attend()

    def _meet(self, event: Event) -> None:
        _promise(not self._is_over, f"{event} after the end")
        match event:
            case Piece(octets):
                _promise(self._is_message_open and bool(octets), "a piece without a message")
                self._octets += len(octets)
            case MessageEnded(size=size):
                _promise(self._is_message_open, "an end without a message")
                _promise(size == self._octets, "the size is not that of the pieces")
                self._is_message_open = False
                self.messages += 1
            case Closing():
                self._is_over = True
                _promise(self.server.state is State.CLOSED, "a closing of an open session")
            case TlsAgreed() if self._random.random() < 0.9:
                self.server.tls_started()
            case _:
                pass
        if isinstance(event, ASKING):
            _promise(self.server.is_asking, "nobody waits for the answer")
            if self._random.randrange(self._patience) or self._patience > 100:
                self._answer(event)
            else:
                self._owed = event  # later, when more has come

    def _answer(self, event: Event) -> None:
        self._owed = None
        if not self.server.is_asking:
            return
        mood = self._random.randrange(self._patience)
        reply = _WELCOME[type(event)] if mood else self._random.choice((*_REFUSALS, _GOOD_BYE))
        self.server.answer(reply)
        self._is_message_open, self._octets = self.server.state is State.DATA, 0
        if not self._random.randrange(50):
            self.server.count_error(self._random.randrange(10))

    def _check_rest(self) -> None:
        """Nothing more can be done now: an answer is owed, or the engine waits for the client, or it is closed."""
        server = self.server
        rules = server.conversation.rules
        wrong = faults(server.take_output())
        _promise(wrong is None, str(wrong))
        if server.state is State.CLOSED:
            _promise(self._is_over, "closed without a closing")
            _promise(server.waiting == 0 and not server.is_asking, "a closed session that waits")
        elif server.is_asking:
            _promise(self._owed is not None, "it asks, and nobody heard")
        elif server.state is State.TLS:
            server.tls_started()
            self.attend()
        elif server.state is State.DATA:
            _promise(server.waiting == 0, "a message is held back")
        else:
            _promise(server.state is not State.CONNECTED, "nobody greeted")
            most = rules.auth_octets if server.state is State.AUTH else rules.command_octets
            _promise(server.waiting <= most, "more waits than a line")


# --- inputs


def corpus() -> list[list[bytes]]:
    """Return the packets of every dialogue, and of a transaction with each smuggling payload."""
    dialogues = [[step.octets for step in script.steps if isinstance(step, Say)] for script in scripts()]
    smuggling = [[*_OPENING, b"body" + payload.octets + BEHIND, END] for payload in PAYLOADS]
    return [packets for packets in dialogues + smuggling if packets]


def _flip(random: Random, packet: bytes) -> bytes:
    at = random.randrange(len(packet) + 1)
    return packet[:at] + bytes((random.randrange(256),)) + packet[at + 1 :]


def _insert(random: Random, packet: bytes) -> bytes:
    at = random.randrange(len(packet) + 1)
    return packet[:at] + random.choice(_TOKENS) + packet[at:]


def _delete(random: Random, packet: bytes) -> bytes:
    at = random.randrange(len(packet) + 1)
    return packet[:at] + packet[at + random.randrange(1, 9) :]


def _repeat(random: Random, packet: bytes) -> bytes:
    at = random.randrange(len(packet) + 1)
    part = packet[at : at + random.randrange(1, 9)]
    return packet[:at] + part * random.choice((2, 5, 30, 300, 3000)) + packet[at:]


_OF_OCTETS: tuple[Callable[[Random, bytes], bytes], ...] = (_flip, _insert, _insert, _delete, _repeat)


def mutated(random: Random, seeds: list[list[bytes]]) -> list[bytes]:
    """Return the packets of one session: of one seed or of two, mutated in some places."""
    packets = list(random.choice(seeds))
    if random.random() < 0.3:
        other = random.choice(seeds)
        packets[random.randrange(len(packets) + 1) :] = other[random.randrange(len(other)) :]
    if random.random() < 0.3:
        packets[:0] = [*_OPENING, END]
    for _ in range(random.choice((0, 1, 1, 2, 4, 8))):
        at = random.randrange(len(packets)) if packets else 0
        match random.randrange(8):
            case 0 if packets:  # a packet again, or elsewhere
                packets.insert(random.randrange(len(packets) + 1), packets[at])
            case 1 if packets:
                del packets[at]
            case 2 if len(packets) > at + 1:  # two in one
                packets[at : at + 2] = [packets[at] + packets[at + 1]]
            case 3 if packets:  # one in two
                cut = random.randrange(len(packets[at]) + 1)
                packets[at : at + 1] = [packets[at][:cut], packets[at][cut:]]
            case _ if packets:
                packets[at] = random.choice(_OF_OCTETS)(random, packets[at])
            case _:
                packets.append(random.choice(_TOKENS))
    return packets


def play(seed: int, number: int, seeds: list[list[bytes]]) -> Session:
    """Play one input; what goes wrong is told with all that is needed to see it again."""
    random = Random((seed << 40) + number)
    rules, packets = random.choice(_RULES), mutated(random, seeds)
    session = Session(rules, random)
    try:
        if packets and random.random() < 0.01:
            session.server.receive(packets[0])
        session.greet()
        for packet in packets:
            session.take(packet)
        session.finish()
    except Exception as error:
        error.add_note(f"--seed {seed} --start {number} --inputs 1: {packets!r}")
        raise
    return session


def main() -> None:
    """Play inputs until the time or the number is up."""
    parser = argparse.ArgumentParser(prog="python -m tests.smtp.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inputs", type=int, default=0, help="instead of --seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0)
    wanted = parser.parse_args()
    seeds, number, begun = corpus(), wanted.start, time.monotonic()
    events = messages = 0
    while number < wanted.start + wanted.inputs if wanted.inputs else time.monotonic() - begun < wanted.seconds:
        session = play(wanted.seed, number, seeds)
        number, events, messages = number + 1, events + session.events, messages + session.messages
    inputs = number - wanted.start
    sys.stdout.write(
        f"seed {wanted.seed}: {inputs:,} sessions, {events:,} events, {messages:,} messages, no violation\n"
    )


if __name__ == "__main__":
    main()
