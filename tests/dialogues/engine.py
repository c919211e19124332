"""Our engine as the peer of a script, with an owner who does as the listener would."""

from typing import Literal

from tests.dialogues import world
from tests.dialogues.replies import faults
from tests.dialogues.script import Script
from tierii_mta.mail.address import Address
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.data_reader import with_crlf
from tierii_mta.smtp.dialogue import (
    Abandoned,
    Closing,
    Credentials,
    DataAsked,
    Event,
    Introduced,
    MessageEnded,
    Piece,
    Rules,
    TlsAgreed,
)
from tierii_mta.smtp.requests import Mail, Recipient
from tierii_mta.smtp.server import Server


class Owner:
    """Answers what the engine asks, and keeps the messages, as the listener does with its policy `eol`."""

    def __init__(self, rules: Rules, *, eol: str = "reject") -> None:
        self.server = Server(rules)
        self.stored: list[bytes] = []
        self.events: list[Event] = []
        self.is_closed = False
        self._eol = eol
        self._last_recipient: Address | None = None
        self._pieces: list[bytes] = []

    def attend(self) -> bytes:
        """Do all that can be done now, and return what is said."""
        while (event := self.server.next_event()) is not None:
            self.events.append(event)
            self._meet(event)
        said = self.server.take_output()
        assert (wrong := faults(said)) is None, wrong
        return said

    def _meet(self, event: Event) -> None:
        match event:
            case Piece(octets):
                self._pieces.append(octets if self._eol == "reject" else with_crlf(octets))
            case Introduced() | TlsAgreed():
                pass
            case Abandoned():
                self._pieces = []
            case Closing():
                self.is_closed = True
            case Credentials():
                self.server.answer(world.authenticate(event))
            case Mail():
                self.server.answer(world.sender(event))
            case Recipient(forward_path=path):
                self._last_recipient = path
                self.server.answer(world.recipient(path))
            case DataAsked():
                self.server.answer(world.data(self._last_recipient))
            case MessageEnded():
                self._judge_message(event)

    def _judge_message(self, ended: MessageEnded) -> None:
        message, self._pieces = b"".join(self._pieces), []
        if ended.faults.has_nul or (self._eol == "reject" and not ended.faults.is_clean):
            self.server.answer(Reply.of(550, "bare CR, bare LF or NUL in the message", "5.6.11"))
        elif ended.size > self.server.conversation.rules.message_octets:
            self.server.answer(Reply.of(552, "the message is too large", "5.3.4"))
        else:
            self.stored.append(message)
            self.server.answer(world.KEPT)


class EnginePeer:
    """`script.Peer` without a socket."""

    def __init__(self, script: Script, *, cut: Literal["packets", "octets"] = "packets") -> None:
        given = {"name": world.NAME} | script.rules | {"takes_bare_lf": script.eol == "normalize"}
        self.owner = Owner(Rules(**given), eol=script.eol)  # type: ignore[arg-type]  # from a text file
        self._cut = cut
        self.unheard = b""
        self._has_begun = False

    def _attend(self) -> None:
        self.unheard += self.owner.attend()

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self.owner.server.greet()
            self._attend()

    async def say(self, octets: bytes) -> None:
        """Feed the packet, whole or octet by octet; what comes before the greeting is there when we greet."""
        assert not self.unheard, f"the server also said {self.unheard!r}"
        size = len(octets) if self._cut == "packets" else 1
        for start in range(0, len(octets), size):
            self.owner.server.receive(octets[start : start + size])
            if self._has_begun:
                self._attend()

    async def line(self) -> bytes:
        """Return the next line; b"" if the session is over. A server that waits for more is a failure."""
        self._begin()
        line, end, self.unheard = self.unheard.partition(b"\r\n")
        if not end and not self.owner.is_closed:
            raise AssertionError("the server says nothing and waits for the client")
        return line + end

    async def start_tls(self) -> None:
        """Begin anew, as after a handshake."""
        self.owner.server.tls_started()
        self._attend()

    async def stored(self) -> int:
        """Return how many messages were kept."""
        return len(self.owner.stored)
