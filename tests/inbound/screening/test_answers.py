"""Mail about ours is recognised by what only we can have signed, and reports about mail that is not ours are told."""

from typing import Any

import pytest

from tests.inbound.desk import CODEC, FORGER
from tests.inbound.screening.cases import BOUNCE, SALES, case, head, rules
from tierii_mta.inbound.screening.answers import Answers
from tierii_mta.mail.message_id import message_id
from tierii_mta.queue.received import InboxRecipient

OURS, FORGED = message_id(CODEC, 7, "example.com"), message_id(FORGER, 7, "example.com")
REPORT = head("Content-Type: multipart/report; report-type=delivery-status; boundary=b")
DAEMON = head("From: Mail Delivery <MAILER-DAEMON@elsewhere.example>")


async def found(**facts: Any) -> list[str]:
    return rules(await Answers(CODEC).look(case(**facts)))


async def test_mail_to_a_signed_address_is_ours() -> None:
    assert await found(recipients=[BOUNCE], sender="") == ["signed"]


async def test_one_signed_address_does_not_speak_for_other_recipients() -> None:
    assert await found(recipients=[BOUNCE, SALES]) == []


async def test_those_who_must_be_reachable_are_told_apart() -> None:
    desks = [
        InboxRecipient(address=f"{name}@example.com", mailbox=f"example.com/{name}") for name in ("abuse", "postmaster")
    ]
    assert await found(recipients=desks) == ["role"]
    assert await found(recipients=[*desks, SALES]) == []


@pytest.mark.parametrize(
    "field",
    [
        f"In-Reply-To: {OURS}",
        f"In-Reply-To: {OURS.upper()}",
        f"References: <a@elsewhere.example>\r\n <b@elsewhere.example> {OURS}",
        f"References: {' '.join([FORGED] * 20)} {OURS}",
    ],
)
async def test_an_answer_names_a_message_of_ours(field: str) -> None:
    assert await found(head=head(field)) == ["answer"]


@pytest.mark.parametrize("field", [f"In-Reply-To: {FORGED}", "In-Reply-To: <x@example.com>", f"Subject: {OURS}"])
async def test_a_forged_answer_is_none(field: str) -> None:
    assert await found(head=head(field)) == []


async def test_a_report_that_encloses_our_mail_is_an_answer_wherever_it_was_sent() -> None:
    body = f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {OURS}\r\n\r\nHello\r\n--b--\r\n".encode()
    assert await found(head=REPORT, body=body, sender="") == ["answer"]
    assert await found(body=body) == [], "a message that quotes it is none"


@pytest.mark.parametrize("written", [REPORT, DAEMON])
async def test_a_report_about_mail_that_is_not_ours_is_backscatter(written: bytes) -> None:
    body = f"Message-ID: {FORGED}\r\n".encode()
    assert await found(head=written, body=body, sender="") == ["backscatter"]


async def test_an_automatic_answer_from_the_null_sender_is_only_noted() -> None:
    assert await found(sender="") == ["null_sender"]
