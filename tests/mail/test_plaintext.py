"""The text part made from HTML."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.mail.plaintext import TextMaker


def to_text(page: str) -> str:
    return TextMaker().to_text(page)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>One <b>two</b>\nthree</p><p>Four &amp; five</p>", "One two three\n\nFour & five\n"),
        ("a<br>b<br/>c", "a\nb\nc\n"),
        ("a<br><br><br>b<div><br></div>c<p>d</p><br>e", "a\n\nb\n\nc\n\nd\n\ne\n"),
        ('<a href="https://x.example/?a=1&amp;b=2">Shop</a>', "Shop <https://x.example/?a=1&b=2>\n"),
        ("<a href='https://x.example/'>https://x.example/</a>", "https://x.example/\n"),
        ('<a href="mailto:a@example.com">a@example.com</a>', "a@example.com\n"),
        ('<a href="https://x.example/"><img src="b.png" alt="Buy"></a>', "Buy <https://x.example/>\n"),
        ('<a href="#top">Top</a> <a>none</a> <a href="javascript:x()">js</a>', "Top none js\n"),
        ("<ul><li>a</li><li>b<ol><li>x</li><li>y</li></ol></li></ul>end", "- a\n- b\n  1. x\n  2. y\n\nend\n"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"),
        ("<head><title>t</title></head><style>p {}</style><script>x</script>a<!-- b -->c", "ac\n"),
        ("<pre>x\n  y\n\nz</pre>", "x\n  y\n\nz\n"),
        ("<h1>Big</h1>text", "Big\n\ntext\n"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2\n"),
        ("pre\u200b\u200chead\u00adline&nbsp;x", "preheadline x\n"),
        ("", "\n"),
    ],
)
def test_html_becomes_what_a_reader_expects(page: str, expected: str) -> None:
    assert to_text(page) == expected


def test_one_maker_gives_every_page_the_same_text_as_a_new_one() -> None:
    maker = TextMaker()
    pages = [f'<p>{n}</p><a href="https://x.example/{n}">go</a>' for n in range(50)]
    assert [maker.to_text(page) for page in pages] == [to_text(page) for page in pages]


@pytest.mark.parametrize("piece", ['<a "', "<a '", "<!--", "<script>", "<", "<a href=", "<ul>", "<p>", "&", "<!["])
def test_no_page_takes_more_than_linear_time(piece: str) -> None:
    to_text(piece * 50_000)


@given(st.text(max_size=200))
def test_visible_words_survive(text: str) -> None:
    words = to_text(f"<p>{html.escape(text)}</p>").split()
    invisible = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f"))
    assert words == text.translate(invisible).split()


@given(st.text(alphabet="<>abp/!-\"'= \n&;", max_size=200))
def test_no_markup_is_too_broken(page: str) -> None:
    assert to_text(page).endswith("\n")
