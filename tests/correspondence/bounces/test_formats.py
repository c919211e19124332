"""Reports without status fields: each form is known by the way it is built."""

import pytest

from tests.correspondence.bounces.families import FAMILIES
from tests.correspondence.bounces.samples import RETURNED, SAMPLES, Sample
from tierii_mta.correspondence.bounce import bounce_of
from tierii_mta.correspondence.reading import Bounce
from tierii_mta.mail.mime import parse

FORMS = {**SAMPLES, **FAMILIES}


def report(sample: Sample) -> Bounce | None:
    head = f"From: {sample.sender}\nTo: news@sender.example\nSubject: {sample.subject}\n{sample.fields}"
    words = f"{sample.text}\n{RETURNED}\n\nHello Ann, this is ben@elsewhere.example\n"
    body = f"Content-Type: text/plain; charset=utf-8\n\n{words}"
    return bounce_of(parse((head + body).encode()))


@pytest.mark.parametrize("name", FORMS)
def test_a_form_tells_its_recipients_and_the_reason(name: str) -> None:
    sample = FORMS[name]
    bounce = report(sample)
    assert bounce is not None
    assert tuple(each.recipient for each in bounce.recipients) == sample.recipients
    first = bounce.recipients[0]
    assert (str(first.reply_class), first.is_hard, first.action) == (sample.means, sample.is_hard, sample.action)


def test_each_recipient_has_a_reason_of_its_own() -> None:
    bounce = report(SAMPLES["qmail, the remote host refused"])
    assert bounce is not None
    assert [(str(each.reply_class), each.is_hard) for each in bounce.recipients] == [
        ("InvalidRecipient", True),
        ("PolicyRelated", False),
    ]


@pytest.mark.parametrize("name", FORMS)
def test_the_same_words_by_a_person_are_no_report(name: str) -> None:
    sample = FORMS[name]
    head = "From: Ben <ben@elsewhere.example>\nTo: news@sender.example\nSubject: what is this?\n"
    body = f"Content-Type: text/plain; charset=utf-8\n\n{sample.text}{RETURNED}"
    assert bounce_of(parse((head + body).encode())) is None
