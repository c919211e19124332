"""Contacts in JSON: arrays, arrays inside objects, JSON Lines; what is broken has its line."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.campaigns.feeds.reading import BASE, Read, read
from tests.campaigns.workshop import Workshop
from tierii_mta.campaigns.feeds import json_stream
from tierii_mta.campaigns.feeds.json_stream import JsonStream
from tierii_mta.errors import CheckFailed


async def read_json(workshop: Workshop, text: str, options: str = "", *, encoding: str = "utf-8") -> Read:
    (workshop.folder / "people.json").write_bytes(text.encode(encoding))
    return await read(workshop.campaign(BASE + f"  - {{type: json, path: people.json{options}}}\n"))


PEOPLE = '[\n {"E-mail": "anna@example.com", "age": 42},\n\n {"email": "bob@example.com", "tags": ["a"]}]\n'


async def test_an_array_of_objects_gives_rows_with_the_lines_they_begin_in(workshop: Workshop) -> None:
    rows = (await read_json(workshop, PEOPLE)).rows
    assert [(row.line, row.fields) for row in rows] == [
        (2, {"email": "anna@example.com", "age": 42}),
        (4, {"email": "bob@example.com", "tags": ["a"]}),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
async def test_json_in_another_unicode_encoding_is_found(workshop: Workshop, encoding: str) -> None:
    rows = (await read_json(workshop, '[{"email": "a@example.com", "city": "Köln"}]', encoding=encoding)).rows
    assert rows[0].fields["city"] == "Köln"


async def test_items_leads_to_an_array_behind_other_values(workshop: Workshop) -> None:
    text = '{"meta": {"a": ["]", {"b": "\\"}"}], "n": -1.5e3}, "page": 1, "data": {"people": ' + PEOPLE + '}, "x": 1}'
    rows = (await read_json(workshop, text, ", items: data.people")).rows
    assert [row.fields["email"] for row in rows] == ["anna@example.com", "bob@example.com"]


async def test_each_line_of_json_lines_stands_for_itself(workshop: Workshop) -> None:
    text = (
        '{"email": "a@example.com"}\n\n{"email": \n[1]\n{"email": "b@example.com", "n": NaN}\n{"email": "c@b.example"}'
    )
    rows = (await read_json(workshop, text)).rows
    assert [(row.line, row.problem) for row in rows] == [
        (1, None),
        (3, "is malformed: Expecting value"),
        (4, "is not an object of fields"),
        (5, "is malformed: NaN is not JSON"),
        (6, None),
    ]


async def test_map_names_keys_and_an_item_without_the_key_lacks_the_field(workshop: Workshop) -> None:
    text = '[{"login": "a@example.com", "vorname": "Anna"}, {"login": "b@example.com"}]'
    rows = (await read_json(workshop, text, ", map: {email: login, first_name: vorname}")).rows
    assert [row.fields for row in rows] == [
        {"email": "a@example.com", "first_name": "Anna"},
        {"email": "b@example.com"},
    ]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("", "", r"people.json: holds no rows"),
        ("email\na@example.com\n", "", r"people.json: begins with neither \[ nor \{"),
        ('[\n{"email": "a@example.com"},\n{"email" "b"}]', "", r"people.json:3: is malformed: Expecting ':'"),
        ('[{"email": "a@example.com"}\n{"email": "b"}]', "", r"people.json:2: is malformed: ',' or '\]' expected"),
        ('[{"email": "a@example.com"},\n', "", r"people.json:2: is malformed: Expecting value"),
        ('{"data": {}}', ", items: people", r"people.json:1: there is no 'people'"),
        ('{"data": {}}', ", items: data", r"people.json:1: data is not an array"),
        ('{"data": [[[', ", items: people", r"people.json:1: is malformed: it ends within a value"),
        ("[" * 100_000, "", r"people.json:1: is malformed: it is nested too deeply"),
    ],
)
async def test_a_document_that_cannot_be_read_is_refused_with_its_line(
    workshop: Workshop, text: str, options: str, expected: str
) -> None:
    with pytest.raises(CheckFailed, match=expected):
        await read_json(workshop, text, options)


async def test_an_item_nested_too_deeply_is_a_reject_alone(workshop: Workshop) -> None:
    deep = '[{"email": "a@example.com", "x": ' + "[" * 50 + "]" * 50 + '}, {"email": "b@example.com"}]'
    rows = (await read_json(workshop, deep)).rows
    assert [row.problem for row in rows] == ["is nested deeper than 16 levels", None]


async def test_an_item_without_end_is_refused(workshop: Workshop) -> None:
    with pytest.raises(CheckFailed, match=r"people.json:1: is malformed"):
        await read_json(workshop, '[{"email": "' + "x" * (3 << 20) + '"}]')


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(
    items=st.lists(VALUES, max_size=8),
    before=VALUES,
    indent=st.sampled_from([None, 2]),
    is_ascii=st.booleans(),
    piece=st.integers(1, 40),
)
def test_what_is_read_piece_by_piece_is_what_json_reads_at_once(
    items: list[object], before: object, indent: int | None, is_ascii: bool, piece: int
) -> None:
    text = json.dumps({"before": before, "a": {"b": items}}, indent=indent, ensure_ascii=is_ascii)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_PIECE", piece)
        found = list(JsonStream(io.StringIO(text), "x").items(["a", "b"]))
    assert [item for _, item in found] == items
