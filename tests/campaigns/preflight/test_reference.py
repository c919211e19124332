"""docs/operate/check.md: its tables are what the rules and profiles say."""

import re
from pathlib import Path

import pytest

from tierii_mta.campaigns.preflight.reference import profile_table, rule_table

PAGE = Path(__file__).parents[3] / "docs/operate/check.md"


@pytest.mark.parametrize(("name", "table"), [("rules", rule_table()), ("profiles", profile_table())])
def test_the_page_holds_the_current_table(name: str, table: str) -> None:
    found = re.search(rf"<!-- {name}: .*? -->\n(.*?)<!-- end of {name} -->", PAGE.read_text(), re.DOTALL)

    assert found
    assert found[1] == table, "run: python -m tierii_mta.campaigns.preflight.reference, and put it into the page"
