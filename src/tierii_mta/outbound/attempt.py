"""One attempt: from a route and a permit to an outcome.

Owns the order of an attempt's steps, which address is tried next, its one deadline, and the facts it leaves; not where
mail goes (outbound.route), when (outbound.gate), how a session speaks (outbound.session) nor what a reply means
(outbound.interpret).  RFC 5321 §4.5.4.1, §5.1; RFC 1047.

1. `run`: a stored message that goes to the same place already is joined (outbound.party); else the content is
   prepared, so that no connection waits for it.
2. `_admitted`: wait at the gate for a permit; a long wait is no attempt (`Returned`).  Where all connections are busy,
   the next ones in turn activate while they wait.
3. `_take_idle` finds a session or `_reach` opens one: at most 5 addresses, TLS as the policy says, plaintext after a
   failed TLS only where it allows.
4. `_send`: activate (durable), then MAIL FROM.  A session that had gone stale is replaced and costs nothing.
5. `_after`: another host only if the host failed, at most 2 sessions, and never once the final dot is out: that is in
   doubt.
6. The permit goes back; whether a host was reached, and nothing else, moves the site's window.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

from tierii_mta.clock import Instant, later
from tierii_mta.errors import Unavailable
from tierii_mta.mail.address import Address
from tierii_mta.mail.envelope import Envelope
from tierii_mta.mail.reply import Reply
from tierii_mta.outbound.content import Prepared, RenderFailed, WorkerKilled
from tierii_mta.outbound.encounter import Met, met_in, told
from tierii_mta.outbound.errand import Equipment, Errand
from tierii_mta.outbound.interpret import ACCEPTED, decide, tries_next_host
from tierii_mta.outbound.party import Party, Ride
from tierii_mta.outbound.path import Feedback, Permit, Wait
from tierii_mta.outbound.reply_class import ReplyClass
from tierii_mta.outbound.route import Target
from tierii_mta.outbound.security import TlsPolicy, fallback
from tierii_mta.outbound.session import ConnectFailed, Host, Reuse, Session, SessionKey, open_session
from tierii_mta.queue.delivery import Attempt, Failed, FailureReason, Outcome, Returned, Stage
from tierii_mta.smtp.talk import Exchange

Result = TypeVar("Result")
MAX_SESSIONS = 2
_OUT_OF_STEP = range(500, 505)  # after these the peer and we no longer mean the same: the session is not used again
_AGAIN = timedelta(seconds=5)  # when a wait without an end is over

_log = logging.getLogger(__name__)


class _Over(Exception):
    """Ends the attempt with an outcome, from wherever it stands."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__()


class DeliveryAttempt:
    """One attempt of one delivery. `run` once."""

    def __init__(self, equipment: Equipment, errand: Errand) -> None:
        self._equipment, self._errand = equipment, errand
        knobs = errand.path.knobs
        self._tls = knobs.tls
        self._key = SessionKey(source=errand.source.name, site=errand.route.site, tls=knobs.tls)
        self._reuse = Reuse(
            messages=knobs.messages_per_connection, lifetime=knobs.connection_lifetime, idle=equipment.idle
        )
        self._prepared: Prepared | None = None
        self._session: Session | None = None
        self._is_active = False
        self._is_sending = False
        self._sessions = 0  # that carried the message, up to an answer
        self._met: list[Met] = []  # refusals, oldest first
        self._talk: list[Exchange] = []
        self._party: Party | None = None  # that we drive
        self.feedback = Feedback.NONE
        self.is_source_broken = False  # no socket could be made or bound: the source needs its operator

    async def run(self) -> Outcome:
        """Return what the attempt ended in. Lets `Unavailable` of `activate` through."""
        deadline = asyncio.get_running_loop().time() + self._equipment.deadline.total_seconds()
        try:
            return await self._ride() or await self._drive(deadline)
        except _Over as over:
            return over.outcome
        except BaseException as fault:
            if self._party is not None and self._is_sending:
                self._party.disband(fault)
            raise
        finally:
            if self._party is not None:
                self._party.disband()

    async def _ride(self) -> Outcome | None:
        """Ride along with another delivery of the message; None: drive, and take others along."""
        delivery, parties = self._errand.delivery, self._equipment.parties
        if delivery.message is None or not delivery.recipient.isascii():
            return None
        key = (delivery.message, delivery.lane.id, self._errand.source.name)
        while (party := parties.find(key)) is not None:
            recipient = Address.parse(delivery.recipient)
            guest = party.join(recipient, self._errand.activate)
            ride = await guest.ride()
            self._is_active = guest.is_active
            if ride is not None:
                self._prepared = replace(ride.prepared, recipient=recipient)
                self._talk.append(ride.exchange)
                self._sessions += 1
                return self._after(ride.met)
            if self._is_active:
                return None
        self._party = parties.begin(key)
        return None

    async def _drive(self, deadline: float) -> Outcome:
        if self._prepared is None:
            self._prepared = await self._within(deadline, self._prepare())
        if self._party is not None and not self._prepared.is_shared:
            self._party.disband()
        permit = await self._admitted()
        try:
            while (outcome := await self._round(deadline)) is None:
                pass
            return outcome
        finally:
            if self._session is not None:  # unused, or broken off
                self._give_back(self._session)
            self._equipment.gate.release(permit, self.feedback, is_used=self._is_active)

    async def _prepare(self) -> Prepared:
        delivery = self._errand.delivery
        try:
            prepared = await self._equipment.content.prepare(delivery)
        except (RenderFailed, Unavailable) as failure:
            raise _Over(self._unprepared(failure)) from failure
        if delivery.body_hash is not None and delivery.body_hash != prepared.body_hash:
            _log.warning("delivery %d: the content is not what its first attempt sent", delivery.id)
        return prepared

    async def _admitted(self) -> Permit:
        """Return a permit. Where the wait for one is short, the delivery is activated meanwhile."""
        gate, path = self._equipment.gate, self._errand.path
        is_next = gate.stand_by(path)
        try:
            if is_next:
                await self._activate()
            path.window.came(self._equipment.clock.monotonic() - self._errand.started)
            permit = await gate.admit(path, self._errand.delivery.priority)
        finally:
            if is_next:
                gate.step_up(path)
        if isinstance(permit, Wait):
            raise _Over(self._returned(permit))
        return permit

    async def _activate(self) -> None:
        """Make `active` durable.

        Not under the deadline: a cancelled commit would leave nobody knowing the row's state, and the committer bounds
        it.
        """
        if not self._is_active:
            if not await self._errand.activate():
                raise _Over(Returned(why="the delivery is no longer ours"))
            self._is_active = True

    async def _round(self, deadline: float) -> Outcome | None:
        """Reach a host and send to it; None: go on with another one, or with a new session."""
        session = self._take_idle() or await self._within(deadline, self._reach())
        if session is None:
            return self._given_up()
        await self._activate()
        if self._party is not None:
            await self._party.board()
        return await self._within(deadline, self._send(session))

    async def _within(self, deadline: float, step: Coroutine[Any, Any, Result]) -> Result:
        try:
            async with asyncio.timeout_at(deadline) as limit:
                return await step
        except TimeoutError:
            if not limit.expired():
                raise
            raise _Over(self._timed_out()) from None

    # -- reaching a host ------------------------------------------------------------------------------------------

    def _take_idle(self) -> Session | None:
        """Return an idle session of the site, unless a host has already failed this delivery."""
        session = None if self._met else self._equipment.pool.take(self._key)
        if session is not None:
            self._session, self.feedback = session, Feedback.REACHED
        return session

    async def _reach(self) -> Session | None:
        """Return a new session to the next address that takes us; None: there is none."""
        while self._targets:
            session = await self._connect(self._targets.popleft(), self._tls)
            if session is not None:
                self._session, self.feedback = session, Feedback.REACHED
                return session
        if self.feedback is Feedback.NONE and self._met:
            self.is_source_broken = all(met.is_ours for met in self._met)
            self.feedback = Feedback.NONE if self.is_source_broken else Feedback.UNREACHED
        return None

    @cached_property
    def _targets(self) -> deque[Target]:
        """The addresses left to try; most attempts have an idle session and never ask."""
        errand = self._errand
        return deque(errand.route.targets(self._equipment.clock.random, usable=errand.source.can_reach))

    async def _connect(self, target: Target, tls: TlsPolicy) -> Session | None:
        equipment, errand = self._equipment, self._errand
        tls = equipment.broken_tls.policy(target.address, tls)
        wait = await equipment.gate.connect(errand.path)
        if wait is not None:
            raise _Over(self._given_up() if self._met else self._returned(wait))
        timeouts = equipment.timeouts
        if self._targets:
            timeouts = replace(timeouts, connect=min(timeouts.connect, equipment.hasty))
        try:
            return await open_session(
                Host(target.host, target.address, equipment.port),
                source=errand.source,
                tls=tls,
                ehlo=errand.source.ehlo,
                timeouts=timeouts,
                clock=equipment.clock,
                contexts=equipment.contexts,
                reuse=self._reuse,
            )
        except ConnectFailed as failed:
            if failed.said:
                self._talk.append(Exchange(target.host, target.address, failed.said, ()))
            weaker = fallback(tls) if failed.is_tls else None
            if weaker is not None:
                if session := await self._connect(target, weaker):
                    equipment.broken_tls.note(target.address)
                return session
            met = Met(failed.stage, failed.reply, failed.is_local, target.host, target.address, is_ours=failed.is_ours)
            self._met.append(met)
            return None

    # -- sending --------------------------------------------------------------------------------------------------

    async def _send(self, session: Session) -> Outcome | None:
        """Send the message; None: try another host, or another session."""
        prepared = self._prepared
        assert prepared is not None
        guests = self._party.recipients if self._party is not None else ()
        envelope = Envelope(
            reverse_path=prepared.reverse_path,
            recipients=(prepared.recipient, *guests),
            size_bytes=len(prepared.data),
            is_8bit=prepared.is_8bit,
            needs_smtputf8=prepared.needs_smtputf8,
            ret=prepared.ret,
            envid=prepared.envid,
            requests={prepared.recipient: prepared.request} if prepared.request is not None else {},
        )
        self._is_sending = True
        ended = await session.transact(envelope, prepared.data)
        self._is_sending = False
        self._talk.append(session.exchange)
        met = met_in(session, ended, prepared.recipient)
        if not ended.is_stale:
            self._sessions += 1
            self._tell_guests(lambda recipient: met_in(session, ended, recipient))
        self._give_back(session, met.reply)
        return None if ended.is_stale else self._after(met)

    def _tell_guests(self, met: Callable[[Address], Met]) -> None:
        if self._party is not None and (prepared := self._prepared) is not None:
            exchange = self._talk[-1]
            self._party.arrive(lambda recipient: Ride(prepared=prepared, met=met(recipient), exchange=exchange))

    def _after(self, met: Met) -> Outcome | None:
        self._met.append(met)
        attempt = self._attempt(met)
        if attempt.reply_class == ACCEPTED:
            return decide(attempt)
        self._drop_host(met.host)
        goes_on = tries_next_host(met.reply, met.stage, ReplyClass(attempt.reply_class), is_local=met.is_local)
        if not goes_on or self._sessions >= MAX_SESSIONS or not self._targets:
            return decide(attempt)
        return None

    def _drop_host(self, name: str | None) -> None:
        self._targets = deque(target for target in self._targets if target.host != name)

    def _give_back(self, session: Session, last: Reply | None = None) -> None:
        """Keep the session for the next message, if it can carry one and the peer still means what we mean."""
        self._session = None
        if last is not None and last.code in _OUT_OF_STEP:
            session.quit()
        else:
            self._equipment.pool.give(self._key, session)

    # -- outcomes -------------------------------------------------------------------------------------------------

    def _given_up(self) -> Outcome:
        """No host is left: what a peer said tells more than what we say."""
        if not self._met:
            text = f"{self._errand.source.name} has no address that reaches a host of {self._errand.route.domain}"
            return decide(self._attempt(Met(Stage.CONNECT, Reply.of(451, text, "4.4.1"), is_local=True)))
        if self.is_source_broken:
            return Returned(why=f"source {self._errand.source.name}: {self._met[-1].reply.text}", due=self._due(None))
        spoken = [met for met in self._met if not met.is_local]
        return decide(self._attempt((spoken or self._met)[-1]))

    def _timed_out(self) -> Outcome:
        """The deadline of the whole attempt: with the dot out, in doubt."""
        if self._prepared is None:
            return Returned(why="the content took too long", due=self._due(None))
        session, self._session = self._session, None
        met = Met(Stage.CONNECT, Reply.of(451, "the attempt took too long", "4.4.2"), is_local=True)
        if session is None:
            self.feedback = Feedback.UNREACHED
        else:
            met.stage = Stage.DOT if self._is_sending and session.dot_written else Stage.BODY
            met.host, met.address, met.tls = session.host.name, session.host.address, session.tls
            self._talk.append(session.exchange)
            self._tell_guests(lambda _: met)
            session.abort()
        return decide(self._attempt(met))

    def _unprepared(self, failure: RenderFailed | Unavailable) -> Outcome:
        if isinstance(failure, Unavailable):
            return Returned(why=str(failure), due=self._due(None))
        stage = Stage.WORKER if isinstance(failure, WorkerKilled) else Stage.RENDER
        met = Met(stage, Reply.of(554, str(failure), "5.6.0"), is_local=True)
        return Failed(attempt=self._attempt(met), reason=FailureReason.RENDER)

    def _returned(self, wait: Wait) -> Returned:
        return Returned(why=wait.why, due=self._due(wait.seconds))

    def _due(self, seconds: float | None) -> Instant:
        return later(self._equipment.clock.now(), _AGAIN if seconds is None else timedelta(seconds=seconds))

    def _attempt(self, met: Met) -> Attempt:
        errand = self._errand
        elapsed = timedelta(seconds=self._equipment.clock.monotonic() - errand.started)
        attempt = told(met, self._prepared, talk=self._talk, elapsed=elapsed)
        return replace(attempt, source=errand.source.name, provider=errand.route.provider)
