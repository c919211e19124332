"""Where settings come from: the YAML file, `.env` beside it, the environment, `--set`.

Owns reading each source into assignments that remember their origin; not which wins (daemon.settings.loading) nor what
a value means.  Reads files; is given the environment.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tierii_mta import yaml12
from tierii_mta.daemon.settings import shape
from tierii_mta.daemon.settings.model import Settings
from tierii_mta.errors import ConfigurationError
from tierii_mta.yaml12 import KeyPath

SYSTEM_FILE = Path("/etc/tierii-mta/tierii-mta.yaml")
LOCAL_FILE = Path("config/tierii-mta.yaml")

RESERVED_VARIABLES = frozenset(
    {
        "TIERII_MAILERSEND_API_TOKEN",  # vendor credentials keep the names they are known by
        "TIERII_CORPORA",  # read by our test suite alone
    }
)
_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*?)\s*")
_ENV_COMMENT = re.compile(r"\s+#.*$")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was given: what operators read, and the folder its relative paths count from."""

    text: str  # "FILE:12", "environment TIERII_WEB__LISTEN", "--set web.listen"
    base: Path
    reference: str = ""  # "${env:NAME}" where the value came through one

    def __str__(self) -> str:
        return f"{self.text} {self.reference}".rstrip()


@dataclass(frozen=True, slots=True)
class Assignment:
    """One value given for one key, above the file."""

    path: KeyPath
    value: Any
    origin: Origin


def find_file(explicit: Path | None, *, folder: Path, is_root: bool, system_file: Path = SYSTEM_FILE) -> Path | None:
    """Return the settings file: the one named, else the system's, else (unless root) `config/tierii-mta.yaml` here."""
    if explicit is not None:
        return folder / explicit
    if system_file.exists():
        return system_file
    local = folder / LOCAL_FILE
    return local if not is_root and local.exists() else None


def read_yaml(file: Path) -> tuple[dict[str, Any], dict[KeyPath, Origin]]:
    """Return the file's tree and the origin of every key in it."""
    document = yaml12.load(file)
    if not isinstance(document.value, dict):
        raise ConfigurationError("must hold keys and values", where=str(file), remedy="see config/tierii-mta.yaml")
    base = file.absolute().parent
    origins = {path: Origin(f"{file}:{line}", base) for path, line in document.lines.items() if path}
    return document.value, origins


def read_env_file(file: Path) -> dict[str, tuple[str, int]]:
    """Return `.env` as name → (value, line): `NAME=value`, quotes, comments and `export` as shells have them.

    Nothing is expanded within; `${...}` references work as in the settings file.
    """
    variables: dict[str, tuple[str, int]] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return variables
    except (OSError, UnicodeDecodeError) as cause:
        raise ConfigurationError("cannot be read", where=str(file), remedy="check its permissions") from cause
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _ENV_LINE.fullmatch(line)
        if not found:
            raise ConfigurationError("is not NAME=value", where=f"{file}:{number}", remedy="put # before comments")
        variables[found[1]] = (_unquote(found[2]), number)
    return variables


def _unquote(text: str) -> str:
    for quote in ("'", '"'):
        end = text.find(quote, 1)
        if text.startswith(quote) and end > 0 and (end == len(text) - 1 or _ENV_COMMENT.match(text, end + 1)):
            return text[1:end]
    return _ENV_COMMENT.sub("", text)


def env_file_assignments(variables: Mapping[str, tuple[str, int]], file: Path) -> Iterator[Assignment | str]:
    """Yield an assignment for each `TIERII_*` of `.env`, or a sentence on what is wrong with it."""
    for name, (value, line) in variables.items():
        yield from _variable(name, value, Origin(f"{file}:{line}", file.absolute().parent))


def environment_assignments(environ: Mapping[str, str], folder: Path) -> Iterator[Assignment | str]:
    """Yield an assignment for each `TIERII_*` of the environment, or a sentence on what is wrong with it."""
    for name, value in sorted(environ.items()):
        yield from _variable(name, value, Origin(f"environment {name}", folder))


def _variable(name: str, value: str, origin: Origin) -> Iterator[Assignment | str]:
    if not name.startswith(shape.ENVIRONMENT_PREFIX) or name in RESERVED_VARIABLES:
        return
    try:
        path = shape.path_of_variable(name, Settings)
        yield Assignment(path, read_value(value, shape.descend(Settings, path)), origin)
    except shape.UnknownKey:
        meant = yaml12.nearest(name, [shape.variable_of(path) for path in shape.keys(Settings)])
        yield f"{origin}: {name} is no setting" + (f"; did you mean {meant}?" if meant else "")
    except ConfigurationError as cause:
        yield f"{origin}: {cause}"


def override_assignments(overrides: Iterable[str], folder: Path) -> Iterator[Assignment | str]:
    """Yield an assignment for each `key=value` of `--set`, or a sentence on what is wrong with it."""
    for text in overrides:
        name, equals, value = text.partition("=")
        origin = Origin(f"--set {name.strip()}", folder)
        if not equals:
            yield f"--set {text}: is not key=value"
            continue
        try:
            path = shape.path_of(name.strip(), Settings)
            yield Assignment(path, read_value(value.strip(), shape.descend(Settings, path)), origin)
        except shape.UnknownKey as unknown:
            yield f"{origin}: {unknown_key(unknown.path, unknown.name, unknown.known)}"
        except ConfigurationError as cause:
            yield f"{origin}: {cause}"


def unknown_key(path: KeyPath, name: str, known: Iterable[str]) -> str:
    """Return the sentence on a key that does not exist, with the nearest one that does."""
    here = yaml12.nearest(name, known)
    everywhere = {str(other[-1]): other for other in shape.keys(Settings)}
    elsewhere = everywhere.get(yaml12.nearest(name, everywhere) or "")
    meant = (*path, here) if here else elsewhere
    sentence = f"{yaml12.dotted((*path, name))} is no setting"
    return f"{sentence}; did you mean {yaml12.dotted(meant)}?" if meant else sentence


def read_value(text: str, annotation: Any) -> Any:
    """Return what a value given as text means for a key of this type.

    Text is taken as it stands; numbers and switches as in YAML; lists and sections as YAML, where a list may also be
    written with commas.  `null`, or nothing, clears what may be null.
    """
    if shape.is_optional(annotation) and text in ("", "null"):
        return None
    if shape.is_text(annotation):
        return text
    if not shape.is_container(annotation):
        return yaml12.plain_scalar(text)
    value = yaml12.parse(text, file="the value").value if text else {}
    if shape.item(annotation) is not None and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return value
