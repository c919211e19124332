"""The rules of the house that no linter knows: docstrings, module size, YAML in docs, README commands."""

import ast
import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

from tierii_mta import yaml12
from tierii_mta.events import DATA_FIELDS, EventType

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src").rglob("*.py"))
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
GUIDES = ("docs/life-of-a-message.md", "docs/standards.md")  # pages that send a reader into the source
FILE_NAME = re.compile(r".*\.(yaml|csv|md|j2|socket|lock)")
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


def test_the_page_of_events_names_each_once_with_its_data() -> None:
    page = (ROOT / "docs/reference/events.md").read_text()
    assert sorted(re.findall(r"`((?!retention)[a-z]+\.[a-z_]+)`", page)) == sorted(EventType)
    rows = {
        name: line for line in page.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line)
    }
    for kind, fields in DATA_FIELDS.items():
        told = {field for field in fields if f"`{field}`" in rows.get(kind, "")}
        missing = set(fields) - told - set(DATA_FIELDS[EventType.DELIVERED])
        assert kind not in rows or not missing, f"{kind} also has {missing}"


@pytest.mark.parametrize("page", GUIDES)
def test_every_module_and_function_a_guide_names_exists(page: str) -> None:
    classes = {
        node.name: _dotted(module)
        for module in MODULES
        for node in ast.parse(module.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    names = [name for name in _names_in_backticks((ROOT / page).read_text()) if name not in tuple(EventType)]
    assert len(names) > 10
    unknown = [name for name in names if not _exists(name, classes)]
    assert not unknown, f"{page} names what is not there: {', '.join(unknown)}"


def _names_in_backticks(text: str) -> list[str]:
    """Return the dotted names and class names of a page: `mail.tokens`, `QueueStore.claim`, `LaneDirectory`."""
    words = [quoted.removesuffix("()") for quoted in re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text))]
    is_name = re.compile(r"\w+(\.\w+)+|[A-Z][a-z]+[A-Z]\w+")
    return [word for word in words if is_name.fullmatch(word) and not FILE_NAME.fullmatch(word)]


def _dotted(module: Path) -> str:
    return ".".join(module.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")


def _exists(name: str, classes: dict[str, str]) -> bool:
    """Return whether a name leads to a module of ours, or to something in one; a class may stand without its module."""
    parts = name.split(".")
    parts = [*classes[parts[0]].split("."), *parts] if parts[0] in classes else ["tierii_mta", *parts]
    for end in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        try:
            reduce(getattr, parts[end:], module)
        except AttributeError:
            return False
        return True
    return False
