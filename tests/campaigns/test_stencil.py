"""What is done once for many mails: each is what it would be alone."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from tierii_mta.campaigns.inlining import Inliner
from tierii_mta.campaigns.markup import marks
from tierii_mta.campaigns.sandbox import VALUE_BEGINS, VALUE_ENDS
from tierii_mta.campaigns.stencil import Stencils
from tierii_mta.campaigns.template import Sources, Templates
from tierii_mta.mail.plaintext import TextMaker

SHEET = (
    "<style>.a{color:red} p{margin:0} a:hover{top:0} td.a > p{top:1px} .b + p{left:1px} [href^='https://x']{right:0}"
    " p:empty{width:1px} :not(.a){float:left}</style>"
)
PIECES = [  # each {} is a place for a value
    *(
        "<p>",
        "</p>",
        "<p class=a>",
        "<div id='x' class=\"b a\">",
        "</div>",
        "<table>",
        "<tr>",
        '<td class="a">',
        "</td>",
    ),
    *(
        "{}",
        " {} ",
        "{}{}",
        "text",
        " ",
        "\n",
        "<br>",
        "<hr/>",
        "<ul>",
        "<li>",
        "</ul>",
        "<h1>",
        "</h1>",
        "<pre>",
        "</pre>",
    ),
    *(
        '<a href="{}">',
        "<a href='https://x.example/{}'>",
        '<a href="mailto:{}">',
        "<a href={}>",
        '<A HREF="{}">',
        "</a>",
    ),
    *(
        "<a data-href='{}' href='{}'>",
        '<a href="{}">{}</a>',
        '<a href="{}">{}<br>{}</a>',
        "https://x.example/",
        "mailto:{}",
    ),
    *('<a href="https://x.example/{}">https://x.example/{}</a> next', '<img src="{}" alt="{}">', "<img alt='x {}' />"),
    *(
        '<b class="{}">',
        "</b>",
        '<i style="color:{}">',
        "</i>",
        '<td width="{}">',
        "<td {}>",
        "<td{}>",
        "<input type='{}'>",
    ),
    *(
        "<style>.{}{color:blue}</style>",
        "<style media=print>p{top:0}</style>",
        "<head>",
        "</head>",
        "<title>{}</title>",
    ),
    *("<!-- {} -->", '<!--[if mso]><a href="{}">{}</a><![endif]-->', "<script>{}</script>", "<template>{}</template>"),
    *('<span title="{} a>b {}">', "</span>", "&{};", "&amp{}", "<{}>", "< {}", "<o:p>{}</o:p>", SHEET, SHEET, SHEET),
]
VALUES = st.text(max_size=5) | st.sampled_from(
    [
        *(
            "",
            "Anna",
            "a",
            "O&C <b>",
            "https://x.example/1",
            "HTTPS://x.example/1",
            " x",
            "a  b",
            "x y",
            "a@b.c",
            "tel:1",
        ),
        *("mailto:a@b.c", "1", "ü", "é\u200bé", "amp", "lt;", "\n", "'q'", '"d"', "&amp;", "https://", "/", "-"),
    ]
)


CLEAN = {ord(VALUE_BEGINS): None, ord(VALUE_ENDS): None}


def alone(page: str) -> tuple[str, str]:
    html = Inliner().inline(page, list(marks(page)))
    return html, TextMaker().to_text(html)


def filled(pieces: list[str], values: list[str]) -> tuple[str, str]:
    """Return a page with its values marked, and as it is."""
    marked, plain, rest = "", "", iter(values * len(pieces) * 3)
    for piece in pieces:
        first, *others = piece.split("{}")
        marked, plain = marked + first, plain + first
        for other in others:
            value = str(escape(next(rest))).replace(VALUE_BEGINS, "").replace(VALUE_ENDS, "")
            marked += (Stencils.mark(value) if value else "") + other
            plain += value + other
    return marked, plain


@given(
    pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=12),
    mails=st.lists(st.lists(VALUES, min_size=1, max_size=6), min_size=1, max_size=3),
)
@example(['<a href="{}">', '<a href="{}">{}</a>'], [["mailto:a@b.c", "&amp;", "a@b.c"]])
@example([SHEET, '<a href="{}">{}</a>'], [["https://x.example/1"], ["https://x.example/2", "Shop"]])
@settings(max_examples=30, deadline=None)
def test_each_mail_is_what_it_would_be_alone(pieces: list[str], mails: list[list[str]]) -> None:
    stencils = Stencils(inlines=True, makes_text=True)
    for values in mails:
        marked, plain = filled(pieces, values)
        assert stencils.print(marked) == alone(plain)


def test_mails_of_one_shape_share_a_stencil() -> None:
    stencils = Stencils(inlines=True, makes_text=True)
    page = '<style>.a{top:0}</style><p class="a">Dear {}, <a href="https://x.example/{}">{}</a> <a href="{}">leave</a>'
    for number in range(50):
        values = [f"Anna {number}", f"{number}?a=1&b={number}", f"look {number}", f"https://mail.example/u/{number}"]
        stencils.print(filled([page], values)[0])
    assert len(stencils) == 1
    assert stencils.print(filled([page], ["", "1", "look", "https://mail.example/u/1"])[0])[1].startswith("Dear , look")
    assert len(stencils) == 2


def test_mails_that_have_nothing_in_common_are_worked_on_alone() -> None:
    stencils = Stencils(inlines=True, makes_text=True)
    for number in range(300):
        marked, plain = filled(['<style>.a{top:0}</style><p class="a {}">Dear {}</p>'], [f"c{number}", "Anna"])
        assert stencils.print(marked) == alone(plain)
    assert len(stencils) < 150


@pytest.mark.parametrize(
    "template",
    [
        "{% macro m(x) %}<b>{{ x }}</b>{% endmacro %}{{ m(a) }}",
        "{% set x %}{{ a }}{% endset %}{{ x | length }} {{ 'same' if x == a else 'other' }}",
        "{% filter upper %}{{ a }}{% endfilter %}",
        "{% extends 'base' %}{% block b %}[{{ super() }}]{% if self.c() == a %}same{% endif %}{% endblock %}",
        "{% for x in [a, a] %}{{ loop.index }}{{ x }}{% endfor %}{{ 'constant' }}{{ '\x02' }}",
        "{% macro m(x) %}{{ x | length }}{{ x }}{% endmacro %}{{ m(m(a)) }}{{ m(a) | upper }}{{ m(a) == m(a) }}",
        "{% set x = self.title() %}{% block title %}{{ a }}{% endblock %}{{ x | length }}{{ self.title() }}",
        "{% autoescape false %}{{ a }}{% endautoescape %}{{ a | safe }}{{ a ~ 'b' }}{% include 'inc' %}",
    ],
)
@pytest.mark.parametrize("value", ["Anna", "<&>", "\x02x\x03", ""])
def test_marks_change_nothing_else_of_what_a_template_puts_out(template: str, value: str) -> None:
    texts = {
        "t": template,
        "base": "<{% block b %}{{ a }}{% endblock %}|{% block c %}{{ a }}{% endblock %}>",
        "inc": "{{ a }}",
    }
    sources = Sources(texts, {})
    unmarked, marked = Templates(sources), Templates(sources, marks_values=True)
    printed = marked.render(marked.html("t"), {"a": value.translate(CLEAN)})
    assert printed.translate(CLEAN) == unmarked.render(unmarked.html("t"), {"a": value.translate(CLEAN)}).translate(
        CLEAN
    )
    html, _ = Stencils(inlines=False, makes_text=False).print(marked.render(marked.html("t"), {"a": value}))
    assert VALUE_BEGINS not in html


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{% extends 'base' %}{% block b %}{{ super() }}{% endblock %}", "<p><a></p>"),
        ("{% extends 'base' %}{% block b %}{% set x = super() %}{{ x }}|{{ super() | upper }}{% endblock %}", "..."),
        ("{% macro m(x) %}<b>{{ x }}</b>{% endmacro %}{{ m(a) }}", "<b><a></b>"),
        ("{% from 'lib' import m with context %}{{ m(a) }}{{ m(m(a)) }}", "<i><a><a></i>..."),
        ("{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}{{ a }}{% endcall %}", "..."),
        ("{% for x in [[a], []] recursive %}{{ a }}{{ loop(x) if false }}{% endfor %}", "<a><a>"),
        ("{% macro m(x) %}{% set y %}{{ x }}{% endset %}{{ y }}{{ y | length }}{% endmacro %}{{ m(a) }}", "<a><4>"),
    ],
)
def test_what_macros_and_blocks_put_out_keeps_its_holes(template: str, expected: str) -> None:
    texts = {
        "base": "{% block b %}<p>{{ a }}</p>{% endblock %}",
        "lib": "{% macro m(x) %}<i>{{ x }}{{ a }}</i>{% endmacro %}",
        "t": template,
    }
    marking, plain = Templates(Sources(texts, {}), marks_values=True), Templates(Sources(texts, {}))
    made = marking.render(marking.html("t"), {"a": "Anna"})
    assert made.translate(CLEAN) == plain.render(plain.html("t"), {"a": "Anna"})
    if expected.endswith("..."):
        expected = expected.removesuffix("...")
        assert made.startswith(expected.replace("<a>", Stencils.mark("Anna")))
    else:
        assert made == expected.replace("<a>", Stencils.mark("Anna")).replace("<4>", Stencils.mark("4"))
