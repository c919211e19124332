"""Sessions: one SMTP connection to one host, carrying one transaction after another.

Owns what a caller sees of a session: opening it, its transactions and its end, as values; not the bytes and deadlines
(outbound.connection), the dialogue (smtp.client), reuse between attempts (outbound.pool) nor what a reply means
(outbound.interpret).  RFC 5321 §3, §4.5.3.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tierii_mta.clock import Clock
from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import Envelope
from tierii_mta.mail.reply import Reply
from tierii_mta.outbound.security import TlsContexts, TlsPolicy
from tierii_mta.outbound.sources import Source
from tierii_mta.queue.delivery import Stage


@dataclass(frozen=True, slots=True)
class Host:
    """One address of one MX host."""

    name: str  # the MX host's name, as certificates name it; an address literal for mail to one
    address: str  # IPv4 or IPv6
    port: int = 25


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Who may share a session: the same source to the same site under the same TLS policy."""

    source: str
    site: str
    tls: TlsPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each step may take (RFC 5321 §4.5.3.2). Each is absolute for one reply, so a trickle does not extend it."""

    connect: timedelta = timedelta(seconds=30)  # the caller's choice is shorter while other hosts remain
    greeting: timedelta = timedelta(seconds=60)
    ehlo: timedelta = timedelta(seconds=300)
    starttls: timedelta = timedelta(seconds=60)  # the reply and, again, the handshake
    mail: timedelta = timedelta(seconds=300)
    rcpt: timedelta = timedelta(seconds=300)
    data: timedelta = timedelta(seconds=120)
    body: timedelta = timedelta(seconds=180)  # without a chunk of the body going out
    dot: timedelta = timedelta(seconds=600)
    rset: timedelta = timedelta(seconds=20)
    quit: timedelta = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How long and for how many messages one session may serve."""

    messages: int = 100
    lifetime: timedelta = timedelta(seconds=300)  # by time first: by count alone the slowest host attracts them all
    idle: timedelta = timedelta(seconds=15)


class ConnectFailed(Exception):
    """No session: the host was not reached, or its greeting, EHLO or TLS failed. Nothing of any message was sent."""

    def __init__(self, *, stage: Stage, reply: Reply, is_local: bool, is_tls: bool = False) -> None:
        """`is_local`: the reply is ours, no peer spoke. `is_tls`: security.fallback may allow another try in plaintext."""
        self.stage, self.reply, self.is_local, self.is_tls = stage, reply, is_local, is_tls
        super().__init__(f"{stage}: {reply}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What became of one message in one transaction. Success: stage DOT and a 2xx reply."""

    stage: Stage  # what the decisive reply answered, or how far we came
    reply: Reply
    is_local: bool = False  # the reply is ours: connection lost, time-out, protocol error, local refusal
    recipients: Mapping[Address, Reply]  # the answer to each RCPT TO that got one, accepted or refused
    dot_written: bool  # with is_local: in doubt (RFC 1047)
    is_reusable: bool  # the session may carry another transaction
    missing: str | None = None  # this host lacks what the message needs (SMTPUTF8, 8BITMIME, SIZE): another MX may do
    is_stale: bool = False  # a reused session had ended before this message: nobody judged it, open a new session

    @property
    def is_success(self) -> bool:
        """The peer took responsibility for the recipients it had accepted."""
        return self.stage is Stage.DOT and not self.is_local and 200 <= self.reply.code < 300

    def decided(self, recipient: Address) -> tuple[Stage, Reply]:
        """Return what decided a recipient's fate: the refusal of its RCPT TO, else the transaction's own reply."""
        own = self.recipients.get(recipient)
        return (self.stage, self.reply) if own is None or own.is_positive else (Stage.RCPT, own)


class Session:
    """An open SMTP session, ready for transactions, one at a time. Made by `open_session`."""

    host: Host
    tls: str | None  # e.g. "TLSv1.3 verified", "TLSv1.2 unverified"; None: plaintext
    uses: int  # transactions begun
    opened_at: float  # Clock.monotonic
    extensions: Mapping[str, str]  # EHLO keyword in upper case -> its parameters

    async def transact(self, envelope: Envelope, data: bytes) -> Transaction:
        """Send one message; returns whatever happens. When cancelled the session is aborted: see `dot_written`."""
        raise NotImplementedError

    @property
    def dot_written(self) -> bool:
        """Whether the final dot of the latest transaction was written; what a cancelled `transact` leaves behind."""
        raise NotImplementedError

    def is_usable(self, clock: Clock) -> bool:
        """Whether the session can carry another message: alive, nothing waiting to be read, within its `Reuse`."""
        raise NotImplementedError

    async def close(self) -> None:
        """Say QUIT without waiting for the answer, and close the socket. May be called more than once."""
        raise NotImplementedError

    def abort(self) -> None:
        """Drop the connection now, without QUIT."""
        raise NotImplementedError


async def open_session(
    host: Host,
    *,
    source: Source,
    tls: TlsPolicy,
    ehlo: str,
    timeouts: Timeouts,
    clock: Clock,
    contexts: TlsContexts,
    reuse: Reuse | None = None,
) -> Session:
    """Connect, greet and, as `tls` says, start TLS. Raises `ConnectFailed`; leaves no socket behind when it fails."""
    raise NotImplementedError
