"""Tokens open where they were made for, and nowhere else."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta.errors import ConfigurationError
from tierii_mta.mail.address import Address
from tierii_mta.mail.person import PersonKey
from tierii_mta.mail.tokens import (
    Leaver,
    Preferences,
    Purpose,
    SignedAddress,
    TokenCodec,
    Unsubscribe,
    WebView,
    list_tag,
    open_preferences,
    open_return_path,
    open_signed_address,
    open_unsubscribe,
    open_web_view,
    return_path,
    seal_preferences,
    seal_unsubscribe,
    seal_web_view,
    unsubscribe_address,
)

CODEC = TokenCodec(b"a secret of the installation")
OTHER = TokenCodec(b"the secret of somebody else!")
ADA = Address.parse("ada@example.com")
BOB = Address.parse("bob@example.com")
purposes = st.sampled_from(Purpose)


@given(purposes, st.binary(max_size=200))
def test_a_payload_comes_back_from_both_forms(purpose: Purpose, payload: bytes) -> None:
    assert CODEC.open(purpose, CODEC.seal(purpose, payload)) == payload
    assert CODEC.open_local(purpose, CODEC.seal_local(purpose, payload)) == payload
    assert CODEC.open_local(purpose, CODEC.seal_local(purpose, payload).upper()) == payload


@given(purposes, purposes, st.binary(max_size=40))
def test_a_token_opens_for_no_other_purpose_form_or_secret(made: Purpose, asked: Purpose, payload: bytes) -> None:
    url, local = CODEC.seal(made, payload), CODEC.seal_local(made, payload)
    assert CODEC.open_local(asked, url) is None
    assert CODEC.open(asked, local) is None
    assert OTHER.open(made, url) is None
    assert OTHER.open_local(made, local) is None
    if made is not asked:
        assert CODEC.open(asked, url) is None
        assert CODEC.open_local(asked, local) is None


@given(st.binary(max_size=20), st.data())
def test_one_changed_character_closes_a_token(payload: bytes, data: st.DataObject) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = CODEC.seal(Purpose.CLICK, payload)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(alphabet).filter(lambda character: character != token[place]))
    assert CODEC.open(Purpose.CLICK, token[:place] + other + token[place + 1 :]) is None


@given(st.binary(min_size=16, max_size=40), st.text("abcxyz", min_size=1))
def test_a_person_key_is_half_an_hmac_over_the_address(secret: bytes, local: str) -> None:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tierii-mta person").derive(secret)
    address = Address.parse(f"{local.upper()}@example.com")
    wanted = hmac.digest(key, f"{local}@example.com".encode(), hashlib.sha256)[:16]
    assert TokenCodec(secret).person_key(address) == wanted


@given(st.text(max_size=80))
def test_any_text_may_be_offered_as_a_token(text: str) -> None:
    assert CODEC.open(Purpose.OPEN, text) is None
    assert CODEC.open_local(Purpose.OPEN, text) is None
    assert open_unsubscribe(CODEC, text) is None


def test_padding_and_endless_tokens_are_refused() -> None:
    token = CODEC.seal(Purpose.OPEN, b"12")
    assert CODEC.open(Purpose.OPEN, token + "=") is None
    assert CODEC.open(Purpose.OPEN, token + "\n") is None
    assert CODEC.open(Purpose.OPEN, "A" * 5000) is None


def test_tokens_of_a_previous_secret_still_open() -> None:
    rotated = TokenCodec(b"a quite new secret, just made", previous=[b"a secret of the installation"])
    assert rotated.open(Purpose.UNSUBSCRIBE, CODEC.seal(Purpose.UNSUBSCRIBE, b"x")) == b"x"
    assert CODEC.open(Purpose.UNSUBSCRIBE, rotated.seal(Purpose.UNSUBSCRIBE, b"x")) is None


def test_a_short_secret_is_a_configuration_error_with_a_remedy() -> None:
    with pytest.raises(ConfigurationError, match="at least 16 random octets"):
        TokenCodec(b"short")


def test_the_tokens_of_an_installation_never_change() -> None:
    """Links in mail that was sent years ago depend on these bytes."""
    assert CODEC.seal(Purpose.UNSUBSCRIBE, b"payload") == "ATdwYXlsb2FkCy4dSnBfaKc_GQJuQBDNfg"
    assert CODEC.seal_local(Purpose.BOUNCE, b"payload") == "ae3xaylznrxwczfxzmcr63qemadjqoa"
    assert CODEC.person_key(ADA).hex() == "9f52280077a434ae5bf91e5edf9c5aff"


def test_one_person_has_one_key_whatever_the_case() -> None:
    assert CODEC.person_key(ADA) == CODEC.person_key(Address.parse("Ada@EXAMPLE.com"))
    assert CODEC.person_key(ADA) == CODEC.person_key(Address.parse('"ada"@example.com'))
    assert CODEC.person_key(ADA) != CODEC.person_key(BOB)
    assert CODEC.person_key(ADA) != OTHER.person_key(ADA)


@given(st.binary(min_size=16, max_size=16), st.text(max_size=100), st.none() | st.integers(0, 2**63 - 1))
def test_an_unsubscribe_link_says_who_and_which_list(key: bytes, list_id: str, delivery: int | None) -> None:
    token = seal_unsubscribe(CODEC, PersonKey(key), list_id, delivery)
    assert open_unsubscribe(CODEC, token) == Unsubscribe(PersonKey(key), list_id, delivery)


def test_links_to_preferences_and_web_view_say_whose_and_of_which_mail() -> None:
    key = PersonKey(b"k" * 16)
    preferences = seal_preferences(CODEC, key, "acme.example", 7)
    assert open_preferences(CODEC, preferences) == Preferences(key, "acme.example", 7)
    assert open_preferences(CODEC, seal_preferences(CODEC, key, "acme.example")) == Preferences(
        key, "acme.example", None
    )
    view = seal_web_view(CODEC, key, 1 << 40)
    assert open_web_view(CODEC, view) == WebView(key, 1 << 40)
    for opener in (open_unsubscribe, open_preferences):
        assert opener(CODEC, view) is None
    assert open_web_view(CODEC, preferences) is None
    assert open_unsubscribe(CODEC, preferences) is None


def test_a_web_view_link_cannot_unsubscribe() -> None:
    payload = CODEC.person_key(ADA) + b"\0news"
    assert open_unsubscribe(CODEC, CODEC.seal(Purpose.WEB_VIEW, payload)) is None


@given(st.integers(0, 2**63 - 1))
def test_a_return_path_leads_back_to_its_delivery_and_fits_an_address(delivery: int) -> None:
    address = return_path(CODEC, delivery, ADA, "bounce.example.com")
    assert len(address.local) <= 64
    assert Address.parse(str(address)) == address
    assert open_return_path(CODEC, Address.parse(str(address).upper())) == delivery
    assert open_return_path(CODEC, address, ADA) == delivery


@given(st.integers(0, 2**63 - 1), st.none() | st.text(max_size=20))
def test_an_address_to_unsubscribe_at_says_who_and_which_list_and_fits(delivery: int, list_id: str | None) -> None:
    address = unsubscribe_address(CODEC, delivery, ADA, list_id, "bounce.example.com")
    assert len(address.local) <= 64
    leaver = Leaver(CODEC.person_key(ADA), list_tag(list_id)) if delivery < 1 << 48 else None
    made = SignedAddress(Purpose.UNSUBSCRIBE, delivery, leaver)
    folded = Address(address.local.upper(), address.domain)
    assert open_signed_address(CODEC, folded, ADA) == open_signed_address(CODEC, address) == made
    assert open_signed_address(CODEC, address, BOB) is None
    assert open_signed_address(OTHER, address) is None


def test_a_return_path_is_bound_to_its_recipient() -> None:
    address = return_path(CODEC, 7, ADA, "bounce.example.com")
    assert open_return_path(CODEC, address, BOB) is None
    assert open_return_path(OTHER, address) is None
    assert open_return_path(CODEC, Address.parse("b+forged@bounce.example.com")) is None
    assert open_return_path(CODEC, Address(f"r{address.local[1:]}", address.domain)) is None


@pytest.mark.parametrize("delivery", [-1, 2**63])
def test_a_number_that_is_no_delivery_is_refused(delivery: int) -> None:
    with pytest.raises(ValueError, match="not a delivery id"):
        return_path(CODEC, delivery, ADA, "example.com")
