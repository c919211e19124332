"""The template context, and how faults are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.campaigns.template import Sources, TemplateBroken, Templates, make_context, names_settled, names_used
from tierii_mta.outbound.content import RenderFailed


def context(contact: dict[str, Any], **variables: Any) -> dict[str, Any]:
    constants = {"campaign": {"id": "spring"}, "unsubscribe_url": "https://u"}
    return make_context(contact, variables=variables, dates=frozenset({"since"}), constants=constants)


def render(text: str, contact: dict[str, Any], **variables: Any) -> str:
    templates = Templates(Sources({"t": text}, {"t": "mail.txt"}))
    return templates.render(templates.text("t"), context(contact, **variables))


def test_fields_variables_and_constants_are_names() -> None:
    text = (
        "{{ email }} {{ contact.email }} {{ contact['city'] }} {{ discount }} {{ campaign.id }} {{ unsubscribe_url }}"
    )
    rendered = render(text, {"email": "a@example.com", "city": "Rome"}, discount=30)
    assert rendered == "a@example.com a@example.com Rome 30 spring https://u"


def test_the_persons_fields_default_to_nothing() -> None:
    assert render("[{{ first_name }}{{ last_name }}{{ full_name }}{{ company }}{{ position }}]", {}) == "[]"
    assert render("{{ full_name }}", {"first_name": "Anna", "last_name": ""}) == "Anna"
    assert render("{{ full_name }}", {"first_name": "Anna", "full_name": "Dr A"}) == "Dr A"


def test_a_column_cannot_take_a_reserved_name_but_stays_in_contact() -> None:
    assert render("{{ campaign.id }} {{ contact.campaign }}", {"campaign": "theirs"}) == "spring theirs"


def test_functions_format_dates_amounts_and_words() -> None:
    assert render("{{ format_date(since, '%d.%m.%Y') }} {{ since.year }}", {"since": "2024-02-29"}) == "29.02.2024 2024"
    assert render("{{ format_date('2024-02-29T10:00:00') }}|{{ format_date('') }}", {}) == "2024-02-29|"
    assert render("{{ format_currency(1234.5) }} {{ format_currency('-3', '€') }}", {}) == "$1,234.50 -€3.00"
    assert render("{{ format_currency(none) }}{{ capitalize('') }}{{ capitalize('aNNA') }}", {}) == "Anna"
    assert render("{{ since }}", {"since": None}) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n{{ nope }}", "mail.txt:2: 'nope' is undefined"),
        ("{{ contact.nope }}", "mail.txt:1: 'dict object' has no attribute 'nope'"),
        ("\n\n{{ format_date('soon') }}", "mail.txt:3: "),
        ("{{ format_currency('free') }}", "'free' is not an amount"),
        ("{{ 1 / 0 }}", "mail.txt:1: division by zero"),
        ("{% include 'gone' %}", "mail.txt:1: gone"),
        ("{{ format_date(nope) }}", "'nope' is undefined"),
    ],
)
def test_a_failed_rendering_names_file_and_line(text: str, expected: str) -> None:
    with pytest.raises(RenderFailed) as caught:
        render(text, {})
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"), [("a\n{{ x", 2), ("{% if %}", 1), ("\n\n{{ x | nofilter }}", 3), ("{% for x in y %}", 1)]
)
def test_a_malformed_template_names_file_and_line(text: str, line: int) -> None:
    with pytest.raises(TemplateBroken) as caught:
        names_used(text, file="mail.txt")
    assert (caught.value.file, caught.value.line) == ("mail.txt", line)


def test_names_used_sees_through_contact_and_knows_lines() -> None:
    text = "{{ a }}\n{{ contact.b }} {{ contact['c'] }}{% set d = 1 %}{{ d }}\n{% for e in f %}{{ e }}{% endfor %}"
    assert {(use.name, use.line) for use in names_used(text, file="t")} == {("a", 1), ("b", 2), ("c", 2), ("f", 3)}
    assert {use.name for use in names_used("{{ contact | tojson }}", file="t")} == {"contact"}


def test_names_settled_are_those_a_template_brings_or_asks_about() -> None:
    text = (
        "{{ a | default('') }}{% if b is defined and contact.c is not defined %}{{ d }}{% endif %}{{ e | upper | d }}"
    )
    assert names_settled(text, file="t") == {"a", "b", "c"}
    text = "{% from 'x' import f, g as h %}{% import 'y' as i %}{% macro j(k) %}{% endmacro %}{% set l = m %}"
    assert names_settled(text, file="t") == {"f", "h", "i", "j", "k", "l"}


def test_a_date_that_is_none_fails_the_mail() -> None:
    with pytest.raises(RenderFailed, match="since: 'soon' is not a date"):
        context({"since": "soon"})


def test_templates_extend_and_include_each_other() -> None:
    texts = {
        "base": "<{% block b %}{% endblock %}>",
        "t": "{% extends 'base' %}{% block b %}{% include 'i' %}{% endblock %}",
    }
    templates = Templates(Sources(texts | {"i": "{{ first_name }}"}, {}))
    assert templates.render(templates.html("t"), context({"first_name": "<A>"})) == "<&lt;A&gt;>"


@given(st.text(max_size=60))
def test_no_value_can_become_html(value: str) -> None:
    templates = Templates(Sources({"t": '{{ x }}<a title="{{ x }}">'}, {}))
    rendered = templates.render(templates.html("t"), {"x": value})
    inside = rendered.removesuffix(">").split("<a title=")
    assert len(inside) == 2
    assert not set("<>\"'") & set(inside[0])
    assert not set("<>\"'") & set(inside[1][1:-1])
