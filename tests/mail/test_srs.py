"""Senders of mail that is sent on: rewritten so that a bounce finds back, and only those that we have written."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from tierii_mta.clock import later
from tierii_mta.mail.address import MAX_LOCAL_OCTETS, Address
from tierii_mta.mail.srs import LIFETIME, is_srs_form, open_srs, rewrite
from tierii_mta.mail.tokens import TokenCodec

CODEC, OTHER = TokenCodec(b"a secret of the installation"), TokenCodec(b"the secret of somebody else!")
DOMAIN = "bounce.example.com"


def rewritten(sender: str, codec: TokenCodec = CODEC, domain: str = DOMAIN) -> Address:
    return rewrite(codec, Address.parse(sender), domain=domain, number=4711, at=START)


def opened(address: Address, codec: TokenCodec = CODEC, **when: timedelta) -> object:
    return open_srs(codec, address.local, at=later(START, when.get("after", timedelta(0))))


def test_a_sender_is_legible_in_the_address_that_stands_for_it() -> None:
    address = rewritten("ada@elsewhere.example")
    assert address.domain == DOMAIN
    assert address.local.startswith("SRS0=")
    assert address.local.endswith("=elsewhere.example=ada")
    assert is_srs_form(address.local)


@given(st.from_regex(r"[a-z0-9._=+-]{1,12}", fullmatch=True), st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True))
def test_a_bounce_finds_back_to_the_sender_whatever_its_name(local: str, domain: str) -> None:
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return
    address = rewritten(f"{local}@{domain}")
    assert Address.parse(str(address)) == address
    assert opened(address) == Address(local, domain)
    assert opened(Address(address.local.upper(), DOMAIN)) == Address(local.upper(), domain)


def test_a_sender_that_was_rewritten_before_keeps_its_first_forwarder() -> None:
    first = rewritten("ada@a.example", OTHER, "o.ex")
    second = rewritten(str(first))
    assert second.local.startswith("SRS1=")
    assert opened(second) == first


def test_a_third_forwarder_leaves_the_second_out() -> None:
    at_first = Address.parse("SRS0=abcd=tt=a.example=ada@one.example")
    by_second = Address.parse("SRS1=wxyz=one.example==abcd=tt=a.example=ada@two.example")
    assert opened(rewritten(str(by_second))) == at_first
    assert opened(rewritten(str(at_first))) == at_first


@pytest.mark.parametrize(
    "sender", [f"{'x' * 40}@elsewhere.example", '"odd name"@elsewhere.example', f"a@{'long.' * 12}example"]
)
def test_a_sender_that_does_not_fit_is_kept_under_a_number(sender: str) -> None:
    address = rewritten(sender)
    assert len(address.local) <= MAX_LOCAL_OCTETS
    assert Address.parse(str(address)) == address
    assert opened(address) == 4711


def test_three_weeks_later_it_has_expired() -> None:
    address = rewritten("ada@elsewhere.example")
    assert opened(address, after=LIFETIME) == Address("ada", "elsewhere.example")
    assert opened(address, after=LIFETIME + timedelta(days=1)) is None
    assert open_srs(CODEC, address.local) == Address("ada", "elsewhere.example")


def test_what_others_have_signed_or_changed_opens_nothing() -> None:
    address = rewritten("ada@elsewhere.example")
    assert opened(address, OTHER) is None
    assert open_srs(CODEC, address.local.replace("=ada", "=eve")) is None
    assert open_srs(CODEC, address.local.replace("elsewhere", "nowhere")) is None


@given(st.text(max_size=80))
def test_nonsense_opens_nothing(text: str) -> None:
    assert open_srs(CODEC, text) is None
    assert open_srs(CODEC, f"SRS0={text}") is None
    assert open_srs(CODEC, f"SRS1={text}") is None


def test_an_earlier_secret_still_opens() -> None:
    address = rewritten("ada@elsewhere.example", OTHER)
    rotated = TokenCodec(b"a secret of the installation", previous=[b"the secret of somebody else!"])
    assert opened(address, rotated) == Address("ada", "elsewhere.example")
