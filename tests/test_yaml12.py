"""yaml12: YAML 1.2 scalars, and errors that name file and line."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierii_mta import yaml12
from tierii_mta.errors import CheckFailed, ConfigurationError


def parse(text: str) -> yaml12.Document:
    return yaml12.parse(text, file="x.yaml")


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "y", "17:00", "0123", "0x1F", "1_000", ".inf", "2026-03-20", "30 %"]
)
def test_words_that_yaml_1_1_would_turn_are_strings(word: str) -> None:
    assert parse(f"key: {word}").value == {"key": word}


def test_core_scalars_have_their_types() -> None:
    document = parse("a: 1\nb: -2.5\nc: true\nd: ~\ne:\nf: '1'\ng: 1e3\nh: [1, x]")
    assert document.value == {"a": 1, "b": -2.5, "c": True, "d": None, "e": None, "f": "1", "g": 1000.0, "h": [1, "x"]}


def test_an_empty_document_is_an_empty_mapping() -> None:
    assert parse("# nothing\n").value == {}


def test_a_duplicate_key_names_both_lines() -> None:
    with pytest.raises(
        ConfigurationError, match=r"x\.yaml:3: the key a\.b stands here a second time; the first is in line 2"
    ):
        parse("a:\n  b: 1\n  b: 2\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [1", r"x\.yaml:1:\d+: is not valid YAML"),
        ("a: !!python/object:os.system x", "has the tag"),
        ("a: !secret x", "has the tag !secret"),
        ("? [1]\n: x", "a key must be a word"),
        ("a: \t- b\n\t- c", "is not valid YAML"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        parse(text)


def test_aliases_cannot_explode() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 7)
    )
    with pytest.raises(ConfigurationError, match="aliased too deeply"):
        parse(bomb)


@pytest.mark.parametrize("text", ["a: " + "[" * 5_000, "a: " + "[" * 5_000 + "]" * 5_000, "- " * 5_000])
def test_what_is_nested_thousands_of_levels_deep_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        parse(text)


def test_an_alias_of_itself_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="aliased too deeply"):
        parse("a: &a [*a]")


def test_where_falls_back_to_the_nearest_parent() -> None:
    document = parse("a:\n  b:\n    - c: 1\n")
    assert document.where(["a", "b", 0, "c"]) == "x.yaml:3: a.b[0].c"
    assert document.where(["a", "b", 0, "missing"]) == "x.yaml:3: a.b[0].missing"


def test_a_file_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(CheckFailed, match=r"f\.yaml:2: is not UTF-8; save"):
        yaml12.load(file, error=CheckFailed)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        yaml12.load(tmp_path / "none.yaml")


def test_the_nearest_name_is_proposed() -> None:
    assert yaml12.nearest("subjct", ["subject", "from"]) == "subject"
    assert yaml12.nearest("zzz", ["subject", "from"]) is None


@given(st.text(max_size=200))
def test_any_text_gives_a_document_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert parse(text).file == "x.yaml"
