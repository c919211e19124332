"""What an outcome writes."""

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.queue.values import after, attempt, delivery, lane
from tests.support.clock import START
from tierii_mta.clock import Instant, rfc3339
from tierii_mta.consent.suppression import EVERYWHERE, SuppressionReason
from tierii_mta.events import DATA_FIELDS, EventType
from tierii_mta.mail.dsn import Action
from tierii_mta.queue.crashes import Crashes
from tierii_mta.queue.delivery import (
    TRANSITIONS,
    Deferred,
    Delivered,
    Delivery,
    Epoch,
    Failed,
    FailureReason,
    InDoubt,
    MessageRow,
    Outcome,
    Priority,
    Report,
    Returned,
    Stage,
    State,
)
from tierii_mta.queue.schedule import RetrySchedule
from tierii_mta.queue.settlement import (
    IllegalOutcome,
    InDoubtAction,
    Moment,
    Settlement,
    SettlementPolicy,
    resume,
)
from tierii_mta.queue.store import Settle
from tierii_mta.smtp.talk import Exchange, Speaker

SCHEDULE = RetrySchedule(intervals=(timedelta(minutes=5), timedelta(hours=1)), lifetime=timedelta(days=1))
TALK = (Exchange("mx.d1.example", "127.0.0.9", [(Speaker.PEER, b"220 hello\r\n")], []),)
SETTLEMENT = Settlement(SettlementPolicy(schedule=SCHEDULE), Epoch(7))


def moment(now: Instant = START) -> Moment:
    numbers = count(1)
    return Moment(now=now, spread=0.0, new_id=lambda: f"evt_{next(numbers)}")


def settle(
    outcome: Outcome, of: Delivery | None = None, *, now: Instant = START, from_state: State = State.ACTIVE
) -> Settle:
    return SETTLEMENT.settle(of or delivery(), outcome, from_state=from_state, moment=moment(now))


def test_a_delivered_mail_is_completed_with_the_facts_of_its_attempt() -> None:
    done = settle(Delivered(attempt=attempt(250, "queued as 1", "2.0.0")))
    assert (done.to_state, done.attempts, done.epoch, done.due) == (State.COMPLETED, 1, 7, None)
    assert (done.body_hash, done.last_reply) == ("ab" * 32, "250 2.0.0 queued as 1")
    (event,) = done.events
    assert event.type is EventType.DELIVERED
    assert (event.campaign_id, event.delivery_id, event.recipient) == ("spring", 1, "ann@d1.example")
    assert event.message_id == "<m1@example.com>"
    assert event.data == {
        "mx": "mx.d1.example",
        "address": "127.0.0.9",
        "code": 250,
        "enhanced": "2.0.0",
        "reply": "queued as 1",
        "class": "TransientFailure",
        "stage": "dot",
        "attempt": 1,
        "tls": "TLSv1.3 unverified",
        "source": "main",
        "elapsed_ms": 120,
    }


def test_a_deferred_mail_waits_for_its_next_attempt() -> None:
    done = settle(Deferred(attempt=attempt(451, "greylisted", "4.7.1")), delivery(attempts=1))
    assert (done.to_state, done.due, done.attempts) == (State.RETRY, after(hours=1), 2)
    (event,) = done.events
    assert event.type is EventType.DEFERRED
    assert event.data["next_attempt"] == rfc3339(after(hours=1))


@pytest.mark.parametrize(
    ("outcome", "campaign", "is_kept"),
    [
        (Delivered(attempt=attempt(250, talk=TALK)), "spring", False),
        (Delivered(attempt=attempt(250, talk=TALK)), None, True),
        (Deferred(attempt=attempt(451, talk=TALK)), "spring", True),
        (Failed(attempt=attempt(554, talk=TALK), reason=FailureReason.REJECTED), "spring", True),
        (InDoubt(attempt=attempt(421, talk=TALK)), "spring", True),
    ],
)
def test_what_was_said_is_kept_of_all_but_delivered_campaign_mail(
    outcome: Outcome, campaign: str | None, is_kept: bool
) -> None:
    done = settle(outcome, delivery(campaign=campaign))
    assert done.transcript == ("- mx.d1.example [127.0.0.9]\n< 220 hello" if is_kept else None)


def test_a_peers_wish_reaches_the_schedule() -> None:
    done = settle(Deferred(attempt=attempt(451), retry_after=timedelta(minutes=20)))
    assert done.due == after(minutes=20)


def test_a_deferral_past_the_deadline_expires() -> None:
    done = settle(Deferred(attempt=attempt(451, "full", "4.2.2")), delivery(attempts=3), now=after(days=1))
    assert (done.to_state, done.reason) == (State.FAILED, FailureReason.EXPIRED)
    (event,) = done.events
    assert event.type is EventType.EXPIRED
    assert event.data == {
        "age_s": 86400,
        "attempts": 4,
        "last_reply": "451 4.2.2 full",
        "stage": "dot",
        "mx": "mx.d1.example",
    }


def test_a_refusal_of_us_that_lasts_to_the_deadline_is_blocked_and_suppresses_nobody() -> None:
    done = settle(Deferred(attempt=attempt(550, "listed", "5.7.1"), is_blocked=True), now=after(days=1))
    assert (done.to_state, done.reason, done.suppression) == (State.FAILED, FailureReason.BLOCKED, None)
    assert [event.type for event in done.events] == [EventType.FAILED]
    assert done.events[0].data["reason"] == "blocked"


def test_a_network_failure_after_a_block_leaves_the_blame_with_us() -> None:
    blocked = delivery(was_blocked=True, attempts=2)
    network = Deferred(attempt=attempt(451, "no connection", is_local=True, stage=Stage.CONNECT))
    assert settle(network, blocked).was_blocked
    assert settle(network, blocked, now=after(days=1)).reason is FailureReason.BLOCKED


def test_another_refusal_after_a_block_takes_the_blame_away() -> None:
    assert not settle(Deferred(attempt=attempt(452, "mailbox full")), delivery(was_blocked=True)).was_blocked


def test_a_hard_bounce_suppresses_the_person_everywhere() -> None:
    done = settle(Failed(attempt=attempt(550, "no such user", "5.1.1"), reason=FailureReason.BOUNCED, suppress=True))
    assert (done.to_state, done.reason) == (State.FAILED, FailureReason.BOUNCED)
    assert [event.type for event in done.events] == [EventType.BOUNCED, EventType.SUPPRESSION_CREATED]
    assert done.suppression is not None
    assert (done.suppression.key, done.suppression.scope) == (delivery().recipient_key, EVERYWHERE)
    assert done.suppression.reason is SuppressionReason.HARD_BOUNCE
    assert done.suppression.evidence == "550 5.1.1 no such user"
    assert done.events[1].data["evidence"] == "550 5.1.1 no such user"


@pytest.mark.parametrize("reason", [FailureReason.REJECTED, FailureReason.RENDER, FailureReason.ERROR])
def test_other_failures_say_their_reason_and_suppress_nobody(reason: FailureReason) -> None:
    done = settle(Failed(attempt=attempt(554), reason=reason), from_state=State.QUEUED)
    assert (done.to_state, done.reason, done.suppression) == (State.FAILED, reason, None)
    assert [(event.type, event.data["reason"]) for event in done.events] == [(EventType.FAILED, str(reason))]


LOST = InDoubt(attempt=attempt(451, "connection lost", "4.4.2", is_local=True))


def test_campaign_mail_in_doubt_is_completed_with_the_mark() -> None:
    done = settle(LOST)
    assert (done.to_state, done.is_in_doubt, done.attempts) == (State.COMPLETED, True, 1)
    (event,) = done.events
    assert event.type is EventType.IN_DOUBT
    assert (event.data["cause"], event.data["policy"]) == ("no final reply", "complete")


def test_submitted_mail_in_doubt_waits_and_is_resent() -> None:
    done = settle(LOST, delivery(campaign=None))
    assert (done.to_state, done.is_in_doubt, done.due) == (State.RETRY, True, after(minutes=30))
    assert done.events[0].data["policy"] == "resend"


def test_submitted_mail_in_doubt_at_the_deadline_ends_with_both_events() -> None:
    done = settle(LOST, delivery(campaign=None), now=after(days=1))
    assert (done.to_state, done.reason, done.is_in_doubt) == (State.FAILED, FailureReason.EXPIRED, True)
    assert [event.type for event in done.events] == [EventType.IN_DOUBT, EventType.EXPIRED]


def test_the_operator_may_turn_the_policy_round() -> None:
    policy = SettlementPolicy(
        schedule=SCHEDULE, in_doubt_campaign=InDoubtAction.RESEND, in_doubt_submission=InDoubtAction.COMPLETE
    )
    settlement = Settlement(policy, Epoch(7))
    for campaign, state in (("spring", State.RETRY), (None, State.COMPLETED)):
        done = settlement.settle(delivery(campaign=campaign), LOST, from_state=State.ACTIVE, moment=moment())
        assert done.to_state is state


@pytest.mark.parametrize(("attempts", "state"), [(0, State.PENDING), (3, State.RETRY)])
def test_a_returned_delivery_counts_nothing_and_says_nothing(attempts: int, state: State) -> None:
    given_back = delivery(attempts=attempts, was_blocked=True)
    done = settle(Returned(why="drain", due=after(minutes=2)), given_back, from_state=State.QUEUED)
    assert (done.to_state, done.attempts, done.due, done.events) == (state, attempts, after(minutes=2), ())
    assert done.was_blocked
    assert done.body_hash is done.last_reply is None


@pytest.mark.parametrize("outcome", [Delivered(attempt=attempt()), LOST])
def test_what_was_never_active_can_neither_be_delivered_nor_in_doubt(outcome: Outcome) -> None:
    with pytest.raises(IllegalOutcome, match="which is queued"):
        settle(outcome, from_state=State.QUEUED)


def test_a_fault_of_ours_before_the_wire_is_tried_again() -> None:
    outcome, done = crash(from_state=State.QUEUED, count=1)
    assert (done.to_state, done.due, done.attempts, done.is_crash) == (State.RETRY, after(minutes=5), 1, True)
    assert isinstance(outcome, Deferred)
    assert done.events[0].type is EventType.DEFERRED
    assert done.events[0].data["class"] == "error"


def test_a_fault_of_ours_on_the_wire_is_in_doubt_and_tried_again_whatever_its_class() -> None:
    outcome, done = crash(from_state=State.ACTIVE, count=2)
    assert (done.to_state, done.is_in_doubt, done.is_crash) == (State.RETRY, True, True)
    assert isinstance(outcome, InDoubt)
    assert (done.events[0].data["cause"], done.events[0].data["policy"]) == ("crash", "resend")


@pytest.mark.parametrize("state", [State.QUEUED, State.ACTIVE])
def test_the_third_fault_of_ours_sets_the_delivery_aside(state: State) -> None:
    outcome, done = crash(from_state=state, count=3)
    assert isinstance(outcome, Failed)
    assert (done.to_state, done.reason, done.suppression) == (State.FAILED, FailureReason.ERROR, None)
    assert done.is_in_doubt == (state is State.ACTIVE)
    assert [(event.type, event.data["reason"]) for event in done.events] == [(EventType.FAILED, "error")]


def crash(*, from_state: State, count: int) -> tuple[Outcome, Settle]:
    crashes = Crashes(count=count, certain=count)
    return SETTLEMENT.settle_crash(delivery(), KeyError("x"), crashes, from_state=from_state, moment=moment())


@pytest.mark.parametrize(("strikes", "minutes"), [(0, 30), (1, 60), (2, 120), (3, 240), (4, 240), (1000, 240)])
def test_a_lane_that_refuses_us_is_shut_longer_each_time_up_to_four_hours(strikes: int, minutes: int) -> None:
    refusal = attempt(554, "listed", "5.7.1", reply_class="SpamBlock", provider="google")
    shut = SETTLEMENT.suspend(lane(3), refusal, strikes=strikes, moment=moment())
    assert (shut.lane, shut.until, shut.reason) == (3, after(minutes=minutes), "554 5.7.1 listed")
    (event,) = shut.events
    assert event.type is EventType.LANE_SUSPENDED
    assert event.data == {
        "domain": "d3.example",
        "until": rfc3339(after(minutes=minutes)),
        "reason": "SpamBlock",
        "reply": "554 5.7.1 listed",
    }


def test_a_lane_that_opens_again_says_so() -> None:
    opened = resume(lane(3), moment())
    assert (opened.lane, opened.until) == (3, None)
    assert [(event.type, event.data) for event in opened.events] == [(EventType.LANE_RESUMED, {"domain": "d3.example"})]


ATTEMPTS = st.builds(
    attempt,
    st.sampled_from([250, 421, 451, 550]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    st.sampled_from([None, "4.7.1", "5.1.1"]),
    stage=st.sampled_from(Stage),
    is_local=st.booleans(),
    mx=st.none() | st.just("mx.example"),
    tls=st.none() | st.just("TLSv1.3"),
)
OUTCOMES = st.one_of(
    st.builds(Delivered, attempt=ATTEMPTS),
    st.builds(
        Deferred,
        attempt=ATTEMPTS,
        retry_after=st.none() | st.timedeltas(timedelta(0), timedelta(hours=9)),
        is_blocked=st.booleans(),
    ),
    st.builds(
        Failed,
        attempt=ATTEMPTS,
        reason=st.sampled_from(FailureReason),
        suppress=st.booleans(),
    ),
    st.builds(InDoubt, attempt=ATTEMPTS),
    st.builds(Returned, why=st.just("drain"), due=st.none() | st.integers(START, after(days=2)).map(Instant)),
)


@given(
    outcome=OUTCOMES,
    from_state=st.sampled_from([State.QUEUED, State.ACTIVE]),
    campaign=st.none() | st.just("spring"),
    attempts=st.integers(0, 9),
    was_blocked=st.booleans(),
    priority=st.sampled_from(Priority),
    age=st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_every_outcome_follows_the_state_table_and_declares_its_events(
    outcome: Outcome,
    from_state: State,
    campaign: str | None,
    attempts: int,
    was_blocked: bool,
    priority: Priority,
    age: timedelta,
) -> None:
    before = delivery(campaign=campaign, attempts=attempts, was_blocked=was_blocked, priority=priority)
    now = Instant(START + round(age / timedelta(milliseconds=1)))
    if from_state is State.QUEUED and isinstance(outcome, Delivered):
        return
    try:
        done = settle(outcome, before, now=now, from_state=from_state)
    except IllegalOutcome:
        assert from_state is State.QUEUED
        assert isinstance(outcome, InDoubt)
        return
    assert done.to_state in TRANSITIONS[from_state]
    assert (done.due is None) == (done.to_state in (State.COMPLETED, State.FAILED))
    assert (done.reason is None) == (done.to_state is not State.FAILED)
    assert done.attempts == attempts + (not isinstance(outcome, Returned))
    assert bool(done.events) == (not isinstance(outcome, Returned))
    assert (done.suppression is not None) == (isinstance(outcome, Failed) and outcome.suppress)
    for event in done.events:
        assert set(event.data) <= set(DATA_FIELDS[event.type])
        assert None not in event.data.values()


def submitted(attempts: int = 0) -> Delivery:
    return delivery(campaign=None, message=MessageRow(1), reverse_path="ann@example.com", attempts=attempts)


def test_a_failure_of_submitted_mail_is_reported() -> None:
    done = settle(Failed(attempt=attempt(550, "no"), reason=FailureReason.REJECTED), submitted())
    assert done.report == Report(action=Action.FAILED, at=START)


def test_nobody_is_told_of_campaign_mail_nor_of_mail_from_the_null_sender() -> None:
    failed = Failed(attempt=attempt(550, "no"), reason=FailureReason.REJECTED)
    assert settle(failed).report is None
    assert settle(failed, delivery(campaign=None, message=MessageRow(1), reverse_path="")).report is None


def test_success_is_reported_where_the_peer_does_not() -> None:
    assert settle(Delivered(attempt=attempt(250, is_untold=True)), submitted()).report == Report(
        action=Action.RELAYED, at=START
    )
    assert settle(Delivered(attempt=attempt(250)), submitted()).report is None


def test_a_delay_is_reported_at_its_time_from_the_last_attempt_before_it() -> None:
    deferred = Deferred(attempt=attempt(450, "later"))
    late = START + 4 * 3_600_000
    assert settle(deferred, submitted(attempts=1), now=after(hours=2)).report is None, "the next attempt is in time"
    at_three = settle(deferred, submitted(attempts=1), now=after(hours=3, minutes=30)).report
    assert at_three == Report(action=Action.DELAYED, at=Instant(late))
    at_six = settle(deferred, submitted(attempts=9), now=after(hours=6)).report
    assert at_six == Report(action=Action.DELAYED, at=after(hours=6))


def test_without_a_delay_warning_only_the_end_is_reported() -> None:
    settlement = Settlement(SettlementPolicy(schedule=SCHEDULE, delay_warning=timedelta(0)), Epoch(7))
    deferred = Deferred(attempt=attempt(450, "later"))
    made = settlement.settle(submitted(), deferred, from_state=State.ACTIVE, moment=moment(after(hours=9)))
    assert made.report is None


def test_what_was_returned_unattempted_is_no_news() -> None:
    assert settle(Returned(why="drain"), submitted(), now=after(hours=9), from_state=State.QUEUED).report is None


def test_mail_from_the_null_sender_is_tried_less_often() -> None:
    rare = RetrySchedule(intervals=(timedelta(hours=8),), lifetime=timedelta(days=1))
    settlement = Settlement(SettlementPolicy(schedule=SCHEDULE, of_null_sender=rare), Epoch(7))
    deferred = Deferred(attempt=attempt(450, "later"))
    notification = delivery(campaign=None, message=MessageRow(1), reverse_path="")
    made = settlement.settle(notification, deferred, from_state=State.ACTIVE, moment=moment())
    assert made.due == after(hours=8)
    assert settlement.settle(submitted(), deferred, from_state=State.ACTIVE, moment=moment()).due == after(minutes=5)
