"""What a server session says to its owner, and the rules it keeps by itself.

Owns the values that pass between smtp.server and whoever runs it: what a listener offers and bounds (`Rules`), what may
come next (`State`), what a client asks (the events), and how a reply is written.  Pure.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.authentication import MECHANISMS
from tierii_mta.smtp.data_reader import Faults
from tierii_mta.smtp.requests import Mail, Recipient

_UNPRINTABLE = re.compile(r"[^ -~]")
_REPLY_OCTETS = 510  # of a line before its CR LF; RFC 5321 §4.5.3.1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one listener offers, and how much it bears."""

    name: str  # ours, in the greeting and the reply to EHLO
    software: str = "ESMTP"  # behind the name in the greeting
    message_octets: int = 26_214_400
    recipients: int = 1000  # of a message
    messages: int = 100  # of a session
    errors: int = 20  # refused commands between two messages before the session is closed
    idle_commands: int = 100  # EHLO, NOOP, RSET, VRFY, HELP between two messages: those beyond count as errors
    command_octets: int = 2048
    auth_octets: int = 12_288  # RFC 4954 §4
    has_tls: bool = False  # STARTTLS is offered while the session is in plaintext
    has_auth: bool = False
    auth_needs_tls: bool = True
    needs_auth: bool = False  # before MAIL
    has_dsn: bool = False
    takes_bare_lf: bool = False  # as the end of a command; never of a message

    def may_authenticate(self, *, is_secure: bool) -> bool:
        """Whether AUTH may come now."""
        return self.has_auth and (is_secure or not self.auth_needs_tls)

    def offers(self, *, is_secure: bool) -> list[str]:
        """Return the keywords in the reply to EHLO."""
        limits = f"LIMITS RCPTMAX={self.recipients} MAILMAX={self.messages}"
        offers = ["PIPELINING", f"SIZE {self.message_octets}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", limits]
        if self.has_dsn:
            offers.append("DSN")
        if self.has_tls and not is_secure:
            offers.append("STARTTLS")
        if self.may_authenticate(is_secure=is_secure):
            offers.append("AUTH " + " ".join(MECHANISMS))
        return offers


class State(StrEnum):
    """What may come next."""

    CONNECTED = "connected"  # nothing: the greeting is still owed
    GREETED = "greeted"
    READY = "ready"  # introduced, no transaction
    MAIL = "mail"  # a reverse-path, no recipient yet
    RCPT = "rcpt"
    AUTH = "auth"  # the next line belongs to an AUTH exchange
    DATA = "data"  # the message
    TLS = "tls"  # nothing, until tls_started
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduced:
    """EHLO or HELO; the session has answered it. An open transaction is over."""

    name: str
    is_extended: bool


@dataclass(frozen=True, slots=True)
class TlsAgreed:
    """The reply to STARTTLS is in the output: start TLS once it is written, then call `tls_started`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """AUTH, to be answered: 235 and the session is authenticated."""

    mechanism: str
    name: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(mechanism={self.mechanism!r}, name={self.name!r})"


@dataclass(frozen=True, slots=True)
class DataAsked:
    """DATA, to be answered: 354 and the message follows."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some octets of the message."""

    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEnded:
    """The end of the message, to be answered; the transaction is over."""

    size: int
    faults: Faults


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The transaction is over without a message: RSET, or a new EHLO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The session says nothing more: close the connection once the output is written."""

    why: str


Event = Introduced | TlsAgreed | Credentials | Mail | Recipient | DataAsked | Piece | MessageEnded | Abandoned | Closing
ASKING = (Credentials, Mail, Recipient, DataAsked, MessageEnded)
"""Events the session waits on: `Server.answer` goes on."""


def written(reply: Reply) -> bytes:
    """Return a reply as it goes over the wire: printable ASCII, the enhanced code in front of each line (RFC 2034)."""
    code = "" if reply.enhanced is None else f"{reply.enhanced} "
    *texts, last = reply.lines or ("",)
    lines = [f"{reply.code}-{code}{text}" for text in texts]
    lines.append(f"{reply.code} {code}{last}")
    return b"".join([_line(text) for text in lines])


def _line(text: str) -> bytes:
    if not (text.isascii() and text.isprintable()):
        text = _UNPRINTABLE.sub("?", text)
    return text[:_REPLY_OCTETS].encode("ascii") + b"\r\n"
