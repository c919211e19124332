"""What the author of an expression is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.segment.reading import TYPES
from tierii_mta.campaigns.segment import ExpressionInvalid, Fault, read
from tierii_mta.campaigns.segment.grammar import MAX_DEPTH, MAX_ITEMS
from tierii_mta.campaigns.segment.lexer import MAX_LENGTH


def refusal(text: str) -> list[str]:
    with pytest.raises(ExpressionInvalid) as caught:
        read(text, TYPES)
    return [f"{fault.position}: {fault.what}; {fault.remedy}" for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1: something is missing at the end; write a condition such as country == 'US'"),
        ("country =", "9: is no sign of this language; write =="),
        ("a == 'x' && b == 'y'", "10: is no sign of this language; write and"),
        ("country == 'US", "12: this quote is never closed; add ' where it ends"),
        ("(age > 3", "1: this bracket is never closed; write )"),
        ("age > 3)", "8: does not go on like this; join conditions with and, or"),
        ("18 <= age < 65", "11: two comparisons in a row; join them: 18 <= age and age < 65"),
        ("country in []", "12: the list is empty; name what may be in it"),
        ("country in country", "12: `in` is followed by a list; write in ['a', 'b']; of a list field: contains"),
        ("in == 'x'", "1: is a word of the language; a field of that name stands in backquotes: `in`"),
        ("`--` == 'x'", "1: names no field; write the name of a column between the backquotes"),
        ("age is null", "8: only `is blank` and `is not blank` can be asked with `is`; write blank"),
        ("plan matches plan", "14: `matches` is followed by a text; write matches '...'"),
        ("since > today - 5x", "9: 5x is no duration; write for instance 30d or 12h"),
        ("since > today - 36h", "9: today counts whole days; write for instance 30d, or count from now"),
        ("since > today - 99999999999d", "9: 99999999999d is no duration; write for instance 30d or 12h"),
        ("since > today - 40000d", "9: is more than a hundred years away; write the date itself"),
        ("__import__('os')", "11: does not go on like this; join conditions with and, or"),
        ("age.real > 3", "4: no expression has this character; put texts in quotes, odd names in backquotes"),
    ],
)
def test_what_is_no_expression_is_refused_where_it_goes_wrong(text: str, told: str) -> None:
    assert refusal(text) == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "level >= 21",
            (
                "1: level is a text (its type is not declared), 21 is a number: they cannot be compared; "
                "declare it: schema: {types: {level: int}}"
            ),
        ),
        (
            "level >= '21'",
            (
                "1: level is a text (its type is not declared), '21' is a text: which is less is not known; "
                "declare it: schema: {types: {level: int}}"
            ),
        ),
        (
            "joined > '2026-01-01'",
            (
                "1: joined is a text (its type is not declared), '2026-01-01' is a text: which is less is not known; "
                "declare it: schema: {types: {joined: date}}"
            ),
        ),
        ("age == '21'", "1: age is a number, '21' is a text: they cannot be compared; compare things of one kind"),
        ("age == since", "1: age is a number, since is a date: they cannot be compared; compare things of one kind"),
        ("age in [1, 'x']", "12: age is a number, 'x' is a text: they cannot be compared; compare things of one kind"),
        (
            "wants_news > true",
            "1: wants_news is true or false, true is true or false: which is less is not known; use ==, != or in",
        ),
        ("since > 'May'", "9: is no date; write YYYY-MM-DD, or YYYY-MM-DDTHH:MM"),
        (
            "since == '2026-01-01T10:00'",
            "10: has a time, the field a date alone; write YYYY-MM-DD, or declare it datetime",
        ),
        ("city == ' '", "9: nothing is equal to an empty text; write `is blank` or `is not blank`"),
        (
            "lower(city) in ['rome', 'Oslo']",
            "25: lower() gives no capital letters, so this is never true; write small letters",
        ),
        ("lower(since) == '2026-01-01'", "1: since is a date, lower() takes a text; write the name alone"),
        ("plan contains ''", "15: every text has an empty one in it; write `is not blank`"),
        ("age contains '4'", "1: age is a number, `contains` asks a text; compare it with ==, <, >= or in"),
        (
            "city",
            (
                "1: city is a text (its type is not declared) and stands alone; "
                "write `city is not blank`, or declare it: schema: {types: {city: bool}}"
            ),
        ),
        ("not age", "5: age is a number and stands alone; write `age is not blank`"),
        ("'age' > 3", "1: asks nothing of the contact; write names of fields without quotes"),
        ("today > now", "1: asks nothing of the contact; write names of fields without quotes"),
        ("true", "1: is no condition; compare it with a field"),
    ],
)
def test_what_the_types_forbid_is_refused_with_a_remedy(text: str, told: str) -> None:
    assert refusal(text) == [told]


def test_everything_that_the_types_forbid_is_told_at_once() -> None:
    assert [line.split(":")[0] for line in refusal("age == 'x' and (city or not since > 3)")] == ["1", "17", "29"]


@pytest.mark.parametrize(
    "text",
    [
        "x == '" + "a" * MAX_LENGTH + "'",
        "not " * (MAX_DEPTH + 1) + "wants_news",
        "(" * 3000 + "wants_news" + ")" * 3000,
        f"age in [{','.join('1' * (MAX_ITEMS + 1))}]",
        "age > " + "9" * 5000,
    ],
    ids=["long", "negations", "brackets", "items", "digits"],
)
def test_an_expression_is_bounded(text: str) -> None:
    assert refusal(text)


def test_an_expression_may_be_as_large_as_the_bounds_say() -> None:
    read("(" * MAX_DEPTH + "wants_news" + ")" * MAX_DEPTH, TYPES)
    read(f"age in [{','.join('1' * MAX_ITEMS)}]", TYPES)
    read(" or ".join(["age > 3"] * 800), TYPES)


WORDS = st.sampled_from(
    """and or not in is blank ( ) [ ] , == != < >= = - + ' " ` true today now 30d lower contains matches age city
    'x' 3 4.5 since '2026-01-01' wants_news domain \\ . * ; é \0""".split()  # noqa: SIM905 to be read
)


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=40))
def test_any_text_is_an_expression_or_refused_at_a_place_in_it(text: str) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        assert read(text, TYPES).text == text
    except ExpressionInvalid as invalid:
        faults = invalid.faults
        assert faults, "refused for nothing"
    for fault in faults:
        assert 0 <= fault.span.start <= fault.span.end <= len(text)
        assert fault.what
        assert fault.remedy
