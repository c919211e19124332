"""Reading one field out of a posted body, whatever the body is."""

import string

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from tierii_mta.web.forms import field_value

WORDS = st.text(string.ascii_letters + string.digits + "-_.~ é&=+%\"'", min_size=1, max_size=20)
FORM = "application/x-www-form-urlencoded"


@settings(max_examples=100)
@given(st.dictionaries(WORDS, WORDS, min_size=1, max_size=5))
def test_what_a_client_encodes_is_read_back(fields: dict[str, str]) -> None:
    request = httpx.Request("POST", "http://h/", data=fields)
    for name, value in fields.items():
        assert field_value(name, FORM, request.content) == value


@settings(max_examples=100)
@given(st.dictionaries(st.text(string.ascii_letters + "-", min_size=1, max_size=9), WORDS, min_size=1, max_size=5))
def test_multipart_is_read_back_too(fields: dict[str, str]) -> None:
    request = httpx.Request("POST", "http://h/", files={name: (None, value) for name, value in fields.items()})
    for name, value in fields.items():
        assert field_value(name, request.headers["content-type"], request.read()) == value


@settings(max_examples=200)
@given(
    st.binary(max_size=300),
    st.sampled_from([FORM, "multipart/form-data; boundary=b", "multipart/form-data", "", "x/y"]),
)
def test_any_octets_are_some_form_or_none(body: bytes, content_type: str) -> None:
    value = field_value("x", content_type, body)
    assert value is None or isinstance(value, str)


def test_a_body_of_nothing_but_separators_ends_quickly() -> None:
    assert field_value("x", FORM, b"&=" * 32_000) is None
    assert field_value("x", "multipart/form-data; boundary=b", b"--b\r\n" * 13_000) is None
