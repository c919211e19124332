"""Loading: which source wins, what is wrong, and where each value came from.

Owns precedence (`--set` > environment > `.env` > file > defaults), the collected errors, and `LoadedSettings`, which
also travels to child processes as it is.  Reads the settings file, `.env`, the environment and files named by
references; nothing else does.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError

from tierii_mta import shipped, yaml12
from tierii_mta.daemon.settings import checks, shape, sources
from tierii_mta.daemon.settings.expansion import Expansion
from tierii_mta.daemon.settings.model import Settings
from tierii_mta.daemon.settings.sources import Assignment, Origin
from tierii_mta.errors import ConfigurationError
from tierii_mta.quantities import format_duration
from tierii_mta.yaml12 import KeyPath

MASK = "********"
DEFAULT = "default"


class SettingsError(ConfigurationError):
    """Everything that is wrong with the settings, one sentence each in `problems`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            super().__init__(self.problems[0])
        else:
            super().__init__(f"the settings have {len(self.problems)} errors:\n  " + "\n  ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as `config show` prints it. `value` is a JSON value, masked whole if secret."""

    key: str
    value: Any
    origin: str

    def __str__(self) -> str:
        return (
            f"{self.key}: {self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings, and where each of them came from."""

    settings: Settings
    file: Path | None  # None: no file was found or needed
    remarks: tuple[str, ...] = ()  # allowed, but rarely meant
    overrides: tuple[str, ...] = ()
    folder: Path | None = None  # where the search for files began; None: given as a mapping, or by a parent process
    tree: Mapping[str, Any]  # what was given, final: references resolved, paths absolute. Holds secrets
    origins: Mapping[KeyPath, Origin]

    def origin(self, key: str | KeyPath) -> str:
        """Return where a key's value was given: `FILE:LINE`, `environment NAME`, `--set KEY`, or `default`."""
        path = shape.path_of(key, Settings) if isinstance(key, str) else key
        return str(self.origins.get(path, DEFAULT))

    def entries(self) -> list[Entry]:
        """Return every key with its value and origin, secrets masked whole."""
        return list(self._entries(self.settings, Settings, ()))

    def lines(self, *, show_origin: bool = True) -> list[str]:
        """Return what `config show` prints."""
        entries = self.entries()
        if not show_origin:
            return [str(entry) for entry in entries]
        width = min(max(len(str(entry)) for entry in entries), 60)
        return [f"{entry!s:<{width}}  # {entry.origin}" for entry in entries]

    def reload(self) -> "LoadedSettings":
        """Return what the same file, overrides and environment say now; settings given as a mapping stay as they are.

        Raises `ConfigurationError` as loading does; then these still hold.
        """
        return self if self.folder is None else load_settings(self.file, self.overrides, folder=self.folder)

    def hand_over(self) -> str:
        """Return all of it as JSON for a child process. Holds secrets: it goes through a pipe, never on an argv."""
        return json.dumps(
            {
                "file": str(self.file) if self.file else None,
                "tree": self.tree,
                "origins": [
                    [list(path), origin.text, str(origin.base), origin.reference]
                    for path, origin in self.origins.items()
                ],
            }
        )

    @classmethod
    def receive(cls, text: str) -> Self:
        """Return what `hand_over` wrote."""
        given = json.loads(text)
        return cls(
            settings=Settings.model_validate(given["tree"]),
            file=Path(given["file"]) if given["file"] else None,
            tree=given["tree"],
            origins={
                tuple(path): Origin(where, Path(base), reference) for path, where, base, reference in given["origins"]
            },
        )

    def _entries(self, value: Any, annotation: Any, path: KeyPath) -> Iterable[Entry]:
        if isinstance(value, BaseModel):
            for name, field in type(value).model_fields.items():
                yield from self._entries(getattr(value, name), shape.whole(field), (*path, name))
        elif isinstance(value, Mapping) and value:
            for name, below in value.items():
                yield from self._entries(below, shape.entry(annotation), (*path, name))
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for number, below in enumerate(value):
                yield from self._entries(below, shape.item(annotation), (*path, number))
        else:
            yield Entry(yaml12.dotted(path), _shown(value, path), self.origin(path))


def load_settings(
    path: Path | None = None,
    overrides: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    system_file: Path = sources.SYSTEM_FILE,
) -> LoadedSettings:
    """Find and load the settings.

    `path` is what `--config` named; `overrides` are the `key=value` of `--set`; `environ` stands for the process's
    environment.  Raises `ConfigurationError` that names everything found wrong.
    """
    environ = os.environ if environ is None else environ
    overrides = tuple(overrides)
    folder = folder or Path.cwd()
    file = sources.find_file(path, folder=folder, is_root=os.geteuid() == 0, system_file=system_file)
    tree, origins = sources.read_yaml(file) if file else ({}, {})
    env_file = file.parent / ".env" if file else None
    from_file = sources.read_env_file(env_file) if env_file else {}
    given: list[Assignment | str] = []
    if env_file:
        given += _general_first(sources.env_file_assignments(from_file, env_file))
    given += _general_first(sources.environment_assignments(environ, folder))
    given += sources.override_assignments(overrides, folder)
    for one in given:
        if isinstance(one, Assignment):
            _assign(tree, origins, one)
    variables = {name: value for name, (value, _) in from_file.items()} | dict(environ)
    base = file.absolute().parent if file else folder
    found = [one for one in given if isinstance(one, str)]
    loaded = _finish(tree, Expansion(variables, origins, base), file, found)
    return replace(loaded, overrides=overrides, folder=folder)


def settings_from(mapping: Mapping[str, Any], base: Path, environ: Mapping[str, str] | None = None) -> LoadedSettings:
    """Load settings from a plain mapping, as demo and tests do; relative paths count from `base`."""
    tree: dict[str, Any] = json.loads(json.dumps(mapping, default=str))
    origins = {path: Origin("given", base) for path in _paths(tree, ())}
    return _finish(tree, Expansion(environ or {}, origins, base), None, [])


def _finish(tree: dict[str, Any], expansion: Expansion, file: Path | None, found: list[str]) -> LoadedSettings:
    final = expansion.resolve(tree, Settings)
    if file:
        _find_shaping(final, file.absolute().parent / "shaping.yaml")

    def say(path: KeyPath, sentence: str) -> str:
        known = path
        while known and known not in expansion.origins:
            known = known[:-1]
        where = f"{expansion.origins[known].text}: " if known else ""
        return where + sentence

    found = [*found, *expansion.problems.values()]
    try:
        settings = Settings.model_validate(final)
    except ValidationError as cause:
        wrong = [(path, sentence) for path, sentence in _sentences(cause) if path not in expansion.problems]
        raise SettingsError([*found, *(say(path, sentence) for path, sentence in wrong)]) from cause
    found += [say(path, f"{yaml12.dotted(path)}: {text}") for path, text in checks.problems(settings)]
    if found:
        raise SettingsError(found)
    remarks = tuple(say(path, f"{yaml12.dotted(path)}: {text}") for path, text in checks.remarks(settings))
    return LoadedSettings(settings=settings, file=file, remarks=remarks, tree=final, origins=expansion.origins)


def _find_shaping(tree: dict[str, Any], beside: Path) -> None:
    """Name the shaping file beside the settings, unless one is named. The shipped one is below it anyway."""
    outbound = tree.get("outbound", {})
    is_operators = beside.is_file() and not beside.samefile(shipped.folder("config") / beside.name)
    if isinstance(outbound, dict) and "shaping" not in outbound and is_operators:
        tree["outbound"] = outbound | {"shaping": str(beside)}


def _general_first(given: Iterable[Assignment | str]) -> list[Assignment | str]:
    """Order one source's assignments so that TIERII_WEB__LISTEN is laid over TIERII_WEB, whatever their spelling."""
    return sorted(given, key=lambda one: len(one.path) if isinstance(one, Assignment) else 0)


def _assign(tree: dict[str, Any], origins: dict[KeyPath, Origin], one: Assignment) -> None:
    """Put a value in its place; what stood there, and below, is gone."""
    place = tree
    for step in one.path[:-1]:
        below = place.get(str(step))
        if not isinstance(below, dict):
            below = place[str(step)] = {}
        place = below
    place[str(one.path[-1])] = one.value
    for path in [path for path in origins if path[: len(one.path)] == one.path]:
        del origins[path]
    for path in _paths(one.value, one.path):
        origins[path] = one.origin


def _paths(value: Any, path: KeyPath) -> Iterable[KeyPath]:
    if path:
        yield path
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in below:
        yield from _paths(one, (*path, step))


def _sentences(error: ValidationError) -> Iterable[tuple[KeyPath, str]]:
    for one in error.errors(include_url=False, include_input=False):
        path: KeyPath = tuple(step for step in one["loc"] if step != "[key]")
        kind, context = one["type"], one.get("ctx", {})
        if kind == "extra_forbidden":
            *above, name = path
            known = shape.names(shape.descend(Settings, tuple(above)))
            yield path, sources.unknown_key(tuple(above), str(name), known)
        else:
            yield path, f"{yaml12.dotted(path)}: {_rule(kind, context, one['msg'])}"


def _rule(kind: str, context: Mapping[str, Any], message: str) -> str:
    """Return pydantic's finding in an operator's words."""
    match kind:
        case "value_error":
            return str(context["error"])
        case "missing":
            return "is missing"
        case "string_type":
            return "must be text; put it in quotes"
        case "int_type" | "int_parsing" | "int_from_float":
            return "must be a whole number"
        case "bool_type":
            return "must be true or false"
        case "literal_error":
            return f"must be one of {context['expected'].replace(' or ', ', ')}"
        case "model_type" | "model_attributes_type" | "mapping_type" | "dict_type":
            return "must hold keys and values"
        case "path_type":
            return "must be a path"
        case "tuple_type":
            return "must be a list"
        case _:
            return message[:1].lower() + message[1:]


def _shown(value: Any, path: KeyPath) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if path == ("database",) and value != "sqlite" and (urlsplit(value).password or "password=" in value):
        return MASK
    return _json(value)


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    if isinstance(value, Mapping):
        return {}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return format_value(value)


def format_value(value: Any) -> str:
    """Return a leaf as the settings write it: `30m`, `127.0.0.1:8025`, `/var/lib/tierii-mta`."""
    return format_duration(value) if isinstance(value, timedelta) else str(value)
