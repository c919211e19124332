"""Settlement: what an attempt's outcome writes, with its events.

Owns the step from an `Outcome` to the store's operations: the new state, the next due time, the events and their
fields, the report to the sender of submitted mail, the suppression of a person who is gone, the suspension of a lane
that refuses us. Not what a reply means (outbound.interpret) nor who commits it (queue.committer). Pure: time, chance
and ids come in as `Moment`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, assert_never

from tierii_mta.clock import Instant, elapsed, later, rfc3339
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason
from tierii_mta.events import Event, EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.mail.reply import Reply
from tierii_mta.queue.crashes import FAULT, Crashes
from tierii_mta.queue.delivery import (
    TRANSITIONS,
    Attempt,
    Deferred,
    Delivered,
    Delivery,
    Epoch,
    Failed,
    FailureReason,
    InDoubt,
    Lane,
    Outcome,
    Report,
    Returned,
    Stage,
    State,
)
from tierii_mta.queue.schedule import Expired, RetrySchedule
from tierii_mta.queue.store import Settle, SuspendLane
from tierii_mta.smtp.talk import render


class InDoubtAction(StrEnum):
    """What to do with a delivery whose final reply never came."""

    RESEND = "resend"  # wait, then try again: a double is cheaper than a loss
    COMPLETE = "complete"  # count it as sent, with the mark: a loss is cheaper than a double


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementPolicy:
    """The operator's choices (`outbound.retry`, `outbound.in_doubt`)."""

    schedule: RetrySchedule
    of_null_sender: RetrySchedule | None = None  # None: as all others
    delay_warning: timedelta = timedelta(hours=4)  # from acceptance; 0: never
    in_doubt_campaign: InDoubtAction = InDoubtAction.COMPLETE
    in_doubt_submission: InDoubtAction = InDoubtAction.RESEND
    in_doubt_wait: timedelta = timedelta(minutes=30)
    suspension: timedelta = timedelta(minutes=30)  # of a lane that refuses us, the first time
    longest_suspension: timedelta = timedelta(hours=4)

    def schedule_of(self, delivery: Delivery) -> RetrySchedule:
        """Return when a delivery is tried again."""
        return self.of_null_sender if self.of_null_sender and delivery.reverse_path == "" else self.schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Time and chance of one settlement."""

    now: Instant
    spread: float  # in [0, 1)
    new_id: Callable[[], str]  # for events


class IllegalOutcome(ValueError):
    """An outcome that the state table does not allow from where the delivery stands: a fault of the Deliver port."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """Turns outcomes into operations, for the rows of one owner."""

    policy: SettlementPolicy
    epoch: Epoch

    def settle(self, delivery: Delivery, outcome: Outcome, *, from_state: State, moment: Moment) -> Settle:
        """Return what ends the attempt. Raises `IllegalOutcome` for a delivery or a doubt that was never active."""
        writer = _Writer(self, delivery, from_state, moment)
        match outcome:
            case Delivered(attempt=attempt):
                settle = writer.completed(attempt)
            case Deferred():
                settle = writer.deferred(outcome)
            case Failed(attempt=attempt, reason=reason, suppress=suppress):
                settle = writer.failed(attempt, reason, suppress=suppress)
            case InDoubt(attempt=attempt):
                settle = writer.in_doubt(attempt, cause="no final reply", action=self._action(delivery))
            case Returned(due=due):
                settle = writer.returned(due)
            case _ as unreachable:
                assert_never(unreachable)
        if settle.to_state not in TRANSITIONS[from_state]:
            raise IllegalOutcome(f"{type(outcome).__name__} of delivery {delivery.id}, which is {from_state}")
        return settle

    def settle_crash(
        self, delivery: Delivery, fault: BaseException, crashes: Crashes, *, from_state: State, moment: Moment
    ) -> tuple[Outcome, Settle]:
        """Return what ends an attempt that broke off through a fault of ours: tried again, whatever its class, until
        `crashes` (this one counted) convict it.

        Of an active one nobody knows whether the final dot was written, so it is in doubt as after a crash.
        """
        writer = _Writer(self, delivery, from_state, moment)
        attempt = Attempt(
            stage=Stage.BODY if from_state is State.ACTIVE else Stage.ROUTE,
            reply=Reply.of(451, f"internal error, see the log: {type(fault).__name__}", "4.3.0"),
            reply_class=FAULT,
            is_local=True,
        )
        outcome: Outcome
        if crashes.is_convicted:
            outcome = Failed(attempt=attempt, reason=FailureReason.ERROR)
            settle = writer.failed(attempt, FailureReason.ERROR, suppress=False)
            return outcome, replace(settle, is_in_doubt=from_state is State.ACTIVE)
        if from_state is State.ACTIVE:
            outcome = InDoubt(attempt=attempt)
            settle = writer.in_doubt(attempt, cause="crash", action=InDoubtAction.RESEND)
        else:
            outcome = Deferred(attempt=attempt)
            settle = writer.deferred(outcome)
        return outcome, replace(settle, is_crash=True)

    def suspend(self, lane: Lane, attempt: Attempt, *, strikes: int, moment: Moment) -> SuspendLane:
        """Return the suspension of a lane that refused us; each further strike doubles it, up to the longest."""
        wait = self.policy.suspension * 2 ** min(strikes, 16)
        until = later(moment.now, min(wait, self.policy.longest_suspension))
        data = {"domain": lane.domain, "until": rfc3339(until), "reason": attempt.reply_class}
        data["reply"] = str(attempt.reply)
        event = Event(
            id=moment.new_id(),
            type=EventType.LANE_SUSPENDED,
            at=moment.now,
            provider=attempt.provider,
            data=data,
        )
        return SuspendLane(lane=lane.id, until=until, reason=data["reply"], events=(event,))

    def _action(self, delivery: Delivery) -> InDoubtAction:
        return self.policy.in_doubt_submission if delivery.campaign is None else self.policy.in_doubt_campaign


def resume(lane: Lane, moment: Moment) -> SuspendLane:
    """Return what opens a suspended lane again."""
    event = Event(id=moment.new_id(), type=EventType.LANE_RESUMED, at=moment.now, data={"domain": lane.domain})
    return SuspendLane(lane=lane.id, until=None, events=(event,))


@dataclass(frozen=True, slots=True)
class _Writer:
    """One settlement being written."""

    settlement: Settlement
    delivery: Delivery
    from_state: State
    moment: Moment

    def completed(self, attempt: Attempt) -> Settle:
        return self._settle(State.COMPLETED, attempt, events=(self._smtp_event(EventType.DELIVERED, attempt),))

    def deferred(self, outcome: Deferred) -> Settle:
        delivery, attempt = self.delivery, outcome.attempt
        # A failure of our own or of the network says nothing new about who refused us last.
        is_blocked = outcome.is_blocked or (delivery.was_blocked and attempt.is_local)
        due = self.settlement.policy.schedule_of(delivery).next_attempt(
            delivery, now=self.moment.now, spread=self.moment.spread, retry_after=outcome.retry_after
        )
        if isinstance(due, Expired):
            return self._gave_up(attempt, is_blocked=is_blocked)
        event = self._smtp_event(EventType.DEFERRED, attempt, {"next_attempt": rfc3339(due)})
        return self._settle(State.RETRY, attempt, events=(event,), due=due, was_blocked=is_blocked)

    def _gave_up(self, attempt: Attempt, *, is_blocked: bool) -> Settle:
        if is_blocked:
            return self.failed(attempt, FailureReason.BLOCKED, suppress=False)
        return self.failed(attempt, FailureReason.EXPIRED, suppress=False)

    def failed(self, attempt: Attempt, reason: FailureReason, *, suppress: bool) -> Settle:
        if reason is FailureReason.BOUNCED:
            event = self._smtp_event(EventType.BOUNCED, attempt)
        elif reason is FailureReason.EXPIRED:
            event = self._expired(attempt)
        else:
            event = self._smtp_event(EventType.FAILED, attempt, {"reason": str(reason)})
        suppression = self._suppression(attempt) if suppress else None
        events = (event, self._suppressed(suppression, attempt)) if suppression else (event,)
        return self._settle(
            State.FAILED,
            attempt,
            events=events,
            reason=reason,
            suppression=suppression,
            was_blocked=reason is FailureReason.BLOCKED,
        )

    def in_doubt(self, attempt: Attempt, *, cause: str, action: InDoubtAction) -> Settle:
        doubt = self._smtp_event(EventType.IN_DOUBT, attempt, {"cause": cause, "policy": str(action)})
        if action is InDoubtAction.COMPLETE:
            return self._settle(State.COMPLETED, attempt, events=(doubt,), is_in_doubt=True)
        now, deadline = self.moment.now, self.delivery.expires_at
        if now >= deadline:
            events = (doubt, self._expired(attempt))
            return self._settle(State.FAILED, attempt, events=events, reason=FailureReason.EXPIRED, is_in_doubt=True)
        due = min(later(now, self.settlement.policy.in_doubt_wait), deadline)
        return self._settle(State.RETRY, attempt, events=(doubt,), due=due, is_in_doubt=True)

    def returned(self, due: Instant | None) -> Settle:
        delivery = self.delivery
        return Settle(
            delivery=delivery,
            epoch=self.settlement.epoch,
            from_state=self.from_state,
            to_state=State.RETRY if delivery.attempts else State.PENDING,
            at=self.moment.now,
            due=due if due is not None else self.moment.now,
            attempts=delivery.attempts,
            was_blocked=delivery.was_blocked,
        )

    def _settle(
        self,
        to_state: State,
        attempt: Attempt,
        *,
        events: tuple[Event, ...],
        due: Instant | None = None,
        reason: FailureReason | None = None,
        is_in_doubt: bool = False,
        was_blocked: bool = False,
        suppression: Suppression | None = None,
    ) -> Settle:
        is_kept = to_state is not State.COMPLETED or is_in_doubt or self.delivery.campaign is None
        return Settle(
            delivery=self.delivery,
            epoch=self.settlement.epoch,
            from_state=self.from_state,
            to_state=to_state,
            at=self.moment.now,
            due=due,
            attempts=self.delivery.attempts + 1,
            reason=reason,
            is_in_doubt=is_in_doubt,
            was_blocked=was_blocked,
            body_hash=attempt.body_hash,
            last_reply=str(attempt.reply),
            events=events,
            suppression=suppression,
            report=self._report(to_state, due, attempt),
            transcript=render(attempt.talk) if is_kept else None,
        )

    def _report(self, to_state: State, due: Instant | None, attempt: Attempt) -> Report | None:
        """Return what the sender of submitted mail is to be told. A delay is known at the last attempt before it."""
        delivery, now = self.delivery, self.moment.now
        if delivery.message is None or not delivery.reverse_path:
            return None
        if to_state is State.FAILED:
            return Report(action=Action.FAILED, at=now)
        if to_state is State.COMPLETED and attempt.is_untold:
            return Report(action=Action.RELAYED, at=now)
        warning = self.settlement.policy.delay_warning
        late_at = later(delivery.accepted_at, warning)
        if warning and due is not None and due > late_at:
            return Report(action=Action.DELAYED, at=max(now, late_at))
        return None

    def _suppression(self, attempt: Attempt) -> Suppression:
        return Suppression(
            key=self.delivery.recipient_key,
            scope=EVERYWHERE,
            reason=SuppressionReason.HARD_BOUNCE,
            address=self.delivery.recipient,
            evidence=str(attempt.reply),
            created_at=self.moment.now,
        )

    def _suppressed(self, suppression: Suppression, attempt: Attempt) -> Event:
        data = {"scope": suppression.scope, "reason": str(suppression.reason), "evidence": suppression.evidence}
        return self._event(EventType.SUPPRESSION_CREATED, attempt, data)

    def _expired(self, attempt: Attempt) -> Event:
        age = elapsed(self.delivery.accepted_at, self.moment.now)
        data = {
            "age_s": round(age.total_seconds()),
            "attempts": self.delivery.attempts + 1,
            "last_reply": str(attempt.reply),
            "stage": str(attempt.stage),
        }
        if attempt.mx is not None:
            data["mx"] = attempt.mx
        if attempt.is_local:
            data["is_local"] = True
        return self._event(EventType.EXPIRED, attempt, data)

    def _smtp_event(self, kind: EventType, attempt: Attempt, extra: dict[str, Any] | None = None) -> Event:
        return self._event(kind, attempt, _smtp_data(attempt, self.delivery.attempts + 1) | (extra or {}))

    def _event(self, kind: EventType, attempt: Attempt, data: dict[str, Any]) -> Event:
        delivery = self.delivery
        return Event(
            id=self.moment.new_id(),
            type=kind,
            at=self.moment.now,
            campaign_id=delivery.campaign,
            delivery_id=delivery.id,
            message_id=attempt.message_id,
            recipient=delivery.recipient,
            provider=attempt.provider,
            data=data,
        )


def _smtp_data(attempt: Attempt, number: int) -> dict[str, Any]:
    """Return the fields of an SMTP outcome; those without a value are left out."""
    reply = attempt.reply
    data: dict[str, Any] = {
        "code": reply.code,
        "reply": reply.text,
        "class": attempt.reply_class,
        "stage": str(attempt.stage),
        "attempt": number,
        "elapsed_ms": round(attempt.elapsed / timedelta(milliseconds=1)),
    }
    if attempt.is_local:
        data["is_local"] = True
    if attempt.mx is not None:
        data["mx"] = attempt.mx
    if attempt.address is not None:
        data["address"] = attempt.address
    if reply.enhanced is not None:
        data["enhanced"] = str(reply.enhanced)
    if attempt.tls is not None:
        data["tls"] = attempt.tls
    if attempt.source is not None:
        data["source"] = attempt.source
    return data
