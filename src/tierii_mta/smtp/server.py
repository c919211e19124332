"""The server's side of an SMTP dialogue, fed with bytes.

Owns where lines and messages begin and end in what a client sends, and that nothing is read ahead of an answer; not
what the lines mean (smtp.conversation), nor the socket, its deadlines and TLS (inbound.listener).  RFC 5321 §2.3.8 and
§4.5.2, RFC 2920 (PIPELINING).  Pure.

    receive(bytes) → `next_event()` until None → `answer(reply)` to those in `dialogue.ASKING` → `take_output()`

What is buffered waits while an answer is owed, so that commands sent ahead are taken one by one.
"""

from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.conversation import OUT_OF_STEP, Conversation
from tierii_mta.smtp.data_reader import DataReader
from tierii_mta.smtp.dialogue import Credentials, DataAsked, Event, MessageEnded, Piece, Rules, State
from tierii_mta.smtp.line_buffer import OVERLONG, LineBuffer

_DEAF = (State.CONNECTED, State.TLS, State.CLOSED)  # what comes now is not for the engine to read


class Server:
    """One connection's dialogue; `conversation` holds what is known of the client."""

    __slots__ = ("_input", "_reader", "conversation")

    def __init__(self, rules: Rules) -> None:
        self.conversation = Conversation(rules)
        self._input = LineBuffer()
        self._reader: DataReader | None = None

    @property
    def state(self) -> State:
        """What may come next."""
        return self.conversation.state

    @property
    def waiting(self) -> int:
        """How many octets wait: the owner stops reading above a bound of its own."""
        return len(self._input)

    @property
    def is_asking(self) -> bool:
        """Whether an answer is owed."""
        return self.conversation.asked is not None

    def greet(self) -> None:
        """Say the greeting. What the client said before it ends the session."""
        if len(self._input):
            self.close(Reply.of(554, "the client talked before the greeting", "5.5.0"))
        else:
            self.conversation.greet()

    def receive(self, octets: bytes) -> None:
        """Take bytes from the client; `next_event` looks at them."""
        if self.state is not State.CLOSED:
            self._input.add(octets)

    def take_output(self) -> bytes:
        """Return what is to be written now, once."""
        output, self.conversation.output = b"".join(self.conversation.output), []
        return output

    def next_event(self) -> Event | None:
        """Return what the client wants next; None until more bytes or an answer come."""
        conversation = self.conversation
        while not conversation.events:
            state = conversation.state
            if state is State.CLOSED:
                self._input = LineBuffer()
            if conversation.asked is not None or state in _DEAF:
                return None
            if not (self._read_message() if state is State.DATA else self._read_line()):
                return None
        return conversation.take_event()

    def answer(self, reply: Reply) -> None:
        """Answer the latest event that asks; a 421 also ends the session.

        What came behind DATA or AUTH while the answer was made ends it too: it may be a message, or a password.
        """
        if self.conversation.asked in (DataAsked, Credentials) and len(self._input):
            self.close(OUT_OF_STEP)
            return
        self.conversation.answer(reply)
        if self.state is State.DATA:
            self._reader = DataReader()

    def close(self, reply: Reply) -> None:
        """End the session from our side, with a reply that says why."""
        if self.state is not State.CLOSED:
            self.conversation.end(reply)
            self._input, self._reader = LineBuffer(), None

    def count_error(self, count: int = 1) -> None:
        """Count errors that only the owner sees; too many end the session."""
        self.conversation.count_error(count)

    def tls_started(self) -> None:
        """Begin anew inside TLS. What came in plaintext behind STARTTLS ends the session (CVE-2011-0411)."""
        if len(self._input):
            self.close(OUT_OF_STEP)
        else:
            self.conversation.tls_started()

    def _read_line(self) -> bool:
        """Take one line and follow it; False: there is none yet."""
        conversation, rules = self.conversation, self.conversation.rules
        line = self._input.take_line(rules.auth_octets if self.state is State.AUTH else rules.command_octets)
        if line is None:
            return False
        if line == OVERLONG:
            conversation.misread("the line is too long")
        elif not line.endswith(b"\r\n") and not rules.takes_bare_lf:
            conversation.misread("a line ends in CR LF")
        else:
            conversation.follow(line.removesuffix(b"\n").removesuffix(b"\r"), is_last=not len(self._input))
        return True

    def _read_message(self) -> bool:
        """Hand on what there is of the message; False: nothing."""
        if not len(self._input) or self._reader is None:
            return False
        reader, conversation = self._reader, self.conversation
        piece, rest = reader.feed(self._input.take_all())
        if piece:
            conversation.events.append(Piece(piece))
        if reader.is_over:
            self._input.add(rest)
            conversation.events.append(MessageEnded(size=reader.size, faults=reader.faults))
            self._reader, conversation.state = None, State.READY
        return bool(conversation.events)
