"""Reply texts that others gathered, read in place: what a reader would keep of each.

For crisp's texts their own expectations count, after white space is made equal.  For GitHub's there are none as whole
texts: the lines a reader would keep stand here by their numbers.
"""

import json

import pytest

from tests.support.corpora import corpus
from tierii_mta.correspondence.quote import Cut, cut

pytestmark = pytest.mark.corpus

LEAST_OF_CRISP = 38
KEPT_OF_GITHUB = {  # file: first and last line kept, and lines between them that are not
    "correct_sig.txt": (1, 1, ()),
    "email_1_1.txt": (1, 7, ()),
    "email_1_2.txt": (1, 34, (2,)),  # answered below a quote, whose announcement goes
    "email_1_3.txt": (1, 5, ()),
    "email_1_4.txt": (1, 1, ()),
    "email_1_5.txt": (1, 15, ()),
    "email_1_6.txt": (1, 1, ()),
    "email_1_7.txt": (1, 1, ()),
    "email_1_8.txt": (3, 19, ()),  # answers between quotes
    "email_2_1.txt": (1, 1, ()),
    "email_2_2.txt": (1, 1, ()),
    "email_2_3.txt": (1, 1, ()),
    "email_BlackBerry.txt": (1, 1, ()),
    "email_bullets.txt": (1, 9, ()),
    "email_iPhone.txt": (1, 1, ()),
    "email_long_quote.txt": (1, 10, ()),
    "email_multi_word_sent_from_my_mobile_device.txt": (1, 1, ()),
    "email_one_is_not_on.txt": (1, 5, ()),
    "email_sent_from_my_not_signature.txt": (1, 3, ()),
    "email_sig_delimiter_in_middle_of_line.txt": (1, 7, ()),
    "greedy_on.txt": (1, 6, ()),
    "pathological.txt": (1, 2, ()),
}


def test_most_of_crisps_expectations_are_met() -> None:
    folder = corpus("replies/crisp")
    expected = json.loads((folder / "expected.json").read_text())
    met = {name for name, words in expected.items() if cut((folder / name).read_text()).text.split() == words.split()}
    assert len(met) >= LEAST_OF_CRISP, sorted(expected.keys() - met)


@pytest.mark.parametrize("name", KEPT_OF_GITHUB)
def test_of_githubs_texts_the_lines_stay_that_a_reader_would_keep(name: str) -> None:
    first, last, gone = KEPT_OF_GITHUB[name]
    text = (corpus("replies/github") / name).read_text()
    lines = text.split("\n")
    wanted = [number for number in range(first, last + 1) if number not in gone and lines[number - 1].strip()]
    assert _kept_lines(cut(text)) == wanted


def _kept_lines(found: Cut) -> list[int]:
    kept, start = [], 0
    for number, line in enumerate(found.source.split("\n"), start=1):
        if line.strip() and any(piece.is_kept and piece.start <= start < piece.end for piece in found.pieces):
            kept.append(number)
        start += len(line) + 1
    return kept
