"""What a claim means: codes and words against each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.correspondence.bounces.claim import Claim, Voice
from tierii_mta.correspondence.bounces.diagnosis import BLAMES, judged
from tierii_mta.correspondence.bounces.stages import stage_in, transcribed_stage
from tierii_mta.correspondence.reading import Blame
from tierii_mta.mail.reply import EnhancedCode
from tierii_mta.outbound.reply_class import ReplyClass, Verdict, verdict_of
from tierii_mta.queue.delivery import Stage


def claim(text: str, status: str = "5.0.0", *, stage: Stage | None = None, voice: Voice = Voice.SERVER) -> Claim:
    code = EnhancedCode.parse(status) if status else None
    return Claim(recipient="ann@example.com", source="test", status=code, text=text, stage=stage, voice=voice)


@pytest.mark.parametrize(
    ("text", "status", "reply"),
    [
        ("550 5.1.1 no such user", "5.0.0", "550 5.1.1 no such user"),
        ("550 5.1.1 no such user", "5.5.0", "550 5.1.1 no such user"),
        ("550 5.1.1 no such user", "5.7.1", "550 5.7.1 no such user"),
        ("550 no such user", "5.0.0", "550 5.0.0 no such user"),
        ("550-5.1.1 no such user", "", "550 5.1.1 no such user"),
        ("host mx[192.0.2.1] said: 550 5.1.1 no", "", "550 5.1.1 host mx[192.0.2.1] said: 550 5.1.1 no"),
        ("#550 5.1.1 RESOLVER", "", "550 5.1.1 RESOLVER"),
        ("no mailbox here by that name. (#5.1.1)", "", "550 5.1.1 no mailbox here by that name. (#5.1.1)"),
        ("connection timed out", "4.4.1", "450 4.4.1 connection timed out"),
        ("connect to 192.0.2.1:25", "", "550 connect to 192.0.2.1:25"),
    ],
)
def test_the_real_code_is_found(text: str, status: str, reply: str) -> None:
    told = judged(claim(text, status)).reply
    assert told is not None
    assert str(told) == reply


@pytest.mark.parametrize(
    ("text", "status", "reply_class"),
    [
        ("550 5.1.1 <ann@example.com>: User unknown", "5.1.1", ReplyClass.INVALID_RECIPIENT),
        ("550 5.1.2 bad destination host", "5.1.2", ReplyClass.BAD_DOMAIN),
        ("", "5.1.10", ReplyClass.BAD_DOMAIN),
        ("550 5.1.6 recipient no longer on server", "5.1.6", ReplyClass.INVALID_RECIPIENT),
        ("Host not found", "5.4.4", ReplyClass.BAD_DOMAIN),
        ("550 5.4.1 Recipient address rejected: Access denied.", "5.4.1", ReplyClass.INVALID_RECIPIENT),
        ("554 delivery error: dd This user doesn't have a x.com account", "5.0.0", ReplyClass.INVALID_RECIPIENT),
        ("550 5.2.1 this account was closed", "5.2.1", ReplyClass.INACTIVE_MAILBOX),
        ("550 no such user", "5.0.0", ReplyClass.INVALID_RECIPIENT),
        ("550 <ann@example.com>: user unknown in virtual alias table", "", ReplyClass.INVALID_RECIPIENT),
    ],
)
def test_nobody_there_is_hard(text: str, status: str, reply_class: ReplyClass) -> None:
    found = judged(claim(text, status))
    assert (found.reply_class, found.is_hard, found.blame) == (reply_class, True, Blame.PERSON)


@pytest.mark.parametrize(
    ("text", "status", "blame"),
    [
        (
            "550 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org",
            "5.7.1",
            Blame.SENDER,
        ),
        ("550 5.1.1 blocked using zen.spamhaus.org", "5.1.1", Blame.SENDER),
        ("550 5.7.26 unauthenticated mail is not accepted due to DMARC policy", "5.7.26", Blame.SENDER),
        ("550 5.7.25 reverse DNS", "5.7.25", Blame.SENDER),
        ("501 5.1.8 Sender address rejected", "5.1.8", Blame.SENDER),
        ("550 5.1.1 Sender address rejected: domain not found", "5.1.1", Blame.SENDER),
        ("552 5.2.2 mailbox full", "5.2.2", Blame.PERSON),
        ("550 5.1.1 mailbox full", "5.1.1", Blame.PERSON),
        ("552 5.3.4 message too big", "5.3.4", Blame.MESSAGE),
        ("554 5.7.1 message looks like spam", "5.7.1", Blame.MESSAGE),
        ("550 5.7.1 Relaying denied", "5.7.1", Blame.INFRASTRUCTURE),
        ("554 5.4.6 Too many hops", "5.4.6", Blame.INFRASTRUCTURE),
        ("421 4.7.0 too many connections, rate limited", "4.7.0", Blame.INFRASTRUCTURE),
        ("550 5.1.1 User unknown", "4.1.1", Blame.PERSON),
        ("450 4.1.1 User unknown in relay table", "4.1.1", Blame.PERSON),
        ("550 user unknown", "5.0.0", Blame.PERSON),
        ("550 no such user, or refused by our policy", "5.0.0", Blame.PERSON),
        ("550 5.2.1 The email account that you tried to reach is disabled", "5.2.1", Blame.PERSON),
        ("550 5.1.1 Account suspended", "5.1.1", Blame.PERSON),
        ("550 5.2.1 User unknown", "5.2.1", Blame.PERSON),
        ("550 account is suspended", "5.0.0", Blame.PERSON),
        ("550 rejected", "5.0.0", Blame.INFRASTRUCTURE),
    ],
)
def test_what_is_about_us_the_message_or_today_is_never_hard(text: str, status: str, blame: Blame) -> None:
    found = judged(claim(text, status))
    assert (found.is_hard, found.blame) == (False, blame)


@pytest.mark.parametrize(
    ("stage", "voice", "is_hard", "reply_class"),
    [
        (Stage.RCPT, Voice.SERVER, True, ReplyClass.INVALID_RECIPIENT),
        (None, Voice.SERVER, False, ReplyClass.INVALID_RECIPIENT),
        (Stage.DOT, Voice.SERVER, False, ReplyClass.POLICY_RELATED),
        (Stage.MAIL, Voice.SERVER, False, ReplyClass.INVALID_SENDER),
        (Stage.EHLO, Voice.SERVER, False, ReplyClass.SPAM_BLOCK),
        (None, Voice.PROGRAM, False, ReplyClass.RELAYING_ISSUES),
    ],
)
def test_user_unknown_counts_as_much_as_who_says_it_and_when(
    stage: Stage | None, voice: Voice, is_hard: bool, reply_class: ReplyClass
) -> None:
    found = judged(claim("550 user unknown", stage=stage, voice=voice))
    assert (found.is_hard, found.reply_class) == (is_hard, reply_class)


def test_the_keeper_of_the_mailboxes_is_believed_without_a_code() -> None:
    text = "User Ann (ann@example.com) not listed in Domino Directory"
    assert judged(claim(text, voice=Voice.KEEPER)).is_hard
    assert not judged(claim(text)).is_hard


def test_every_class_has_a_blame_and_only_a_person_s_own_failure_can_suppress() -> None:
    assert BLAMES.keys() == set(ReplyClass)
    suppressing = {each for each in ReplyClass if verdict_of(each, is_permanent=True) is Verdict.SUPPRESS}
    assert {BLAMES[each] for each in suppressing} == {Blame.PERSON}
    blocking = {each for each in ReplyClass if verdict_of(each, is_permanent=True) is Verdict.BLOCK}
    assert {BLAMES[each] for each in blocking} == {Blame.SENDER}


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("(in reply to end of DATA command)", Stage.DOT),
        ("(in reply to RCPT TO\n    command)", Stage.RCPT),
        ("SMTP error from remote mail server after MAIL FROM:<a@b>", Stage.MAIL),
        ("SMTP error from remote server for TEXT command", Stage.DOT),
        ("did not like our RCPT TO:", Stage.RCPT),
        ("refused to talk to me: 554 no", Stage.GREETING),
        ("User Unknown [RCPT_TO]", Stage.RCPT),
        ("account for mail is closed", None),
    ],
)
def test_the_command_that_was_answered_is_known_by_the_reporter_s_words(text: str, stage: Stage | None) -> None:
    assert stage_in(text) is stage


def test_a_transcript_tells_the_command_before_a_reply() -> None:
    transcript = ">>> MAIL From:<a@b>\n<<< 250 ok\n>>> RCPT To:<ann@example.com>\n<<< 550 5.1.1 no such user\n"
    assert transcribed_stage(transcript, "550 5.1.1 no such user") is Stage.RCPT
    assert transcribed_stage(transcript, "552 else") is None
    assert transcribed_stage(transcript, "") is None


@given(
    st.text(max_size=300),
    st.sampled_from(["", "5.1.1", "4.4.7", "2.0.0"]),
    st.sampled_from([None, *Stage]),
    st.sampled_from(Voice),
)
def test_any_claim_has_a_class_and_a_transient_one_is_never_hard(
    text: str, status: str, stage: Stage | None, voice: Voice
) -> None:
    found = judged(claim(text, status, stage=stage, voice=voice))
    assert found.reply is None or found.reply.text.isprintable()
    if status.startswith("4"):
        assert not found.is_hard
