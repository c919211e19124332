"""Contact files as they come: encodings, delimiters, quotes, ragged rows."""

import shutil
from pathlib import Path

import pytest

from tests.campaigns.feeds.reading import BASE, Read, read
from tests.campaigns.workshop import CONTACTS, Workshop
from tierii_mta.campaigns.charset import find_charset
from tierii_mta.campaigns.feeds import Row
from tierii_mta.errors import CheckFailed


async def feed_of(workshop: Workshop, name: str, options: str = "") -> Read:
    shutil.copy(CONTACTS / name, workshop.folder / name)
    return await read(workshop.campaign(BASE + f"  - {{type: csv, path: {name}{options}}}\n"))


async def rows_of(workshop: Workshop, name: str, options: str = "") -> list[Row]:
    return (await feed_of(workshop, name, options)).rows


@pytest.mark.parametrize(
    "name",
    [
        "utf8-bom",
        "utf16-le-bom",
        "utf16-le-without-mark",
        "utf16-be-without-mark",
        "utf32-le-bom",
        "carriage-returns",
        "mixed-line-ends",
        "spaces-before-quotes",
    ],
)
async def test_every_unicode_encoding_and_way_of_writing_gives_the_same_contacts(workshop: Workshop, name: str) -> None:
    feed = await feed_of(workshop, f"{name}.csv")
    assert [row.fields for row in feed.rows] == [
        {"email": "anna@example.com", "first_name": "Anna", "last_name": "Müller", "city": "Köln"},
        {"email": "zoe@example.com", "first_name": "Zoë", "last_name": "Żuk", "city": "Łódź"},
    ]
    assert not feed.notices


@pytest.mark.parametrize(
    ("name", "sound", "problems"),
    [
        ("trailing-delimiters", {2: "anna", 3: "bob"}, {4: "has 4 fields, the header has 3"}),
        ("backslash-quotes", {3: "bob"}, {2: "is malformed: ',' expected after '\"'"}),
        ("nul-octets", {2: "anna", 3: "bob"}, {4: "has 1 fields, the header has 2"}),
        ("exported-twice", {2: "anna", 3: "\ufeffemail", 4: "bob"}, {}),
        ("delimiters-in-header", {4: "anna"}, {}),
    ],
)
async def test_a_row_that_cannot_be_read_costs_no_other(
    workshop: Workshop, name: str, sound: dict[int, str], problems: dict[int, str]
) -> None:
    rows = await rows_of(workshop, f"{name}.csv")
    found = {row.line: str(row.fields["email"]).partition("@")[0] for row in rows if row.problem is None}
    assert found == sound
    assert {row.line: row.problem for row in rows if row.problem is not None} == problems


async def test_windows_1252_is_read_with_a_notice_that_names_the_first_line_that_is_not_utf8(
    workshop: Workshop,
) -> None:
    feed = await feed_of(workshop, "windows-1252.csv")
    assert [row.fields["city"] for row in feed.rows] == ["Köln", "Orléans – Nord"]
    assert len(feed.notices) == 1
    assert "windows-1252.csv:2: is not UTF-8" in feed.notices[0]
    assert not (await feed_of(workshop, "windows-1252.csv", ", encoding: windows-1252")).notices


async def test_a_file_that_fits_no_encoding_is_refused_with_its_line(workshop: Workshop) -> None:
    with pytest.raises(CheckFailed, match=r"broken-utf8.csv:3: is neither UTF-8 nor Windows-1252"):
        await feed_of(workshop, "broken-utf8.csv")


async def test_a_given_encoding_that_does_not_fit_is_an_error_with_its_line(workshop: Workshop) -> None:
    with pytest.raises(CheckFailed, match=r"windows-1252.csv:2: does not fit the encoding utf-8"):
        await feed_of(workshop, "windows-1252.csv", ", encoding: utf-8")
    with pytest.raises(CheckFailed, match=r"the encoding 'klingon' is unknown"):
        await feed_of(workshop, "windows-1252.csv", ", encoding: klingon")
    with pytest.raises(CheckFailed, match=r"the encoding 'base64' is unknown"):
        await feed_of(workshop, "windows-1252.csv", ", encoding: base64")


def test_a_misfit_far_into_a_large_file_is_found_before_any_row_is_used(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"email\n" + b"someone@example.com\n" * 200_000 + "é@example.com\n".encode("latin-1"))
    with pytest.raises(CheckFailed, match=r"large.csv:200002"):
        find_charset(path, "utf-8")
    assert find_charset(path).name == "cp1252"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "semicolons.csv",
            {"email": "anna@example.com", "first_name": "Anna", "last_name": "Müller", "firma": "Müller; Söhne"},
        ),
        ("tabs.csv", {"email": "anna@example.com", "first_name": "Anna", "plan_type": "gold, yearly"}),
        ("pipes.csv", {"email": "anna@example.com", "company": "Acme, Inc."}),
        ("excel-sep.csv", {"email": "anna@example.com", "first_name": "Anna"}),
    ],
)
async def test_the_delimiter_is_found(workshop: Workshop, name: str, expected: dict[str, str]) -> None:
    feed = await feed_of(workshop, name)
    assert [row.fields for row in feed.rows] == [expected]


async def test_a_delimiter_can_be_given_by_name(workshop: Workshop) -> None:
    assert (await rows_of(workshop, "tabs.csv", ", delimiter: tab"))[0].fields["first_name"] == "Anna"
    with pytest.raises(CheckFailed, match="is not one character"):
        await feed_of(workshop, "tabs.csv", ", delimiter: '::'")


async def test_quoted_fields_hold_line_breaks_and_quotes_and_lines_are_counted_through_them(workshop: Workshop) -> None:
    rows = await rows_of(workshop, "quoted-newlines.csv")
    assert [row.line for row in rows] == [2, 4]
    assert rows[0].fields["address"] == "1 Main St\nOakland, CA"
    assert rows[1].fields["first_name"] == 'Bob "the" B'


async def test_ragged_and_malformed_rows_are_named_with_line_and_reason_and_the_others_stand(
    workshop: Workshop,
) -> None:
    rows = await rows_of(workshop, "ragged.csv")
    assert [(row.line, row.problem) for row in rows] == [
        (2, None),
        (3, "has 2 fields, the header has 3"),
        (5, "has 4 fields, the header has 3"),
        (7, None),
        (8, "is malformed: ',' expected after '\"'"),
        (9, None),
    ]
    assert rows[2].original == ["long@example.com", "Long", "Paris", "extra"]


async def test_a_quote_that_swallows_the_rest_of_the_file_is_an_error_where_it_opens(workshop: Workshop) -> None:
    with pytest.raises(CheckFailed, match=r"unclosed-quote.csv:3: a quote opened here is not closed"):
        await rows_of(workshop, "unclosed-quote.csv")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "twins.csv",
            r"twins.csv:1: the columns 'E-mail' and 'Email Address' could both be email; choose one with map",
        ),
        ("headless.csv", r"headless.csv:1: the first line holds an address, not the names of columns"),
        ("empty.csv", r"empty.csv: holds no rows"),
    ],
)
async def test_a_header_that_names_no_contact_is_refused(workshop: Workshop, name: str, expected: str) -> None:
    with pytest.raises(CheckFailed, match=expected):
        await feed_of(workshop, name)


async def test_map_chooses_between_columns_and_names_the_nearest_where_there_is_none(workshop: Workshop) -> None:
    row = (await rows_of(workshop, "twins.csv", ", map: {email: email address, salutation: first}"))[0]
    assert row.fields == {"e_mail": "a@example.com", "email": "b@example.com", "salutation": "A"}
    with pytest.raises(
        CheckFailed, match="there is no column 'E-mial', which map names for email; did you mean 'E-mail'"
    ):
        await feed_of(workshop, "twins.csv", ", map: {email: E-mial}")


async def test_a_missing_file_names_the_line_of_the_campaign_that_asks_for_it(workshop: Workshop) -> None:
    text = BASE + "  - {type: csv, path: nobody.csv}\n"
    with pytest.raises(CheckFailed, match=r"campaign.yaml:7: contacts\[0\].path: .*nobody.csv: there is no such file"):
        await read(workshop.campaign(text))


async def test_a_line_without_end_is_refused(workshop: Workshop) -> None:
    workshop.write("people.csv", "email\n" + "x" * (1 << 21))
    text = BASE + "  - {type: csv, path: people.csv}\n"
    with pytest.raises(CheckFailed, match=r"people.csv:2: is longer than"):
        await read(workshop.campaign(text))


async def test_inline_contacts_keep_their_types_and_lines(workshop: Workshop) -> None:
    text = BASE + (
        "  - type: inline\n"
        "    items:\n"
        "      - {E-Mail: anna@example.com, First Name: Anna, age: 42}\n"
        "      - {email: bob@example.com, vip: true, tags: [a, b]}\n"
    )
    rows = (await read(workshop.campaign(text))).rows
    assert [row.line for row in rows] == [9, 10]
    assert rows[0].fields == {"email": "anna@example.com", "first_name": "Anna", "age": 42}
    assert rows[1].fields == {"email": "bob@example.com", "vip": True, "tags": ["a", "b"]}
