"""Bad manners at a chosen step: the same misbehaviour in place of any reply of a dialogue.

An `Act` plays in place of one reply; `misbehaves_at` is a host that is polite up to that step, and after it as polite
as the act left it.  The hosts are `tests.support.hostile_mx`.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from itertools import repeat

from tests.support.hostile_mx import PIPELINING, Peer, Script

Act = Callable[[Peer], Awaitable[bool]]
"""Answers one command, or does not; True: the command succeeded."""

STEPS = ("banner", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "body", "dot", "QUIT")


def misbehaves_at(step: str, act: Act, *, extensions: tuple[str, ...] = PIPELINING) -> Script:
    """Return a polite host but for one step; STARTTLS is offered where that is the step.

    "body": after 354, before the message is read. "dot": after the message was read.
    """
    assert step in STEPS

    async def script(peer: Peer) -> None:
        host = _Host(peer, step, act, extensions)
        if step == "banner":
            if not await act(peer):
                return
        else:
            await peer.send(b"220 mx.example ESMTP\r\n")
        while not peer.has_left and (line := await peer.line()):
            if not await host.answer(line.split(maxsplit=1)[0].upper().decode()):
                return

    return script


class _Host:
    """One connection of a host that misbehaves at one step."""

    def __init__(self, peer: Peer, step: str, act: Act, extensions: tuple[str, ...]) -> None:
        self._peer, self._step, self._act = peer, step, act
        self._extensions = (*extensions, "STARTTLS") if step == "STARTTLS" else extensions
        self._plain = extensions
        self._is_open = False  # MAIL was taken
        self._recipients = 0

    async def answer(self, verb: str) -> bool:
        """Answer one command; False: the host has nothing more to say."""
        step = "EHLO" if verb == "HELO" else verb
        has_succeeded = await self._act(self._peer) if step == self._step else await self._politely(verb)
        if verb == "STARTTLS" and has_succeeded:
            self._extensions = self._plain
        elif verb == "MAIL":
            self._is_open, self._recipients = has_succeeded, 0
        elif verb == "RCPT":
            self._recipients += has_succeeded
        elif verb == "DATA" and has_succeeded:
            await self._take_message()
        return verb != "QUIT"

    async def _politely(self, verb: str) -> bool:
        if verb in ("EHLO", "HELO"):
            await self._peer.send_ehlo(self._extensions)
            return True
        reply = self._reply(verb)
        await self._peer.send(reply)
        return reply[:1] in (b"2", b"3")

    def _reply(self, verb: str) -> bytes:
        if verb == "QUIT":
            return b"221 2.0.0 bye\r\n"
        if verb == "RCPT" and not self._is_open:
            return b"503 5.5.1 MAIL first\r\n"
        if verb == "DATA":
            return b"354 go\r\n" if self._recipients else b"554 5.5.1 no valid recipients\r\n"
        return b"250 2.0.0 ok\r\n"

    async def _take_message(self) -> None:
        if self._step == "body":
            await self._peer.some(1000)
            await self._act(self._peer)
            return
        await self._peer.message()
        if self._step == "dot":
            await self._act(self._peer)
        else:
            await self._peer.send(b"250 2.0.0 ok\r\n")


# --- acts


def says(octets: bytes, *, then_close: bool = False) -> Act:
    """Say these octets, and perhaps hang up."""

    async def act(peer: Peer) -> bool:
        await peer.send(octets)
        if then_close:
            peer.close()
        return octets[:1] in (b"2", b"3")

    return act


async def silence(peer: Peer) -> bool:
    """Say nothing for as long as anybody listens."""
    await peer.gone()
    return False


async def hangs_up(peer: Peer) -> bool:
    """Close with FIN."""
    peer.close()
    return False


async def resets(peer: Peer) -> bool:
    """Close with RST, once the client knows that it is connected."""
    await asyncio.sleep(0.05)
    peer.reset()
    return False


async def stops_reading(peer: Peer) -> bool:
    """Leave what comes in the kernel."""
    await peer.ignored()
    return False


def unread(*chunks: bytes) -> Act:
    """Stop reading, say these chunks, and wait."""

    async def act(peer: Peer) -> bool:
        await peer.ignored(*chunks)
        return False

    return act


def answers_ehlo(then: Act, *, times: int = 1) -> Act:
    """Answer EHLO politely, so many times, and go on unasked."""

    async def act(peer: Peer) -> bool:
        for _ in range(times):
            await peer.send_ehlo()
        await then(peer)
        return True

    return act


def after(seconds: float, then: Act) -> Act:
    """Take so long."""

    async def act(peer: Peer) -> bool:
        await asyncio.sleep(seconds)
        return await then(peer)

    return act


def both(first: Act, then: Act) -> Act:
    """Do one thing and then another."""

    async def act(peer: Peer) -> bool:
        has_succeeded = await first(peer)
        await then(peer)
        return has_succeeded

    return act


def streams(chunks: Iterable[bytes], *, pause: float = 0.0) -> Act:
    """Say one chunk after the other while anybody listens."""

    async def act(peer: Peer) -> bool:
        listener = asyncio.create_task(peer.gone())
        try:
            for chunk in chunks:
                if listener.done() or peer.has_left:
                    break
                await peer.send(chunk)
                if pause:
                    await asyncio.wait((listener,), timeout=pause)
            await listener
        finally:
            listener.cancel()
        return False

    return act


ENDLESS_LINES = b"250-and another thing\r\n" * 20
endless = streams(repeat(ENDLESS_LINES))
trickle = streams(repeat(b"2", 10_000), pause=0.05)
TEN_MEGABYTES = (b"250 ", *repeat(b"x" * 100_000, 100), b"\r\n")
ten_megabytes = streams(TEN_MEGABYTES)


def starts_tls(context: ssl.SSLContext, then: Act | None = None) -> Act:
    """Agree to STARTTLS and do the handshake; `then` plays in place of the answer to the EHLO inside TLS."""

    async def act(peer: Peer) -> bool:
        try:
            await peer.start_tls(context)
        except (ssl.SSLError, ConnectionError):
            return False
        if then is not None:
            await peer.line()
            await then(peer)
        return True

    return act


def answers_client_hello(octets: bytes | None) -> Act:
    """Agree to STARTTLS, then send these octets in place of a handshake; None: nothing."""

    async def act(peer: Peer) -> bool:
        await peer.send(b"220 go ahead\r\n")
        await peer.some(5)
        if octets is not None:
            await peer.send(octets)
        await peer.gone()
        return False

    return act


def once(first: Act, afterwards: bytes) -> Act:
    """Misbehave the first time this act is asked for, then give a polite answer."""
    has_played = False

    async def act(peer: Peer) -> bool:
        nonlocal has_played
        if has_played:
            return await says(afterwards)(peer)
        has_played = True
        return await first(peer)

    return act
