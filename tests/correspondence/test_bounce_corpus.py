"""Delivery reports that nobody here wrote. The figures are printed by `python -m tests.corpus.bounces`."""

import pytest

from tests.corpus.bounces.measure import half_of, judged, score, unexpected
from tests.support.corpora import corpus, messages
from tierii_mta.correspondence.bounce import bounce_of
from tierii_mta.mail.mime import parse

pytestmark = pytest.mark.corpus


@pytest.mark.parametrize("half", [1, 2])
def test_recipients_of_real_reports_get_the_right_class(half: int) -> None:
    counted = score(row for row in judged(corpus("bounces")) if half_of(row.message) == half)
    assert counted.found / counted.recipients > 0.95
    assert counted.right / counted.recipients > 0.91
    assert counted.precision > 0.94
    assert counted.recall > 0.84


def test_what_the_set_calls_no_report_is_none() -> None:
    assert unexpected(corpus("bounces")) == []


@pytest.mark.parametrize("name", ["mime", "replies", "arc"])
def test_other_mail_is_no_report(name: str) -> None:
    assert [path for path, octets in messages(name, "*.*") if bounce_of(parse(octets))] == []


def test_every_status_report_is_a_bounce_and_no_complaint_is() -> None:
    assert all(bounce_of(parse(octets)) for _, octets in messages("reports/rfc3464"))
    assert not any(bounce_of(parse(octets)) for _, octets in messages("reports/rfc5965"))
