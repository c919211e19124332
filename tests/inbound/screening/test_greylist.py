"""Who waits and for how long, as a table; how visits are kept is in tests/contracts."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.inbound.screening.cases import SALES, case
from tests.support.clock import START
from tierii_mta.clock import Instant, later
from tierii_mta.inbound.screening.greylist import (
    ANYBODY,
    MAX_RECIPIENTS,
    Standing,
    Terms,
    Visit,
    Visitor,
    standing,
    visitor,
)
from tierii_mta.queue.received import InboxRecipient

TERMS = Terms()
WHO = Visitor(client="192.0.2.0/24", sender="elsewhere.example", recipients=["sales@example.com"])


def after(**time: float) -> Instant:
    return later(START, timedelta(**time))


def visits(*times: Instant, who: Visitor = WHO) -> Sequence[Standing]:
    """Return what each visit brought; each one knows what the last one left."""
    known: dict[str, Visit] = {}
    results = []
    for now in times:
        results.append(standing(who, list(known.values()), TERMS, now))
        known |= {one.recipient: one for one in results[-1].visits}
    return results


def test_a_stranger_waits_and_is_taken_when_it_comes_again() -> None:
    first, early, late = visits(after(), after(minutes=2), after(minutes=6))
    assert (first.has_waited, first.time) == (False, timedelta(minutes=5))
    assert (early.has_waited, early.time) == (False, timedelta(minutes=3))
    assert (late.has_waited, late.time) == (True, timedelta(minutes=6))
    assert {one.recipient for one in late.visits} == {"sales@example.com", ANYBODY}


def test_whoever_comes_too_late_is_a_stranger_again() -> None:
    _, late = visits(after(), after(days=3))
    assert not late.has_waited
    assert late.visits[0].first_at == after(days=3)


def test_whoever_came_again_once_does_not_wait_for_anybody_else() -> None:
    *_, passed = visits(after(), after(minutes=6))
    other = Visitor(client=WHO.client, sender=WHO.sender, recipients=["support@example.com"])
    known = [one for one in passed.visits if one.recipient == ANYBODY]
    assert standing(other, known, TERMS, after(days=30)).has_waited
    assert not standing(other, known, TERMS, after(days=36)).has_waited


def test_each_visit_makes_the_memory_last() -> None:
    results = visits(after(), after(minutes=6), after(days=30), after(days=60))
    assert [one.has_waited for one in results] == [False, True, True, True]
    assert results[-1].visits[0].attempts == 4


@pytest.mark.parametrize(
    ("client", "network"),
    [("192.0.2.7", "192.0.2.0/24"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("fe80::1%eth0", "fe80::/64")],
)
def test_a_client_is_its_network(client: str, network: str) -> None:
    assert visitor(case(client=client), None).client == network


def test_a_client_that_spf_proves_is_its_domain_wherever_it_comes_from() -> None:
    assert visitor(case(), "elsewhere.example").client == "elsewhere.example"


def test_the_sender_counts_by_domain_and_recipients_by_person() -> None:
    who = visitor(case(sender="b+17@Elsewhere.example", recipients=[InboxRecipient(address="Sales@EXAMPLE.com")]), None)
    assert (who.sender, list(who.recipients)) == ("elsewhere.example", ["sales@example.com"])
    assert visitor(case(sender="", recipients=[SALES]), None).sender == ""


def test_of_many_recipients_a_few_are_remembered() -> None:
    many = [InboxRecipient(address=f"p{number}@example.com") for number in range(1000)]
    assert len(visitor(case(recipients=many), None).recipients) == MAX_RECIPIENTS
