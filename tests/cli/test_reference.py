"""The page of all commands."""

from pathlib import Path

from tierii_mta.cli.main import COMMANDS
from tierii_mta.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"


def test_the_kept_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == reference(), "run: python -m tierii_mta.cli.reference > docs/reference/commands.md"


def test_every_command_is_on_the_page() -> None:
    page = reference()

    assert [name for name in COMMANDS if f"## `tierii-mta {name}" not in page] == []
