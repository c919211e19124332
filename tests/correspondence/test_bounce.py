"""Delivery reports as a whole: what is one, and what it says of each recipient."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.correspondence.bounce import bounce_of
from tierii_mta.correspondence.reading import Blame, Bounce
from tierii_mta.mail.mime import parse
from tierii_mta.outbound.reply_class import ReplyClass

FIELDS = """\
Reporting-MTA: dns; mx.example.net
Original-Envelope-Id: 42

Final-Recipient: rfc822; ann@example.com
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.com
Diagnostic-Code: smtp; 550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown
"""
RETURNED = """\
Message-ID: <1@sender.example>
From: news@sender.example
To: ann@example.com
Subject: News
"""


def report(
    fields: str = FIELDS, text: str = "It failed.", returned: str = RETURNED, kind: str = "message/rfc822"
) -> bytes:
    return f"""\
From: MAILER-DAEMON@example.net (Mail Delivery System)
To: news@sender.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=X

--X
Content-Type: text/plain; charset=utf-8

{text}

--X
Content-Type: message/delivery-status

{fields}
--X
Content-Type: {kind}

{returned}
--X--
""".encode()


def notice(
    text: str, *, sender: str = "MAILER-DAEMON@example.net", subject: str = "failure notice", more: str = ""
) -> bytes:
    head = (
        f"From: {sender}\nTo: news@sender.example\nSubject: {subject}\n{more}Content-Type: text/plain; charset=utf-8\n"
    )
    return f"{head}\n{text}".encode()


def read(octets: bytes) -> Bounce:
    found = bounce_of(parse(octets))
    assert found is not None
    return found


def test_a_notification_tells_recipient_reply_and_that_nobody_is_there() -> None:
    bounce = read(report())
    assert (bounce.reporting_mta, bounce.envelope_id) == ("mx.example.net", "42")
    assert bounce.original is not None
    assert bounce.original.message_id == "<1@sender.example>"
    (ann,) = bounce.recipients
    assert (ann.recipient, ann.action, ann.source, ann.remote_mta) == (
        "ann@example.com",
        "failed",
        "rfc3464",
        "mx.example.com",
    )
    assert (ann.reply_class, ann.is_hard, ann.blame) == (ReplyClass.INVALID_RECIPIENT, True, Blame.PERSON)
    assert str(ann.reply).startswith("550 5.1.1 <ann@example.com>: Recipient address rejected")
    assert {evidence.rule for evidence in bounce.evidence} == {"delivery-status", "report", "bounce:rfc3464"}


@pytest.mark.parametrize(
    ("action", "status"),
    [("failed", "5.1.1"), ("delayed", "4.4.1"), ("delivered", "2.0.0"), ("relayed", "2.0.0"), ("expanded", "2.0.0")],
)
def test_only_a_failure_is_hard(action: str, status: str) -> None:
    fields = FIELDS.replace("failed", action).replace("Status: 5.1.1", f"Status: {status}")
    (ann,) = read(report(fields)).recipients
    assert ann.action == action
    assert ann.is_hard == (action == "failed")


def test_what_the_fields_leave_out_the_words_beside_them_tell() -> None:
    fields = "Final-Recipient: rfc822; ann@example.com\nAction: failed\nStatus: 5.0.0\n"
    text = "<ann@example.com>: host mx.example.com[192.0.2.1] said: 550 no such user (in reply to RCPT TO command)"
    (ann,) = read(report(fields, f"This is the mail system at host mx.example.net.\n\n{text}")).recipients
    assert (ann.reply_class, ann.is_hard) == (ReplyClass.INVALID_RECIPIENT, True)


def test_behind_data_user_unknown_is_the_word_of_a_filter() -> None:
    fields = FIELDS.replace("5.1.1", "5.0.0")
    text = "<ann@example.com>: host mx.example.com said: 550 User unknown (in reply to end of DATA command)"
    (ann,) = read(report(fields, f"This is the mail system at host mx.example.net.\n\n{text}")).recipients
    assert (ann.reply_class, ann.is_hard, ann.blame) == (ReplyClass.POLICY_RELATED, False, Blame.MESSAGE)


def test_the_recipient_is_named_as_we_wrote_to_it() -> None:
    fields = FIELDS.replace(
        "Final-Recipient: rfc822; ann@example.com",
        "Final-Recipient: rfc822; a.smith@inside.example.net\nOriginal-Recipient: rfc822; ann@example.com",
    )
    assert read(report(fields)).recipients[0].recipient == "ann@example.com"


def test_a_report_that_names_nobody_is_about_the_one_its_message_was_for() -> None:
    (ann,) = read(report("Reporting-MTA: dns; mx.example.net\n", "--- Delivery report unavailable ---")).recipients
    assert (ann.recipient, ann.is_hard) == ("ann@example.com", False)


def test_a_report_that_was_cut_short_is_one_all_the_same() -> None:
    head = "From: MAILER-DAEMON@example.net\nSubject: Returned mail\nContent-Type: multipart/report; boundary=X;\n"
    (nobody,) = read(f"{head} report-type=delivery-status\n\n<<< No Message Collected >>>\n".encode()).recipients
    assert (nobody.recipient, nobody.is_hard, nobody.reply_class) == (None, False, ReplyClass.UNCATEGORIZED)


def test_a_notification_inside_a_message_of_a_gateway_is_found() -> None:
    head = b"From: MAILER-DAEMON@example.net (Mail Delivery System)\nSubject: Undelivered\n"
    parts = (
        b"Content-Type: multipart/mixed; boundary=Y\n\n--Y\nContent-Type: message/rfc822\n\n" + report() + b"\n--Y--\n"
    )
    assert read(head + parts).recipients[0].recipient == "ann@example.com"
    forwarded = b"From: bob@example.net\nSubject: Fwd: Undelivered\n" + parts
    assert bounce_of(parse(forwarded)) is None


def test_a_report_about_a_report_of_ours_is_about_its_recipient() -> None:
    ours = report().decode()
    head = "From: MAILER-DAEMON@example.org\nSubject: failure notice\nContent-Type: multipart/mixed; boundary=Y\n\n"
    text = "--Y\n\nYour message did not reach the following recipient(s):\n\nben@example.org on Sat\n    no such user\n"
    octets = f"{head}{text}\n--Y\nContent-Type: message/rfc822\n\n{ours}\n--Y--\n".encode()
    assert [each.recipient for each in read(octets).recipients] == ["ben@example.org"]


def test_a_text_alone_needs_a_mark_of_a_report() -> None:
    text = "I wasn't able to deliver your message to the following addresses.\n\n<ann@example.com>:\nno such user\n"
    assert bounce_of(parse(notice(text))) is not None
    assert bounce_of(parse(notice(text, sender="bob@example.net", subject="Have you seen this?"))) is None
    assert bounce_of(parse(notice(text, sender="bob@example.net", subject="Re: failure notice"))) is None
    assert bounce_of(parse(notice(text, sender="bob@example.net", subject="Fwd: failure notice"))) is None


@pytest.mark.parametrize("more", ["Return-Path: <>\n", "Auto-Submitted: auto-replied\nReturn-Path: <>\n"])
def test_the_null_sender_alone_makes_no_report(more: str) -> None:
    text = "I am away until Monday. If it is urgent, write to ben@example.com. I cannot read mail: my mailbox is full."
    assert bounce_of(parse(notice(text, sender="Ann <ann@example.com>", subject="Out of office", more=more))) is None


def test_exim_names_its_recipients_in_a_field() -> None:
    text = "The following address(es) failed:\n\n  ann@example.com\n    after RCPT TO:<ann@example.com>:\n    550 no\n"
    (ann,) = read(notice(text, more="X-Failed-Recipients: ann@example.com\n")).recipients
    assert ann.recipient == "ann@example.com"
    assert ann.reply is not None
    assert ann.reply.code == 550


def test_a_text_that_says_it_is_still_tried_is_a_delay() -> None:
    text = (
        "THIS IS A WARNING MESSAGE ONLY.\n\nDelivery to the following recipient has been delayed:\n\n"
        "     ann@example.com\n\n"
        "Message will be retried for 2 more day(s)\n"
    )
    (ann,) = read(notice(text, subject="Delivery Status Notification (Delay)")).recipients
    assert (ann.recipient, ann.action, ann.is_hard) == ("ann@example.com", "delayed", False)


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_no_octets_make_it_raise(octets: bytes) -> None:
    bounce_of(parse(octets))
    bounce_of(parse(report(octets.decode("latin-1"))))
    bounce_of(parse(notice(octets.decode("latin-1"))))


WORDS = st.sampled_from(
    [
        *(
            "<ann@example.com>:",
            "550",
            "5.1.1",
            "failed",
            "following address(es) failed:",
            "{",
            "@",
            "<",
            ">",
            "\n",
            "\n\n",
        ),
        *(">>> RCPT TO:<a@b>", "<<< 550 no", "Status: 9.9.9", "Final-Recipient: rfc822; a@b", "Action: delayed"),
        *("--- Below this line", "Received: x", "To: a@b", "(expanded from: a@b)", "Error-for: a@b"),
    ]
)


@given(st.lists(WORDS, max_size=60))
@settings(max_examples=200)
def test_no_mixture_of_words_of_reports_makes_it_raise(words: list[str]) -> None:
    text = " ".join(words)
    for octets in (notice(text), report(text, text, text)):
        found = bounce_of(parse(octets))
        assert found is None or found.recipients


HOSTILE = {
    "entries": "<a@b>:\n" * 50_000,
    "codes": "550 " * 100_000,
    "addresses": "a@b.example " * 50_000,
    "openings": "following address failed\n" * 20_000,
    "tags": "<style>" * 50_000,
    "one line": "x" * 1_000_000,
    "transcript": ">>> DATA\n<<< 550\n" * 30_000,
    "fields": "Final-Recipient: rfc822; a@b\n" * 50_000,
    "errors": "Error-for: a@b\n" * 50_000,
    "json": '{"bounce":' * 50_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_read_within_bounds(name: str) -> None:
    octets = notice(HOSTILE[name])
    for each in (octets, octets.replace(b"text/plain", b"text/html")):
        found = bounce_of(parse(each))
        assert found is None or len(found.recipients) <= 1_000


@pytest.mark.parametrize("sender", ["noreply@parcels.example", "Parcels <delivery@parcels.example>"])
def test_a_parcel_that_could_not_be_delivered_is_no_report(sender: str) -> None:
    text = "Your parcel could not be delivered to the address you gave. Write to help@parcels.example, or call us.\n"
    assert bounce_of(parse(notice(text, sender=sender, subject="Delivery failed: your parcel"))) is None
