"""Replies as clients compose them: the new words stay, the quote and its announcement go, in every language."""

import pytest

from tests.corpus.replies.clients import ATTRIBUTIONS, BLOCKS, PHONES, Form
from tierii_mta.correspondence.quote import cut

NEW = "Yes, I will.\nAt noon."
QUOTE = "Hello,\n\nour new shop opens on Monday. Will you come?\n\nAnn"
PREFIXED = "\n".join(f"> {line}".rstrip() for line in QUOTE.split("\n"))
FORMS = (*ATTRIBUTIONS, *BLOCKS)


def _quoted(form: Form) -> str:
    return PREFIXED if form.is_prefixed else QUOTE


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_the_words_above_a_quote_are_the_reply(form: Form) -> None:
    assert cut(f"{NEW}\n\n{form.lines}\n\n{_quoted(form)}\n").text == NEW


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_quote_may_follow_the_words_without_a_blank_line(form: Form) -> None:
    assert cut(f"{NEW}\n{form.lines}\n{_quoted(form)}").text == NEW


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_line_ends_of_the_wire_change_nothing(form: Form) -> None:
    body = f"{NEW}\n\n{form.lines}\n\n{_quoted(form)}\n".replace("\n", "\r\n")
    assert cut(body).text.split() == NEW.split()


@pytest.mark.parametrize("form", [form for form in FORMS if form.is_prefixed], ids=lambda form: form.name)
def test_answers_between_and_below_quotes_stay(form: Form) -> None:
    body = f"{form.lines}\n\n> Will you come?\n\nYes.\n\n> When?\n\nAt noon.\n\n> Ann\n"
    found = cut(body)
    assert found.words.split() == ["Yes.", "At", "noon."]
    assert cut(found.text).text == found.text
    assert found.text == "> Will you come?\n\nYes.\n\n> When?\n\nAt noon." if form in ATTRIBUTIONS else found.text


@pytest.mark.parametrize("form", [form for form in ATTRIBUTIONS if form.is_prefixed], ids=lambda form: form.name)
def test_a_reply_below_the_quote_is_found(form: Form) -> None:
    assert cut(f"{form.lines}\n{PREFIXED}\n\n{NEW}\n").text == NEW


@pytest.mark.parametrize("line", PHONES)
def test_what_a_phone_adds_goes(line: str) -> None:
    assert cut(f"{NEW}\n\n{line}\n").text == NEW
    assert cut(f"{NEW}\n\n{line}\n\nOn 1/1/25 12:00 PM, Ann Bell wrote:\n{PREFIXED}\n").text == NEW
