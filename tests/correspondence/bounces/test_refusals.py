"""What providers, servers and filters answer: the class of each refusal, and whether the person is gone for good."""

import pytest

from tests.correspondence.bounces.refusals import Refusal, judge, refusals
from tierii_mta.correspondence.bounces.diagnosis import BLAMES
from tierii_mta.correspondence.reading import Blame
from tierii_mta.outbound.reply_class import ReplyClass

REFUSALS = list(refusals())


def sources() -> list[str]:
    return list(dict.fromkeys(refusal.source for refusal in REFUSALS))


@pytest.mark.parametrize("source", sources())
def test_what_a_source_answers_has_its_class(source: str) -> None:
    wrong = []
    for refusal in (each for each in REFUSALS if each.source == source):
        found = judge(refusal)
        if (str(found.reply_class) not in refusal.classes) or found.is_hard != refusal.is_hard:
            wrong.append((refusal.text, str(found.reply_class), found.is_hard))
    assert not wrong


def test_the_tables_name_classes_that_exist_and_say_nothing_twice() -> None:
    assert {name for refusal in REFUSALS for name in refusal.classes} <= {str(each) for each in ReplyClass}
    said = [(refusal.source, refusal.stage, refusal.text) for refusal in REFUSALS]
    assert len(said) == len(set(said)) > 1_000


def test_nobody_is_condemned_for_what_is_about_us_the_message_or_a_host() -> None:
    def is_about_a_person(refusal: Refusal) -> bool:
        return all(BLAMES[ReplyClass(name)] is Blame.PERSON for name in refusal.classes)

    assert all(is_about_a_person(refusal) for refusal in REFUSALS if refusal.is_hard)
