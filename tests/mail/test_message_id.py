"""Message-IDs are one per delivery, and lead back to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import ManualClock
from tierii_mta.mail.message_id import message_id, message_ids_in, open_message_id, random_message_id
from tierii_mta.mail.tokens import TokenCodec

CODEC = TokenCodec(b"a secret of the installation")


@given(st.integers(0, 2**63 - 1))
def test_every_attempt_of_a_delivery_carries_the_same_id_and_it_leads_back(delivery: int) -> None:
    text = message_id(CODEC, delivery, "example.com")
    assert text == message_id(CODEC, delivery, "example.com")
    assert open_message_id(CODEC, text) == delivery
    assert open_message_id(CODEC, f" {text.strip('<>').upper()}\r\n") == delivery


@given(st.text(max_size=60))
def test_an_id_of_somebody_else_leads_nowhere(text: str) -> None:
    assert open_message_id(CODEC, text) is None
    assert open_message_id(CODEC, f"<{text}@example.com>") is None


def test_random_ids_differ_within_a_millisecond() -> None:
    clock = ManualClock()
    assert random_message_id(clock, "example.com") != random_message_id(clock, "example.com")


@pytest.mark.parametrize("domain", ["", "exa mple.com", "example.com>\r\nBcc: x", "exämple.com"])
def test_a_domain_that_would_break_the_field_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a Message-ID"):
        message_id(CODEC, 1, domain)


@pytest.mark.parametrize(
    ("field", "ids"),
    [
        ("<a@example.com>", ("<a@example.com>",)),
        ("<a@example.com>\r\n <b@example.com>\t<a@example.com>", ("<a@example.com>", "<b@example.com>")),
        ("<a@example.com><b@example.com>", ("<a@example.com>", "<b@example.com>")),
        ("Your message of Mon, 1 Jan <a@example.com>", ("<a@example.com>",)),
        ("<a-very-long-id\r\n @example.com>", ("<a-very-long-id@example.com>",)),
        ("a@example.com, b@example.com", ("<a@example.com>", "<b@example.com>")),
        ("<no-at-sign>", ("<no-at-sign>",)),
        ("<> < > nothing", ()),
        ("", ()),
    ],
)
def test_the_ids_of_a_reference_are_found_as_clients_write_them(field: str, ids: tuple[str, ...]) -> None:
    assert message_ids_in(field) == ids


@given(st.text() | st.text(alphabet="<>@ a\r\n,", max_size=200))
def test_any_reference_field_can_be_read(field: str) -> None:
    assert all(each.startswith("<") and each.endswith(">") for each in message_ids_in(field))
