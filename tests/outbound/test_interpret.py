"""What replies mean: classes, outcomes, time hints, and whether another host may be asked."""

import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.outbound.replies import known_replies, reply_of
from tierii_mta.mail.reply import Reply
from tierii_mta.outbound.interpret import LONGEST_WAIT, SHORTEST_WAIT, asked_wait, classify, decide, tries_next_host
from tierii_mta.outbound.patterns import PLAIN, TEXTS
from tierii_mta.outbound.reply_class import OUTCOMES, ReplyClass, Verdict, verdict_of
from tierii_mta.outbound.reply_codes import BASIC, CODES, VAGUE
from tierii_mta.outbound.tongues import TONGUES
from tierii_mta.queue.delivery import Attempt, Deferred, Delivered, Failed, FailureReason, InDoubt, Stage


@pytest.mark.parametrize(("line", "stage", "reply_class", "verdict"), list(known_replies()))
def test_a_reply_has_its_class_and_verdict(line: str, stage: Stage, reply_class: ReplyClass, verdict: Verdict) -> None:
    reply = reply_of(line)
    found = classify(reply, stage)
    assert (found, verdict_of(found, is_permanent=reply.is_permanent)) == (reply_class, verdict)


def test_the_table_holds_many_replies_of_most_classes() -> None:
    table = list(known_replies())
    assert len(table) >= 150
    assert len({reply_class for _, _, reply_class, _ in table}) >= 24


def test_there_are_29_classes_and_each_has_an_outcome() -> None:
    assert len(ReplyClass) == 29
    assert set(OUTCOMES) == set(ReplyClass)


def test_a_class_that_blames_us_never_suppresses_and_only_missing_persons_do() -> None:
    suppressing = {found for found, (_, after_5xx) in OUTCOMES.items() if after_5xx is Verdict.SUPPRESS}
    assert suppressing == {ReplyClass.INVALID_RECIPIENT, ReplyClass.INACTIVE_MAILBOX, ReplyClass.BAD_DOMAIN}
    assert all(after_4xx in (Verdict.RETRY, Verdict.BLOCK) for after_4xx, _ in OUTCOMES.values())


def attempt(line: str, stage: Stage, *, is_local: bool = False) -> Attempt:
    reply = reply_of(line)
    success = stage is Stage.DOT and 200 <= reply.code < 300
    found = "" if success else classify(reply, stage, is_local=is_local)
    return Attempt(stage=stage, reply=reply, reply_class=found, is_local=is_local)


def test_a_2xx_to_the_final_dot_is_a_delivery() -> None:
    assert isinstance(decide(attempt("250 2.0.0 Ok: queued as 4ABC", Stage.DOT)), Delivered)


def test_losing_the_connection_after_the_final_dot_is_in_doubt_and_asks_nobody_else() -> None:
    lost = attempt("421 4.4.2 connection lost", Stage.DOT, is_local=True)
    assert isinstance(decide(lost), InDoubt)
    assert not tries_next_host(lost.reply, Stage.DOT, ReplyClass.BAD_CONNECTION, is_local=True)


@pytest.mark.parametrize(
    ("line", "stage", "expected"),
    [
        ("550 5.1.1 no such user", Stage.RCPT, (FailureReason.BOUNCED, True)),
        ("554 5.7.1 Relay access denied", Stage.RCPT, (FailureReason.BOUNCED, False)),
        ("554 5.7.1 Spam message rejected", Stage.DOT, (FailureReason.REJECTED, False)),
        ("503 5.5.1 bad sequence of commands", Stage.MAIL, (FailureReason.ERROR, False)),
    ],
)
def test_a_permanent_failure_names_its_reason(line: str, stage: Stage, expected: tuple[FailureReason, bool]) -> None:
    outcome = decide(attempt(line, stage))
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.suppress) == expected


def test_a_block_list_with_a_5xx_defers_and_blames_us() -> None:
    outcome = decide(attempt("554 5.7.1 blocked using zen.spamhaus.org", Stage.RCPT))
    assert isinstance(outcome, Deferred)
    assert outcome.is_blocked


def test_greylisting_defers_for_as_long_as_the_peer_asks() -> None:
    outcome = decide(attempt("450 4.2.0 Greylisted, try again in 7 minutes", Stage.RCPT))
    assert outcome == Deferred(
        attempt=attempt("450 4.2.0 Greylisted, try again in 7 minutes", Stage.RCPT), retry_after=timedelta(minutes=7)
    )


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("Greylisted for 300 seconds", timedelta(minutes=5)),
        ("greylisting in action, please come back in 00:04:59", timedelta(minutes=4, seconds=59)),
        ("please retry in 9:30", timedelta(minutes=9, seconds=30)),
        ("try again in 15 minutes", timedelta(minutes=15)),
        ("Try again later (retry-after=600)", timedelta(minutes=10)),
        ("wait 2 hours", timedelta(hours=2)),
        ("come back after 10min", timedelta(minutes=10)),
        ("delayed for 90s", timedelta(seconds=90)),
        ("You have 240 seconds left before you may retry", timedelta(minutes=4)),
        ("please try again in 1 second", SHORTEST_WAIT),
        ("try again in 99999 hours", LONGEST_WAIT),
        ("please try again later", None),
        ("try later, see RFC 5321 section 4", None),
        ("retry from 192.0.2.5 was refused", None),
        ("error in line 12", None),
    ],
)
def test_a_time_in_the_text_is_read_and_bounded(text: str, wait: timedelta | None) -> None:
    assert asked_wait(Reply(451, (text,))) == wait


@pytest.mark.parametrize(
    ("line", "stage", "is_local", "expected"),
    [
        ("451 4.4.1 connection timed out", Stage.CONNECT, True, True),
        ("554 no service", Stage.GREETING, False, True),
        ("421 4.7.0 busy", Stage.GREETING, False, True),
        ("421 4.3.2 shutting down", Stage.MAIL, False, True),
        ("421 4.3.2 shutting down", Stage.DOT, False, True),
        ("451 4.4.2 connection lost", Stage.DATA, True, True),
        ("421 4.7.0 [TSS04] deferred due to user complaints", Stage.MAIL, False, False),
        ("450 4.2.0 greylisted", Stage.RCPT, False, False),
        ("451 4.7.1 try later", Stage.MAIL, False, False),
        ("451 4.3.5 Server configuration error", Stage.RCPT, False, True),
        ("550 5.1.1 no such user", Stage.RCPT, False, False),
        ("554 5.7.1 spam", Stage.DOT, False, False),
        ("550 5.6.7 host lacks SMTPUTF8", Stage.MAIL, True, True),
        ("552 5.3.4 larger than the host takes", Stage.MAIL, True, True),
        ("451 4.4.2 connection lost", Stage.DOT, True, False),
    ],
)
def test_another_host_is_asked_only_where_the_host_failed(
    line: str, stage: Stage, is_local: bool, expected: bool
) -> None:
    reply = reply_of(line)
    reply_class = classify(reply, stage, is_local=is_local)
    assert tries_next_host(reply, stage, reply_class, is_local=is_local) is expected


@pytest.mark.parametrize(
    ("line", "stage", "reply_class"),
    [
        ("451 4.4.3 DNS time-out", Stage.ROUTE, ReplyClass.DNS_FAILURE),
        ("556 5.1.10 null MX", Stage.ROUTE, ReplyClass.BAD_DOMAIN),
        ("451 4.4.1 time-out", Stage.CONNECT, ReplyClass.NO_ANSWER_FROM_HOST),
        ("451 4.4.2 lost", Stage.DATA, ReplyClass.BAD_CONNECTION),
        ("451 4.7.5 handshake failed", Stage.STARTTLS, ReplyClass.BAD_CONNECTION),
        ("451 4.5.0 the peer spoke no SMTP", Stage.EHLO, ReplyClass.PROTOCOL_ERRORS),
        ("451", Stage.CONNECT, ReplyClass.NO_ANSWER_FROM_HOST),
        ("451", Stage.BODY, ReplyClass.BAD_CONNECTION),
    ],
)
def test_a_reply_of_ours_is_classed_by_its_code(line: str, stage: Stage, reply_class: ReplyClass) -> None:
    assert classify(reply_of(line), stage, is_local=True) == reply_class


@given(
    code=st.integers(100, 999),
    text=st.text(max_size=300),
    stage=st.sampled_from(Stage),
)
@settings(max_examples=150)
def test_any_reply_has_a_class_and_an_outcome(code: int, text: str, stage: Stage) -> None:
    reply = Reply(code, (text,))
    if stage is Stage.DOT and 200 <= code < 300:
        return
    found = classify(reply, stage)
    outcome = decide(Attempt(stage=stage, reply=reply, reply_class=found))
    assert isinstance(outcome, Deferred | Failed)
    assert not (isinstance(outcome, Failed) and reply.code < 500)
    if isinstance(outcome, Failed) and outcome.suppress:
        assert stage not in (Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.MAIL)


def test_every_repetition_in_the_table_is_bounded() -> None:
    for pattern in (*PLAIN, *TEXTS, *TONGUES):
        assert not re.search(r"\.[*+]|\)\+|\\[wS]\+ ?\)\*", pattern.regex.pattern), pattern.regex.pattern


def test_a_code_stands_in_one_table_only() -> None:
    assert not set(CODES) & set(VAGUE)
    assert all(400 <= code < 600 for code in BASIC)
