"""Who may submit, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from tests.contracts.installation import Installation, key_of
from tierii_mta.consent.suppression import EVERYWHERE, Suppression, SuppressionReason
from tierii_mta.inbound.accounts import Account, DailyLimits, ReturnPath, Role, SenderPattern, Usage, day_of
from tierii_mta.queue.delivery import Priority
from tierii_mta.storage.tables import acquaintance, usage


def account(store: Installation, name: str = "shop") -> Account:
    return Account(
        name=name,
        password="$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
        role=Role.ADMIN,
        senders=(SenderPattern.parse("@Example.com"), SenderPattern.parse("Alerts@bücher.example")),
        max_priority=Priority.NORMAL,
        return_path=ReturnPath.VERP,
        limits=DailyLimits(messages=10, recipients=None, newcomers=3),
        created_at=store.now(),
        changed_at=store.now(),
    )


async def test_an_account_comes_back_as_it_was_put(store: Installation) -> None:
    shop = account(store)
    assert await store.accounts.put(shop)
    assert await store.accounts.get("shop") == shop
    assert [pattern.text for pattern in shop.senders] == ["@example.com", "alerts@xn--bcher-kva.example"]
    assert await store.accounts.get("Shop") is None


async def test_an_account_that_is_put_again_keeps_when_it_was_made(store: Installation) -> None:
    shop = account(store)
    await store.accounts.put(shop)
    store.clock.advance(timedelta(days=1))
    changed = replace(shop, password="other", is_enabled=False, created_at=store.now(), changed_at=store.now())
    assert not await store.accounts.put(changed)
    assert await store.accounts.get("shop") == replace(changed, created_at=shop.created_at)


async def test_accounts_are_listed_by_name(store: Installation) -> None:
    for name in ("shop", "crm", "billing"):
        await store.accounts.put(account(store, name))
    assert [one.name for one in await store.accounts.list()] == ["billing", "crm", "shop"]


async def test_a_deleted_account_is_forgotten_and_its_mail_stays(store: Installation) -> None:
    await store.accounts.put(account(store))
    kept = await store.accept(*(f"p{number}@a.example" for number in range(1100)), stream="user:shop", account="shop")
    await store.accept("p1@a.example", stream="user:crm", account="crm")
    assert await store.accounts.delete("shop")
    assert not await store.accounts.delete("shop")
    assert await store.accounts.standing("shop", day_of(store.now())) is None
    left = select(acquaintance.c.account).union_all(select(usage.c.account))
    assert set(await store.db._connections.read(lambda db: db.execute(left).scalars().all())) == {"crm"}
    assert len(await store.queue.history(message_id=kept.message_id)) == 1100
    assert (await store.accounts.acquaintance("crm", key_of("p1@a.example"))).is_known


async def test_the_standing_of_an_account_is_that_of_the_day(store: Installation) -> None:
    shop = account(store)
    await store.accounts.put(shop)
    assert await store.accounts.standing("shop", day_of(store.now())) == (shop, Usage())
    await store.accept("ann@a.example", "bob@b.example", stream="user:shop", account="shop")
    await store.accept("ann@a.example", stream="user:shop", account="shop")
    used = Usage(messages=2, recipients=3, newcomers=2)
    assert await store.accounts.standing("shop", day_of(store.now())) == (shop, used)
    store.clock.advance(timedelta(days=1))
    assert await store.accounts.standing("shop", day_of(store.now())) == (shop, Usage())
    assert await store.accounts.standing("nobody", day_of(store.now())) is None


async def test_many_who_are_asked_for_at_once_are_answered_each(store: Installation) -> None:
    await store.accept(*(f"p{number}@a.example" for number in range(0, 50, 2)), stream="user:shop", account="shop")
    names = [f"p{number % 50}@a.example" for number in range(150)]
    found = await asyncio.gather(*(store.accounts.acquaintance("shop", key_of(name)) for name in names))
    assert [one.is_known for one in found] == [number % 2 == 0 for number in range(150)]


async def test_a_recipient_is_known_to_who_wrote_to_it_with_what_stops_mail(store: Installation) -> None:
    ann, bob = key_of("ann@a.example"), key_of("bob@b.example")
    await store.accept("ann@a.example", stream="user:shop", account="shop")
    gone = Suppression(key=bob, scope=EVERYWHERE, reason=SuppressionReason.HARD_BOUNCE, created_at=store.now())
    await store.suppression.add([gone])
    known = await store.accounts.acquaintance("shop", ann)
    assert (known.is_known, list(known.suppressions)) == (True, [])
    new = await store.accounts.acquaintance("shop", bob)
    assert (new.is_known, list(new.suppressions)) == (False, [gone])
    assert not (await store.accounts.acquaintance("crm", ann)).is_known
