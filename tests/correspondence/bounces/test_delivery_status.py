"""Status fields with the liberties real ones take (RFC 3464)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.correspondence.bounces.claim import Claim, Voice
from tierii_mta.correspondence.bounces.delivery_status import MAX_RECIPIENTS, merged, report_of, status_report
from tierii_mta.mail.mime import parse
from tierii_mta.mail.reply import EnhancedCode

ANN = "Final-Recipient: rfc822; ann@example.com\nAction: failed\nStatus: 5.1.1\n"
BEN = "Final-Recipient: rfc822; ben@example.org\nAction: delayed\nStatus: 4.2.2\n"
MESSAGE = "Reporting-MTA: dns; mx.example.net\nOriginal-Envelope-Id: 7\n"


def one(fields: str) -> Claim:
    (claim,) = report_of(fields).claims
    return claim


@pytest.mark.parametrize(
    "fields",
    [
        f"{MESSAGE}\n{ANN}\n{BEN}",
        f"{MESSAGE}\n\n\n{ANN}\n\n\n{BEN}\n\n",
        f"{MESSAGE}{ANN}{BEN}",
        f"{ANN}\n{BEN}\n{MESSAGE}",
        f"{MESSAGE}\nFinal-Recipient: rfc822; ann@example.com\n\nAction: failed\n\nStatus: 5.1.1\n\n{BEN}",
        f"{MESSAGE}\nStatus: 5.1.1\nAction: failed\nFinal-Recipient: rfc822; ann@example.com\n\n{BEN}",
        f"This is a report.\n{MESSAGE}\n{ANN}\n--- and ---\n{BEN}",
        f"{MESSAGE}\n{ANN}\n{BEN}".replace("Final", "FINAL").replace("Action: failed", "ACTION: Failed"),
    ],
    ids=["plain", "more blank lines", "none", "message last", "inside a block", "in any order", "prose", "capitals"],
)
def test_blocks_are_told_apart_however_they_are_separated(fields: str) -> None:
    report = report_of(fields)
    assert [(claim.recipient, claim.action, str(claim.status)) for claim in report.claims] == [
        ("ann@example.com", "failed", "5.1.1"),
        ("ben@example.org", "delayed", "4.2.2"),
    ]
    assert (report.reporting_mta, report.envelope_id) == ("mx.example.net", "7")


@pytest.mark.parametrize(
    ("value", "recipient"),
    [
        ("rfc822; ann@example.com", "ann@example.com"),
        ("RFC822;ann@example.com", "ann@example.com"),
        ("<ann@example.com>", "ann@example.com"),
        ("ann@example.com", "ann@example.com"),
        ("rfc822; ann+tag@example.com", "ann+tag@example.com"),
        ("utf-8; j\\x{FC}rgen@example.com", "jürgen@example.com"),
        ("utf-8; jürgen@example.com", "jürgen@example.com"),
        ("rfc822; @relay.example:ann@example.com", "ann@example.com"),
    ],
)
def test_a_recipient_is_read_in_every_form(value: str, recipient: str) -> None:
    assert one(f"Final-Recipient: {value}\nAction: failed\nStatus: 5.1.1\n").recipient == recipient


def test_a_program_is_no_recipient() -> None:
    claim = one("Final-Recipient: rfc822;|/usr/bin/vacation ann@example.com\nAction: failed\nStatus: 5.0.0\n")
    assert claim.recipient is None


@pytest.mark.parametrize(
    ("value", "original"),
    [
        ("rfc822;ann+2Btag@example.net", "ann+tag@example.net"),
        ("rfc822;ann+3Dtag@example.net", "ann=tag@example.net"),
        ("rfc822;ann+AB@example.net", "ann+AB@example.net"),
        ("rfc822;ann+tag@example.net", "ann+tag@example.net"),
    ],
)
def test_xtext_is_undone_where_an_encoder_would_have_written_it(value: str, original: str) -> None:
    assert one(f"{ANN}Original-Recipient: {value}\n").original_recipient == original


def test_the_original_recipient_stands_for_a_final_one_that_is_missing() -> None:
    claim = one("Original-Recipient: <ann@example.com>\nAction: failed\nDiagnostic-Code: smtp; 550 no\n")
    assert (claim.recipient, claim.original_recipient, claim.status) == ("ann@example.com", None, None)


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ("Status: 4.4.1", "delayed"),
        ("Status: 5.0.0", "failed"),
        ("Status: 2.1.5\nAction: deliverable", "delivered"),
        ("Status: 5.1.1\nAction: failed (bad mailbox)", "failed"),
        ("Action: Relayed", "relayed"),
        ("Action: expanded", "expanded"),
        ("Remote-MTA: dns; x", "failed"),
    ],
)
def test_an_action_that_is_missing_or_unknown_follows_from_the_status(fields: str, action: str) -> None:
    assert one(f"Final-Recipient: rfc822; ann@example.com\n{fields}\n").action == action


def test_a_diagnostic_is_unfolded_and_its_type_tells_who_speaks() -> None:
    claim = one(f"{ANN}Diagnostic-Code: smtp; 550 5.1.1\n <ann@example.com>...\n\tUser unknown\n")
    assert (claim.text, claim.voice) == ("550 5.1.1 <ann@example.com>... User unknown", Voice.SERVER)
    assert one(f"{ANN}Diagnostic-Code: X-Postfix; unknown user\n").voice is Voice.KEEPER
    assert one(f"{ANN}Diagnostic-Code: x-unix; exit 67\n").voice is Voice.PROGRAM
    assert one(f"{ANN}Diagnostic-Code: 550 no; really\n").text == "550 no; really"


def test_a_reason_behind_the_status_is_one() -> None:
    claim = one("Final-Recipient: rfc822; ann@example.com\nAction: failed\nStatus: 4.2.2 (over quota)\n")
    assert (claim.status, claim.text) == (EnhancedCode(4, 2, 2), "over quota")


def test_of_two_words_about_one_recipient_the_failure_counts() -> None:
    claims = report_of(f"{ANN.replace('failed', 'delayed')}\n{ANN}\n{BEN}").claims
    assert [(claim.recipient, claim.action) for claim in merged(claims)] == [
        ("ann@example.com", "failed"),
        ("ben@example.org", "delayed"),
    ]


@pytest.mark.parametrize("kind", ["message/delivery-status", "message/global-delivery-status"])
def test_a_status_part_is_found_where_the_message_is_no_report(kind: str) -> None:
    head = "From: a@example.net\nContent-Type: multipart/mixed; boundary=X\n\n--X\n"
    report = status_report(parse(f"{head}Content-Type: {kind}\n\n{MESSAGE}\n{ANN}\n--X--\n".encode()))
    assert report is not None
    assert [claim.recipient for claim in report.claims] == ["ann@example.com"]
    assert status_report(parse(head.encode())) is None


def test_a_report_of_a_hundred_thousand_recipients_is_cut() -> None:
    assert len(report_of("".join(f"{ANN}\n" for _ in range(20_000))).claims) == MAX_RECIPIENTS


@given(st.text(alphabet=st.sampled_from("Final-RecpstAo:; 5.1@x\n\t<>\\{}+")))
def test_any_text_can_be_read(text: str) -> None:
    for claim in report_of(text).claims:
        assert claim.action in {"failed", "delayed", "delivered", "relayed", "expanded"}
