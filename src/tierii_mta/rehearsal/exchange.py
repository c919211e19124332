"""One SMTP connection of the sink: aiosmtpd's protocol, with a personality's replies in place of its own.

Owns the stages at which a personality acts; aiosmtpd owns the syntax, STARTTLS and the end of data.  aiosmtpd's
threaded Controller is not used: the protocol runs in the caller's loop.  RFC 5321, RFC 3207, RFC 2920.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, AnyStr, Protocol

from aiosmtpd.smtp import SMTP

from tierii_mta.clock import Clock, Instant
from tierii_mta.rehearsal.judgement import Judge, Verdict
from tierii_mta.rehearsal.personality import Behaviour, Personality, Rule, Stage, Tls

_log = logging.getLogger("tierii_mta.sink")
_IDLE_SECONDS = 300  # RFC 5321 §4.5.3.2.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message whose final dot was seen and not refused."""

    at: Instant
    client: str
    helo: str
    sender: str  # "" the null sender
    recipients: tuple[str, ...]
    data: bytes  # as it came, dots unstuffed
    tls: str | None  # protocol version
    reply: str  # what the client was told; "" when the connection was dropped after the dot
    is_answered: bool  # its reader answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A recipient, a transaction or a connection that was turned away."""

    at: Instant
    client: str
    sender: str
    recipient: str | None
    behaviour: str
    reply: str  # "" when the connection was dropped


class Reception(Protocol):
    """Who keeps what an exchange brings."""

    async def keep(self, message: Received) -> None:
        """Keep a message; the client is told 250 after this returns."""

    def refused(self, refusal: Refused) -> None:
        """Take note of a refusal."""


@dataclass(slots=True)
class _Transaction:
    sender: str = ""
    rules: list[tuple[str, Rule | None]] = field(default_factory=list)


class Exchange(SMTP):
    """The server side of one connection."""

    def __init__(
        self,
        personality: Personality,
        judge: Judge,
        reception: Reception,
        *,
        clock: Clock,
        tls: ssl.SSLContext | None,
        on_end: Callable[["Exchange"], None],
    ) -> None:
        self._personality, self._judge, self._reception, self._clock = personality, judge, reception, clock
        self._transaction = _Transaction()
        self._messages, self._on_end = 0, on_end
        super().__init__(
            self,  # aiosmtpd looks for the handle_ methods on its handler: here they are
            data_size_limit=personality.message_size_bytes,
            enable_SMTPUTF8=personality.has_smtputf8,
            hostname=personality.hostname,
            ident="ESMTP sink",
            tls_context=tls,
            require_starttls=personality.tls is Tls.REQUIRED,
            timeout=_IDLE_SECONDS,
        )

    @property
    def client(self) -> str:
        """The peer's address."""
        return str(self.session.peer[0]) if self.session and self.session.peer else "?"

    async def ended(self) -> None:
        """Wait until nothing of this connection runs any more."""
        if self._handler_coroutine is not None:
            await asyncio.wait([self._handler_coroutine])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the dialogue; called a second time when STARTTLS has put its own transport in place."""
        is_new = self._handler_coroutine is None
        super().connection_made(transport)
        if is_new and self._handler_coroutine is not None:
            self._handler_coroutine.add_done_callback(lambda _: self._on_end(self))

    def _set_post_data_state(self) -> None:
        super()._set_post_data_state()  # type: ignore[no-untyped-call]
        self._transaction = _Transaction()

    async def handle_exception(self, error: Exception) -> str:
        """Answer for a fault of ours, a full disk for instance: the client keeps its mail."""
        _log.error("the sink failed", exc_info=error)
        return "451 4.3.0 The sink itself failed; see its log"

    async def _handle_client(self) -> None:
        try:
            await self._pause(self._personality.delays.greeting)
            if self._personality.greeting is None:
                await super()._handle_client()
            else:
                self._note(None, "greeting", self._personality.greeting)
                await self.push(self._personality.greeting)
                self._close()
        except ConnectionError:
            pass  # the client went away; there is nobody left to tell

    async def push(self, status: AnyStr) -> None:
        """Send one reply line; a 421 is the last one (RFC 5321 §3.8)."""
        await super().push(status)
        if status[:3] in ("421", b"421"):
            self._close()

    def abort(self) -> None:
        """Break the connection off at once, without a word."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    async def handle_EHLO(
        self, _server: object, session: Any, _envelope: object, hostname: str, _lines: list[str]
    ) -> list[str]:
        """Answer EHLO with the personality's extensions."""
        await self._pause(self._personality.delays.ehlo)
        session.host_name = hostname
        offered = [self.hostname, f"SIZE {self._personality.message_size_bytes}", "8BITMIME", "ENHANCEDSTATUSCODES"]
        if self._personality.has_pipelining:
            offered.append("PIPELINING")
        if self._personality.has_smtputf8:
            offered.append("SMTPUTF8")
        if self.tls_context and not self._tls_protocol:
            offered.append("STARTTLS")
        return [f"250-{line}" for line in offered[:-1]] + [f"250 {offered[-1]}"]

    async def handle_MAIL(
        self, _server: object, _session: object, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Open a transaction."""
        sender = "" if address == "<>" else address
        self._transaction = _Transaction(sender)
        await self._pause(self._personality.delays.mail)
        limit = self._personality.messages_per_connection
        if limit is not None and self._messages >= limit:
            return self._note(None, "messages_per_connection", "421 4.3.2 Enough messages on this connection")
        rule = self._judge.choose(sender, None)
        refusal = await self._act([("*", rule)], Stage.MAIL)
        if refusal:
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender ok"

    async def handle_RCPT(
        self, _server: object, _session: object, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Take or refuse one recipient."""
        rule = self._judge.choose(self._transaction.sender, address)
        refusal = await self._act([(address, rule)], Stage.RCPT)
        if refusal:
            return refusal
        self._transaction.rules.append((address, rule))
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Recipient ok"

    async def smtp_DATA(self, arg: str | None) -> None:
        """Refuse before 354 where a rule says so; aiosmtpd reads the message otherwise."""
        if self._transaction.rules:
            refusal = await self._act(self._transaction.rules, Stage.DATA)
            if refusal:
                self._set_rset_state()  # type: ignore[no-untyped-call]
                await self.push(refusal)
                return
        await super().smtp_DATA(arg)

    async def handle_DATA(self, _server: object, session: Any, envelope: Any) -> str:
        """Keep or refuse the message, the final dot being in."""
        rules = self._transaction.rules
        self._messages += 1
        drops = any(rule and rule.behaviour is Behaviour.DROP and rule.stage is Stage.DOT for _, rule in rules)
        if not drops:
            refusal = await self._act(rules, Stage.DOT)
            if refusal:
                return refusal
        reply = "" if drops else f"250 2.0.0 Kept as message {self._messages} of this connection"
        tls = session.ssl.get("ssl_object") if isinstance(session.ssl, dict) else None
        await self._reception.keep(
            Received(
                at=self._clock.now(),
                client=self.client,
                helo=session.host_name,
                sender=self._transaction.sender,
                recipients=tuple(envelope.rcpt_tos),
                data=bytes(envelope.content),
                tls=tls.version() if tls else None,
                reply=reply,
                is_answered=any(rule and rule.behaviour is Behaviour.ANSWER for _, rule in rules),
            )
        )
        if drops:
            await self._act(rules, Stage.DOT)
        return reply

    async def _act(self, rules: list[tuple[str, Rule | None]], stage: Stage) -> str | None:
        """Wait as long as the slowest rule says, then return the first refusal, if any; a drop never returns."""
        delays = [self._personality.delays.at(stage), *(rule.delays.at(stage) for _, rule in rules if rule)]
        await self._pause(max(delays) if stage is not Stage.MAIL else timedelta(0))
        for recipient, rule in rules:
            verdict = rule and self._judge.act(
                rule,
                stage,
                client=self.client,
                sender=self._transaction.sender,
                recipient=recipient,
                now=self._clock.now(),
            )
            if verdict:
                return await self._refuse(verdict, recipient)
        return None

    async def _refuse(self, verdict: Verdict, recipient: str) -> str:
        reply = self._note(recipient, verdict.behaviour, verdict.reply or "")
        if verdict.reply is None:
            self.abort()
            await self.loop.create_future()  # connection_lost cancels us here: aiosmtpd must not reply
        return reply

    def _note(self, recipient: str | None, behaviour: str, reply: str) -> str:
        self._reception.refused(
            Refused(
                at=self._clock.now(),
                client=self.client,
                sender=self._transaction.sender,
                recipient=recipient,
                behaviour=behaviour,
                reply=reply,
            )
        )
        return reply

    async def _pause(self, delay: timedelta) -> None:
        if delay:
            await self._clock.sleep(delay.total_seconds())
