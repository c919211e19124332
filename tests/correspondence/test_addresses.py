"""Addresses as they stand in the texts of programs and people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.correspondence.addresses import addresses_in, first_address


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<ann@example.com>: host said", ["ann@example.com"]),
        ("rfc822;ann@example.com", ["ann@example.com"]),
        ("'ann@example.com' is not known.", ["ann@example.com"]),
        ("no such user: ann@example.com.", ["ann@example.com"]),
        ("to=<ann+tag@example.com>, at bob@[192.0.2.1]", ["ann+tag@example.com", "bob@[192.0.2.1]"]),
        ('"ann smith"@example.com', ['"ann smith"@example.com']),
        ("宛先kijitora@example.jpへの配信", ["kijitora@example.jp"]),
        ("jürgen@münchen.example", ["jürgen@münchen.example"]),
        ("ann＠example.com", ["ann@example.com"]),
        ("猫@例え.テスト。", ["猫@例え.テスト"]),
        ("@example.com and ann@ and @", []),
    ],
)
def test_an_address_is_found_whatever_stands_around_it(text: str, found: list[str]) -> None:
    assert list(addresses_in(text)) == found
    assert first_address(text) == (found[0] if found else None)


@pytest.mark.parametrize("text", ["a" * 300_000, "a@" * 150_000, "@" * 300_000, '"a' * 150_000, "é" * 300_000])
def test_hostile_text_is_passed_over(text: str) -> None:
    assert all("@" in address for address in addresses_in(text))


@given(st.text(alphabet=st.sampled_from('ab@."<> \n猫é;:=')))
def test_what_is_found_is_an_address_without_spaces_around(text: str) -> None:
    for address in addresses_in(text):
        local, at, domain = address.rpartition("@")
        assert at
        assert local
        assert domain
        assert address == address.strip()
