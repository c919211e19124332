"""What the functions of templates make of values."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.campaigns.functions import url

BASE = "https://shop.example/p?list=spring#top"


def test_an_address_grows_by_path_and_query() -> None:
    assert (
        url("https://shop.example/p/", "blue hat", ref="a&b", page=2)
        == "https://shop.example/p/blue%20hat?ref=a%26b&page=2"
    )
    assert url(BASE, tag=["x", "y"]) == "https://shop.example/p?list=spring&tag=x&tag=y#top"
    assert url(BASE, "sub") == "https://shop.example/p/sub?list=spring#top"
    assert url("https://shop.example/größe?q=%20") == "https://shop.example/gr%C3%B6%C3%9Fe?q=%20"


def test_what_is_empty_is_left_out() -> None:
    assert url(BASE, "", None, ref="", page=None) == BASE
    assert url("") == ""
    assert url(None, ref="x") == ""


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "/relative",
        "https://",
        "https://shop.example@evil.example/",
        "https://shop.example/a b",
        "https://shop.example/\r\nX: y",
        'https://shop.example/"><script>',
    ],
)
def test_only_addresses_of_the_web_are_links(address: str) -> None:
    with pytest.raises(ValueError, match="not an http or https address"):
        url(address)


def test_a_path_cannot_climb() -> None:
    with pytest.raises(ValueError, match="another page"):
        url("https://shop.example/a", "..", "admin")


@given(value=st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_a_value_stays_one_value(value: str) -> None:
    made = url(BASE, value, ref=value)
    assert made.isascii()
    parts = urlsplit(made)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "shop.example", "top")
    assert parts.path.count("/") == 2
    assert parse_qs(parts.query, keep_blank_values=True, errors="strict") == {"list": ["spring"], "ref": [value]}
