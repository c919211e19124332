"""Whose addresses an account may use."""

import pytest

from tierii_mta.clock import Instant
from tierii_mta.inbound.accounts import Account, SenderPattern, day_of, end_of, is_account_name
from tierii_mta.mail.address import Address, InvalidAddress


def account(*senders: str) -> Account:
    return Account(
        name="shop",
        password="hash",
        senders=tuple(map(SenderPattern.parse, senders)),
        created_at=Instant(0),
        changed_at=Instant(0),
    )


@pytest.mark.parametrize(
    ("sender", "address", "may"),
    [
        ("@example.com", "Any.One@EXAMPLE.com", True),
        ("@example.com", "a@sub.example.com", False),
        ("@example.com", "a@notexample.com", False),
        ("@bücher.example", "a@xn--bcher-kva.example", True),
        ("alerts@example.com", "Alerts@example.com", True),
        ("alerts@example.com", '"alerts"@example.com', True),
        ("alerts@example.com", "alerts+1@example.com", False),
        ("alerts@example.com", "more-alerts@example.com", False),
    ],
)
def test_an_account_writes_as_its_senders_alone(sender: str, address: str, may: bool) -> None:
    assert account("@elsewhere.example", sender).may_send_as(Address.parse(address)) is may


def test_an_account_without_senders_writes_as_nobody() -> None:
    assert not account().may_send_as(Address.parse("a@example.com"))


@pytest.mark.parametrize("text", ["example.com", "@", "@exa mple.com", "*@", "a@", ""])
def test_what_is_neither_an_address_nor_a_domain_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        SenderPattern.parse(text)


@pytest.mark.parametrize(
    ("name", "may"),
    [
        *(("shop", True), ("shop@example.com", True), ("a", True), ("a" * 64, True)),
        *(("Shop", False), ("", False), ("a\0b", False), ("-shop", False), ("shop\n", False), ("a" * 65, False)),
    ],
)
def test_names_of_accounts_are_lower_case_and_plain(name: str, may: bool) -> None:
    assert is_account_name(name) is may


def test_the_hash_of_a_password_shows_nowhere() -> None:
    assert "hash" not in repr(account())


def test_days_end_at_midnight_utc() -> None:
    noon = Instant(20_000 * 86_400_000 + 43_200_000)
    assert day_of(noon) == 20_000
    assert end_of(day_of(noon)) == 20_001 * 86_400_000
    assert day_of(end_of(day_of(noon))) == 20_001
