"""Replies in HTML: quotes and signatures by the structure each client writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.replies.pages import INLINE, NEW, PAGES
from tierii_mta.correspondence.quote import cut


@pytest.mark.parametrize("client", PAGES)
def test_the_new_words_of_a_page_are_found(client: str) -> None:
    found = cut("", PAGES[client])
    assert found.text.split() == NEW.split()
    assert "QUOTED" in found.source


@pytest.mark.parametrize("client", INLINE)
def test_answers_between_quotes_of_a_page_stay(client: str) -> None:
    found = cut("", INLINE[client])
    assert found.words.split() == NEW.split()
    assert found.text.split() == [
        "Will",
        "you",
        "come?",
        "QUOTED",
        "Yes,",
        "I",
        "will.",
        "When?",
        "QUOTED",
        "At",
        "noon.",
    ]


def test_a_text_part_counts_unless_the_page_marks_a_quote() -> None:
    assert not cut("Yes, I will.", "<p>Yes, I <b>will</b>.</p>").is_from_html
    assert cut("Yes, I will.\n\nZzz qqq Ann\n\nquoted", PAGES["gmail-unknown-language"]).text.split() == NEW.split()
    assert cut(" \n", "<p>Yes, I <b>will</b>.</p>").text == "Yes, I will."


def test_a_page_without_quote_stays_whole() -> None:
    found = cut(
        "", "<div>Yes.</div><table><tr><td>a</td><td>b</td></tr></table><hr><p>And a rule above me, as I said.</p>"
    )
    assert found.is_whole


def test_what_somebody_indents_is_no_quote() -> None:
    page = (
        '<div>Yes.</div><blockquote style="margin:0 0 0 40px;border:none;padding:0px"><div>At noon.</div></blockquote>'
    )
    assert cut("", page).text.split() == ["Yes.", "At", "noon."]


def test_a_page_that_is_all_quote_is_kept() -> None:
    assert cut("", "<blockquote type=cite><p>Hello</p></blockquote>").text == "Hello"


_TAGS = [
    "<div class=gmail_quote>",
    "</div>",
    "<blockquote type=cite>",
    "</blockquote>",
    "<hr id=zwchr>",
    "<p>",
    "</p>",
    "<div id=divRplyFwdMsg>",
    "<",
    ">",
    "<!--",
    "\ue000",
    "\ue001",
    "&#xe000;&#xe1ff;",
    "<script>",
    "<br/>",
]


@given(st.lists(st.sampled_from(_TAGS) | st.text(max_size=10)).map("".join))
def test_any_page_is_cut_into_pieces_that_make_up_its_text(page: str) -> None:
    found = cut("", page)
    assert "".join(found.source[piece.start : piece.end] for piece in found.pieces) == found.source
    assert set(found.text.split()) <= set(found.source.split())
    assert bool(found.text.strip()) == bool(found.source.strip())


@pytest.mark.parametrize(
    "pattern", ["<div>", "<blockquote>", "</div>", "<div><span></div>", "<a ", "<div class='", "<hr>"]
)
def test_deep_and_broken_pages_are_cut_too(pattern: str) -> None:
    page = f"<p>Yes.</p>{pattern * (30_000 // len(pattern))}"
    assert cut("", page).text.startswith("Yes.")
