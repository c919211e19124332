"""What the listener and those who decide know of one SMTP session, and what they ask of each other.

Owns the port `Judge`: the listener (inbound.listener) speaks SMTP, bounds and times it; a judge says who may send what
to whom and takes the message (inbound.submission, inbound.reception).  One judge serves one session and is asked one
thing at a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from tierii_mta.clock import Instant
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.data_reader import Faults
from tierii_mta.smtp.dialogue import Credentials
from tierii_mta.smtp.requests import Mail, Recipient


class Door(StrEnum):
    """Which kind of listener a session came through."""

    INBOUND = "inbound"  # port 25
    SUBMISSION = "submission"  # port 587, STARTTLS
    SUBMISSIONS = "submissions"  # port 465, TLS from the first octet (RFC 8314)


@dataclass(slots=True, kw_only=True)
class Session:
    """The facts of one session. The listener keeps them up to date; a judge reads them, and names the `user`."""

    id: str  # for logs and Received
    door: Door
    remote: IPv4Address | IPv6Address  # a mapped IPv4 address is an IPv4 address
    remote_port: int
    local: str  # address and port it reached
    started_at: Instant
    client_name: str = ""  # from EHLO or HELO
    is_extended: bool = False  # EHLO
    tls: str | None = None  # e.g. "TLSv1.3 TLS_AES_256_GCM_SHA384"; None: plaintext
    user: str | None = None  # who authenticated


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that came whole and within bounds, its line ends all CR LF."""

    head: bytes  # the header with the empty line behind it, bounded by `smtp.limits.header`
    body: Callable[[], Iterator[bytes]]  # the rest in pieces; may be called again until the judge has answered
    size_bytes: int  # of both
    is_8bit: bool  # an octet above 127 occurs
    faults: Faults  # what was mended on the way (`eol: normalize`)


class Judge(Protocol):
    """Decides for one session. Every reply with 4xx or 5xx counts as an error of the client's.

    A method that raises is answered with 451 and the session goes on; the text of the error goes to the log alone.
    Cancelled is nothing: a client that goes away does not undo a commit under way.
    """

    async def greet(self) -> Reply | None:
        """Return why the session is refused before it begins (421 or 554); None: it is welcome."""

    async def authenticate(self, credentials: Credentials) -> Reply:
        """Return 235 and name the session's `user`, or a refusal."""

    async def mail(self, mail: Mail) -> Reply:
        """Begin a transaction: 250, or a refusal."""

    async def recipient(self, recipient: Recipient) -> Reply:
        """Take a recipient: 250, or a refusal of this one."""

    async def data(self) -> Reply:
        """Return 354 to let the message come, or a refusal, which ends the transaction."""

    async def message(self, message: Message) -> Reply:
        """Keep the message durably, then return 250; any other reply says that nothing of it is kept."""

    def abandoned(self) -> None:
        """The transaction is over without a message: RSET, EHLO, an overflow, or the client went away."""

    def closed(self) -> None:
        """The session is over; nothing is asked any more."""
