"""The client's side of an SMTP dialogue, fed with bytes.

Owns the order of the dialogue from the greeting over any number of transactions: what to write next, which reply may
come, and what ended a transaction.  Not the socket, its deadlines and TLS (outbound.connection) nor what a refusal
means for a delivery (outbound.interpret).  RFC 5321 §3 and §4, RFC 2920 (PIPELINING), RFC 3207 (STARTTLS), RFC 1870,
RFC 6152, RFC 6531, RFC 3461 §5.2.  Pure.

    receive(bytes) → the reply's `MOVES[state]` → `take_output()`, and `next_piece()` while it `wants_piece`

Where PIPELINING is offered MAIL, every RCPT and DATA go out together, and the same moves read the replies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import Envelope
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp import commands, data, extensions, limits
from tierii_mta.smtp.extensions import Extensions
from tierii_mta.smtp.replies import MalformedReply, ReplyReader


class State(StrEnum):
    """What the next reply answers, or why none is awaited."""

    GREETING = "greeting"
    EHLO = "ehlo"
    HELO = "helo"  # EHLO was refused
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"  # at rest: TLS is somebody else's, who then calls tls_started
    READY = "ready"  # at rest: the next transaction may begin
    RSET = "rset"  # an earlier transaction was left open
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # pieces of the message are to be written; a reply now is premature
    DOT = "dot"  # the final dot is out
    CLOSED = "closed"  # at rest for good: drop the connection


AT_REST = frozenset({State.HANDSHAKE, State.READY, State.CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The reply that decided a transaction, or a connection before its first one."""

    state: State  # what the reply answered, or how far we were
    reply: Reply
    is_local: bool = False  # the reply is ours
    is_tls: bool = False  # it was STARTTLS or the handshake that failed
    missing: str | None = None  # the extension, or size, this host lacks for the message


class Client:
    """One connection's dialogue.

    `ended` is None until something is decided: the connection, before its first transaction, or the latest transaction.
    """

    def __init__(
        self, ehlo: str, *, wants_tls: bool = False, requires_tls: bool = False, is_lmtp: bool = False
    ) -> None:
        """`ehlo`: our name; `InvalidCommand` if no command can carry it. LMTP is for one recipient a transaction."""
        self._ehlo, self._output = ehlo, b""
        self._hello = commands.lhlo(ehlo) if is_lmtp else commands.ehlo(ehlo)
        self._wants_tls, self._requires_tls, self._is_secure = wants_tls, requires_tls, False
        self._reader = ReplyReader()
        self.state, self.extensions = State.GREETING, extensions.NONE
        self.ended: Ended | None = None
        self.recipients: dict[Address, Reply] = {}  # the answer to each RCPT of the latest transaction
        self.dot_written = False  # whether the latest transaction's final dot was handed out by next_piece
        self._needs_rset, self._is_fresh = False, True  # fresh: no transaction has begun
        self._clear()

    def _clear(self) -> None:
        self._commands: list[bytes] = []  # not yet written: all but the first, without PIPELINING
        self._asked: list[Address] = []  # recipients whose RCPT awaits its reply
        self._is_ahead = False  # DATA was written together with MAIL
        self._mail_accepted = False
        self._accepted = 0  # recipients
        self._is_void = False  # a lone dot answers a 354 that nobody was accepted for
        self._message = b""
        self._offset = 0
        self._writer: data.DataWriter | None = None

    # --- bytes in and out

    def receive(self, octets: bytes) -> None:
        """Take bytes from the peer and move as far as they lead."""
        reader = self._reader
        reader.feed(octets)
        try:
            while self.state is not State.CLOSED and (reply := reader.next_reply()) is not None:
                if reply.code == 421:
                    self._end(reply)
                else:
                    MOVES[self.state][reply.code // 100 - 2](self, reply)
        except MalformedReply as error:
            self._break_off(str(error))

    def take_output(self) -> bytes:
        """Return what is to be written now, once."""
        output, self._output = self._output, b""
        return output

    @property
    def wants_piece(self) -> bool:
        """Whether a piece of the message is to be written. Not while a premature reply is coming in."""
        return self.state is State.BODY and self._reader.is_empty

    def next_piece(self) -> bytes:
        """Return the next piece of the message, if `wants_piece`; the last one holds the final dot."""
        message, end = self._message, self._offset + limits.PIECE_OCTETS
        if end >= len(message):
            self.state, self.dot_written, self._message = State.DOT, True, b""
            if self._writer is None:
                return data.whole_message(message)
            return self._writer.feed(message[self._offset :]) + self._writer.finish()
        self._writer = self._writer or data.DataWriter()
        piece = self._writer.feed(message[self._offset : end])
        self._offset = end
        return piece

    @property
    def is_reusable(self) -> bool:
        """Whether another transaction may begin: nothing is awaited and nothing unasked for has come."""
        return self.state is State.READY and self._reader.is_empty

    def lose(self, reply: Reply) -> None:
        """Note that the connection is gone, or given up, with a reply of ours that says why."""
        if self.state is not State.CLOSED:
            self._end(reply, is_local=True)

    def quit(self) -> bytes:
        """Return QUIT if it may be said now, else nothing; the dialogue is over either way."""
        may_quit, self.state = self.state is State.READY, State.CLOSED
        return commands.QUIT if may_quit else b""

    def tls_started(self) -> None:
        """Begin anew inside TLS: what was said in plaintext counts for nothing (RFC 3207 §4.2)."""
        self._is_secure = True
        self.extensions = extensions.NONE
        self._reader = ReplyReader()
        self._write(State.EHLO, self._hello)

    # --- transactions

    def begin(self, envelope: Envelope, message: bytes) -> None:
        """Begin a transaction, in state READY only. It may end at once, by a local refusal that writes nothing.

        A recipient no command can carry is refused by itself; the others go on.
        """
        if self.state is not State.READY:
            raise RuntimeError(f"a transaction cannot begin in state {self.state}")
        self.ended, self.recipients, self.dot_written, self._is_fresh = None, {}, False, False
        known = self.extensions
        if not known.has_dsn:
            envelope = replace(envelope, ret=None, envid=None, requests={})
        is_smtputf8 = envelope.needs_smtputf8 or _has_utf8_address(envelope)
        size_bytes = max(envelope.size_bytes, len(message))
        if lack := known.lack(size_bytes=size_bytes, is_8bit=envelope.is_8bit, is_smtputf8=is_smtputf8):
            self.ended = Ended(state=State.MAIL, reply=lack.reply, is_local=True, missing=lack.extension)
            return
        try:
            mail = commands.mail_from(
                envelope.reverse_path,
                size_bytes=size_bytes if known.has_size else None,
                is_8bit=envelope.is_8bit,
                is_smtputf8=is_smtputf8,
                ret=envelope.ret,
                envid=envelope.envid,
            )
        except commands.InvalidCommand as error:
            self.ended = Ended(state=State.MAIL, reply=Reply.of(553, str(error), "5.1.7"), is_local=True)
            return
        self._queue(mail, envelope, message, is_smtputf8=is_smtputf8)

    def _queue(self, mail: bytes, envelope: Envelope, message: bytes, *, is_smtputf8: bool) -> None:
        lines = [commands.RSET, mail] if self._needs_rset else [mail]
        for recipient in envelope.recipients:
            try:
                request = envelope.requests.get(recipient)
                lines.append(commands.rcpt_to(recipient, request, is_smtputf8=is_smtputf8))
            except commands.InvalidCommand as error:
                self.recipients[recipient] = Reply.of(553, str(error), "5.1.3")
            else:
                self._asked.append(recipient)
        if not self._asked:
            reply = next(iter(self.recipients.values()), Reply.of(554, "no recipient", "5.5.1"))
            self.ended = Ended(state=State.RCPT, reply=reply, is_local=True)
            return
        self._message = message
        self._asked.reverse()
        first = State.RSET if self._needs_rset else State.MAIL
        self._needs_rset = False
        if self.extensions.has_pipelining:
            self._is_ahead = True
            lines.append(commands.DATA)
            self._write(first, b"".join(lines))
        else:
            self._commands = lines[:0:-1]
            self._write(first, lines[0])

    def _write(self, state: State, octets: bytes) -> None:
        self._output += octets
        self.state = state

    def _advance(self, state: State) -> None:
        """Await the next command's reply; the command itself is already out, or goes out now."""
        self.state = state
        if not self._is_ahead:
            self._output += self._commands.pop() if self._commands else commands.DATA

    def _end(self, reply: Reply, *, is_local: bool = False) -> None:
        """Close. The first decision stands; without one, this reply decides.

        Between transactions nothing is decided; before the first one it is, as if MAIL had been met by it.
        """
        state = State.MAIL if self.state is State.READY and self._is_fresh else self.state
        if self.ended is None and state is not State.READY:
            # Some servers reject a handshake only after our side of it has ended (RFC 8446 section 4.4.4).
            is_tls = state in (State.STARTTLS, State.HANDSHAKE) or (
                state is State.EHLO and self._is_secure and is_local
            )
            self.ended = Ended(state=state, reply=reply, is_local=is_local, is_tls=is_tls)
        self.state = State.CLOSED

    def _break_off(self, what: str) -> None:
        self._end(Reply.of(451, f"the peer broke the protocol with {what}", "4.5.0"), is_local=True)

    def _settle(self, ended: Ended | None = None, *, needs_rset: bool = False) -> None:
        """Come to rest after a transaction; the first decision stands."""
        self.ended = self.ended or ended
        self._needs_rset = needs_rset
        self._clear()
        self.state = State.READY

    # --- moves: one for each kind of reply in each state

    def _out_of_step(self, reply: Reply) -> None:
        self._break_off(f"an unexpected reply {reply.code} in state {self.state}")

    def _refused(self, reply: Reply) -> None:
        self._end(reply)
        self._output += commands.QUIT

    def _premature(self, reply: Reply) -> None:
        self._end(reply)

    def _greeted(self, reply: Reply) -> None:
        self._write(State.EHLO, self._hello)

    def _introduced(self, reply: Reply) -> None:
        if self.state is State.EHLO:
            self.extensions = Extensions.parse(reply)
        if not self._wants_tls or self._is_secure:
            self.state = State.READY
        elif "STARTTLS" in self.extensions.keywords:
            self._write(State.STARTTLS, commands.STARTTLS)
        elif self._requires_tls:
            self.state = State.STARTTLS
            self._end(Reply.of(451, "TLS is required, and the host does not offer STARTTLS", "4.7.4"), is_local=True)
        else:
            self.state = State.READY

    def _ehlo_unknown(self, reply: Reply) -> None:
        self._write(State.HELO, commands.helo(self._ehlo))

    def _tls_agreed(self, reply: Reply) -> None:
        if self._reader.is_empty:
            self.state = State.HANDSHAKE
        else:  # injected before TLS, to be believed inside it (CVE-2011-0411)
            self._end(Reply.of(451, "plaintext after the reply to STARTTLS", "4.7.5"), is_local=True)

    def _reset(self, reply: Reply) -> None:
        self._advance(State.MAIL)

    def _mail_taken(self, reply: Reply) -> None:
        self._mail_accepted = True
        self._advance(State.RCPT)

    def _mail_refused(self, reply: Reply) -> None:
        ended = Ended(state=State.MAIL, reply=reply)
        if self._is_ahead:  # every command already sent gets its reply
            self.ended = ended
            self.state = State.RCPT
        else:
            self._settle(ended)

    def _recipient_answered(self, reply: Reply) -> None:
        recipient = self._asked.pop()
        if self._mail_accepted:
            self.recipients[recipient] = reply
            self._accepted += reply.is_positive
        if self._asked:
            self._advance(State.RCPT)
        elif self._accepted:
            self._advance(State.DATA)
        else:
            if self.ended is None:
                self.ended = Ended(state=State.RCPT, reply=next(iter(self.recipients.values())))
            if self._is_ahead:
                self.state = State.DATA
            else:
                self._settle(needs_rset=True)

    def _data_awaited(self, reply: Reply) -> None:
        if self._accepted:
            self.state = State.BODY
        else:  # a host that takes data for nobody gets an empty message (RFC 2920 §3.1)
            self._is_void = True
            self._write(State.DOT, data.END)

    def _data_refused(self, reply: Reply) -> None:
        self._settle(Ended(state=State.DATA, reply=reply), needs_rset=self._mail_accepted)

    def _answered(self, reply: Reply) -> None:
        self._settle(None if self._is_void else Ended(state=State.DOT, reply=reply))


Move = Callable[[Client, Reply], None]
_broken = Client._out_of_step
_asked = Client._recipient_answered

# Any 2xx is success (252 after the dot is real); 421 ends everything and never gets here.
MOVES: Mapping[State, tuple[Move, Move, Move, Move]] = MappingProxyType(
    {  # on 2xx, 3xx, 4xx, 5xx
        State.GREETING: (Client._greeted, _broken, Client._refused, Client._refused),
        State.EHLO: (Client._introduced, _broken, Client._refused, Client._ehlo_unknown),
        State.HELO: (Client._introduced, _broken, Client._refused, Client._refused),
        State.STARTTLS: (Client._tls_agreed, _broken, Client._refused, Client._refused),
        State.HANDSHAKE: (_broken, _broken, _broken, _broken),
        State.READY: (_broken, _broken, _broken, _broken),
        State.RSET: (Client._reset, _broken, _broken, _broken),
        State.MAIL: (Client._mail_taken, _broken, Client._mail_refused, Client._mail_refused),
        State.RCPT: (_asked, _broken, _asked, _asked),
        State.DATA: (_broken, Client._data_awaited, Client._data_refused, Client._data_refused),
        State.BODY: (_broken, _broken, Client._premature, Client._premature),
        State.DOT: (Client._answered, _broken, Client._answered, Client._answered),
    }
)


def _has_utf8_address(envelope: Envelope) -> bool:
    path = envelope.reverse_path
    return (path is not None and path.needs_smtputf8) or any(to.needs_smtputf8 for to in envelope.recipients)
