"""Sessions: one SMTP connection to one host, carrying one transaction after another.

Owns what a caller sees of a session: opening it, its transactions and its end, as values; not the bytes and deadlines
(outbound.connection), the dialogue (smtp.client), reuse between attempts (outbound.pool) nor what a reply means
(outbound.interpret).  RFC 5321 §3, §4.5.3.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from tierii_mta.clock import Clock
from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import Envelope
from tierii_mta.mail.reply import Reply
from tierii_mta.outbound.connection import Connection, DialFailed, Timeouts, dial
from tierii_mta.outbound.security import TlsContexts, TlsPolicy
from tierii_mta.outbound.sources import Source
from tierii_mta.queue.delivery import Stage
from tierii_mta.smtp.client import AT_REST, Client, Ended, State
from tierii_mta.smtp.talk import Exchange, Said

__all__ = ["ConnectFailed", "Host", "Reuse", "Session", "SessionKey", "Timeouts", "Transaction", "open_session"]

STAGES: Mapping[State, Stage] = MappingProxyType(
    {
        State.GREETING: Stage.GREETING,
        State.EHLO: Stage.EHLO,
        State.HELO: Stage.EHLO,
        State.STARTTLS: Stage.STARTTLS,
        State.HANDSHAKE: Stage.STARTTLS,
        State.RSET: Stage.MAIL,
        State.MAIL: Stage.MAIL,
        State.RCPT: Stage.RCPT,
        State.DATA: Stage.DATA,
        State.BODY: Stage.BODY,
        State.DOT: Stage.DOT,
    }
)


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
class Reuse:
    """How long and for how many messages one session may serve."""

    messages: int = 100
    lifetime: timedelta = timedelta(seconds=300)  # by time first: by count alone the slowest host attracts them all
    idle: timedelta = timedelta(seconds=15)


class ConnectFailed(Exception):
    """No session: the host was not reached, or its greeting, EHLO or TLS failed. Nothing of any message was sent."""

    def __init__(
        self,
        *,
        stage: Stage,
        reply: Reply,
        is_local: bool,
        is_tls: bool = False,
        is_ours: bool = False,
        said: Said | None = None,
    ) -> None:
        """`is_local`: the reply is ours. `is_tls`: `security.fallback` may allow another try in plaintext.

        `is_ours`: our socket could not be made or bound, so the source is at fault and the host was not asked.
        """
        self.stage, self.reply, self.is_local, self.is_tls, self.is_ours = stage, reply, is_local, is_tls, is_ours
        self.said = said or []
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

    __slots__ = ("_connection", "host", "opened_at", "opening", "reuse", "tls", "uses")

    def __init__(self, connection: Connection, host: Host, *, tls: str | None, opened_at: float, reuse: Reuse) -> None:
        self._connection = connection
        self.host = host
        self.tls = tls  # e.g. "TLSv1.3 verified", "TLSv1.2 unverified"; None: plaintext
        self.opened_at = opened_at  # Clock.monotonic
        self.reuse = reuse
        self.uses = 0  # transactions begun
        self.opening = connection.said  # greeting, EHLO, TLS

    @property
    def exchange(self) -> Exchange:
        """What was said to open the session and in its latest transaction."""
        host = self.host
        return Exchange(host.name, host.address, self.opening, self._connection.said, self.uses > 1)

    @property
    def extensions(self) -> Mapping[str, str]:
        """What the host offers: EHLO keyword in upper case -> its parameters."""
        return self._connection.client.extensions.keywords

    async def transact(self, envelope: Envelope, data: bytes) -> Transaction:
        """Send one message and return what became of it, whatever happens.

        When cancelled the session is aborted, and `dot_written` says whether the message is in doubt.
        """
        connection, client = self._connection, self._connection.client
        if client.is_reusable:
            self.uses += 1
            connection.said = []
            connection.begin(envelope, data)
            await connection.settled()
        elif client.state in AT_REST:
            return self._gone()
        else:
            raise RuntimeError("a session carries one transaction at a time")
        ended = client.ended
        assert ended is not None
        return Transaction(
            stage=STAGES[ended.state],
            reply=ended.reply,
            is_local=ended.is_local,
            recipients=client.recipients,
            dot_written=connection.dot_written,
            is_reusable=client.is_reusable,
            missing=ended.missing,
            is_stale=self.uses > 1 and self._was_over(ended),
        )

    def _was_over(self, ended: Ended) -> bool:
        """Whether the peer had ended the session before it could judge a message: its limit, or its idle time."""
        if self._connection.client.is_reusable or self._connection.has_timed_out:
            return False
        return ended.state is State.RSET or (ended.state is State.MAIL and (ended.is_local or ended.reply.code == 421))

    def _gone(self) -> Transaction:
        """Nothing can be sent: a reused session says nothing about the host, one that never carried a message does."""
        ended = None if self.uses else self._connection.client.ended
        return Transaction(
            stage=Stage.MAIL,
            reply=ended.reply if ended else Reply.of(421, "the session had ended before the message", "4.4.2"),
            is_local=ended.is_local if ended else True,
            recipients={},
            dot_written=False,
            is_reusable=False,
            is_stale=self.uses > 0,
        )

    @property
    def dot_written(self) -> bool:
        """Whether the final dot of the latest transaction was written; what a cancelled `transact` leaves behind."""
        return self._connection.dot_written

    def is_worth_keeping(self, clock: Clock) -> bool:
        """Whether the session may carry another message as far as we know: open, and within its `Reuse`."""
        age = clock.monotonic() - self.opened_at
        within = self.uses < self.reuse.messages and age < self.reuse.lifetime.total_seconds()
        return within and self._connection.is_open

    def is_usable(self, clock: Clock) -> bool:
        """Whether it can carry one now: worth keeping, and nothing waits to be read."""
        return self.is_worth_keeping(clock) and self._connection.is_quiet()

    def quit(self) -> None:
        """Say QUIT without waiting for the answer and let the socket close by itself."""
        self._connection.quit()

    async def close(self) -> None:
        """Say QUIT without waiting for the answer; returns once the socket is closed. May be called more than once."""
        self._connection.quit()
        await self._connection.wait_closed()

    def abort(self) -> None:
        """Drop the connection now, without QUIT."""
        self._connection.abort()


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
    is_lmtp: bool = False,
) -> Session:
    """Connect, greet and, as `tls` says, start TLS.

    Raises `ConnectFailed`, and `smtp.commands.InvalidCommand` for an `ehlo` no host could read.  Leaves no socket
    behind when it raises or is cancelled.
    """
    client = Client(ehlo, wants_tls=tls.wants_tls, requires_tls=tls.requires_tls, is_lmtp=is_lmtp)
    try:
        connection = await dial(
            client, (host.address, host.port), local_address=source.local_address(host.address), timeouts=timeouts
        )
    except DialFailed as error:
        raise ConnectFailed(stage=Stage.CONNECT, reply=error.reply, is_local=True, is_ours=error.is_ours) from error
    await connection.settled()
    if client.state is State.HANDSHAKE:
        name = None if host.name.startswith("[") else host.name
        await connection.start_tls(contexts.context(tls), name, within=timeouts.starttls)
        await connection.settled()
    if (ended := client.ended) is not None:
        raise ConnectFailed(
            stage=STAGES[ended.state],
            reply=ended.reply,
            is_local=ended.is_local,
            is_tls=ended.is_tls,
            said=connection.said,
        )
    version = connection.tls_version
    text = f"{version} {'verified' if tls is TlsPolicy.VERIFIED else 'unverified'}" if version else None
    return Session(connection, host, tls=text, opened_at=clock.monotonic(), reuse=reuse or Reuse())
