"""Our engine as the peer of a script, with an owner who judges as a listener's would, in one small world.

example.test is ours: `unknown@` has no mailbox (550), `later@` waits (450), `leave@` ends the session (421), and for
`nodata@` DATA is refused.  The sender `blocked@` is refused.  The user is `alice` with the password `secret`.
"""

from typing import Literal

from tests.dialogues.replies import faults
from tests.dialogues.script import Script
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

NAME = "mx.example.test"


class Owner:
    """Answers what the engine asks, and keeps the messages, as the listener does with its policy `eol`."""

    def __init__(self, rules: Rules, *, eol: str = "reject") -> None:
        self.server = Server(rules)
        self.stored: list[bytes] = []
        self.events: list[Event] = []
        self.is_closed = False
        self._eol = eol
        self._last_recipient = ""
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
            case Credentials(name=name, password=password):
                is_right = (name, password) == ("alice", "secret")
                self.server.answer(
                    Reply.of(235, "welcome", "2.7.0")
                    if is_right
                    else Reply.of(535, "the credentials are not valid", "5.7.8")
                )
            case Mail(reverse_path=path):
                is_blocked = path is not None and path.local == "blocked"
                self.server.answer(
                    Reply.of(550, "go away", "5.7.1") if is_blocked else Reply.of(250, "sender ok", "2.1.0")
                )
            case Recipient(forward_path=path):
                self._last_recipient = path.local
                self.server.answer(self._judge_recipient(path.local, path.domain))
            case DataAsked():
                is_refused = self._last_recipient == "nodata"
                self.server.answer(Reply.of(451, "not now", "4.3.0") if is_refused else Reply.of(354, "go ahead"))
            case MessageEnded():
                self._judge_message(event)

    def _judge_recipient(self, local: str, domain: str) -> Reply:
        if domain not in ("example.test", NAME):
            return Reply.of(554, "we relay nothing", "5.7.1")
        match local:
            case "unknown":
                return Reply.of(550, "nobody of that name", "5.1.1")
            case "later":
                return Reply.of(450, "try later", "4.2.1")
            case "leave":
                return Reply.of(421, "enough of you", "4.7.0")
            case _:
                return Reply.of(250, "recipient ok", "2.1.5")

    def _judge_message(self, ended: MessageEnded) -> None:
        message, self._pieces = b"".join(self._pieces), []
        if ended.faults.has_nul or (self._eol == "reject" and not ended.faults.is_clean):
            self.server.answer(Reply.of(550, "bare CR, bare LF or NUL in the message", "5.6.11"))
        elif ended.size > self.server.conversation.rules.message_octets:
            self.server.answer(Reply.of(552, "the message is too large", "5.3.4"))
        else:
            self.stored.append(message)
            self.server.answer(Reply.of(250, "kept", "2.0.0"))


class EnginePeer:
    """`script.Peer` without a socket."""

    def __init__(self, script: Script, *, cut: Literal["packets", "octets"] = "packets") -> None:
        given = {"name": NAME} | script.rules | {"takes_bare_lf": script.eol == "normalize"}
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
