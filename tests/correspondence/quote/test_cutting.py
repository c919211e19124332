"""The new words of a reply: what is cut, what is never cut, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.replies.clients import ATTRIBUTIONS, BLOCKS, PHONES
from tierii_mta.correspondence.quote import Cut, Role, cut

_FRAGMENTS = [
    *(form.lines for form in (*ATTRIBUTIONS, *BLOCKS)),
    *PHONES,
    "> a quote",
    "Yes, I will come.",
    "--",
    "-- ",
    "----",
    "",
    "```",
    "Ann Bell\n+1 555 0100",
    "This e-mail is confidential and intended for its recipient; if you got it in error, delete it.",
]
_ARMOUR = "-----{} PGP {}-----\n"
_SIGNED = f"{_ARMOUR.format('BEGIN', 'SIGNATURE')}\niQEz\n=abcd\n{_ARMOUR.format('END', 'SIGNATURE')}"


@pytest.mark.parametrize(
    "text",
    [
        "On Thursday I get proper rendering:\n\nit works.",
        "On the surface this looks like a quote.\nOn 3 May we meet.",
        "I wrote the letter on 3 May, and she wrote back:\n\nno answer yet.",
        "Please see https://example.com/on-3-may-2024-ann-wrote-about: it is good.",
        "From: our own database\n\nThe data comes from there.",
        "Name: Ann Bell\nEmail: ann@shop.example\nOrder of: 1.1.2025 12:00\nProblem: it is broken",
        "Sent from my desk, is much easier then my mobile phone.",
        "The notification was sent from my iPhone app to all users.",
        "Plan:\n-- first\n-- second\n\nGood?",
        "## Points\n----\n\n1. faster\n2. smaller\n\n----\n\nThese dashes are part of what I say.",
        "Item    Price\n-------------\nTea     2.50\nCoffee  3.10 each if you take two, as I said before.",
        "Best regards,\nAnn Bell",
        "I agree to reply directly above line 7.",
        "```\nOn 1/1/25 12:00 PM, Ann wrote:\n> x\n--\nAnn\n```\nis what it prints.",
        "Confidential? No.",
        "The prices:\n\n| Tea | 2.50 |\n| Coffee | 3.10 |",
        "🎉",
        ":+1:",
        "Да",
    ],
)
def test_nothing_of_this_is_cut(text: str) -> None:
    assert cut(text).text == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Thanks!\n-- \nAnn Bell\nThe Shop", "Thanks!"),
        ("Thanks!\n--\nAnn", "Thanks!"),
        ("Thanks!\n\n—\nAnn Bell\nCEO", "Thanks!"),
        ("Thanks!\n\n________________\nAnn Bell\nhttps://shop.example", "Thanks!"),
        ("Thanks!\n\nSent from my iPhone\nPlease excuse typos", "Thanks!"),
        (
            "Thanks!\n\nThis e-mail is confidential. If you are not the intended recipient, please delete it at once.",
            "Thanks!",
        ),
        (
            "Danke!\n\nDiese Nachricht ist vertraulich und nur für den Empfänger bestimmt, sonst bitte zu löschen.",
            "Danke!",
        ),
        (
            "Thanks!\n\n-- \nYou received this message because you are subscribed to the Google Groups.",
            "Thanks!",
        ),
        ("Thanks!\n\n—\nReply to this email directly or view it on a page.", "Thanks!"),
        (
            "Thanks!\n\nOn 1/1/25 12:00 PM, Ann wrote:\n> a quote\n\nThe Shop\nwww.shop.example",
            "Thanks!",
        ),
        ("Thanks!\n\n---\nReply to this email directly or view it on a page.", "Thanks!"),
        (f"{_ARMOUR.format('BEGIN', 'SIGNED MESSAGE')}Hash: X\n\nThanks!\n{_SIGNED}", "Thanks!"),
        ("Thanks!\n\n> a quote without any header\n> of two lines", "Thanks!"),
        ("Thanks!\n\n>>> deep\n>> less\n> least", "Thanks!"),
        ("Thanks!\n\nOn 1/1/25 12:00 PM, Ann Bell wrote:", "Thanks!"),
        ("Thanks!\n\nOn Nov 26, 2013 you wrote:\n\nThis is my quote.", "Thanks!"),
    ],
)
def test_what_is_not_said_anew_goes(text: str, left: str) -> None:
    assert cut(text).text == left


def test_an_announced_quote_in_one_piece_goes_from_between_the_words_too() -> None:
    body = "Thanks!\n\nOn 1/1/25 12:00 PM, Ann Bell wrote:\n> a quote\n> of two lines\n\nSee you,\nBob"
    assert cut(body).text.split() == ["Thanks!", "See", "you,", "Bob"]


def test_the_last_words_of_a_wrapped_quote_belong_to_it() -> None:
    body = (
        "Thanks!\n\n> Lorem ipsum dolor sit amet, consectetur adipiscing elit and some more\nwords\n> and more\n"
        "> Lorem ipsum dolor sit amet, consectetur adipiscing elit and some more\nwords\n"
    )
    assert cut(body).text == "Thanks!"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "> only\n> a quote",
        "On 1/1/25 12:00 PM, Ann Bell wrote:\n> a quote",
        "Sent from my iPhone",
        "-- \nAnn",
        "-----Original Message-----\nFrom: Ann <ann@shop.example>\nSent: 1.1.2025\nSubject: x\n\nForwarded words.",
    ],
)
def test_all_is_kept_where_nothing_would_be_left(text: str) -> None:
    found = cut(text)
    assert found.text.split() == found.words.split() == text.split()
    assert found.is_whole


@pytest.mark.parametrize("prefix", ["--]", ") ", "%", "Ann> ", "AB> ", "| ", "» "])
def test_a_sign_of_ones_own_marks_the_quote_below_an_announcement(prefix: str) -> None:
    body = f"{prefix}Will you come?\n\nYes.\n\n{prefix}When?\n{prefix}Ann\n\nAt noon."
    assert cut(f"On 1/1/25 12:00 PM, Ann Bell wrote:\n\n{body}").words.split() == ["Yes.", "At", "noon."]


@pytest.mark.parametrize("prompt", ["mysql> select 1", "PS> dir", "$ ls", "C:\\> dir"])
def test_a_prompt_is_no_quote(prompt: str) -> None:
    assert cut(f"It says:\n\n{prompt}").text == f"It says:\n\n{prompt}"


def test_what_was_left_out_above_a_marked_quote_does_not_hide_the_answers() -> None:
    body = "On 1/1/25 12:00 PM, Ann Bell wrote:\n\n[…]\n> Will you come?\n\nYes."
    assert cut(body).words.split() == ["[…]", "Yes."]


@pytest.mark.parametrize(
    "text",
    [
        "For you:\n========\nRelease: 25.7.2025\n========\nContact:\nann@shop.example\n\nPlease read all of it.",
        "I need:\n\nGroceries\n---------\nmilk\neggs",
        "So:\n------- End of Forwarded Message -------\nThat was it.",
    ],
)
def test_rulers_and_labels_that_people_write_open_no_quote(text: str) -> None:
    assert cut(text).text == text


def test_each_piece_names_its_rule_and_the_original_is_kept() -> None:
    body = "Thanks!\n\n-- \nAnn\n\nOn 1/1/25 12:00 PM, Ann Bell wrote:\n> a quote\n"
    found = cut(body)
    assert [(body[piece.start : piece.end], piece.role, piece.rule) for piece in found.pieces if piece.rule] == [
        ("-- \nAnn\n", Role.SIGNATURE, "delimiter"),
        ("On 1/1/25 12:00 PM, Ann Bell wrote:\n", Role.HEADER, "attribution"),
        ("> a quote\n", Role.QUOTE, "prefix"),
    ]
    assert not found.is_whole


def test_the_new_words_come_without_the_quotes_between_them() -> None:
    found = cut("> Will you come?\n\nYes.\n\n> When?\n\nAt noon.\n")
    assert found.text == "> Will you come?\n\nYes.\n\n> When?\n\nAt noon."
    assert found.words.split() == ["Yes.", "At", "noon."]


def _check(found: Cut, text: str) -> None:
    assert "".join(found.source[piece.start : piece.end] for piece in found.pieces) == found.source == text
    assert set(found.text.split()) <= set(text.split())
    assert set(found.words.split()) <= set(found.text.split())
    assert bool(found.text.strip()) == bool(text.strip())


@given(st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=40), max_size=12).map("\n".join))
def test_any_text_is_cut_into_pieces_that_make_it_up(text: str) -> None:
    found = cut(text)
    _check(found, text)
    again = cut(found.text)
    assert bool(again.text.strip()) == bool(text.strip())
    assert set(again.text.split()) <= set(found.text.split())


@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=10).map("\n".join), st.sampled_from(["", *_FRAGMENTS]))
def test_any_original_keeps_it_so(text: str, original: str) -> None:
    _check(cut(text, original=original), text)


@pytest.mark.parametrize(
    "pattern",
    [
        "> \n",
        "a\n\n",
        "--\n",
        "---\n",
        "From: a\n",
        "<",
        "On 1 ",
        "wrote:\n",
        "a <a@b.c>\n> \n",
        "Sent from my \n",
        "````\n",
    ],
)
def test_long_texts_of_one_pattern_are_cut_too(pattern: str) -> None:
    text = f"Yes.\n{pattern * (30_000 // len(pattern))}"
    _check(cut(text, original=text[:15_000]), text)
