"""Feedback reports: what they are, whom they are about, and what they leave to be found out."""

import json

import pytest

from tests.correspondence.letters import facts, letter
from tests.support.corpora import corpus, messages
from tierii_mta.clock import Instant, rfc3339
from tierii_mta.correspondence.complaint import NOT_AGAINST_US
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import Complaint, Kind, Reading
from tierii_mta.mail.address import Address
from tierii_mta.mail.message_id import message_id
from tierii_mta.mail.tokens import TokenCodec, return_path

CODEC = TokenCodec(b"a secret of the installation")
VERP = str(return_path(CODEC, 7, Address("ann", "example.com"), "sender.example"))
ID = message_id(CODEC, 7, "sender.example")
ENCLOSED = f"""\
Received: from relay.example.com (relay.example.com [10.1.2.3]) by mx.example.com; Sat, 18 Jul 2026 10:00:02 +0000
Received: from mta.sender.example (mta.sender.example [8.8.4.4])
 by relay.example.com with ESMTPS id 1 for <ann@example.com>; Sat, 18 Jul 2026 10:00:00 +0000
Return-Path: <{VERP}>
Message-ID: <relay-made-this@relay.example.com>
Message-ID: {ID}
From: news@sender.example
To: undisclosed-recipients:;
CFBL-Address: fbl@sender.example; report=arf
CFBL-Feedback-ID: 7:spring:9f2c
Subject: Spring

Body"""
WHOLE = """\
Feedback-Type: abuse
User-Agent: Provider/1.0
Version: 1
Original-Rcpt-To: <ann@example.com>
Source-IP: 192.0.2.1
Arrival-Date: Sat, 18 Jul 2026 10:00:00 +0000"""
SPARSE = "Feedback-Type: abuse\nUser-Agent: Provider/1.0\nVersion: 1"


def report(told: str | None, enclosed: str = ENCLOSED, **fields: str) -> bytes:
    """Return a report of three parts, or of two without what it tells."""
    middle = f"--X\nContent-Type: message/feedback-report\n\n{told}\n\n" if told is not None else ""
    body = f"--X\nContent-Type: text/plain\n\nSpam.\n\n{middle}--X\nContent-Type: message/rfc822\n\n{enclosed}\n--X--"
    kind = (
        "multipart/report; report-type=feedback-report; boundary=X"
        if told is not None
        else "multipart/mixed; boundary=X"
    )
    return letter(body, content_type=kind, **fields)


def reading_of(octets: bytes) -> tuple[Reading, Complaint]:
    found = read(octets, facts())
    assert found.complaint is not None
    return found, found.complaint


def test_a_report_tells_whom_from_where_and_when() -> None:
    found, complaint = reading_of(report(WHOLE))
    assert found.kind is Kind.COMPLAINT
    assert (complaint.feedback_type, complaint.user_agent, complaint.version) == ("abuse", "Provider/1.0", "1")
    assert (complaint.recipient, complaint.source_ip, complaint.derived) == ("ann@example.com", "192.0.2.1", ())
    assert complaint.arrived_at is not None
    assert rfc3339(complaint.arrived_at) == "2026-07-18T10:00:00.000Z"


def test_the_message_it_is_about_is_known_by_its_last_id_and_our_return_path() -> None:
    _, complaint = reading_of(report(SPARSE))
    assert complaint.original is not None
    assert (complaint.original.message_id, complaint.original.addresses) == (ID, (VERP,))


def test_what_a_sparse_report_leaves_out_is_derived_and_says_so() -> None:
    _, complaint = reading_of(report(SPARSE))
    assert complaint.recipient == "ann@example.com"
    assert complaint.source_ip == "8.8.4.4"  # the first public one
    assert complaint.arrived_at == Instant(1_784_368_802_000)
    assert complaint.derived == ("recipient", "source_ip", "arrived_at")


def test_a_redacted_recipient_is_derived() -> None:
    _, complaint = reading_of(report(WHOLE.replace("<ann@example.com>", "[redacted]")))
    assert (complaint.recipient, "recipient" in complaint.derived) == ("ann@example.com", True)


def test_the_feedback_id_of_the_enclosed_header_is_told() -> None:
    _, complaint = reading_of(report(WHOLE))
    assert complaint.feedback_id == "7:spring:9f2c"


def test_every_recipient_that_is_named_is_kept() -> None:
    _, complaint = reading_of(report(f"{WHOLE}\nOriginal-Rcpt-To: <bob@example.com>"))
    assert (complaint.recipient, complaint.recipients) == ("ann@example.com", ("ann@example.com", "bob@example.com"))


@pytest.mark.parametrize("kind", ["fraud", "virus", "other", "opt-out"])
def test_other_types_are_complaints_too(kind: str) -> None:
    found, complaint = reading_of(report(WHOLE.replace("abuse", kind)))
    assert (found.kind, complaint.feedback_type) == (Kind.COMPLAINT, kind)


@pytest.mark.parametrize("kind", sorted(NOT_AGAINST_US))
def test_nobody_complains_with_these(kind: str) -> None:
    found, complaint = reading_of(report(WHOLE.replace("abuse", kind)))
    assert (found.kind, complaint.feedback_type) == (Kind.MACHINE, kind)


def test_a_report_without_a_type_is_one_of_no_special_kind() -> None:
    _, complaint = reading_of(report("User-Agent: Provider/1.0"))
    assert complaint.feedback_type == "other"


def test_a_provider_that_forwards_the_message_complains() -> None:
    enclosed = f"X-HmXmrOriginalRecipient: ann@example.com\n{ENCLOSED}"
    found, complaint = reading_of(report(None, enclosed, subject="complaint about message from 192.0.2.1"))
    assert (found.kind, complaint.recipient, complaint.feedback_type) == (Kind.COMPLAINT, "ann@example.com", "abuse")


def test_a_feedback_loop_is_known_by_sender_and_subject_together() -> None:
    subject = "Email Feedback Report for IP 192.0.2.1"
    loop = report(None, subject=subject, **{"from": "scomp@aol.net"})
    assert read(loop, facts()).kind is Kind.COMPLAINT
    assert read(report(None, subject=subject), facts()).kind is Kind.OTHER  # anybody may forward a message
    assert read(report(None, **{"from": "scomp@aol.net"}), facts()).kind is Kind.OTHER


def test_the_header_alone_may_be_enclosed() -> None:
    octets = report(SPARSE).replace(b"message/rfc822", b"text/rfc822-headers")
    _, complaint = reading_of(octets)
    assert (complaint.recipient, complaint.feedback_id) == ("ann@example.com", "7:spring:9f2c")


def test_a_relay_of_ours_notes_a_complaint_as_a_document() -> None:
    document = {
        "notificationType": "Complaint",
        "complaint": {
            "complainedRecipients": [{"emailAddress": "ann@example.com"}],
            "timestamp": "2026-07-18T10:00:00.000Z",
            "complaintFeedbackType": "abuse",
        },
        "mail": {"headers": [{"name": "Message-ID", "value": ID}, {"name": "Subject", "value": "Spring"}]},
    }
    found, complaint = reading_of(letter(json.dumps(document), **{"from": "no-reply@sns.relay.example"}))
    assert (found.kind, complaint.recipient, complaint.derived) == (Kind.COMPLAINT, "ann@example.com", ())
    assert complaint.original is not None
    assert complaint.original.message_id == ID


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"notificationType": "Complaint", "complaint": 5}', "[" * 5_000, "{" * 5_000]
)
def test_other_documents_are_no_complaint(text: str) -> None:
    assert read(letter(text), facts()).complaint is None


@pytest.mark.corpus
def test_the_reports_of_the_public_corpus_have_the_expected_type() -> None:
    expected = json.loads((corpus("bounces") / "expected.json").read_text())
    found = {
        name: complaint.feedback_type if (complaint := read(octets, facts()).complaint) else None
        for name, octets in messages("bounces")
    }
    wanted = {name: (rows[0].get("feedback") or None) if rows else None for name, rows in expected.items()}
    assert found == {name: wanted[name] for name in found}
