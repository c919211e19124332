"""Stored lists: each person once, in one order, whatever is put in twice."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.campaigns.feeds.reading import BASE
from tests.contracts.installation import Installation, key_of
from tierii_mta.campaigns import specification
from tierii_mta.campaigns.feeds import Sources, open_feeds
from tierii_mta.campaigns.lists import PAGE, Member
from tierii_mta.campaigns.stages import Meter
from tierii_mta.errors import CheckFailed


def member(name: str, **fields: str) -> Member:
    return Member(key_of(name), {"email": name, **fields})


async def everybody(store: Installation, name: str) -> list[Member]:
    return [one async for page in store.lists.members(name) for one in page]


async def test_a_person_is_in_a_list_once_with_what_was_said_last(store: Installation) -> None:
    ann, bob = member("a@one.example", city="Bonn"), member("b@one.example")
    assert await store.lists.put("news", [ann, bob, ann], now=store.now()) == 2
    store.clock.advance(timedelta(minutes=1))
    moved = member("a@one.example", city="Köln")
    assert await store.lists.put("news", [moved, member("c@one.example")], now=store.now()) == 1
    assert await store.lists.find("news", ann.person) == moved
    assert await store.lists.find("other", ann.person) is None
    (kept,) = await store.lists.lists()
    assert (kept.name, kept.size, kept.changed_at - kept.created_at) == ("news", 3, 60_000)


async def test_a_list_is_read_in_one_order_and_removed_by_the_page(store: Installation) -> None:
    people = [member(f"p{number}@one.example") for number in range(PAGE + 5)]
    await store.lists.put("all", people[:PAGE], now=store.now())
    await store.lists.put("all", people[PAGE:], now=store.now())
    await store.lists.put("few", people[:3], now=store.now())
    read = await everybody(store, "all")
    assert sorted(read) == sorted(people, key=lambda one: one.person)
    assert read == await everybody(store, "all")
    assert await store.lists.names() == ["all", "few"]
    assert await store.lists.remove("all", people[0].person) == 1
    assert await store.lists.remove("all", people[0].person) == 0
    assert await store.lists.remove("all") == PAGE + 4
    assert await everybody(store, "all") == []
    assert await store.lists.names() == ["few"]
    assert len(await everybody(store, "few")) == 3


async def test_a_campaign_reads_a_list_as_a_feed(store: Installation, tmp_path: Path) -> None:
    people = [member(f"p{number}@one.example", city="Bonn") for number in range(3)]
    await store.lists.put("news", people, now=store.now())
    file = tmp_path / "campaign.yaml"
    (tmp_path / "mail.html.j2").write_text("<p>Hello</p>")

    def campaign(name: str) -> specification.Campaign:
        file.write_text(BASE + f"  - {{type: list, name: {name}}}\n")
        return specification.load(file)

    sources = Sources(lists=store.lists)
    async with open_feeds(campaign("news"), sources, clock=store.clock, meter=Meter(store.clock)) as (feed,):
        rows = [row async for batch in feed.batches() for row in batch]
    assert [row.line for row in rows] == [1, 2, 3]
    assert [row.fields for row in rows] == [one.fields for one in await everybody(store, "news")]
    with pytest.raises(CheckFailed, match="did you mean 'news'"):
        async with open_feeds(campaign("nws"), sources, clock=store.clock, meter=Meter(store.clock)):
            pass
