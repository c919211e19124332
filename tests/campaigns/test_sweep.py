"""Whole columns at once: the same persons as the cleaner makes of each row, or none."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.campaigns.cleaning import Cleaner, Fields, Person, RowRejected
from tierii_mta.campaigns.sweep import Sweeper
from tierii_mta.queue.delivery import Json

TYPES = {"age": "int", "score": "float", "vip": "bool", "since": "date", "seen": "datetime", "plan": "str"}
SPACES = " \t\n\r\x1f\x85\u00a0\u2028"
TEXTS = st.text(alphabet=SPACES + "ab=<|\u00e9\u0338\u0301\u212b\u0000\ud800\u200d", max_size=6)
TYPED = st.sampled_from(["", " 7 ", "1_0", "1e3", "nan", "yes", "2024-02-30", "2024-02-29", "2024-02-29T10:00", "٣"])
EMAILS = st.sampled_from(
    ["a@example.com", " B@Example.COM ", "ü@exämple.com", "a@b", "a b@example.com", "", "é@x.example"]
)
JSON: st.SearchStrategy[Json] = TEXTS | st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.lists(TEXTS)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"email": EMAILS | JSON, "name": JSON, "note": JSON},
        optional=dict.fromkeys(TYPES, TYPED | JSON) | {"more": TEXTS},
    ),
    max_size=6,
)


def cleaner(**changes: Any) -> Cleaner:
    return Cleaner(**({"required": ["email"], "types": TYPES, "header_fields": frozenset({"note"})} | changes))


def cleaned(one: Cleaner, row: Fields) -> Person | None:
    try:
        return one.clean(row)
    except RowRejected:
        return None


def swept(one: Cleaner, rows: list[dict[str, Json]]) -> dict[int, Person]:
    sweeper = Sweeper(one)
    first = sweeper.tidy(sweeper.conform(rows))
    assert sweeper.tidy(sweeper.conform(rows)) == first, "what is remembered changes nothing"
    return dict(first)


@settings(max_examples=80, deadline=None)
@given(rows=ROWS)
def test_a_row_that_is_swept_is_what_the_cleaner_makes_of_it(rows: list[dict[str, Json]]) -> None:
    one = cleaner()
    for at, person in swept(one, rows).items():
        again = cleaned(one, rows[at])
        assert person == again
        assert again is not None
        assert list(map(type, person.fields.values())) == list(map(type, again.fields.values()))


def test_ordinary_rows_are_all_swept() -> None:
    rows: list[dict[str, Json]] = [
        {"email": f" Ann{n}@Example.com", "name": "Köln ", "note": None, "age": f"{n} ", "since": "", "vip": True}
        for n in range(300)
    ]
    persons = swept(cleaner(), rows)
    assert sorted(persons) == list(range(300))
    assert persons[7].fields == {
        "email": "Ann7@Example.com",
        "name": "Köln",
        "note": "",
        "age": 7,
        "since": None,
        "vip": True,
    }


def test_the_odd_ones_among_them_are_left_to_the_cleaner() -> None:
    rows: list[dict[str, Json]] = [{"email": f"a{n}@example.com", "name": "Ann", "age": "30"} for n in range(6)]
    rows[1]["email"] = "nobody"
    rows[2]["name"] = "Ann  Lee"
    rows[3]["age"] = "old"
    rows[4]["city"] = "Bonn"
    assert sorted(swept(cleaner(), rows)) == [0, 5]


@pytest.mark.parametrize("rows", [[], [{}], [{"name": "Ann"}], [{"email": "a@example.com"}]])
def test_rows_without_a_required_field_are_not_swept(rows: list[dict[str, Json]]) -> None:
    assert swept(cleaner(required=["email", "name"]), rows) == {}


def test_a_typed_column_of_ever_new_values_does_not_fill_the_memory() -> None:
    one = cleaner()
    sweeper = Sweeper(one)
    for start in range(0, 11_000, 1000):
        rows: list[dict[str, Json]] = [
            {"email": "a@example.com", "age": str(number)} for number in range(start, start + 1000)
        ]
        persons = sweeper.tidy(sweeper.conform(rows))
        assert [person.fields["age"] for _, person in persons] == list(range(start, start + 1000))
    assert all(len(known) <= 10_000 for known in sweeper.remembered.values())
