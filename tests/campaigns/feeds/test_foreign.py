"""Feeds that installed packages bring."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaigns.feeds.reading import BASE, read
from tests.campaigns.workshop import Workshop
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.errors import CheckFailed

PACKAGE = """
def rows(*, count, folder):
    assert folder.is_dir()
    for number in range(count):
        yield {"email": f"p{number}@example.org"}
    if count == 3:
        raise RuntimeError("the ledger is closed")


async def slowly(*, folder):
    for number in range(1200):
        yield {"Mail": f"p{number}@example.org"}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package as pip leaves it: a module, and its entry points."""
    site = tmp_path / "site"
    info = site / "acme_feeds-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_feeds.py").write_text(PACKAGE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-feeds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tierii_mta.feeds]\nledger = acme_feeds:rows\nslow = acme_feeds:slowly\nbroken = acme_feeds:nothing\n"
    )
    monkeypatch.syspath_prepend(site)
    yield
    sys.modules.pop("acme_feeds", None)


@pytest.mark.usefixtures("package")
class TestForeignFeeds:
    async def test_a_function_of_a_package_gives_rows_by_its_own_keys(self, workshop: Workshop) -> None:
        found = await read(workshop.campaign(BASE + "  - {type: ledger, count: 2, map: {email: email}}\n"))
        assert [(row.line, row.fields) for row in found.rows] == [
            (1, {"email": "p0@example.org"}),
            (2, {"email": "p1@example.org"}),
        ]

    async def test_an_asynchronous_one_too(self, workshop: Workshop) -> None:
        found = await read(workshop.campaign(BASE + "  - {type: slow}\n"))
        assert len(found.rows) == 1200
        assert found.rows[-1].fields == {"email": "p1199@example.org"}

    async def test_what_it_raises_refuses_the_campaign_and_says_how_far_it_came(self, workshop: Workshop) -> None:
        with pytest.raises(CheckFailed, match=r"ledger: the feed ends with an error.*RuntimeError: the ledger is clos"):
            await read(workshop.campaign(BASE + "  - {type: ledger, count: 3}\n"))

    async def test_one_that_cannot_be_loaded_is_named(self, workshop: Workshop) -> None:
        with pytest.raises(CheckFailed, match="the feed type broken cannot be loaded"):
            await read(workshop.campaign(BASE + "  - {type: broken}\n"))

    def test_the_types_that_are_installed_are_named_where_one_is_not(self, workshop: Workshop) -> None:
        with pytest.raises(CampaignInvalid, match="did you mean ledger"):
            workshop.campaign(BASE + "  - {type: legder}\n")
