"""The reference pages say what the tables do."""

import re
from pathlib import Path

from tierii_mta import yaml12
from tierii_mta.outbound.reply_class import OUTCOMES
from tierii_mta.outbound.shaping import Shaping
from tierii_mta.shipped import folder

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def test_the_page_of_reply_classes_is_the_outcome_table() -> None:
    page = (DOCS / "reply-classes.md").read_text()
    written = {}
    for names, after_4xx, after_5xx in re.findall(
        r"^\| ([A-Z][\w, ]+) \| [^|]+ \| (\w+) \| (\w+) \|$", page, re.MULTILINE
    ):
        for name in names.split(", "):
            written[name] = (after_4xx, after_5xx)
    assert written == {str(found): (str(four), str(five)) for found, (four, five) in OUTCOMES.items()}


def test_the_example_of_the_shaping_page_is_a_shaping_file() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", (DOCS / "shaping.md").read_text(), re.MULTILINE | re.DOTALL)
    shipped = yaml12.load(folder("config") / "shaping.yaml")
    found = Shaping.load([shipped, yaml12.parse(block, file="shaping.md")])
    assert found.provider_of(["mx.acme.example"]) == "acme"
    assert found.knobs(source="main", domain="a.example", provider="google").messages_per_connection == 50
