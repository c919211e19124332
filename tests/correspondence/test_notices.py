"""What machines write around mail: receipts, reactions, challenges, acknowledgements."""

import pytest

from tests.correspondence.letters import facts, letter, reading
from tierii_mta.correspondence.read import read
from tierii_mta.correspondence.reading import Kind, Receipt

MDN = """\
--X
Content-Type: text/plain

Your message was displayed.

--X
Content-Type: message/disposition-notification

Reporting-UA: mail.example.com; Reader 1.0
Original-Recipient: rfc822;ann@example.com
Final-Recipient: rfc822;ann@mail.example.com
Original-Message-ID: <1@sender.example>
Disposition: manual-action/MDN-sent-automatically; displayed

--X--"""


def test_a_receipt_tells_what_became_of_which_message() -> None:
    found = read(
        letter(MDN, content_type="multipart/report; report-type=disposition-notification; boundary=X"), facts()
    )
    assert found.kind is Kind.RECEIPT
    assert found.receipt == Receipt(
        disposition="displayed", is_automatic=True, recipient="ann@example.com", message_id="<1@sender.example>"
    )


def test_a_receipt_is_no_automatic_answer_though_its_header_says_so() -> None:
    kind = "multipart/report; report-type=disposition-notification; boundary=X"
    assert read(letter(MDN, content_type=kind, auto_submitted="auto-replied (rejected)"), facts()).kind is Kind.RECEIPT


def test_a_reaction_is_one_emoji() -> None:
    octets = letter("\N{THUMBS UP SIGN}", content_disposition="reaction", in_reply_to="<1@sender.example>")
    found = read(octets, facts())
    assert (found.kind, found.evidence[0].detail) == (Kind.REACTION, "\N{THUMBS UP SIGN}")


def test_words_are_no_reaction() -> None:
    octets = letter("I agree", content_disposition="reaction", in_reply_to="<1@sender.example>")
    assert read(octets, facts()).kind is Kind.REPLY


def test_a_reaction_of_gmail_has_a_part_of_its_own() -> None:
    body = (
        "--X\nContent-Type: text/plain\n\n\N{SPARKLING HEART}\n"
        "--X\nContent-Type: text/vnd.google.email-reaction+json\n\n"
        '{"emoji": "\N{SPARKLING HEART}", "version": 1}\n--X--'
    )
    octets = letter(body, content_type="multipart/alternative; boundary=X", in_reply_to="<1@sender.example>")
    found = read(octets, facts())
    assert (found.kind, found.evidence[0].detail) == (Kind.REACTION, "\N{SPARKLING HEART}")


def test_a_person_who_answers_out_of_a_ticket_system_is_a_person() -> None:
    found = reading(
        "Thanks, we take it.",
        subject="Re: [#4711] Our offer",
        x_mailer="FreeScout",
        x_auto_response_suppress="All",
        in_reply_to="<1@sender.example>",
    )
    assert found.kind is Kind.REPLY


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("[Request received] Our offer", "Your request (4711) has been received."),
        ("Ticket #4711: Our offer", "vielen Dank für Ihre Anfrage."),
        ("[Ticket#2026072010000471] Our offer", "Nous avons bien reçu votre demande."),
    ],
)
def test_a_ticket_system_that_answers_acknowledges(subject: str, text: str) -> None:
    found = reading(f"{text}\n#4711", subject=subject, auto_submitted="auto-replied", x_mailer="Zendesk Mailer")
    assert found.kind is Kind.ACKNOWLEDGEMENT


def test_a_challenge_asks_for_a_proof() -> None:
    found = reading("Verify that you are human: https://c.example/", subject="x", x_boxtrapper="verify")
    assert found.kind is Kind.CHALLENGE
    asked = reading(
        "Follow the link to confirm: https://c.example/",
        subject="Please confirm your message",
        auto_submitted="auto-replied",
    )
    assert asked.kind is Kind.CHALLENGE
