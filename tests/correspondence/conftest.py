"""What the tests of this package share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.installation import Installation
from tests.support.clock import ManualClock


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """A database on SQLite."""
    installation = Installation("sqlite", tmp_path, ManualClock())
    await installation.open()
    yield installation
    await installation.close()
