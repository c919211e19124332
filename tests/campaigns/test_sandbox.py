"""What templates may not do, whoever wrote them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from tierii_mta.campaigns.sandbox import MAX_TEXT
from tierii_mta.campaigns.template import Sources, TemplateBroken, Templates
from tierii_mta.outbound.content import RenderFailed


def render(text: str, **context: object) -> str:
    templates = Templates(Sources({"t": text}, {"t": "mail.txt"}))
    return templates.render(templates.text("t"), context)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 2000000000 }}",
        "{{ 2000000000 * 'x' }}",
        "{{ [1] * 2000000000 }}",
        "{{ 9 ** 9999999 }}",
        "{{ '%2000000000d' % 1 }}",
        "{{ 'x'.center(2000000000) }}",
        "{{ 'x'.ljust(width=2000000000) }}",
        "{{ 'x' | center(2000000000) }}",
        "{{ 'x' | indent(2000000000, true) }}",
        "{{ '{:2000000000}'.format(1) }}",
        "{{ ('{:2000000000}' | attr('format'))(1) }}",
        "{{ '{x:2000000000}'.format_map({'x': 1}) }}",
        "{{ range(2000000000) | list }}",
        "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}",
        "{% set n = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x='x') %}{% for i in range(60) %}{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
        "{% set n = namespace(x=3) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_a_template_that_would_take_too_much_fails_at_once(text: str) -> None:
    with pytest.raises(RenderFailed, match=r"mail.txt"):
        render(text)


def test_output_is_bounded() -> None:
    assert len(render("{{ x }}", x="x" * MAX_TEXT)) == MAX_TEXT
    with pytest.raises(RenderFailed, match="the output is longer"):
        render("{{ x }}{{ x }}", x="x" * MAX_TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ x.append(1) }}",
        "{{ x.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
    ],
)
def test_the_inside_of_objects_cannot_be_reached(text: str) -> None:
    with pytest.raises(RenderFailed):
        render(text, x=[1])


@pytest.mark.parametrize("text", ["{{ [1, 2] | random }}", "{{ lipsum() }}"])
def test_nothing_random_is_left(text: str) -> None:
    with pytest.raises((RenderFailed, TemplateBroken)):
        render(text)


def test_ordinary_loops_filters_and_concatenation_work() -> None:
    text = "{% for x in xs %}{{ loop.index }}/{{ loop.length }}:{{ x ~ '!' }} {% else %}none{% endfor %}"
    assert render(text, xs=["a", "b"]) == "1/2:a! 2/2:b! "
    assert render(text, xs=[]) == "none"
    assert render("{{ 3 * 4 }} {{ 7 % 4 }} {{ 2 ** 5 }} {{ 'ab' * 2 }} {{ '-' * 3 }}") == "12 3 32 abab ---"
    assert render("{{ none }}|{{ x ~ none }}", x=1) == "|1"


def test_a_rendering_starts_with_its_full_number_of_steps() -> None:
    templates = Templates(Sources({"t": "{% for a in range(9000) %}{% endfor %}ok"}, {}))
    template = templates.text("t")
    assert [templates.render(template, {}) for _ in range(20)] == ["ok"] * 20


def test_nothing_is_lost_behind_much_that_is_empty() -> None:
    assert render("{% for x in xs %}{{ x }}{{ x }}{% endfor %}", xs=[""] * 500 + ["a"]) == "aa"


VALUES = st.text() | st.text("&<>'\"") | st.integers() | st.booleans() | st.floats(allow_nan=False)


@given(st.lists(VALUES, max_size=5))
def test_values_are_escaped_as_jinja_escapes_them(values: list[object]) -> None:
    text = "<p>{{ xs|length }}</p>{% for x in xs %}<i>{{ x }}</i>{{ x }}{{ x ~ '<' }}{{ x|e }}{% endfor %}&"
    templates = Templates(Sources({"t": text}, {}))
    assert templates.render(templates.html("t"), {"xs": values}) == Environment(autoescape=True).from_string(
        text
    ).render(xs=values)


def test_concatenation_keeps_escaping() -> None:
    templates = Templates(Sources({"t": "{{ a ~ '<b>' ~ ('<i>' | safe) }}{{ a + b }}"}, {}))
    assert templates.render(templates.html("t"), {"a": "<", "b": ">"}) == "&lt;&lt;b&gt;<i>&lt;&gt;"


@pytest.mark.parametrize(
    "text",
    [
        "{{ day.today() }}",
        "{{ day.fromtimestamp(0) }}",
        "{{ day.min.today() }}",
        "{{ xs | map('upper') }}",
        "{{ [xs | map('upper')] }}",
        "{{ {'a': range} }}",
        "{{ range }}",
        "{{ x.upper }}",
        "{{ joiner() ~ 'a' }}",
        "{{ self }}",
    ],
)
def test_nothing_shows_that_differs_from_one_attempt_to_the_next(text: str) -> None:
    with pytest.raises(RenderFailed, match=r"mail.txt"):
        render(text, day=date(2026, 3, 1), xs=["a"], x="a")


def test_dates_lists_and_mappings_show_as_they_are() -> None:
    text = (
        "{{ day }} {{ day.year }} {{ day.strftime('%j') }} {{ xs }} {{ xs | map('upper') | join('+') }} {{ {'a': 1} }}"
    )
    assert render(text, day=date(2026, 3, 1), xs=["a", "b"]) == "2026-03-01 2026 060 ['a', 'b'] A+B {'a': 1}"
