"""The socket of one session: bytes, deadlines and flow control around smtp.client.

Owns dialling, STARTTLS, one deadline for each reply, back-pressure and the end of the socket; not the dialogue
(smtp.client) nor what callers see of it (outbound.session).  Everything happens in the protocol's callbacks: a
transaction costs its caller one await, and the peer's last reply wakes it.  RFC 5321 §4.5.3.2.
Touches the network; needs nothing of the event loop but what asyncio and uvloop share.
"""

import asyncio
import math
import os
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from tierii_mta.mail.envelope import Envelope
from tierii_mta.mail.reply import Reply
from tierii_mta.smtp.client import AT_REST, Client, State
from tierii_mta.smtp.talk import Said, Speaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each step may take (RFC 5321 §4.5.3.2). Absolute per reply: a trickle does not extend it."""

    connect: timedelta = timedelta(seconds=30)  # the caller's choice is shorter while other hosts remain
    greeting: timedelta = timedelta(seconds=60)
    ehlo: timedelta = timedelta(seconds=300)
    starttls: timedelta = timedelta(seconds=60)  # the reply and, again, the handshake
    mail: timedelta = timedelta(seconds=300)
    rcpt: timedelta = timedelta(seconds=300)
    data: timedelta = timedelta(seconds=120)
    body: timedelta = timedelta(seconds=180)  # without a piece of the body going out
    dot: timedelta = timedelta(seconds=600)
    rset: timedelta = timedelta(seconds=20)
    quit: timedelta = timedelta(seconds=20)

    def of_states(self) -> Mapping[State, float]:
        """Return the seconds each reply may take."""
        steps = {
            State.GREETING: self.greeting,
            State.EHLO: self.ehlo,
            State.HELO: self.ehlo,
            State.STARTTLS: self.starttls,
            State.RSET: self.rset,
            State.MAIL: self.mail,
            State.RCPT: self.rcpt,
            State.DATA: self.data,
            State.BODY: self.body,
            State.DOT: self.dot,
        }
        return {state: allowed.total_seconds() for state, allowed in steps.items()}


class DialFailed(Exception):
    """No connection. With `is_ours` the socket could not be made or bound: it says nothing about the host."""

    def __init__(self, reply: Reply, *, is_ours: bool) -> None:
        self.reply, self.is_ours = reply, is_ours
        super().__init__(str(reply))


class Connection(asyncio.Protocol):
    """One connection and its dialogue. `dial` makes them."""

    def __init__(self, client: Client, sock: socket.socket, timeouts: Timeouts) -> None:
        self.client = client
        self.has_timed_out = False
        self.said: Said = []  # since the caller last put a new list here
        self._loop, self._sock = asyncio.get_running_loop(), sock
        self._raw: asyncio.Transport | None = None  # TCP
        self._transport: asyncio.Transport | None = None  # what we write to: TCP or TLS
        self._is_blocked = False  # the transport still holds bytes of ours, because it holds none otherwise
        self._waiter: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._allowed, self._quit_seconds = timeouts.of_states(), timeouts.quit.total_seconds()
        # A deadline is a number; the one timer looks at it at least this often, so that a message costs no timer.
        self._tick = min(self._allowed.values())
        self._deadline = math.inf
        self._timed: State | None = None  # what the deadline is for
        self._timer: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)
        self._adopt(self._raw)

    def data_received(self, data: bytes) -> None:
        self.said.append((Speaker.PEER, data))
        self.client.receive(data)
        self._pump()

    def pause_writing(self) -> None:
        self._is_blocked = True

    def resume_writing(self) -> None:
        if self.client.state is not State.CLOSED:  # else it tells whether the dot got out
            self._is_blocked = False
            self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client.state is not State.HANDSHAKE:  # else start_tls knows better why
            self.client.lose(Reply.of(421, f"connection lost: {_reason(exc)}", "4.4.2"))
        self._come_to_rest()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._closed.done():
            self._closed.set_result(None)

    # --- for the session

    def begin(self, envelope: Envelope, message: bytes) -> None:
        """Begin a transaction; `settled` tells when it has ended."""
        self.client.begin(envelope, message)
        self._pump()

    async def settled(self) -> None:
        """Return once the dialogue is at rest. When cancelled the connection is aborted: its state is nobody's."""
        if self.client.state in AT_REST:
            return
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = None

    async def start_tls(self, context: ssl.SSLContext, name: str | None, *, within: timedelta) -> None:
        """Do the handshake the client is at rest for, then go on with EHLO; a failure is the client's `ended`."""
        seconds = within.total_seconds()
        assert self._raw is not None
        try:
            transport = await self._loop.start_tls(
                self._raw, self, context, server_hostname=name, ssl_handshake_timeout=seconds
            )
        except OSError as error:  # ssl.SSLError and time-outs included
            self.client.lose(Reply.of(451, f"TLS handshake failed: {_reason(error)}", "4.7.5"))
            await self._drop()
            return
        except asyncio.CancelledError:
            self.abort()
            raise
        assert transport is not None
        self.said.append((Speaker.NOTE, b"TLS begins"))
        self.client.tls_started()
        self._adopt(transport)

    @property
    def tls_version(self) -> str | None:
        """E.g. `TLSv1.3`; None in plaintext."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport else None
        return None if tls is None else str(tls.version())

    @property
    def dot_written(self) -> bool:
        """Whether the latest transaction's final dot left the process; inside TLS, where bytes wait unseen: may have.

        It is the last thing written, so while bytes wait it has not left.
        """
        return self.client.dot_written and not self._is_blocked

    @property
    def is_open(self) -> bool:
        """Whether another transaction may begin, as far as what was read tells."""
        return self.client.is_reusable and self._transport is not None and not self._transport.is_closing()

    def is_quiet(self) -> bool:
        """Whether it is open and the peer has said nothing, not even goodbye: asks the kernel.

        The call gives the interpreter lock away, so once a message is enough.
        """
        if not self.is_open:
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def quit(self) -> None:
        """Say QUIT where that fits and close without waiting for the answer; abort if the peer takes nothing."""
        farewell = self.client.quit()
        if self._transport is None or self._raw is None or self._raw.is_closing():
            return
        if not farewell or self._is_blocked:
            self.abort()
            return
        self._transport.write(farewell)
        self._transport.close()
        # TLS would wait for the peer's close_notify; ours is out, and that is all RFC 5246 §7.2.1 asks for.
        self._raw.close()
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._quit_seconds, self.abort)

    def abort(self) -> None:
        """Drop the connection now, whatever it still holds, with RST.

        Closed with FIN, a socket whose peer takes nothing lives on in the kernel with all that was to be sent.
        """
        self.client.lose(Reply.of(421, "given up", "4.4.2"))
        if self._raw is not None and not self._raw.is_closing():
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        if self._raw is not None:
            self._raw.abort()

    async def wait_closed(self) -> None:
        """Return once the socket is closed. Only after `quit` or `abort`."""
        await asyncio.shield(self._closed)

    # --- inside

    def _adopt(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # So that "blocked" is exact. asyncio's TLS calls an empty buffer full at a high mark of 0.
        transport.set_write_buffer_limits(high=0 if transport is self._raw else 1, low=0)
        self._pump()

    def _pump(self) -> None:
        """Write what the client wants written, then wait for what it waits for."""
        client, transport = self.client, self._transport
        if transport is None:
            return
        if output := client.take_output():
            self.said.append((Speaker.WE, output))
            transport.write(output)
        if not self._is_blocked and client.wants_piece:
            transport.write(client.next_piece())
            if client.state is State.BODY and not self._is_blocked:
                self._loop.call_soon(self._pump)  # others first: a large message to a fast peer takes many turns
        state = client.state
        if state in AT_REST:
            self._come_to_rest()
            return
        if self._is_blocked and state is State.DOT:
            state = State.BODY
        if state is not self._timed or state is State.BODY:
            self._timed = state
            self._wait_at_most(self._allowed[state])

    def _come_to_rest(self) -> None:
        self._deadline, self._timed = math.inf, None
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)
        if self.client.state is not State.CLOSED or self._raw is None:
            return
        if self._is_blocked or self.has_timed_out:
            self.abort()
        else:
            self._raw.abort()

    def _wait_at_most(self, seconds: float) -> None:
        now = self._loop.time()
        self._deadline = now + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._tick, self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        self._timer = None
        now = self._loop.time()
        if self._deadline <= now:
            self._expire()
        elif self._deadline < math.inf:
            self._timer = self._loop.call_at(min(self._deadline, now + self._tick), self._look_at_deadline)

    def _expire(self) -> None:
        state = self._timed or self.client.state
        self.has_timed_out = True
        what = "the peer takes no data" if self._is_blocked else f"no reply in state {state}"
        self.client.lose(Reply.of(421, f"{what} within {self._allowed[state]:g} s", "4.4.2"))
        self._come_to_rest()

    async def _drop(self) -> None:
        """Abort during a handshake, when asyncio tells only its own TLS layer that the socket is gone."""
        assert self._raw is not None
        self._raw.abort()
        turn = self._loop.create_future()
        self._loop.call_soon(turn.set_result, None)
        await turn
        self.connection_lost(None)


async def dial(client: Client, peer: tuple[str, int], *, local_address: str | None, timeouts: Timeouts) -> Connection:
    """Connect to an address and port. Raises `DialFailed`; leaves no socket behind."""
    loop = asyncio.get_running_loop()
    try:
        sock = _new_socket(peer[0], local_address, timeouts)
    except OSError as error:
        text = f"no socket from {local_address or 'the default address'}: {_reason(error)}"
        raise DialFailed(Reply.of(451, text, "4.3.5"), is_ours=True) from error
    try:
        async with asyncio.timeout(timeouts.connect.total_seconds()):
            await loop.sock_connect(sock, peer)
            _, connection = await loop.create_connection(lambda: Connection(client, sock, timeouts), sock=sock)
    except TimeoutError as error:
        sock.close()
        text = f"no answer within {timeouts.connect.total_seconds():g} s"
        raise DialFailed(Reply.of(451, text, "4.4.1"), is_ours=False) from error
    except OSError as error:
        sock.close()
        raise DialFailed(Reply.of(451, f"cannot connect: {_reason(error)}", "4.4.1"), is_ours=False) from error
    except BaseException:
        sock.close()
        raise
    return connection


def _new_socket(peer: str, local_address: str | None, timeouts: Timeouts) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Without it the kernel waits 15 minutes for a dead path. A closed window counts too, hence `body`.
        milliseconds = round(timeouts.body / timedelta(milliseconds=1))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        if local_address is not None:
            # The port is chosen at connect, by the whole 4-tuple: 28,000 connections a destination, not in all.
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind((local_address, 0))
    except BaseException:
        sock.close()
        raise
    return sock


_NO_LINGER = struct.pack("ii", 1, 0)  # close() discards what is unsent
_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT of Linux; Python 3.11 does not name it


def _reason(error: Exception | None) -> str:
    """Return what an error says, in the words of the system where it has them."""
    if error is None:
        return "closed by the peer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # the event loops decorate strerror, each in its own way
    return str(error) or type(error).__name__
