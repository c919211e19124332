"""The rules of the house that no linter knows: docstrings, module size, YAML in docs, README commands."""

import ast
import re
from pathlib import Path

import pytest

from tierii_mta import yaml12

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src").rglob("*.py"))
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
MAX_LINES = 350


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_every_module_says_what_it_owns(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text())), f"{_name(module)} has no docstring"


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_no_module_outgrows_a_reader(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= MAX_LINES, f"split {_name(module)} by noun"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_yaml_block_of_the_docs_parses(page: Path) -> None:
    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        yaml12.parse(block, file=_name(page))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_relative_link_of_the_docs_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{_name(page)} links to {target}, which is not there"


def test_every_shipped_yaml_file_parses() -> None:
    files = [*(ROOT / "config").rglob("*.yaml"), *(ROOT / "templates").rglob("*.yaml")]
    assert files
    for file in files:
        yaml12.load(file)


def test_the_readme_holds_the_two_commands_the_gate_runs() -> None:
    blocks = re.findall(
        r"^```sh\n(python3 -m venv.*?)^```", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL
    )
    assert "tierii-mta demo" in blocks[0]
    assert "pytest" in blocks[1]
