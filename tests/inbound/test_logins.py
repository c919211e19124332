"""Logins: what a password costs, and what is remembered of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.clock import ManualClock
from tierii_mta.errors import Unavailable
from tierii_mta.inbound.accounts import Account, Acquaintance, Day, Usage
from tierii_mta.inbound.logins import Logins, password_hasher
from tierii_mta.mail.person import PersonKey

PASSWORD = "correct horse battery"


class Shelf:
    """An `AccountStore` in a dictionary."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}

    async def get(self, name: str) -> Account | None:
        return self.accounts.get(name)

    async def put(self, account: Account) -> bool:
        is_new = account.name not in self.accounts
        self.accounts[account.name] = account
        return is_new

    async def delete(self, name: str) -> bool:
        return self.accounts.pop(name, None) is not None

    async def list(self) -> Sequence[Account]:
        return list(self.accounts.values())

    async def standing(self, name: str, day: Day) -> tuple[Account, Usage] | None:
        return (self.accounts[name], Usage()) if name in self.accounts else None

    async def acquaintance(self, name: str, person: PersonKey) -> Acquaintance:
        return Acquaintance(is_known=True, suppressions=())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shelf(clock: ManualClock) -> Shelf:
    shelf = Shelf()
    encoded = password_hasher().hash(PASSWORD)
    shop = Account(name="shop", password=encoded, senders=(), created_at=clock.now(), changed_at=clock.now())
    shelf.accounts = {"shop": shop, "off": replace(shop, name="off", is_enabled=False)}
    return shelf


@pytest.fixture
async def logins(shelf: Shelf, clock: ManualClock) -> AsyncIterator[Logins]:
    logins = Logins(shelf, clock)
    yield logins
    logins.close()


async def test_the_right_password_is_the_accounts_and_no_other_is(logins: Logins, shelf: Shelf) -> None:
    assert await logins.verify("shop", PASSWORD) == shelf.accounts["shop"]
    for name, password in (("shop", "wrong"), ("off", PASSWORD), ("nobody", PASSWORD), ("shop\0", PASSWORD)):
        assert await logins.verify(name, password) is None


async def test_every_refusal_costs_one_hash_with_the_same_parameters(logins: Logins, shelf: Shelf) -> None:
    for name, password in (("shop", "wrong"), ("off", "wrong"), ("nobody", "wrong"), ("not a name", "wrong")):
        before = logins.hashes
        assert await logins.verify(name, password) is None
        assert logins.hashes - before == 1
    parameters = {one.password.rpartition("$")[0].rpartition("$")[0] for one in shelf.accounts.values()}
    assert parameters == {logins._decoy.rpartition("$")[0].rpartition("$")[0]} == {"$argon2id$v=19$m=19456,t=2,p=1"}


async def test_a_success_is_remembered_for_a_while_and_a_failure_never(logins: Logins, clock: ManualClock) -> None:
    for _ in range(3):
        assert await logins.verify("shop", PASSWORD)
    assert logins.hashes == 1
    for _ in range(3):
        assert not await logins.verify("shop", "wrong")
    assert logins.hashes == 4
    clock.advance(timedelta(minutes=6))
    assert await logins.verify("shop", PASSWORD)
    assert logins.hashes == 5


async def test_a_new_password_a_ban_and_a_removal_count_at_once(logins: Logins, shelf: Shelf) -> None:
    shop = shelf.accounts["shop"]
    assert await logins.verify("shop", PASSWORD)
    shelf.accounts["shop"] = replace(shop, password=await logins.hash("another one"))
    assert not await logins.verify("shop", PASSWORD)
    assert await logins.verify("shop", "another one")
    shelf.accounts["shop"] = replace(shelf.accounts["shop"], is_enabled=False)
    assert not await logins.verify("shop", "another one")
    del shelf.accounts["shop"]
    assert not await logins.verify("shop", "another one")


async def test_a_damaged_hash_lets_nobody_in(logins: Logins, shelf: Shelf) -> None:
    shelf.accounts["shop"] = replace(shelf.accounts["shop"], password="damaged")
    assert await logins.verify("shop", PASSWORD) is None


async def test_who_comes_when_too_many_wait_is_put_off(logins: Logins) -> None:
    attempts = await asyncio.gather(*(logins.verify("nobody", "x") for _ in range(60)), return_exceptions=True)
    assert sum(isinstance(one, Unavailable) for one in attempts) == 10
    assert attempts.count(None) == 50
    assert await logins.verify("shop", PASSWORD)


async def test_what_is_remembered_is_bounded(logins: Logins, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tierii_mta.inbound.logins._REMEMBERED", 2)
    for name in ("a", "b", "c"):
        shelf.accounts[name] = replace(shelf.accounts["shop"], name=name)
        assert await logins.verify(name, PASSWORD)
    assert len(logins._remembered) == 2
    assert await logins.verify("c", PASSWORD)
    assert logins.hashes == 3
