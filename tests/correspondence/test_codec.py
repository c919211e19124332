"""Readings as JSON: what went in comes out, and nothing else is taken."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.clock import Instant
from tierii_mta.correspondence.codec import Undecodable, decode, encode
from tierii_mta.correspondence.reading import Bounce, Kind, Original, Reading, References
from tierii_mta.mail.reply import EnhancedCode, Reply


@given(reading=st.from_type(Reading))
def test_a_reading_comes_back_as_it_was(reading: Reading) -> None:
    said = encode(reading)
    assert encode(decode(Reading, json.loads(json.dumps(said)))) == said


def test_what_is_at_its_default_takes_no_room() -> None:
    assert encode(Reading(kind=Kind.REPLY, subject="hello")) == {"kind": "reply", "subject": "hello"}


def test_a_row_of_another_version_can_be_read() -> None:
    row = {"kind": "other", "references": {"subject": "x", "of_tomorrow": 1}, "of_tomorrow": [1]}
    assert decode(Reading, row) == Reading(kind=Kind.OTHER, references=References(subject="x"))


def test_sequences_come_back_as_tuples() -> None:
    original = decode(Original, {"recipients": ["a@b.example"]})
    assert original.recipients == ("a@b.example",)


def test_a_reply_keeps_its_enhanced_code() -> None:
    reply = Reply(550, ("no such user",), EnhancedCode(5, 1, 1))
    assert decode(Reply, encode(reply)) == reply


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        "reply",
        {},
        {"kind": "nothing known"},
        {"kind": ["reply"]},
        {"kind": "reply", "subject": 1},
        {"kind": "reply", "subject": None},
        {"kind": "reply", "sent_at": "now"},
        {"kind": "reply", "sent_at": True},
        {"kind": "reply", "faults": "one"},
        {"kind": "reply", "faults": [1]},
        {"kind": "bounce", "bounce": {}},
        {"kind": "bounce", "bounce": {"recipients": [{}]}},
    ],
)
def test_what_is_no_reading_is_refused(row: object) -> None:
    with pytest.raises(Undecodable):
        decode(Reading, row)


def test_instants_and_absent_values_have_their_place() -> None:
    reading = Reading(kind=Kind.DELAY, sent_at=Instant(7), bounce=Bounce(recipients=()))
    assert encode(reading) == {"kind": "delay", "sent_at": 7, "bounce": {"recipients": []}}


def test_a_type_without_a_form_is_an_error_of_ours() -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        decode(Mapping, {})  # type: ignore[type-abstract]
