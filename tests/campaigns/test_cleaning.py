"""From rows to contacts, and the reasons why not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.campaigns.cleaning import Cleaner, RowRejected, parse_recipient
from tierii_mta.queue.delivery import Json


def cleaner(**changes: Any) -> Cleaner:
    return Cleaner(**({"required": ["email"], "types": {}, "header_fields": frozenset()} | changes))


def test_white_space_and_unicode_are_put_in_order_and_names_keep_their_case() -> None:
    person = cleaner().clean(
        {"email": "  Anna@Example.COM ", "first_name": " anna   maria ", "city": "Ko\u0308ln\u00a0"}
    )
    assert str(person.address) == "Anna@example.com"
    assert person.fields == {"email": "Anna@Example.COM", "first_name": "anna maria", "city": "Köln"}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "has no email"),
        ("nobody", "email is not of the form"),
        ("a@b@c.example", "email has a malformed local part"),
        ("info@localhost", "email has a domain without a dot"),
        ("foo@[192.0.2.1]", "email names an IP address"),
        ("Jane <jane@example.com>", "email has a malformed"),
        ("a b@example.com", "email has a malformed local part"),
        ("a\u200b@example.com", "email holds the character U+200B"),
        ("a@example.com\nBcc: b@example.com", "email holds a line break"),
        ("a@exa_mple.com", "email has a malformed domain"),
        (("x" * 65) + "@example.com", "email has a local part of more than 64"),
        ("\u0301a@example.com", "email contains unsafe characters"),
        (42, "email: 42 is not a text"),
    ],
)
def test_an_address_that_cannot_be_is_a_reject_with_its_reason(address: Any, reason: str) -> None:
    with pytest.raises(RowRejected) as caught:
        cleaner().clean({"email": address} if address != "" else {"email": "", "x": 1})
    assert str(caught.value).startswith(reason) or "required" in str(caught.value)


@pytest.mark.parametrize(
    "address", ["o'brien@example.com", "a+tag@example.com", "müller@exämple.com", '"a b"@example.com']
)
def test_unusual_but_sound_addresses_are_accepted(address: str) -> None:
    assert parse_recipient(address).domain.startswith("ex") or parse_recipient(address).domain.startswith("xn--")


def test_types_are_converted_and_empty_values_of_a_type_are_none() -> None:
    types = {"age": "int", "score": "float", "vip": "bool", "since": "date", "Plan Type": "str"}
    fields: dict[str, Json] = {
        "email": "a@example.com",
        "age": "42",
        "score": "1.5",
        "vip": "yes",
        "since": "2024-02-29",
        "plan_type": 7,
    }
    assert cleaner(types=types).clean(fields).fields == {
        "email": "a@example.com",
        "age": 42,
        "score": 1.5,
        "vip": True,
        "since": "2024-02-29",
        "plan_type": "7",
    }
    empty = cleaner(types=types).clean({"email": "a@example.com", "age": " ", "since": ""}).fields
    assert empty == {"email": "a@example.com", "age": None, "since": None}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "forty"),
        ("int", "1.5"),
        ("int", "9" * 5000),
        ("float", "nan"),
        ("float", "inf"),
        ("bool", "perhaps"),
        ("date", "2024-02-30"),
        ("date", "29.02.2024"),
        ("date", "2024-02-29xyz"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_a_reject(kind: str, value: str) -> None:
    with pytest.raises(RowRejected, match=f"is no {kind}"):
        cleaner(types={"x": kind}).clean({"email": "a@example.com", "x": value})


def test_a_required_field_must_be_there_and_hold_something() -> None:
    demanding = cleaner(required=["email", "First Name"])
    for fields in ({"email": "a@example.com"}, {"email": "a@example.com", "first_name": "  "}):
        with pytest.raises(RowRejected, match="first_name is required and empty"):
            demanding.clean(fields)


def test_line_breaks_are_kept_in_fields_of_the_body_and_refused_in_fields_of_a_header() -> None:
    fields = {"email": "a@example.com", "note": "one\r\ntwo"}
    assert cleaner().clean(fields).fields["note"] == "one\ntwo"
    for header_fields in (frozenset({"note"}), frozenset({"contact"})):
        with pytest.raises(RowRejected, match="note holds a line break and is used in a header"):
            cleaner(header_fields=header_fields).clean(fields)
    with pytest.raises(RowRejected, match="first_name holds a line break"):
        cleaner().clean({"email": "a@example.com", "first_name": "A\u2028Bcc: b@example.com"})


@given(st.dictionaries(st.sampled_from(["first_name", "note", "x"]), st.text(max_size=50), max_size=3))
def test_whatever_the_fields_hold_it_is_cleaned_or_rejected_and_never_controls(fields: dict[str, str]) -> None:
    try:
        person = cleaner(header_fields=frozenset({"x"})).clean({"email": "a@example.com", **fields})
    except RowRejected:
        return
    again = cleaner(header_fields=frozenset({"x"})).clean(person.fields)
    assert again.fields == person.fields
    for name, value in person.fields.items():
        assert isinstance(value, str)
        assert not any(ord(c) < 32 and c != "\n" for c in value)
        assert name == "note" or "\n" not in value
        value.encode()  # no lone surrogate came through


@given(st.text(max_size=80))
def test_whatever_is_given_as_an_address_is_an_address_or_a_reject(text: str) -> None:
    try:
        address = parse_recipient(text)
    except RowRejected:
        return
    assert "." in address.domain
    assert address.domain.isascii()
