"""docs/reference/database.md names every table, index and number there is."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tierii_mta.storage import codes
from tierii_mta.storage.migrations import MIGRATIONS
from tierii_mta.storage.tables import delivery, metadata

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "database.md").read_text()


def test_every_table_and_column_of_delivery_is_explained() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert set(metadata.tables) <= named
    assert {column.name for column in delivery.columns} <= named


def test_every_index_of_delivery_is_explained() -> None:
    statements = [statement for step in MIGRATIONS for statement in step.statements]
    found = [re.match(r"CREATE (?:UNIQUE )?INDEX (delivery_\w+)", statement) for statement in statements]
    assert all(f"`{match[1]}`" in PAGE for match in found if match)


def test_the_numbers_of_states_are_those_on_disk() -> None:
    rows = [line.strip("| ").split("|") for line in PAGE.splitlines() if re.match(r"\| \d \|", line)]
    columns: list[Mapping[Any, int]] = [codes.STATE, codes.REASON, codes.CAMPAIGN_STATE, codes.StreamState.__members__]
    for column, names in enumerate(columns):
        listed = {
            cells[2 * column + 1].strip(): int(cells[2 * column])
            for cells in ([*row, *[""] * 8] for row in rows)
            if cells[2 * column].strip().isdigit()
        }
        assert listed == {str(name).lower(): int(number) for name, number in names.items()}
