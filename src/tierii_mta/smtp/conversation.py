"""What a client may say when, as a table, and the replies that need nobody's judgement.

Owns the state of one SMTP session on the server's side, line by line: order of commands, the counters of errors and of
messages, the AUTH exchange; not where lines and messages begin and end (smtp.server) nor who may send what to whom (the
owner answers the events that ask).  RFC 5321 §4.1.4, RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE), RFC 3461
(DSN), RFC 9422 (LIMITS).  CHUNKING is not offered.  Pure.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from tierii_mta.mail.reply import PermanentError, Reply
from tierii_mta.smtp import requests
from tierii_mta.smtp.authentication import Exchange
from tierii_mta.smtp.dialogue import (
    ASKING,
    Abandoned,
    Closing,
    Credentials,
    DataAsked,
    Event,
    Introduced,
    MessageEnded,
    Rules,
    State,
    TlsAgreed,
    written,
)

_UNKNOWN_COSTS = 5  # errors: who speaks no SMTP is not to try for long
_OK = Reply.of(250, "Ok", "2.0.0")
OUT_OF_STEP = Reply.of(554, "the client did not wait for the reply", "5.5.0")


class Conversation:
    """One session: lines go in, events and written replies come out."""

    __slots__ = (
        "_exchange",
        "_idle_commands",
        "_is_smtputf8",
        "_recipients",
        "asked",
        "client_name",
        "errors",
        "events",
        "is_authenticated",
        "is_extended",
        "is_secure",
        "messages",
        "output",
        "rules",
        "state",
    )

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.state = State.CONNECTED
        self.client_name = ""
        self.is_extended = False
        self.is_secure = False
        self.is_authenticated = False
        self.errors = 0  # commands refused since the last message was taken, weighted
        self.messages = 0
        self.events: list[Event] = []  # found together, handed out one by one
        self.output: list[bytes] = []
        self.asked: type[Event] | None = None  # what waits for an answer of the owner
        self._exchange: Exchange | None = None
        self._idle_commands = 0
        self._recipients = 0  # of the transaction; MAIL sets both
        self._is_smtputf8 = False

    def greet(self) -> None:
        """Say the greeting."""
        self.state = State.GREETED
        self.say(Reply.of(220, f"{self.rules.name} {self.rules.software}"))

    def take_event(self) -> Event | None:
        """Hand out the next event; one that asks is remembered."""
        if not self.events:
            return None
        event = self.events.pop(0)
        if isinstance(event, ASKING):
            self.asked = type(event)
        return event

    def answer(self, reply: Reply) -> None:
        """Answer the latest event that asks; a 421 also ends the session."""
        asked, self.asked = self.asked, None
        if asked is None:
            raise RuntimeError("nobody asked")
        if reply.code == 421:
            self.end(reply)
            return
        _ANSWERS[asked](self, reply)
        if not reply.is_positive:
            self.count_error()

    def end(self, reply: Reply) -> None:
        """Say why, and nothing more."""
        self.asked = None
        self.say(reply)
        self.state = State.CLOSED
        self.events.append(Closing(why=str(reply)))

    def count_error(self, count: int = 1) -> None:
        """Count errors, also those that only the owner sees; too many end the session."""
        self.errors += count
        if self.errors >= self.rules.errors and self.state is not State.CLOSED:
            self.end(Reply.of(421, "too many errors", "4.7.0"))

    def tls_started(self) -> None:
        """Begin anew inside TLS: what was said in plaintext counts for nothing (RFC 3207 §4.2)."""
        self.is_secure, self.client_name, self.is_extended = True, "", False
        self.state = State.GREETED

    def say(self, reply: Reply) -> None:
        """Write a reply."""
        self.output.append(written(reply))

    def refuse(self, reply: Reply, *, cost: int = 1) -> None:
        """Write a reply that counts as an error."""
        self.say(reply)
        self.count_error(cost)

    def misread(self, why: str) -> None:
        """Refuse a line that is none; an AUTH exchange is over with it."""
        if self.state is State.AUTH:
            self._exchange, self.state = None, State.READY
        self.refuse(Reply.of(500, why, "5.5.2"))

    def follow(self, line: bytes, *, is_last: bool) -> None:
        """Take one line, without its end. `is_last`: nothing is buffered behind it.

        What comes behind a line that has to be the last one of a group (RFC 2920 §3.1) ends the session: such octets
        are an attack, or a client that will never be in step.
        """
        try:
            is_answer = self.state is State.AUTH
            verb, argument = ("", "") if is_answer else requests.split(line)
            command = COMMANDS.get(verb, _UNKNOWN)
            if not is_last and (is_answer or command.ends_group):
                self.end(OUT_OF_STEP)
            elif is_answer:
                self._go_on_authenticating(line)
            elif self.state in command.states:
                command.move(self, argument)
            else:
                self.refuse(_out_of_order(verb, self.state))
        except PermanentError as error:
            self.refuse(error.reply)

    # --- commands

    def _hello(self, argument: str, *, is_extended: bool) -> None:
        name = requests.parse_name(argument, is_extended=is_extended)
        self._abandon()
        self.client_name, self.is_extended, self.state = name, is_extended, State.READY
        offers = self.rules.offers(is_secure=self.is_secure) if is_extended else ()
        self.events.append(Introduced(name=name, is_extended=is_extended))
        self._idle(Reply(250, (self.rules.name, *offers)))

    def _ehlo(self, argument: str) -> None:
        self._hello(argument, is_extended=True)

    def _helo(self, argument: str) -> None:
        self._hello(argument, is_extended=False)

    def _starttls(self, argument: str) -> None:
        if not self.rules.has_tls:
            raise requests.refusal(502, "TLS is not offered", "5.5.1")
        if self.is_secure:
            raise requests.refusal(503, "TLS is active already", "5.5.1")
        _expect_nothing(argument)
        self.say(Reply.of(220, "Ready to start TLS", "2.0.0"))
        self.state = State.TLS
        self.events.append(TlsAgreed())

    def _auth(self, argument: str) -> None:
        if not self.rules.has_auth:
            raise requests.refusal(502, "AUTH is not offered", "5.5.1")
        if self.is_authenticated:
            raise requests.refusal(503, "the session is authenticated already", "5.5.1")
        if not self.rules.may_authenticate(is_secure=self.is_secure):
            raise requests.refusal(538, "authentication needs TLS", "5.7.11")
        self._continue(Exchange.begin(argument))

    def _go_on_authenticating(self, line: bytes) -> None:
        exchange, self._exchange, self.state = self._exchange, None, State.READY
        if exchange is not None:
            exchange.take(line)
            self._continue(exchange)

    def _continue(self, exchange: Exchange) -> None:
        if exchange.challenge is not None:
            self._exchange, self.state = exchange, State.AUTH
            self.say(Reply.of(334, exchange.challenge))
            return
        name, password = exchange.credentials()
        self.events.append(Credentials(mechanism=exchange.mechanism, name=name, password=password))

    def _mail(self, argument: str) -> None:
        if self.rules.needs_auth and not self.is_authenticated:
            raise requests.refusal(530, "authentication is required", "5.7.0")
        if self.messages >= self.rules.messages:
            self.end(Reply.of(421, "enough messages for one session", "4.7.0"))
            return
        mail = requests.parse_mail(argument, has_dsn=self.rules.has_dsn)
        if mail.size_bytes is not None and mail.size_bytes > self.rules.message_octets:
            raise requests.refusal(552, f"a message has at most {self.rules.message_octets} octets", "5.3.4")
        self._is_smtputf8 = mail.is_smtputf8
        self.events.append(mail)

    def _rcpt(self, argument: str) -> None:
        if self._recipients >= self.rules.recipients:
            self._recipients += 1  # a client may send a whole list ahead: as many again are no error
            self.say(Reply.of(452, "too many recipients", "4.5.3"))
            if self._recipients > 2 * self.rules.recipients:
                self.count_error()
            return
        recipient = requests.parse_recipient(
            argument, has_dsn=self.rules.has_dsn, is_smtputf8=self._is_smtputf8, local_domain=self.rules.name
        )
        self.events.append(recipient)

    def _data(self, argument: str) -> None:
        _expect_nothing(argument)
        self.events.append(DataAsked())

    def _rset(self, argument: str) -> None:
        _expect_nothing(argument)
        self._abandon()
        self._idle(_OK)

    def _idle(self, reply: Reply) -> None:
        self.say(reply)
        self._idle_commands += 1
        if self._idle_commands > self.rules.idle_commands:
            self.count_error()

    def _quit(self, argument: str) -> None:
        self.end(Reply.of(221, "Bye", "2.0.0"))

    def _bdat(self, argument: str) -> None:
        """What follows would be read as commands, so the session is over."""
        self.say(Reply.of(502, "BDAT is not offered", "5.5.1"))
        self.end(Reply.of(421, "what follows cannot be told from commands", "4.7.0"))

    def _http(self, argument: str) -> None:
        """A browser may be made to send us commands behind its own: it gets no further than its first line."""
        self.end(Reply.of(421, "this is no HTTP server", "4.7.0"))

    def _unknown(self, argument: str) -> None:
        self.refuse(Reply.of(500, "the command is not known", "5.5.2"), cost=_UNKNOWN_COSTS)

    def _abandon(self) -> None:
        if self.state in (State.MAIL, State.RCPT):
            self.state = State.READY
            self.events.append(Abandoned())

    # --- answers

    def _credentials_judged(self, reply: Reply) -> None:
        self.is_authenticated = reply.is_positive
        self.say(reply)

    def _mail_judged(self, reply: Reply) -> None:
        if reply.is_positive:
            self.state, self._recipients = State.MAIL, 0
        self.say(reply)

    def _recipient_judged(self, reply: Reply) -> None:
        if reply.is_positive:
            self.state = State.RCPT
            self._recipients += 1
        self.say(reply)

    def _data_judged(self, reply: Reply) -> None:
        if reply.is_positive:
            self.messages += 1
            self.state = State.DATA
        else:
            self._abandon()
        self.say(reply)

    def _message_judged(self, reply: Reply) -> None:
        if reply.is_positive:
            self.errors = self._idle_commands = 0  # long sessions of honest clients are no worse than many short ones
        self.say(reply)


class Command(NamedTuple):
    """When a command may come, whether it has to be the last one of a pipelined group, and what it does."""

    states: frozenset[State]
    ends_group: bool
    move: Callable[[Conversation, str], None]


_ANY = frozenset({State.GREETED, State.READY, State.MAIL, State.RCPT})
_AT_REST = frozenset({State.READY})
_NOT_OFFERED = Command(_ANY, False, lambda talk, _: talk.refuse(Reply.of(502, "the command is not offered", "5.5.1")))
_UNKNOWN = Command(_ANY, False, Conversation._unknown)

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "EHLO": Command(_ANY, True, Conversation._ehlo),
        "HELO": Command(_ANY, True, Conversation._helo),
        "STARTTLS": Command(_AT_REST, True, Conversation._starttls),
        "AUTH": Command(_AT_REST, True, Conversation._auth),
        "MAIL": Command(_AT_REST, False, Conversation._mail),
        "RCPT": Command(frozenset({State.MAIL, State.RCPT}), False, Conversation._rcpt),
        "DATA": Command(frozenset({State.RCPT}), True, Conversation._data),
        "BDAT": Command(_ANY, False, Conversation._bdat),
        "RSET": Command(_ANY, False, Conversation._rset),
        "QUIT": Command(_ANY, False, Conversation._quit),
        "NOOP": Command(_ANY, False, lambda talk, _: talk._idle(_OK)),
        "VRFY": Command(_ANY, False, lambda talk, _: talk._idle(Reply.of(252, "send some mail, and see", "2.0.0"))),
        "HELP": Command(_ANY, False, lambda talk, _: talk._idle(Reply.of(214, "see RFC 5321", "2.0.0"))),
        **dict.fromkeys(("EXPN", "ETRN", "TURN"), _NOT_OFFERED),
        **dict.fromkeys(("CONNECT", "GET", "HEAD", "POST", "PUT"), Command(_ANY, False, Conversation._http)),
    }
)
_ANSWERS: Mapping[type, Callable[[Conversation, Reply], None]] = MappingProxyType(
    {
        Credentials: Conversation._credentials_judged,
        requests.Mail: Conversation._mail_judged,
        requests.Recipient: Conversation._recipient_judged,
        DataAsked: Conversation._data_judged,
        MessageEnded: Conversation._message_judged,
    }
)


def _expect_nothing(argument: str) -> None:
    if argument:
        raise requests.refusal(501, "the command takes no argument", "5.5.4")


def _out_of_order(verb: str, state: State) -> Reply:
    if state is State.GREETED:
        return Reply.of(503, "say EHLO first", "5.5.1")
    if verb == "DATA" and state is State.MAIL:
        return Reply.of(554, "no recipient was accepted", "5.5.1")
    return Reply.of(503, f"{verb} may not come now", "5.5.1")
