"""One client's connection: the socket around smtp.server.

Owns reading, writing, TLS and the deadlines of one connection; not what a line means (smtp.conversation) nor what the
judge is asked (inbound.hearing).  Touches one socket.  Where no question is open there is no task: ten thousand silent
clients cost memory alone.

    data_received → the engine finds events; what needs nobody's judgement is done at once   (`_next_question`)
      → a question? a task has it judged, answers, and goes on until nothing is left         (`_work`)
      → all replies of the round are written together                                        (`_rest`)
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tierii_mta.clock import sortable_id
from tierii_mta.inbound.entrance import Entrance, House
from tierii_mta.inbound.gate import IpAddress
from tierii_mta.inbound.hearing import Hearing
from tierii_mta.inbound.session import Session
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.dialogue import ASKING, Closing, Credentials, DataAsked, Event, State
from tierii_mta.smtp.server import Server

HANDSHAKE_S = 30.0
SHUTDOWN_S = 2.0  # for the peer's part of the end of TLS
_LINGER_S = 5.0  # for the last reply to be taken
_WAITING_OCTETS = 64 * 1024  # more is not read while a question is open
_PAUSE_S = 1.0  # for whoever made half of the errors that end a session
_MOST_PAUSE_S = 5.0  # behind a failed login
_AT_REST = (State.GREETED, State.READY)

_GOODBYE = Reply.of(421, "the service closes, try again later", "4.3.2")


class Connection(asyncio.Protocol):
    """One client, from the accepted socket to the last octet."""

    __slots__ = (
        "_began",
        "_errors",
        "_has_ended",
        "_hearing",
        "_house",
        "_is_choked",
        "_is_closing",
        "_is_finished",
        "_is_lost",
        "_is_paused",
        "_message_began",
        "_octets",
        "_on_gone",
        "_patience",
        "_pause_s",
        "_server",
        "_since",
        "_task",
        "_tls",
        "_transport",
        "_why",
        "session",
    )

    def __init__(
        self,
        house: House,
        entrance: Entrance,
        *,
        remote: tuple[IpAddress, int],
        local: str,
        on_gone: Callable[["Connection"], None],
    ) -> None:
        """`on_gone` hears of the end, once: when the socket is gone and no judge is asked any more."""
        self._house, self._patience, self._tls, self._on_gone = house, entrance.patience, entrance.tls, on_gone
        self.session = Session(
            id=sortable_id("ses", house.clock),
            door=entrance.door,
            remote=remote[0],
            remote_port=remote[1],
            local=local,
            started_at=house.clock.now(),
        )
        self._hearing = Hearing(house, entrance, self.session)
        self._server = Server(entrance.rules)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._began = self._since = house.clock.monotonic()  # `_since`: what is waited for is waited for since then
        self._message_began = 0.0
        self._pause_s = 0.0  # owed before the next reply
        self._errors = 0  # when the client was last slowed down
        self._octets = 0
        self._is_paused = False  # we do not read
        self._is_choked = False  # the client does not read
        self._has_ended = False  # the client says nothing more
        self._is_closing = self._is_lost = self._is_finished = False
        self._why = ""

    # --- what the socket says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's is one that reads and writes
        self._since = self._house.clock.monotonic()
        self._server.conversation.is_secure = self._note_tls()
        self._start(self._greet())

    def data_received(self, data: bytes) -> None:
        self._octets += len(data)
        self._server.receive(data)
        if self._task is None:
            self._go_on()
        elif self._server.waiting > _WAITING_OCTETS:
            self._pause_reading()

    def eof_received(self) -> bool:
        self._has_ended = True
        if self._is_closing and self._transport is not None:
            self._transport.close()
        elif self._task is None:
            self._go_on()
        return self.session.tls is None  # TLS knows no half of a connection

    def pause_writing(self) -> None:
        self._is_choked = True
        self._pause_reading()

    def resume_writing(self) -> None:
        self._is_choked = False
        if self._task is None:
            self._resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost(f"lost: {exc}" if exc else "closed by the client")

    # --- what the listener says

    def lost(self, why: str) -> None:
        """The socket is gone, or never came to be a connection."""
        self._is_lost = True
        self._why = self._why or why
        if self._task is None:
            self._finish()

    def check(self, now: float) -> None:
        """End what takes too long. Called about once a second."""
        if self._is_closing:
            if now - self._since > _LINGER_S:
                self.abort()
        elif self._task is None and self._transport is not None:
            overdue = self._overdue(now)
            if overdue is not None:
                self._hearing.refused(overdue)
                self._server.close(overdue)
                self._go_on()

    def retire(self) -> None:
        """End the session as soon as nothing is under way, now that `House.is_closing`."""
        if self._task is None:
            self._go_on()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # --- rounds

    def _go_on(self) -> None:
        """Do what the client wants, up to a question; without one, write what was said and wait."""
        if self._transport is None or self._is_closing or self._is_lost:
            return
        if self._house.is_closing and self._server.state in _AT_REST:
            self._server.close(_GOODBYE)
        event = self._next_question()
        if event is not None or self._pause_s:
            self._start(self._work(event))
        else:
            self._rest(self._transport)

    async def _work(self, event: Event | None) -> None:
        """Have an event judged, and those behind it, until the client is to speak."""
        while event is not None:
            reply = await self._hearing.ask(event)
            if self._is_lost:
                return
            self._answer(event, reply)
            event = self._next_question()
        if self._pause_s and self._server.state is not State.CLOSED:
            await self._house.clock.sleep(self._pause_s)
        self._pause_s = 0.0

    def _next_question(self) -> Event | None:
        """Take the events up to the next one that asks, and return that."""
        while (event := self._server.next_event()) is not None:
            self._since = self._house.clock.monotonic()
            if isinstance(event, ASKING):
                return event
            if isinstance(event, Closing):
                self._why = self._why or event.why
            last_word = self._hearing.take(event)
            if last_word is not None:
                self._server.close(last_word)
        self._weigh_errors()
        return None

    def _answer(self, event: Event, reply: Reply) -> None:
        self._server.answer(reply)
        last_word = self._hearing.answered(event, reply)
        self._server.count_error(self._hearing.costs(reply))
        if isinstance(event, DataAsked):
            self._message_began = self._house.clock.monotonic()
        elif isinstance(event, Credentials) and not reply.is_positive:
            self._pause_s = min(float(self._hearing.failed_logins), _MOST_PAUSE_S)
        if last_word is not None:
            self._server.close(last_word)

    def _rest(self, transport: asyncio.Transport) -> None:
        """Write what was said, and wait for what comes next."""
        is_over = self._server.state is State.CLOSED or self._has_ended
        is_tls_due = self._server.state is State.TLS and not is_over
        if is_tls_due:
            self._pause_reading()  # what comes now belongs to TLS
        output = self._server.take_output()
        if output:
            self._since = self._house.clock.monotonic()
            transport.write(output)
        if is_over:
            self._is_closing, self._since = True, self._house.clock.monotonic()
            self._part(transport)
        elif is_tls_due:
            self._start(self._start_tls(transport))
        elif not self._is_choked:
            self._resume_reading()

    def _part(self, transport: asyncio.Transport) -> None:
        """Say that nothing more comes. To close within a message would be a reset, which eats the last reply."""
        is_amid = self._hearing.arrival is not None and not self._has_ended and transport.can_write_eof()
        self._hearing.abandon()
        if is_amid:
            transport.write_eof()
            self._resume_reading()
        else:
            transport.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(work))

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as fault:
            self._why = f"fault of ours: {fault}"
            structlog.get_logger().exception("session.failed", session=self.session.id)
            self._is_closing = True
            self.abort()
        self._task = None
        if self._is_lost:
            self._finish()
        else:
            self._go_on()

    async def _greet(self) -> None:
        refusal = await self._hearing.greet()
        delay_s = self._patience.greeting_delay.total_seconds()
        if delay_s and refusal is None and not self._house.gate.is_exempt(self.session.remote):
            await self._house.clock.sleep(delay_s)
        if refusal is None:
            self._server.greet()
        else:
            self._server.close(refusal)

    # --- TLS

    async def _start_tls(self, transport: asyncio.Transport) -> None:
        context = self._tls()
        if context is None:
            raise RuntimeError("TLS was offered without a certificate")
        self._server.tls_started()  # before the handshake: what a client says at its end may be here first
        if self._server.state is State.CLOSED:
            return
        try:
            self._transport = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except OSError as failure:  # also what ssl raises
            self._house.observer.refused(self.session.door, "tls")
            transport.abort()
            self.lost(f"TLS: {failure}")
            return
        self._is_paused = False
        self.session.client_name, self.session.is_extended = "", False
        self._note_tls()

    def _note_tls(self) -> bool:
        """Note what protects the session; return whether anything does."""
        secured = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        if secured is not None:
            self.session.tls = f"{secured.version()} {secured.cipher()[0]}"
        return secured is not None

    # --- bounds

    def _overdue(self, now: float) -> Reply | None:
        """Return what to say where the client took too long."""
        silent_s, arrival = now - self._since, self._hearing.arrival
        if arrival is not None:
            elapsed_s = now - self._message_began
            return self._patience.with_message(silent_s=silent_s, elapsed_s=elapsed_s, octets=arrival.octets)
        return self._patience.with_command(
            silent_s=silent_s, session_s=now - self._began, is_crowded=self._house.gate.is_crowded
        )

    def _weigh_errors(self) -> None:
        """Slow down whoever made half of the errors that end a session."""
        conversation = self._server.conversation
        if conversation.errors > self._errors and conversation.errors * 2 >= conversation.rules.errors:
            self._pause_s = max(self._pause_s, _PAUSE_S)
        self._errors = conversation.errors

    def _pause_reading(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    # --- the end

    def _finish(self) -> None:
        """Leave: nobody is asked and nothing is said any more."""
        if self._is_finished:
            return
        self._is_finished, self._transport = True, None
        elapsed_s = self._house.clock.monotonic() - self._began
        self._hearing.close(octets=self._octets, elapsed_s=elapsed_s, why=self._why)
        self._on_gone(self)
