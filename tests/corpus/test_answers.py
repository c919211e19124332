"""Answers of machines and of people, as `tests.corpus.answers` makes them up, are told apart."""

import pytest

from tests.corpus.answers.__main__ import reading_of
from tests.corpus.answers.machines import SUBSTITUTE, Letter, answers, notices
from tests.corpus.answers.people import people


def missed(letters: list[Letter]) -> list[str]:
    """Name those that were read as something else."""
    found = ((letter, reading_of(letter).kind) for letter in letters)
    return [f"{letter.name}: {kind}" for letter, kind in found if kind not in letter.kinds]


@pytest.mark.parametrize("setting", ["whole", "subject and reference", "subject and token", "subject and text"])
def test_automatic_answers_are_known(setting: str) -> None:
    assert missed([letter for letter in answers() if letter.setting == setting][::3]) == []


def test_tickets_and_challenges_are_known() -> None:
    assert missed(list(notices())) == []


def test_people_are_never_taken_for_machines() -> None:
    assert missed(list(people())[::4]) == []


def test_the_day_of_return_and_the_substitute_are_read_in_every_language() -> None:
    letters = [letter for letter in answers() if letter.client == "dovecot-sieve" and letter.setting == "whole"]
    wrong = [
        letter.name
        for letter in letters
        if (absence := reading_of(letter).absence) is None
        or (absence.returns_on, absence.substitutes) != (letter.returns_on, (SUBSTITUTE,))
    ]
    assert wrong == []
