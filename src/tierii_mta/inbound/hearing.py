"""What the judge of one session is asked, and what comes of it.

Owns the questions from the engine's events to the judge's replies, the message on its way in, what is counted and
logged of a session, and what an error of the judge's means to the client; not the socket (inbound.connection).  A
judge that was asked is let finish, whatever becomes of the client: a commit under way is not undone.
"""

from collections.abc import Awaitable

import structlog

from tierii_mta.errors import Unavailable
from tierii_mta.inbound.arrival import NOT_CLEAN, Arrival
from tierii_mta.inbound.entrance import Entrance, House
from tierii_mta.inbound.session import Door, Session
from tierii_mta.mail.reply import Reply, ReplyError
from tierii_mta.queue.reserve import NoRoom
from tierii_mta.smtp.data_reader import Faults
from tierii_mta.smtp.dialogue import Abandoned, Credentials, DataAsked, Event, Introduced, MessageEnded, Piece
from tierii_mta.smtp.requests import Mail, Recipient

_LOGINS = 3  # failed ones of a session
_DIRTY_COSTS = 4  # errors, besides the refusal itself

_FAULT = Reply.of(451, "a fault of ours, try again later", "4.3.0")
_UNAVAILABLE = Reply.of(451, "the service is not available now, try again later", "4.3.0")
_TOO_LARGE = Reply.of(421, "the message is far too large", "4.3.4")
_LOGINS_FAILED = Reply.of(421, "too many failed logins", "4.7.0")


class Hearing:
    """One session before its judge. Methods that return a `Reply | None` end the session where there is one."""

    __slots__ = (
        "_entrance",
        "_house",
        "_is_open",
        "_judge",
        "arrival",
        "failed_logins",
        "messages",
        "refusals",
        "session",
    )

    def __init__(self, house: House, entrance: Entrance, session: Session) -> None:
        self._house, self._entrance, self.session = house, entrance, session
        self._judge = entrance.judge(session)
        self._is_open = False  # a transaction, as the judge knows it
        self.arrival: Arrival | None = None  # while a message comes in
        self.failed_logins = 0
        self.messages = self.refusals = 0

    async def greet(self) -> Reply | None:
        """Return why the session does not begin."""
        try:
            refusal = await self._judge.greet()
        except Exception as failure:
            meant = self._reply_to(failure)
            refusal = Reply(421, meant.lines, meant.enhanced)  # 451 cannot stand in place of a greeting
        if refusal is not None:
            self.refused(refusal)
        return refusal

    def take(self, event: Event) -> Reply | None:
        """Take note of an event that asks nothing."""
        match event:
            case Piece(octets) if self.arrival is not None:
                self.arrival.take(octets)
                if self.arrival.is_hopeless:
                    self.refused(_TOO_LARGE)
                    return _TOO_LARGE
            case Introduced(name=name, is_extended=is_extended):
                self.session.client_name, self.session.is_extended = name, is_extended
            case Abandoned():
                self.abandon()
            case _:  # TlsAgreed and Closing concern the connection
                pass
        return None

    async def ask(self, event: Event) -> Reply:
        """Have an event judged."""
        match event:
            case MessageEnded(faults=faults):
                return await self._take_message(faults)
            case Mail():
                return self._one_too_many() or await self._judged(self._judge.mail(event))
            case Recipient():
                return await self._judged(self._judge.recipient(event))
            case DataAsked():
                return await self._judged(self._judge.data())
            case Credentials():
                return await self._judged(self._judge.authenticate(event))
            case _:
                raise TypeError(f"{event!r} asks nothing")

    def answered(self, event: Event, reply: Reply) -> Reply | None:
        """Take note of what the client was told."""
        if not reply.is_positive:
            self.refused(reply)
        match event:
            case Mail() if reply.is_positive:
                self._is_open = True
            case DataAsked() if reply.is_positive:
                self.arrival = Arrival(self._entrance.message, self._house.spool)
            case Credentials() if reply.code == 535:
                self.failed_logins += 1
                is_banned = self._house.gate.fail_login(self.session.remote)
                return _LOGINS_FAILED if is_banned or self.failed_logins >= _LOGINS else None
            case _:
                pass
        return None

    def costs(self, reply: Reply) -> int:
        """Return how many errors a refusal counts as besides the one."""
        return _DIRTY_COSTS if reply is NOT_CLEAN else 0

    def abandon(self) -> None:
        """The transaction is over without a message."""
        if self.arrival is not None:
            self.arrival.close()
            self.arrival = None
        if self._is_open:
            self._is_open = False
            self._judge.abandoned()

    def refused(self, reply: Reply) -> None:
        """Count a refusal."""
        self.refusals += 1
        self._house.observer.refused(self.session.door, str(reply.enhanced or reply.code))

    def close(self, *, octets: int, elapsed_s: float, why: str) -> None:
        """The session is over; tell all of it in one line."""
        session, log = self.session, structlog.get_logger()
        try:
            self.abandon()
            self._judge.closed()
        except Exception as failure:
            log.exception("session.fault", session=session.id, error=repr(failure))
        self._house.observer.closed(session.door, octets)
        log.info(
            "session.ended",
            session=session.id,
            door=session.door.value,
            remote=str(session.remote),
            client=session.client_name,
            tls=session.tls,
            user=session.user,
            messages=self.messages,
            refusals=self.refusals,
            octets=octets,
            elapsed_ms=round(elapsed_s * 1000),
            why=why,
        )

    def _one_too_many(self) -> Reply | None:
        if self.session.door is not Door.INBOUND:
            return None  # who submits has rates of his own
        refusal = self._house.gate.begin_message(self.session.remote)
        return refusal.reply if refusal else None

    async def _take_message(self, faults: Faults) -> Reply:
        arrival, self.arrival = self.arrival, None
        self._is_open = False
        if arrival is None:
            raise RuntimeError("a message ended that never began")
        try:
            refusal = arrival.end(faults)
            if refusal is not None:
                self._judge.abandoned()
                return refusal
            message = arrival.message(faults)
            reply = await self._judged(self._judge.message(message))
        finally:
            arrival.close()
        if reply.is_positive:
            self.messages += 1
            self._house.observer.accepted(self.session.door, message.size_bytes)
        return reply

    async def _judged(self, answer: Awaitable[Reply]) -> Reply:
        """Return the judge's reply; its failure is ours, and told to the log alone."""
        try:
            return await answer
        except Exception as failure:
            return self._reply_to(failure)

    def _reply_to(self, failure: Exception) -> Reply:
        """Return what the client is told of an error of the judge's."""
        if isinstance(failure, ReplyError):
            return failure.reply
        log = structlog.get_logger()
        if isinstance(failure, Unavailable):
            log.warning("session.unserved", session=self.session.id, error=str(failure))
            return failure.reply if isinstance(failure, NoRoom) else _UNAVAILABLE
        log.error("session.fault", session=self.session.id, error=repr(failure), exc_info=failure)
        return _FAULT
