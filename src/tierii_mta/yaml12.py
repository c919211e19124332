"""The one YAML loader: YAML 1.2 core scalars, safe, with the line of every key.

Owns how settings, shaping, campaigns and personalities are read from text; not what their keys mean.  Plain `on`,
`no`, `17:00` and `0123` are strings.  Duplicate keys, keys that are no strings, tags and oversized documents are
errors that name file and line.  YAML 1.2.2 §10.3.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tierii_mta.errors import ConfigurationError

MAX_SIZE_BYTES = 1 << 20
_MAX_NODES = 100_000  # aliases are expanded: a "billion laughs" ends here
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_PLAIN_TAGS = frozenset(
    "tag:yaml.org,2002:" + name
    for name in ("map", "seq", "str", "bool", "int", "float", "null", "timestamp", "merge", "value")
)

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed file: its value (dicts, lists, str, int, float, bool, None) and where each key stands."""

    file: str
    value: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)  # 1-based line of each key or item

    def where(self, path: Iterable[str | int]) -> str:
        """Return `file:line: a.b[0].c` for a path, or for its nearest parent that stands in the file."""
        whole = tuple(path)
        known = whole
        while known and known not in self.lines:
            known = known[:-1]
        line = f":{self.lines[known]}" if known in self.lines else ""
        return f"{self.file}{line}" + (f": {dotted(whole)}" if whole else "")


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as operators write it: `contacts[0].path`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def load(path: Path, *, error: type[ConfigurationError] | type[Any] = ConfigurationError) -> Document:
    """Read and parse a file; raises `error` (a TieriiError class) for whatever is wrong with it."""
    try:
        raw = path.read_bytes()
    except OSError as cause:
        raise error(
            f"cannot be read: {cause.strerror}", where=str(path), remedy="check the path and its permissions"
        ) from cause
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = raw.count(b"\n", 0, cause.start) + 1
        raise error("is not UTF-8", where=f"{path}:{line}", remedy="save the file as UTF-8") from cause
    return parse(text, file=str(path), error=error)


def parse(text: str, *, file: str, error: type[ConfigurationError] | type[Any] = ConfigurationError) -> Document:
    """Parse text; `file` is the name errors show. An empty document is an empty mapping."""
    if len(text) > MAX_SIZE_BYTES:
        raise error(
            f"is larger than {MAX_SIZE_BYTES} characters", where=file, remedy="keep contacts in a file of their own"
        )
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise error(
            f"is not valid YAML: {cause.problem or cause.context}",
            where=where,
            remedy="mend it there or in the line before; indent with spaces, put texts with : # { [ in quotes",
        ) from cause
    except yaml.YAMLError as cause:
        raise error(f"is not valid YAML: {cause}", where=file) from cause
    except RecursionError as cause:  # the parser calls itself for each level
        raise error("is nested too deeply", where=file, remedy="write it flatter") from cause
    document = Document(file, {} if root is None else None)
    if root is None:
        return document
    value = _Construction(document, error).build(root, ())
    return Document(file, value, document.lines)


class _Construction:
    """One walk over the node graph."""

    def __init__(self, document: Document, error: type[Any]) -> None:
        self._document, self._error, self._nodes = document, error, 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(path) > 64:
            raise self._at(node, "is nested or aliased too deeply")
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _PLAIN_TAGS:
            raise self._at(node, f"has the tag {node.tag}", "write plain values")
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, number)) for number, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # the only kind left
        return node.value if node.style is not None else plain_scalar(node.value)

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._at(key_node, "a key must be a word")
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen:
                raise self._at(
                    key_node,
                    f"the key {dotted((*path, key))} stands here a second time",
                    f"the first is in line {seen[key]}; keep one",
                )
            seen[key] = self._document.lines[(*path, key)] = line
            yield key, self.build(value_node, (*path, key))

    def _at(self, node: yaml.Node, what: str, remedy: str | None = None) -> Exception:
        where = f"{self._document.file}:{node.start_mark.line + 1}"
        problem: Exception = self._error(what, where=where, remedy=remedy)
        return problem


def plain_scalar(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means in the YAML 1.2 core schema, minus octal, hex, infinities and NaN."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text) if len(text) < 20 else text
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
