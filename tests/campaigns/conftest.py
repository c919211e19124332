"""Fixtures of the campaign tests: a workshop, a codec, a clock and a real SQLite database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.campaigns.workshop import Workshop
from tests.support.clock import ManualClock
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.storage.database import Database


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    folder = tmp_path / "campaign"
    folder.mkdir()
    return Workshop(folder)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def codec() -> TokenCodec:
    return TokenCodec(b"a secret of the tests, long enough")


@pytest.fixture
async def database(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Database]:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    database = await Database.open("sqlite", data_dir=data_dir, clock=clock, node="test", upgrade=True)
    yield database
    await database.close()
