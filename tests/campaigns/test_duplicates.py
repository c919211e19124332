"""Which row of a person stays."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.campaigns.duplicates import OnConflict, settle
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.mail.person import PersonKey
from tierii_mta.queue.delivery import Json

RULES: Sequence[OnConflict] = ("first", "last", "merge", "error")


def waiting(person: bytes, number: int, **fields: Json) -> Waiting:
    return Waiting(PersonKey(person), number, f"{number}@example.org", "example.org", fields, 0, number + 2)


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("first", {"name": "", "city": "Rome", "age": None}),
        ("last", {"name": "Cleo", "city": "Oslo", "plan": "gold"}),
        ("merge", {"name": "Bea", "city": "Rome", "age": 42, "plan": "gold"}),
        ("error", {"name": "", "city": "Rome", "age": None}),
    ],
)
def test_each_rule_keeps_what_it_says(rule: OnConflict, kept: dict[str, Json]) -> None:
    rows = [
        waiting(b"a", 0, name="", city="Rome", age=None),
        waiting(b"a", 1, name="Bea", age=42),
        waiting(b"a", 2, name="Cleo", city="Oslo", plan="gold"),
        waiting(b"b", 3),
    ]
    dropped: list[int] = []
    found = list(settle(rows, rule, lambda contact, _: dropped.append(contact.number)))
    assert [one.fields for one in found] == [kept, {}]
    assert dropped == ([0, 1] if rule == "last" else [1, 2])


@given(persons=st.lists(st.binary(min_size=1, max_size=1)).map(sorted), rule=st.sampled_from(RULES))
def test_everybody_stays_once_and_every_other_row_is_told(persons: list[bytes], rule: OnConflict) -> None:
    rows = [waiting(person, number) for number, person in enumerate(persons)]
    dropped: list[Waiting] = []
    kept = list(settle(rows, rule, lambda contact, _: dropped.append(contact)))
    assert [one.person for one in kept] == sorted(set(persons))
    assert sorted(one.number for one in [*kept, *dropped]) == list(range(len(rows)))
